/* suite.c - reads the tests beside the rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/suite.h"

#include "rules/field.h"

typedef VEC(struct suite_test) suite_tests;

/* Names that an expected event may hold: of anything else none would ever come, and a mistyped
 * `not` would pass for ever. */
struct known {
	struct name_table rules; /* pack/id */
	struct name_table ids;   /* -> index of the first rule of that id */
	struct name_table tags, stages, categories;
};

struct reader {
	struct scope scope;
	const struct ruleset *set;
	const struct known *known;
};

/* ---- known names ---- */

static void know(struct name_table *names, struct arena *arena, struct str name, size_t value)
{
	uint32_t known;

	if (name.len && !name_table_find(names, name, &known))
		name_table_add(names, arena, name, (uint32_t)value);
}

/* By itself and with its group or ladder in front. */
static void know_both(struct name_table *names, struct arena *arena, struct str front, struct str name)
{
	if (!name.len)
		return;
	know(names, arena, name, 0);
	know(names, arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(front), STR_ARG(name)), 0);
}

static void know_rule(struct known *k, struct arena *arena, const struct rule *rule, size_t index)
{
	know(&k->rules, arena, arena_printf(arena, "%.*s/%.*s", STR_ARG(rule->pack), STR_ARG(rule->id)),
	     index);
	know(&k->ids, arena, rule->id, index);
	for (size_t i = 0; i < rule->effect_count; i++)
		if (rule->effects[i].kind == EFFECT_ALERT)
			know(&k->categories, arena, rule->effects[i].category, 0);
}

static void know_all(struct known *k, struct arena *arena, const struct ruleset *set)
{
	for (size_t i = 0; i < set->rule_count; i++)
		know_rule(k, arena, &set->rules[i], i);
	for (size_t g = 0; g < set->group_count; g++)
		for (size_t i = 0; i < set->groups[g].tag_count; i++)
			know_both(&k->tags, arena, set->groups[g].name, set->groups[g].tags[i].name);
	for (size_t l = 0; l < set->ladder_count; l++) {
		const struct ladder *ladder = &set->ladders[l];
		for (size_t i = 0; i < ladder->stage_count; i++)
			know_both(&k->stages, arena, ladder->name, ladder->stages[i].name);
		know_both(&k->stages, arena, ladder->name, ladder->lost.name);
		know_both(&k->stages, arena, ladder->name, STR("none")); /* a recall took the only one */
	}
}

/* A text that is among `names`; false with a finding. */
static bool read_known(const struct reader *r, const struct yaml_node *node, const char *what,
		       const struct name_table *names, struct str *out)
{
	const struct scope *s = &r->scope;
	uint32_t index;

	if (!field_text(s, node, what, 2 * NAME_BYTES_MAX, out))
		return false;
	if (name_table_find(names, *out, &index))
		return true;
	const char *hint = field_hint_name(s, *out, names);
	if (names == &r->known->rules && name_table_find(&r->known->ids, *out, &index))
		hint = arena_printf(s->loader->scratch, "; did you mean «%.*s/%.*s»?",
				    STR_ARG(r->set->rules[index].pack), STR_ARG(*out)).data;
	ERROR_AT(s, node, "unknown %s «%.*s»%s", what, STR_ARG(*out), hint);
	return false;
}

/* ---- expected events ---- */

static void read_tags(const struct reader *r, const struct yaml_node *node, struct strs *out)
{
	VEC(struct str) items = {0};

	for (size_t i = 0; i < field_count(node); i++) {
		struct str item;
		if (read_known(r, field_item(node, i), "tag", &r->known->tags, &item))
			*VEC_ADD(r->scope.loader->arena, &items) = item;
	}
	*out = (struct strs){items.items, items.count};
}

static void read_choice(const struct reader *r, const struct yaml_node *node, const char *what,
			const char *const *names, size_t count, struct str *out)
{
	int index;

	if (field_choice(&r->scope, node, what, names, count, &index))
		*out = str_of(names[index]);
}

static void read_alert(const struct reader *r, const struct yaml_node *node, struct suite_item *out)
{
	static const char *const fields[] = {"severity", "category", "count"};
	static const char *const severities[] = {SEVERITY_NAMES(AS_NAME)};
	const struct scope *s = &r->scope;
	const struct yaml_node *value;

	out->alert = true; /* findings are enough; so below */
	if (node->kind == YAML_SCALAR) {
		read_choice(r, node, "alert", severities, ARRAY_LEN(severities), &out->severity);
		return;
	}
	if (!field_map(s, node, fields, ARRAY_LEN(fields), "alert"))
		return;
	if ((value = yaml_find(node, STR("severity"))))
		read_choice(r, value, "severity", severities, ARRAY_LEN(severities), &out->severity);
	if ((value = yaml_find(node, STR("category"))))
		(void)read_known(r, value, "category", &r->known->categories, &out->category);
	if ((value = yaml_find(node, STR("count"))))
		(void)field_int(s, value, "count", 1, INT64_MAX, &out->count);
}

