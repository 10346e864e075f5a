/* suite.c - reads the tests beside the rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/suite.h"

#include "rules/field.h"

typedef VEC(struct suite_test) suite_tests;

static void read_strs(const struct scope *s, const struct yaml_node *node, const char *what,
		      struct strs *out)
{
	VEC(struct str) items = {0};

	for (size_t i = 0; i < field_count(node); i++) {
		struct str item;
		if (field_text(s, field_item(node, i), what, 2 * NAME_BYTES_MAX, &item))
			*VEC_ADD(s->loader->arena, &items) = item;
	}
	*out = (struct strs){items.items, items.count};
}

static void read_alert(const struct scope *s, const struct yaml_node *node, struct suite_item *out)
{
	static const char *const fields[] = {"severity", "category", "count"};
	const struct yaml_node *value;

	out->alert = true; /* findings are enough; so below */
	if (node->kind == YAML_SCALAR) {
		(void)field_text(s, node, "alert", NAME_BYTES_MAX, &out->severity);
		return;
	}
	if (!field_map(s, node, fields, ARRAY_LEN(fields), "alert"))
		return;
	if ((value = yaml_find(node, STR("severity"))))
		(void)field_text(s, value, "severity", NAME_BYTES_MAX, &out->severity);
	if ((value = yaml_find(node, STR("category"))))
		(void)field_text(s, value, "category", NAME_BYTES_MAX, &out->category);
	if ((value = yaml_find(node, STR("count"))))
		(void)field_int(s, value, "count", 1, INT64_MAX, &out->count);
}

static bool read_item(const struct scope *s, const struct yaml_node *node, struct suite_item *out)
{
	static const char *const fields[] = {"rule", "add", "remove", "stage", "alert", "cause"};
	struct suite_item item = {.line = node->line, .col = node->col, .count = -1};
	const struct yaml_node *value;

	if (!field_map(s, node, fields, ARRAY_LEN(fields), "an expected event"))
		return false;
	if ((value = yaml_find(node, STR("rule"))))
		(void)field_text(s, value, "rule", NAME_BYTES_MAX, &item.rule);
	if ((value = yaml_find(node, STR("cause"))))
		(void)field_text(s, value, "cause", NAME_BYTES_MAX, &item.cause);
	if ((value = yaml_find(node, STR("add"))))
		read_strs(s, value, "add", &item.add);
	if ((value = yaml_find(node, STR("remove"))))
		read_strs(s, value, "remove", &item.remove);
	if ((value = yaml_find(node, STR("stage"))))
		(void)field_text(s, value, "stage", 2 * NAME_BYTES_MAX, &item.stage);
	if ((value = yaml_find(node, STR("alert"))))
		read_alert(s, value, &item);
	*out = item;
	return true;
}

static const struct suite_item *read_items(const struct scope *s, const struct yaml_node *node,
					   size_t *count)
{
	VEC(struct suite_item) items = {0};

	for (size_t i = 0; i < field_count(node); i++) {
		struct suite_item item;
		if (read_item(s, field_item(node, i), &item))
			*VEC_ADD(s->loader->arena, &items) = item;
	}
	*count = items.count;
	return items.items;
}

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

static void read_test(const struct scope *s, const struct yaml_node *node, suite_tests *tests)
{
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
		test.expect = read_items(s, expect, &test.expect_count);
	if (never)
		test.never = read_items(s, never, &test.never_count);
	*VEC_ADD(s->loader->arena, tests) = test;
}

static void read_file(struct loader *l, const char *dir, const struct source *source,
		      suite_tests *tests)
{
	static const char *const fields[] = {"tests"};
	struct scope s = {.loader = l, .path = source->path};
	const struct yaml_node *list;
	struct yaml_node *root;

	s.file = arena_printf(l->arena, "%s%s%.*s", dir, str_ends(str_of(dir), STR("/")) ? "" : "/",
			      STR_ARG(source->path));
	if (yaml_parse(l->scratch, s.file, source->text, l->findings, &root) < 0 || !root ||
	    !field_map(&s, root, fields, ARRAY_LEN(fields), "a test file"))
		return;
	list = yaml_find(root, STR("tests"));
	if (!list || list->kind != YAML_LIST) {
		ERROR_AT(&s, root, "a test file is tests: and a list of them");
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		read_test(&s, list->items[i], tests);
}

int suite_read(struct suite *out, struct arena *arena, const char *dir, struct findings *findings,
	       struct err *err)
{
	struct sources sources = {.arena = arena};
	struct arena scratch = {0};
	struct loader loader = {.arena = arena, .scratch = &scratch, .findings = findings,
				.sources = &sources};
	size_t errors_before = findings->errors;
	suite_tests tests = {0};

	if (sources_read_tests(&sources, dir, err) < 0)
		return -1;
	for (size_t i = 0; i < sources.count; i++)
		read_file(&loader, dir, &sources.items[i], &tests);
	arena_fini(&scratch);
	if (findings->errors > errors_before)
		return err_set(err, ERR_DATA, "%zu error%s in the tests",
			       findings->errors - errors_before,
			       findings->errors - errors_before == 1 ? "" : "s");
	*out = (struct suite){tests.items, tests.count};
	return 0;
}
