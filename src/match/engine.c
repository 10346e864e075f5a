/* engine.c - compiles a ruleset: from conditions to groups, from groups to patterns. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/engine.h"

#include "base/heap.h"
#include "match/compile.h"
#include "match/detect.h"
#include "match/regex.h"
#include "match/words.h"
#include "rules/spelling.h"

/* What is needed while an engine is made. */
struct build {
	struct engine *e;
	struct words words;
	struct map groups;
	struct group *group; /* by number */
	struct vec {
		uint32_t *items;
		uint32_t count, cap;
	} *subscribers; /* by group */
	uint32_t group_cap;
	const struct rule *rule;
	uint32_t rule_index, leaf_count;
	struct findings *findings;
	struct draft_regexes regexes;
	struct vec detectors[FORM_COUNT];
};

static void vec_push(struct vec *v, uint32_t item)
{
	if (v->count && v->items[v->count - 1] == item)
		return;
	if (v->count == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 1;
		v->items = heap_grown(v->items, v->cap * sizeof *v->items);
	}
	v->items[v->count++] = item;
}

/* ---- groups ---- */

static uint32_t add_group(struct build *b, const struct cond *c)
{
	uint32_t number = b->groups.count - 1;

	if (number >= b->group_cap) {
		uint32_t cap = b->group_cap ? b->group_cap * 2 : 64;
		b->group = heap_grown(b->group, cap * sizeof *b->group);
		b->subscribers = heap_grown(b->subscribers, cap * sizeof *b->subscribers);
		b->group_cap = cap;
	}
	b->group[number] = (struct group){.kind = c->kind, .form = c->fold};
	b->subscribers[number] = (struct vec){0};
	return number;
}

static void add_list(struct build *b, uint32_t group, const struct cond *c)
{
	const struct word_list *list = &b->e->set->lists[c->list];

	for (size_t row = 0; row < list->row_count; row++) {
		words_expect(&b->words, c, list->rows[row].word_count);
		for (size_t i = 0; i < list->rows[row].word_count; i++) {
			const struct word *word = &list->rows[row].words[i];
			struct word_place place = {list->rows[row].file, word->line, word->col};
			words_add(&b->words, group, c, word->text, (uint32_t)row, &place);
		}
	}
}

/* Regexes and detectors look at the standard text under loose. */
static enum fold_form plain_form(enum fold_form form)
{
	return form == FORM_NONE ? FORM_NONE : FORM_STANDARD;
}

static void add_regex(struct build *b, uint32_t group, const struct cond *c,
		      const struct word_place *place)
{
	struct buf folded = {0};
	char why[200];

	b->group[group].word = words_name(&b->words, c->word.text);
	if (memchr(c->word.text.data, '\0', c->word.text.len))
		findings_add(b->findings, FINDING_ERROR, place->file, place->line, place->col,
			     "a regex cannot hold U+0000; write \\x00");
	else if (!regex_fold(c->fold, c->word.text, &folded, why))
		findings_add(b->findings, FINDING_ERROR, place->file, place->line, place->col, "%s", why);
	else
		regexes_add(&b->regexes, plain_form(c->fold),
			    &(struct draft_regex){
				    .pattern = arena_copy(&b->e->arena, buf_str(&folded)),
				    .caseless = c->fold != FORM_NONE,
				    .start = regex_start_sight(c->word.text),
				    .group = group,
				    .file = place->file,
				    .line = place->line,
				    .col = place->col,
			    });
	buf_fini(&folded);
}

static void add_detector(struct build *b, uint32_t group, const struct cond *c)
{
	struct group *g = &b->group[group];
	struct buf buf = {0};
	bool is_new;

	g->is = c->is;
	g->word = words_name(&b->words, detect_name(c->is));
	vec_push(&b->detectors[plain_form(c->fold)], group);
	if (c->except_list < 0)
		return;
	const struct word_list *list = &b->e->set->lists[c->except_list];
	struct map *ours = ARENA_NEW(&b->e->arena, struct map);
	for (size_t row = 0; row < list->row_count; row++) {
		for (size_t i = 0; i < list->rows[row].word_count; i++) {
			detect_normalize(c->is, list->rows[row].words[i].text, &buf);
			(void)map_add(ours, buf_str(&buf), &b->e->arena, &is_new);
		}
	}
	g->ours = ours;
	buf_fini(&buf);
}

