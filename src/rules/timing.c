/* timing.c - guards, windows and waits: what a rule asks of the state. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"

enum { WINDOW_COUNT_MAX = 10000 };

static void read_tags(const struct scope *s, const struct yaml_node *node, const char *what,
		      const struct tag_ref **out, size_t *count)
{
	VEC(struct tag_ref) refs = {0};

	if (!field_filled(s, node, what))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		struct tag_ref ref;
		if (catalog_tag(s, field_item(node, i), &ref))
			*VEC_ADD(s->loader->arena, &refs) = ref;
	}
	*out = refs.items;
	*count = refs.count;
}

void guard_read(const struct scope *s, const struct yaml_node *node, struct guard *out)
{
	static const char *const fields[] = {"stage", "tag", "no_tag"};
	const struct yaml_node *value;
	VEC(struct ladder_stage) stages = {0};

	if (!field_map(s, node, fields, ARRAY_LEN(fields), "if"))
		return;
	if (node->count == 0)
		ERROR_AT(s, node, "if is empty; write stage, tag or no_tag");
	if ((value = yaml_find(node, STR("stage"))) && field_filled(s, value, "stage")) {
		for (size_t i = 0; i < field_count(value); i++) {
			struct ladder_stage stage;
			if (catalog_stage(s, field_item(value, i), &stage))
				*VEC_ADD(s->loader->arena, &stages) = stage;
		}
	}
	out->stages = stages.items;
	out->stage_count = stages.count;
	if ((value = yaml_find(node, STR("tag"))))
		read_tags(s, value, "tag", &out->tags, &out->tag_count);
	if ((value = yaml_find(node, STR("no_tag"))))
		read_tags(s, value, "no_tag", &out->no_tags, &out->no_tag_count);
}

/* `count: N` or `sum: amount` with `at_least: YUAN`. */
static void read_threshold(const struct scope *s, const struct yaml_node *map, struct window *w)
{
	static const char *const sums[] = {"amount"};
	const struct yaml_node *count = yaml_find(map, STR("count"));
	const struct yaml_node *sum = yaml_find(map, STR("sum"));
	const struct yaml_node *at_least = yaml_find(map, STR("at_least"));
	int ignored;

	if (!count == !sum) {
		ERROR_AT(s, map, "a window takes either count: N, or sum: amount with at_least: YUAN");
		return;
	}
	if (count) {
		if (at_least)
			ERROR_AT(s, at_least, "at_least goes with sum; the number of a count stands "
					      "behind count");
		(void)field_int(s, count, "count", 1, WINDOW_COUNT_MAX, &w->threshold);
		return;
	}
	w->sum_amount = true;
	(void)field_choice(s, sum, "sum", sums, ARRAY_LEN(sums), &ignored); /* a finding is enough */
	if (at_least)
		(void)field_amount(s, at_least, "at_least", &w->threshold);
	else
		ERROR_AT(s, sum, "sum needs at_least: YUAN beside it");
}

void window_read(const struct scope *s, const struct yaml_node *node, struct window *out)
{
	static const char *const fields[] = {"count", "sum", "at_least", "within", "per", "distinct"};
	static const char *const spans[] = {"day", "week", "month"};
	static const char *const what[] = {"words"};
	const struct yaml_node *value;
	int index;

	if (!field_map(s, node, fields, ARRAY_LEN(fields), "window"))
		return;
	read_threshold(s, node, out);
	if ((value = yaml_find(node, STR("distinct")))) {
		out->distinct_words = field_choice(s, value, "distinct", what, ARRAY_LEN(what), &index);
		if (out->sum_amount)
			ERROR_AT(s, value, "distinct goes with count, not with sum");
	}
	const struct yaml_node *within = yaml_find(node, STR("within"));
	const struct yaml_node *per = yaml_find(node, STR("per"));
	if (!within == !per) {
		ERROR_AT(s, node, "a window takes either within: 7d (sliding), or per: day, week or "
				  "month (by the calendar)");
	} else if (within) {
		out->kind = WINDOW_SLIDING;
		(void)field_duration(s, within, "within", &out->within_ms);
	} else if (field_choice(s, per, "per", spans, ARRAY_LEN(spans), &index)) {
		out->kind = index == 0 ? WINDOW_DAY : index == 1 ? WINDOW_WEEK : WINDOW_MONTH;
	}
}

void wait_read(const struct scope *s, const struct yaml_node *node, struct wait *out)
{
	static const char *const fields[] = {"for", "over", "ignore"};
	static const char *const roles[] = {"customer", "staff"};
	const struct yaml_node *value;
	int index = 0;

	if (!field_map(s, node, fields, ARRAY_LEN(fields), "wait"))
		return;
	out->on = true;
	const struct yaml_node *role = yaml_find(node, STR("for"));
	const struct yaml_node *over = yaml_find(node, STR("over"));
	if (!role || !over) {
		ERROR_AT(s, node, "a wait takes both for: staff or customer, and over: 10m");
		return;
	}
	(void)field_choice(s, role, "for", roles, ARRAY_LEN(roles), &index); /* a finding is enough */
	out->for_role = index == 0 ? ROLE_CUSTOMER : ROLE_STAFF;
	(void)field_duration(s, over, "over", &out->over_ms);
	if ((value = yaml_find(node, STR("ignore"))))
		out->ignore = cond_read_words(s, value, "ignore");
}
