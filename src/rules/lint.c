/* lint.c - the warnings about rules: single words, lists, rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/linting.h"

static const struct lexicon *lexicon(struct lint *l, uint32_t pack)
{
	struct lexicon *lexicon = &l->lexicons[pack];

	if (!lexicon->items)
		*lexicon = lexicon_make(&l->set->packs[pack], &l->arena);
	return lexicon;
}

struct sought_word lint_search(struct lint *l, const struct cond *cond, struct str text, uint32_t pack,
			       struct arena *arena)
{
	return sought_word(cond, text, lexicon(l, pack), arena, &l->buf);
}

/* ---- single words ---- */

static void check_length(struct lint *l, const struct word *word, struct str file)
{
	if (utf8_count(word->text) == 1)
		LINT_WARN(l, file, word,
			  "«%.*s» is one character long and will hit often; write a longer word",
			  STR_ARG(word->text));
}

/* What is ours, or excuses, may be a number that is written with blanks: 138 0013 8000. */
static bool is_one_number(struct str text)
{
	enum { DIGITS_MAX = 19 }; /* of the longest bank card */
	size_t digits = 0;

	for (size_t i = 0; i < text.len; i++) {
		bool digit = text.data[i] >= '0' && text.data[i] <= '9';
		digits += digit;
		if (!digit && !strchr(" +-()", text.data[i]))
			return false;
	}
	return digits <= DIGITS_MAX;
}

static void check_line(struct lint *l, const struct word *word, struct str file)
{
	static const char *const joints[] = {",", "，", "、", ";", "；", " ", "\t", "　"};

	for (size_t i = 0; i < ARRAY_LEN(joints); i++) {
		if (memmem(word->text.data, word->text.len, joints[i], strlen(joints[i]))) {
			LINT_WARN(l, file, word,
				  "several words on one line? a line is one word, blanks and commas are "
				  "part of it; write one word a line");
			return;
		}
	}
}

/* ---- one list ---- */

/* The words of a list among themselves, once, whatever rules do with it: in `allow`, `ignore` and
 * `except` a word may be short, and a longer one says more than a shorter one. */
static void check_list(struct lint *l, uint32_t index, uint32_t pack)
{
	const struct word_list *list = &l->set->lists[index];
	struct list_use *use = &l->uses[index];

	for (size_t r = 0; r < list->row_count; r++) {
		const struct word_row *row = &list->rows[r];
		struct alternatives a = {.pack = pack, .equal_only = use->others || !use->matches,
					 .rules = use->rules.items, .rule_count = use->rules.count};
		for (size_t i = 0; i < row->word_count; i++) {
			if (use->matches)
				check_length(l, &row->words[i], row->file);
			if (row->from_word_file && (use->matches || !is_one_number(row->words[i].text)))
				check_line(l, &row->words[i], row->file);
		}
		lint_add_row(l, &a.spots, &use->cond, index, row);
		lint_compare(l, &a);
	}
}

static bool find_pack(const struct lint *l, struct str name, uint32_t *out)
{
	for (uint32_t i = 0; i < l->set->pack_count; i++) {
		if (str_eq(l->set->packs[i].name, name)) {
			*out = i;
			return true;
		}
	}
	return false;
}

static void check_lists(struct lint *l)
{
	for (uint32_t i = 0; i < l->set->list_count; i++) {
		struct list_use *use = &l->uses[i];
		uint32_t pack;
		/* Those without a name are made of others. */
		if (!l->set->lists[i].name.len || !find_pack(l, l->set->lists[i].pack, &pack))
			continue;
		enum fold_form fold = l->set->packs[pack].fold;
		/* What `except` compares folds no further. */
		if (!use->matches)
			fold = MIN(fold, FORM_STANDARD);
		use->cond = (struct cond){.kind = COND_LIST, .fold = fold, .gap = GAP_UNSET, .list = i};
		check_list(l, i, pack);
	}
}

/* Notes what a condition does with lists; `near`: the length of a word counts. */
static void note_uses(struct lint *l, const struct rule *rule, const struct cond *cond, bool near)
{
	struct list_use *use = cond->kind == COND_LIST ? &l->uses[cond->list] : NULL;

	if (use) {
		use->matches++;
		use->others |= near || rule->window.distinct_words;
		*VEC_ADD(&l->arena, &use->rules) = rule;
	}
	if (cond->kind == COND_IS && cond->except_list >= 0)
		l->uses[cond->except_list].others = true;
	for (size_t i = 0; i < cond->child_count; i++)
		note_uses(l, rule, cond->children[i], near || cond->kind == COND_NEAR);
}

