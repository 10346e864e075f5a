/* rule.c - one rule: its fields, those of `defaults` behind them, its examples. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "rules/field.h"
#include "rules/sample.h"

enum { RULES_MAX = 50000, ID_BYTES_MAX = 64, FIELDS_MAX = 40 };

static const char *const own_fields[] = {
	"id",	  "title", "mode", "by",     "keep_on_recall", "match", "allow",
	"if",	  "window", "wait", "then",  "examples",
};

/* A rule while it is read: its fields, then those of the defaults. */
struct reading {
	struct scope scope;
	const struct yaml_node *map, *defaults;
	bool *told; /* for each field of the defaults: its findings are out */
	bool has_filter;
};

static size_t all_fields(const char *names[FIELDS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(own_fields); i++)
		names[count++] = own_fields[i];
	for (size_t i = 0; i < filter_field_count; i++)
		names[count++] = filter_fields[i];
	assert(count <= FIELDS_MAX);
	return count;
}

/* The value of a field of the rule, or of its file's defaults, or NULL. */
static const struct yaml_node *get(struct reading *r, const char *name)
{
	const struct yaml_node *own = yaml_find(r->map, str_of(name));

	r->scope.muted = false;
	if (own || !r->defaults)
		return own;
	for (size_t i = 0; i < r->defaults->count; i++) {
		if (!str_eq(r->defaults->pairs[i].key->text, str_of(name)))
			continue;
		r->scope.muted = r->told[i];
		r->told[i] = true;
		return r->defaults->pairs[i].value;
	}
	return NULL;
}

static bool id_ok(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (isspace((unsigned char)id.data[i]) || iscntrl((unsigned char)id.data[i]) ||
		    id.data[i] == '/')
			return false;
	return true;
}

static void read_id(struct reading *r, struct rule *rule)
{
	struct loader *l = r->scope.loader;
	struct pack_draft *pack = scope_pack(&r->scope);
	const struct yaml_node *id = yaml_find(r->map, STR("id"));
	uint32_t other;

	r->scope.muted = false;
	if (!id) {
		ERROR_AT(&r->scope, r->map, "a rule without id; write id: NAME, unique inside the pack");
		return;
	}
	if (!field_text(&r->scope, id, "id", ID_BYTES_MAX, &rule->id))
		return;
	if (!id_ok(rule->id))
		ERROR_AT(&r->scope, id, "id «%.*s» holds a blank or a slash; write it as ask-price",
			 STR_ARG(rule->id));
	else if (name_table_find(&pack->rule_ids, rule->id, &other))
		ERROR_AT(&r->scope, id, "id «%.*s» is taken by the rule at %.*s:%d; ids are unique inside "
					"a pack", STR_ARG(rule->id),
			 STR_ARG(l->rules.items[other].file), l->rules.items[other].line);
	else
		name_table_add(&pack->rule_ids, l->arena, rule->id, (uint32_t)l->rules.count);
}

static void read_choices(struct reading *r, struct rule *rule)
{
	static const char *const modes[] = {"shadow"};
	static const char *const bys[] = {"subject", "pair"};
	const struct yaml_node *node;
	int index;

	rule->shadow = scope_pack(&r->scope)->shadow;
	if ((node = get(r, "mode")) &&
	    field_choice(&r->scope, node, "mode", modes, ARRAY_LEN(modes), &index))
		rule->shadow = true;
	if ((node = get(r, "by")) && field_choice(&r->scope, node, "by", bys, ARRAY_LEN(bys), &index))
		rule->by_pair = index == 1;
	if ((node = get(r, "keep_on_recall"))) /* a finding is enough; so below */
		(void)field_bool(&r->scope, node, "keep_on_recall", &rule->keep_on_recall);
	rule->title = rule->id;
	if ((node = get(r, "title")))
		(void)field_text(&r->scope, node, "title", NAME_BYTES_MAX, &rule->title);
}

static void read_filters(struct reading *r, struct rule *rule)
{
	const struct yaml_node *node;

	rule->filter = filter_default();
	for (size_t i = 0; i < filter_field_count; i++) {
		if (!(node = get(r, filter_fields[i])))
			continue;
		r->has_filter = true;
		if (!filter_read(&r->scope, filter_fields[i], node, &rule->filter))
			UNREACHABLE("a filter field that filter.c does not read");
	}
}

/* Adds the words and lists of `cond`, each by itself. */
static void add_allow(struct arena *arena, const struct cond *cond, void *to)
{
	VEC(const struct cond *) *vec = to;

	if (cond->kind != COND_ANY) {
		*VEC_ADD(arena, vec) = cond;
		return;
	}
	for (size_t i = 0; i < cond->child_count; i++)
		add_allow(arena, cond->children[i], to);
}