static bool read_item(const struct reader *r, const struct yaml_node *node, struct suite_item *out)
{
	static const char *const fields[] = {"rule", "add", "remove", "stage", "alert", "cause"};
	static const char *const causes[] = {CAUSE_NAMES(AS_NAME)};
	struct suite_item item = {.line = node->line, .col = node->col, .count = -1};
	const struct yaml_node *value;

	if (!field_map(&r->scope, node, fields, ARRAY_LEN(fields), "an expected event"))
		return false;
	if ((value = yaml_find(node, STR("rule"))))
		(void)read_known(r, value, "rule", &r->known->rules, &item.rule);
	if ((value = yaml_find(node, STR("cause"))))
		read_choice(r, value, "cause", causes, ARRAY_LEN(causes), &item.cause);
	if ((value = yaml_find(node, STR("add"))))
		read_tags(r, value, &item.add);
	if ((value = yaml_find(node, STR("remove"))))
		read_tags(r, value, &item.remove);
	if ((value = yaml_find(node, STR("stage"))))
		(void)read_known(r, value, "stage", &r->known->stages, &item.stage);
	if ((value = yaml_find(node, STR("alert"))))
		read_alert(r, value, &item);
	*out = item;
	return true;
}

static const struct suite_item *read_items(const struct reader *r, const struct yaml_node *node,
					   size_t *count)
{
	VEC(struct suite_item) items = {0};

	for (size_t i = 0; i < field_count(node); i++) {
		struct suite_item item;
		if (read_item(r, field_item(node, i), &item))
			*VEC_ADD(r->scope.loader->arena, &items) = item;
	}
	*count = items.count;
	return items.items;
}

/* ---- tests ---- */

static void read_messages(const struct scope *s, const struct yaml_node *node,
			  struct suite_test *test)
{
	VEC(struct sample) messages = {0};

	for (size_t i = 0; i < field_count(node); i++) {
		struct sample sample;
		if (!sample_read(s, field_item(node, i), &sample))
			continue;
		sample.plain = false; /* there is no rule for it to fit */
		*VEC_ADD(s->loader->arena, &messages) = sample;
	}
	test->messages = messages.items;
	test->message_count = messages.count;
}

static void read_test(const struct reader *r, const struct yaml_node *node, suite_tests *tests)
{
	const struct scope *s = &r->scope;
	static const char *const fields[] = {"name", "messages", "until", "expect", "not"};
	struct suite_test test = {.file = s->file, .line = node->line, .col = node->col, .until_ms = -1};
	const struct yaml_node *value;

	if (!field_map(s, node, fields, ARRAY_LEN(fields), "a test"))
		return;
	if ((value = yaml_find(node, STR("name"))))
		(void)field_text(s, value, "name", 1024, &test.name); /* a finding is enough */
	else
		ERROR_AT(s, node, "a test without name");
	if ((value = yaml_find(node, STR("messages"))))
		read_messages(s, value, &test);
	else
		ERROR_AT(s, node, "a test without messages");
	if ((value = yaml_find(node, STR("until"))))
		(void)field_duration(s, value, "until", &test.until_ms);
	const struct yaml_node *expect = yaml_find(node, STR("expect"));
	const struct yaml_node *never = yaml_find(node, STR("not"));
	if (!expect && !never)
		ERROR_AT(s, node, "a test without expect and not; write expect: [] if nothing must come");
	test.has_expect = expect != NULL;
	if (expect)
		test.expect = read_items(r, expect, &test.expect_count);
	if (never)
		test.never = read_items(r, never, &test.never_count);
	*VEC_ADD(s->loader->arena, tests) = test;
}

static void read_file(struct reader *r, const char *dir, const struct source *source,
		      suite_tests *tests)
{
	static const char *const fields[] = {"tests"};
	struct loader *l = r->scope.loader;
	struct scope *s = &r->scope;
	const struct yaml_node *list;
	struct yaml_node *root;

	s->path = source->path;
	s->file = arena_printf(l->arena, "%s%s%.*s", dir, str_ends(str_of(dir), STR("/")) ? "" : "/",
			       STR_ARG(source->path));
	if (yaml_parse(l->scratch, s->file, source->text, l->findings, &root) < 0 || !root ||
	    !field_map(s, root, fields, ARRAY_LEN(fields), "a test file"))
		return;
	list = yaml_find(root, STR("tests"));
	if (!list || list->kind != YAML_LIST) {
		ERROR_AT(s, root, "a test file is tests: and a list of them");
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		read_test(r, list->items[i], tests);
}

int suite_read(struct suite *out, struct arena *arena, const char *dir, const struct ruleset *set,
	       struct findings *findings, struct err *err)
{
	struct sources sources = {.arena = arena};
	struct arena scratch = {0};
	struct loader loader = {.arena = arena, .scratch = &scratch, .findings = findings,
				.sources = &sources};
	struct known known = {0};
	struct reader reader = {.scope = {.loader = &loader}, .set = set, .known = &known};
	size_t errors_before = findings->errors;
	suite_tests tests = {0};

	if (sources_read_tests(&sources, dir, err) < 0)
		return -1;
	know_all(&known, &scratch, set);
	for (size_t i = 0; i < sources.count; i++)
		read_file(&reader, dir, &sources.items[i], &tests);
	arena_fini(&scratch);
	if (findings->errors > errors_before)
		return err_set(err, ERR_DATA, "%zu error%s in the tests",
			       findings->errors - errors_before,
			       findings->errors - errors_before == 1 ? "" : "s");
	*out = (struct suite){tests.items, tests.count};
	return 0;
}