static void note_others(struct lint *l, const struct cond *cond)
{
	if (cond->kind == COND_LIST)
		l->uses[cond->list].others = true;
	for (size_t i = 0; i < cond->child_count; i++)
		note_others(l, cond->children[i]);
}

/* ---- one rule ---- */

/* The words among which any one is enough. Tables stand apart: each row means another tag. */
static void gather(struct lint *l, const struct rule *rule, const struct cond *cond, spots *to)
{
	const struct word_list *list;

	switch (cond->kind) {
	case COND_WORD:
		check_length(l, &cond->word, cond->file);
		lint_add_spot(l, to, cond, &cond->word, cond->file, SOURCE_OF_RULES + (uint32_t)to->count);
		return;
	case COND_LIST:
		list = &l->set->lists[cond->list];
		for (size_t i = 0; !list->is_table && i < list->row_count; i++)
			lint_add_row(l, to, cond, cond->list, &list->rows[i]);
		return;
	case COND_ANY:
		for (size_t i = 0; i < cond->child_count; i++)
			gather(l, rule, cond->children[i], to);
		return;
	case COND_ALL:
	case COND_NONE:
	case COND_NEAR:
	case COND_COUNT:
		for (size_t i = 0; i < cond->child_count; i++) {
			/* In `near` a longer word changes the distance. */
			struct alternatives own = {
				.pack = rule->pack_index, .across = true, .rules = &rule, .rule_count = 1,
				.equal_only = cond->kind == COND_NEAR || rule->window.distinct_words};
			gather(l, rule, cond->children[i], &own.spots);
			lint_compare(l, &own);
		}
		return;
	case COND_REGEX:
	case COND_IS:
		return;
	}
}

/* Both changes stand in the event, and only the order in `then` tells how it ended. */
static void check_effects(struct lint *l, const struct rule *rule)
{
	for (size_t i = 0; i < rule->effect_count; i++)
		for (size_t k = i + 1; k < rule->effect_count; k++) {
			const struct effect *given = &rule->effects[i], *taken = &rule->effects[k];
			if (given->kind != EFFECT_TAG || taken->kind != EFFECT_UNTAG ||
			    given->tag.group != taken->tag.group || given->tag.tag != taken->tag.tag)
				continue;
			const struct tag_group *group = &l->set->groups[given->tag.group];
			findings_add(l->findings, FINDING_WARNING, rule->file, rule->line, rule->col,
				     "rule «%.*s» gives the tag «%.*s» and takes it again; leave one of the two",
				     STR_ARG(rule->id), STR_ARG(group->tags[given->tag.tag].name));
		}
}

static void check_rule(struct lint *l, const struct rule *rule)
{
	struct alternatives a = {.pack = rule->pack_index, .across = true, .rules = &rule, .rule_count = 1,
				 .equal_only = rule->window.distinct_words};

	if (rule->match) {
		gather(l, rule, rule->match, &a.spots);
		lint_compare(l, &a);
	}
	check_effects(l, rule);
	if (!rule->example_count)
		findings_add(l->findings, FINDING_WARNING, rule->file, rule->line, rule->col,
			     "rule «%.*s» has no example; write examples: {hit: […], miss: […]}",
			     STR_ARG(rule->id));
}

void ruleset_lint(const struct ruleset *set, struct findings *findings)
{
	struct lint l = {.set = set, .findings = findings};

	l.lexicons = ARENA_ARRAY(&l.arena, struct lexicon, set->pack_count + 1);
	l.uses = ARENA_ARRAY(&l.arena, struct list_use, set->list_count + 1);
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct rule *rule = &set->rules[i];
		if (rule->match)
			note_uses(&l, rule, rule->match, false);
		for (size_t k = 0; k < rule->allow_count; k++)
			note_others(&l, rule->allow[k]);
		if (rule->wait.ignore)
			note_others(&l, rule->wait.ignore);
	}
	check_lists(&l);
	for (size_t i = 0; i < set->rule_count; i++)
		check_rule(&l, &set->rules[i]);
	/* A match that could not be read may hold the word that an allow word is for. */
	if (!findings->errors)
		lint_allow(&l);
	buf_fini(&l.buf);
	arena_fini(&l.scratch);
	arena_fini(&l.arena);
}