/* The group of a leaf; made if it is the first to look for this. */
static uint32_t group_of(struct build *b, const struct cond *c)
{
	const struct pack *pack = &b->e->set->packs[b->rule->pack_index];
	/* Under loose a pack's aliases make its words its own. */
	uint32_t pack_key = c->fold == FORM_LOOSE && pack->alias_count ? b->rule->pack_index : NO_INDEX;
	int gap = c->gap == GAP_UNSET ? GAP_DEFAULT : c->gap;
	struct str text = c->kind == COND_LIST || c->kind == COND_IS ? (struct str){0} : c->word.text;
	struct str key = arena_printf(&b->words.scratch, "%d %u %d %d %d %d %lld %u %.*s", c->kind,
				      c->kind == COND_LIST ? c->list : 0, (int)c->fold, (int)c->mode,
				      gap, c->kind == COND_IS ? (int)c->is : 0,
				      c->kind == COND_IS ? (long long)c->except_list : 0, pack_key,
				      STR_ARG(text));
	bool is_new;
	uint32_t group = map_add(&b->groups, key, &b->words.scratch, &is_new);

	if (!is_new)
		return group;
	group = add_group(b, c);
	words_use_pack(&b->words, b->rule->pack_index);
	struct word_place place = {b->rule->file, c->line, c->col};
	switch (c->kind) {
	case COND_WORD:
		words_add(&b->words, group, c, c->word.text, 0, &place);
		break;
	case COND_LIST:
		add_list(b, group, c);
		break;
	case COND_REGEX:
		add_regex(b, group, c, &place);
		break;
	case COND_IS:
		add_detector(b, group, c);
		break;
	case COND_ANY:
	case COND_ALL:
	case COND_NONE:
	case COND_NEAR:
	case COND_COUNT:
		UNREACHABLE("not a leaf");
	}
	return group;
}

/* ---- conditions ---- */

static void bind(struct build *b, struct node *node, const struct cond *c)
{
	*node = (struct node){.kind = c->kind, .cond = c, .group = NO_INDEX};
	switch (c->kind) {
	case COND_WORD:
	case COND_LIST:
	case COND_REGEX:
	case COND_IS:
		node->group = group_of(b, c);
		node->leaf = b->leaf_count++;
		vec_push(&b->subscribers[node->group], b->rule_index);
		return;
	case COND_ANY:
	case COND_ALL:
	case COND_NONE:
	case COND_NEAR:
	case COND_COUNT:
		break;
	}
	if (c->kind == COND_NEAR &&
	    c->child_count > (c->near_chars < 0 ? NEAR_PARTS_MAX : NEAR_TEXT_PARTS_MAX)) {
		findings_add(b->findings, FINDING_ERROR, b->rule->file, c->line, c->col,
			     "near with chars takes at most %d parts; join some by any",
			     NEAR_TEXT_PARTS_MAX);
	}
	struct node *children = ARENA_ARRAY(&b->e->arena, struct node, c->child_count);
	for (size_t i = 0; i < c->child_count; i++)
		bind(b, &children[i], c->children[i]);
	node->children = children;
	node->child_count = (uint32_t)c->child_count;
}

/* Whether a condition can hold for a message without any hit. */
static bool holds_on_nothing(const struct node *n)
{
	switch (n->kind) {
	case COND_NONE:
		for (uint32_t i = 0; i < n->child_count; i++)
			if (holds_on_nothing(&n->children[i]))
				return false;
		return true;
	case COND_ALL:
		for (uint32_t i = 0; i < n->child_count; i++)
			if (!holds_on_nothing(&n->children[i]))
				return false;
		return true;
	case COND_ANY:
		for (uint32_t i = 0; i < n->child_count; i++)
			if (holds_on_nothing(&n->children[i]))
				return true;
		return false;
	case COND_WORD:
	case COND_LIST:
	case COND_REGEX:
	case COND_IS:
	case COND_NEAR:
	case COND_COUNT:
		return false;
	}
	UNREACHABLE("a kind of condition that is not in the enum");
}