void rule_read_pack_allow(const struct scope *s, const struct yaml_node *node)
{
	const struct cond *cond = cond_read_words(s, node, "allow");

	if (cond)
		add_allow(s->loader->arena, cond, &scope_pack(s)->allow);
}

static void read_match(struct reading *r, struct rule *rule)
{
	struct loader *l = r->scope.loader;
	const struct pack_draft *pack = scope_pack(&r->scope);
	struct cond_count count = {0};
	const struct yaml_node *node;
	VEC(const struct cond *) allow = {0};

	if ((node = get(r, "match"))) {
		rule->match = cond_read(&r->scope, node, &count);
		if (rule->match && !cond_needs_hit(rule->match) && !r->has_filter)
			ERROR_AT(&r->scope, node, "this match holds for messages without any hit; add a "
						  "filter beside it, for instance from: customer");
	}
	rule->near_count = (uint32_t)count.nears.count;
	for (size_t i = 0; i < pack->allow.count; i++)
		*VEC_ADD(l->arena, &allow) = pack->allow.items[i];
	if ((node = get(r, "allow"))) {
		const struct cond *cond = cond_read_words(&r->scope, node, "allow");
		if (cond)
			add_allow(l->arena, cond, &allow);
	}
	rule->allow = allow.items;
	rule->allow_count = allow.count;
}

static void read_state(struct reading *r, struct rule *rule)
{
	const struct yaml_node *node;

	if ((node = get(r, "if")))
		guard_read(&r->scope, node, &rule->guard);
	if ((node = get(r, "window")))
		window_read(&r->scope, node, &rule->window);
	if ((node = get(r, "wait"))) {
		wait_read(&r->scope, node, &rule->wait);
		if (!(rule->filter.chats & 1 << CHAT_SINGLE))
			ERROR_AT(&r->scope, node, "waits are for single chats; this rule looks at others "
						  "only");
	}
	if ((node = get(r, "then")))
		effects_read(&r->scope, node, rule);
}

static void read_examples(struct reading *r, struct rule *rule)
{
	static const char *const fields[] = {"hit", "miss"};
	const struct yaml_node *node = get(r, "examples");
	VEC(struct example) examples = {0};

	if (!node || !field_map(&r->scope, node, fields, ARRAY_LEN(fields), "examples"))
		return;
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_node *list = node->pairs[i].value;
		for (size_t k = 0; k < field_count(list); k++) {
			struct sample *sample = ARENA_NEW(r->scope.loader->arena, struct sample);
			bool hit = str_eq(node->pairs[i].key->text, STR("hit"));
			if (sample_read(&r->scope, field_item(list, k), sample))
				*VEC_ADD(r->scope.loader->arena, &examples) =
					(struct example){hit, sample};
		}
	}
	rule->examples = examples.items;
	rule->example_count = examples.count;
}

void rule_read(const struct scope *s, const struct yaml_node *node, const struct yaml_node *defaults,
	       bool *defaults_told)
{
	struct loader *l = s->loader;
	struct reading r = {.scope = *s, .map = node, .defaults = defaults, .told = defaults_told};
	const char *names[FIELDS_MAX];

	if (!field_map(s, node, names, all_fields(names), "a rule"))
		return;
	if (l->rules.count == RULES_MAX) {
		ERROR_AT(s, node, "more than %d rules", RULES_MAX);
		return;
	}
	struct rule rule = {.pack = scope_pack(s)->pack.name, .file = s->file, .line = node->line,
			    .col = node->col, .pack_index = s->pack};
	read_id(&r, &rule);
	read_choices(&r, &rule);
	read_filters(&r, &rule);
	read_match(&r, &rule);
	read_state(&r, &rule);
	read_examples(&r, &rule);

	bool state = rule.wait.on || rule.window.kind != WINDOW_NONE || rule.guard.stage_count ||
		     rule.guard.tag_count || rule.guard.no_tag_count;
	r.scope.muted = false;
	if (!yaml_find(node, STR("match")) && !(defaults && yaml_find(defaults, STR("match"))) &&
	    !r.has_filter && !state)
		ERROR_AT(&r.scope, node, "this rule fires on every message; give it match or a filter "
					 "(from: any, if every message is meant)");
	*VEC_ADD(l->arena, &l->rules) = rule;
}

void rule_check_defaults(const struct scope *s, const struct yaml_node *defaults)
{
	const char *names[FIELDS_MAX];
	size_t count = all_fields(names);

	/* An id is no default: it names one rule. */
	(void)field_map(s, defaults, names + 1, count - 1, "defaults"); /* a finding is enough */
}