/* The group that searches `list` among the leaves of a condition; NO_INDEX if none does. */
static uint32_t find_list(const struct node *n, uint32_t list)
{
	if (n->kind == COND_LIST && n->cond->list == list)
		return n->group;
	for (uint32_t i = 0; i < n->child_count; i++) {
		uint32_t group = n->kind == COND_NONE ? NO_INDEX : find_list(&n->children[i], list);
		if (group != NO_INDEX)
			return group;
	}
	return NO_INDEX;
}

static uint32_t table_group(struct build *b, const struct node *match)
{
	const struct rule *rule = b->rule;

	for (size_t i = 0; i < rule->effect_count; i++) {
		const struct effect *effect = &rule->effects[i];
		if (effect->kind != EFFECT_TAG_FROM)
			continue;
		uint32_t group = match ? find_list(match, effect->list) : NO_INDEX;
		if (group != NO_INDEX)
			return group;
		struct cond *c = ARENA_NEW(&b->e->arena, struct cond);
		c->kind = COND_LIST;
		c->list = effect->list;
		c->fold = b->e->set->packs[rule->pack_index].fold;
		c->gap = GAP_UNSET;
		c->line = rule->line;
		c->col = rule->col;
		return group_of(b, c);
	}
	return NO_INDEX;
}

static void bind_allow(struct build *b, struct engine_rule *to)
{
	const struct rule *rule = b->rule;
	/* Allow words of a pack come with every rule of it: the same array, looked up once. */
	if (b->rule_index > 0 && rule->allow == rule[-1].allow &&
	    rule->allow_count == rule[-1].allow_count && rule->pack_index == rule[-1].pack_index) {
		to->allow = to[-1].allow;
		to->allow_count = to[-1].allow_count;
		return;
	}
	uint32_t *groups = ARENA_ARRAY(&b->e->arena, uint32_t, rule->allow_count);
	for (size_t i = 0; i < rule->allow_count; i++)
		groups[i] = group_of(b, rule->allow[i]);
	to->allow = groups;
	to->allow_count = (uint32_t)rule->allow_count;
}

static const uint32_t *kept(struct build *b, struct vec *v)
{
	uint32_t *items = ARENA_ARRAY(&b->e->arena, uint32_t, v->count);

	if (v->count)
		memcpy(items, v->items, v->count * sizeof *items);
	free(v->items);
	v->items = NULL;
	return items;
}

static void add_leaves(struct build *b, struct vec *groups, const struct cond *c)
{
	if (c->kind == COND_WORD || c->kind == COND_LIST)
		vec_push(groups, group_of(b, c));
	for (size_t i = 0; i < c->child_count; i++)
		add_leaves(b, groups, c->children[i]);
}

static void bind_ignore(struct build *b, struct engine_rule *to)
{
	struct vec groups = {0};

	add_leaves(b, &groups, b->rule->wait.ignore);
	to->ignore_count = groups.count;
	to->ignore = kept(b, &groups);
}

static void bind_rules(struct build *b)
{
	struct engine *e = b->e;
	struct vec always = {0}, ignoring = {0};

	e->rule_count = (uint32_t)e->set->rule_count;
	e->rules = ARENA_ARRAY(&e->arena, struct engine_rule, e->rule_count);
	for (uint32_t i = 0; i < e->rule_count; i++) {
		struct engine_rule *to = &e->rules[i];
		struct node *match = NULL;
		b->rule = &e->set->rules[i];
		b->rule_index = i;
		b->leaf_count = 0;
		if (b->rule->match) {
			match = ARENA_NEW(&e->arena, struct node);
			bind(b, match, b->rule->match);
		}
		to->match = match;
		bind_allow(b, to);
		to->table_group = table_group(b, match);
		if (b->rule->wait.on && b->rule->wait.ignore) {
			bind_ignore(b, to);
			vec_push(&ignoring, i);
		}
		if (!match || holds_on_nothing(match))
			vec_push(&always, i);
	}
	e->always_count = always.count;
	e->always = kept(b, &always);
	e->ignoring_count = ignoring.count;
	e->ignoring = kept(b, &ignoring);
}

static void keep_groups(struct build *b)
{
	struct engine *e = b->e;

	e->group_count = b->groups.count;
	e->groups = ARENA_ARRAY(&e->arena, struct group, e->group_count);
	for (uint32_t g = 0; g < e->group_count; g++) {
		e->groups[g] = b->group[g];
		e->groups[g].rule_count = b->subscribers[g].count;
		e->groups[g].rules = kept(b, &b->subscribers[g]);
	}
	for (int form = 0; form < FORM_COUNT; form++) {
		e->detectors[form].count = b->detectors[form].count;
		e->detectors[form].groups = kept(b, &b->detectors[form]);
	}
}

/* The spellings of a service's name, behind which ids are looked for. */
static struct anchors anchors_of(struct build *b, struct str name)
{
	struct variants *v = arena_alloc(&b->words.scratch, sizeof *v);
	struct lexicon shipped = lexicon_make(&(struct pack){0}, &b->words.scratch);
	struct buf buf = {0};

	(void)variants_find(v, name, &shipped, &b->words.scratch);
	struct str *items = ARENA_ARRAY(&b->e->arena, struct str, v->count);
	struct str *symbols = ARENA_ARRAY(&b->e->arena, struct str, v->count);
	struct anchors anchors = {.items = items, .symbols = symbols};
	for (size_t i = 0; i < v->count; i++) {
		bool has_symbols = variant_has_separators(v->items[i], &buf);
		buf_clear(&buf);
		spelling_put(has_symbols ? FORM_STANDARD : FORM_LOOSE, v->items[i], &buf);
		struct str spelling = arena_copy(&b->e->arena, buf_str(&buf));
		if (has_symbols)
			symbols[anchors.symbol_count++] = spelling;
		else
			items[anchors.count++] = spelling;
	}
	buf_fini(&buf);
	return anchors;
}

static void build_fini(struct build *b)
{
	free(b->subscribers);
	free(b->group);
	map_fini(&b->groups);
	regexes_fini(&b->regexes);
	words_fini(&b->words);
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	for (int form = 0; form < FORM_COUNT; form++) {
		hs_free_database(e->words[form].database);
		trie_free(e->words[form].trie);
		hs_free_database(e->regexes[form].filter);
		for (uint32_t i = 0; i < e->regexes[form].count; i++)
			hs_free_database(e->regexes[form].regexes[i].database);
	}
	for (uint32_t g = 0; g < e->group_count; g++)
		if (e->groups[g].ours)
			map_fini((struct map *)e->groups[g].ours);
	arena_fini(&e->arena);
	free(e);
}

static size_t database_bytes(const hs_database_t *database)
{
	size_t bytes;

	return database && hs_database_size(database, &bytes) == HS_SUCCESS ? bytes : 0;
}

size_t engine_bytes(const struct engine *e)
{
	size_t bytes = 0;

	for (int form = 0; form < FORM_COUNT; form++) {
		bytes += database_bytes(e->words[form].database) + database_bytes(e->regexes[form].filter);
		bytes += trie_bytes(e->words[form].trie);
		for (uint32_t i = 0; i < e->regexes[form].count; i++)
			bytes += database_bytes(e->regexes[form].regexes[i].database);
	}
	return bytes;
}

int engine_new(struct engine **out, const struct ruleset *set, const char *cache_dir,
	       struct findings *findings, struct err *err)
{
	OWNED(engine) *e = calloc(1, sizeof *e);
	size_t errors = findings->errors;
	int status = 0;

	if (!e)
		return err_set(err, ERR_OS, "engine: out of memory");
	e->set = set;
	struct build b = {.e = e, .findings = findings};
	words_init(&b.words, e, findings);
	bind_rules(&b);
	keep_groups(&b);
	words_keep(&b.words);
	e->wechat = anchors_of(&b, STR("微信"));
	e->qq = anchors_of(&b, STR("QQ"));
	/* Broken words do not keep the regexes from being judged: all findings in one run. */
	status = compile(e, &b.words, &b.regexes, cache_dir, findings, err);
	build_fini(&b);
	if (status < 0)
		return -1;
	if (findings->errors != errors)
		return err_set(err, ERR_DATA, "%zu error%s in the rules", findings->errors - errors,
			       findings->errors - errors == 1 ? "" : "s");
	*out = TAKE(e);
	return 0;
}

unsigned engine_forms(const struct engine *e)
{
	return e->forms;
}
