/* effect.c - what a rule does: the items of `then`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"

static const char *const effect_fields[] = {"tag",  "untag",   "tag_from", "stage",
					     "alert", "expires", "back"};
enum { MAIN_COUNT = 5 }; /* of them, what an item can do; the rest goes with one of these */

struct effects {
	VEC(struct effect) list;
	const struct rule *rule;
};

static struct effect *add(const struct scope *s, struct effects *effects, enum effect_kind kind)
{
	struct effect *effect = VEC_ADD(s->loader->arena, &effects->list);

	effect->kind = kind;
	return effect;
}

static void read_tag(const struct scope *s, const struct yaml_node *node, enum effect_kind kind,
		     const struct yaml_node *expires, struct effects *effects)
{
	int64_t expires_ms = 0;

	if (expires)
		(void)field_duration(s, expires, "expires", &expires_ms); /* a finding is enough */
	if (!field_filled(s, node, "tag"))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		struct tag_ref ref;
		if (!catalog_tag(s, field_item(node, i), &ref))
			continue;
		struct effect *effect = add(s, effects, kind);
		effect->tag = ref;
		effect->group = ref.group;
		effect->expires_ms =
			expires_ms ? expires_ms : s->loader->groups.items[ref.group].expires_ms;
	}
}

/* The tag of a row: in the group of the table's name, else wherever the name is known. */
static bool row_tag(const struct scope *s, const struct yaml_node *node, const struct word_list *list,
		    struct str row, struct tag_ref *out)
{
	struct loader *l = s->loader;
	uint32_t group, index;

	if (name_table_find(&l->group_names, list->name, &group)) {
		struct str full = arena_printf(l->scratch, "%.*s/%.*s", STR_ARG(list->name), STR_ARG(row));
		if (name_table_find(&l->tag_names, full, &index) && !l->tags.items[index].ambiguous) {
			*out = l->tags.items[index].ref;
			return true;
		}
	}
	if (name_table_find(&l->tag_names, row, &index) && !l->tags.items[index].ambiguous) {
		*out = l->tags.items[index].ref;
		return true;
	}
	ERROR_AT(s, node, "row «%.*s» of table «%.*s» is no tag%s", STR_ARG(row), STR_ARG(list->name),
		 field_hint_name(s, row, &l->tag_names));
	return false;
}

static void read_tag_from(const struct scope *s, const struct yaml_node *node,
			  struct effects *effects)
{
	struct loader *l = s->loader;
	uint32_t index;

	if (!wordlist_find(s, node, &index))
		return;
	const struct word_list list = l->lists.items[index];
	if (!list.is_table) {
		ERROR_AT(s, node, "list «%.*s» is no table; write it as tag: [words] to use it here",
			 STR_ARG(list.name));
		return;
	}
	if (!effects->rule->match || !cond_uses_list(effects->rule->match, index)) {
		ERROR_AT(s, node, "tag_from looks at the words that hit; add {list: %.*s} to match",
			 STR_ARG(list.name));
		return;
	}
	for (size_t i = 0; i < effects->list.count; i++) {
		if (effects->list.items[i].kind == EFFECT_TAG_FROM) {
			ERROR_AT(s, node, "a second tag_from; write a rule of its own for it");
			return;
		}
	}
	uint32_t *tags = ARENA_ARRAY(l->arena, uint32_t, list.row_count);
	uint32_t group = 0;
	for (size_t i = 0; i < list.row_count; i++) {
		struct tag_ref ref;
		if (!row_tag(s, node, &list, list.rows[i].tag, &ref))
			return;
		if (i > 0 && ref.group != group) {
			ERROR_AT(s, node, "the rows of table «%.*s» are tags of several groups; write a "
					  "table for each group", STR_ARG(list.name));
			return;
		}
		group = ref.group;
		tags[i] = ref.tag;
	}
	struct effect *effect = add(s, effects, EFFECT_TAG_FROM);
	effect->list = index;
	effect->group = group;
	effect->row_tags = tags;
	effect->expires_ms = l->groups.items[group].expires_ms;
}

static void read_stage(const struct scope *s, const struct yaml_node *node,
		       const struct yaml_node *back_node, struct effects *effects)
{
	bool back = false;

	if (back_node)
		(void)field_bool(s, back_node, "back", &back); /* a finding is enough */
	if (!field_filled(s, node, "stage"))
		return;
	for (size_t i = 0; i < field_count(node); i++) {
		struct ladder_stage stage;
		if (!catalog_stage(s, field_item(node, i), &stage))
			continue;
		for (size_t k = 0; k < effects->list.count; k++) {
			const struct effect *earlier = &effects->list.items[k];
			if (earlier->kind == EFFECT_STAGE && earlier->stage.ladder == stage.ladder)
				ERROR_AT(s, field_item(node, i), "a second stage of the same ladder; a rule "
								 "moves each ladder once");
		}
		struct effect *effect = add(s, effects, EFFECT_STAGE);
		effect->stage = stage;
		effect->back = back;
	}
}

static void read_alert(const struct scope *s, const struct yaml_node *node, struct effects *effects)
{
	static const char *const fields[] = {"severity", "category", "group_for"};
	static const char *const severities[] = {SEVERITY_NAMES(AS_NAME)};
	const struct yaml_node *value;
	int index = SEVERITY_MEDIUM;

	for (size_t i = 0; i < effects->list.count; i++)
		if (effects->list.items[i].kind == EFFECT_ALERT)
			ERROR_AT(s, node, "a second alert; a rule raises one at most");
	if (!field_map(s, node, fields, ARRAY_LEN(fields), "alert"))
		return;
	struct effect *effect = add(s, effects, EFFECT_ALERT);
	if ((value = yaml_find(node, STR("severity"))))
		(void)field_choice(s, value, "severity", severities, ARRAY_LEN(severities), &index);
	effect->severity = (enum severity)index;
	if ((value = yaml_find(node, STR("category"))))
		(void)field_text(s, value, "category", NAME_BYTES_MAX, &effect->category);
	if ((value = yaml_find(node, STR("group_for"))))
		(void)field_duration(s, value, "group_for", &effect->group_for_ms);
}

static void refuse_beside(const struct scope *s, const struct yaml_node *map, struct str name,
			  struct str goes_with)
{
	for (size_t i = 0; i < map->count; i++)
		if (str_eq(map->pairs[i].key->text, name) && !yaml_find(map, goes_with))
			ERROR_AT(s, map->pairs[i].key, "%s goes with %s", name.data, goes_with.data);
}

static void read_item(const struct scope *s, const struct yaml_node *map, struct effects *effects)
{
	const struct yaml_node *main[MAIN_COUNT];
	size_t mains = 0;

	if (!field_map(s, map, effect_fields, ARRAY_LEN(effect_fields), "then"))
		return;
	for (size_t i = 0; i < MAIN_COUNT; i++)
		mains += (main[i] = yaml_find(map, str_of(effect_fields[i]))) != NULL;
	refuse_beside(s, map, STR("expires"), STR("tag"));
	refuse_beside(s, map, STR("back"), STR("stage"));
	if (mains != 1) {
		ERROR_AT(s, map, "an item of then does one thing: tag, untag, tag_from, stage or alert; "
				 "write several as a list: [{tag: A}, {stage: B}]");
		return;
	}
	if (main[0])
		read_tag(s, main[0], EFFECT_TAG, yaml_find(map, STR("expires")), effects);
	else if (main[1])
		read_tag(s, main[1], EFFECT_UNTAG, NULL, effects);
	else if (main[2])
		read_tag_from(s, main[2], effects);
	else if (main[3])
		read_stage(s, main[3], yaml_find(map, STR("back")), effects);
	else
		read_alert(s, main[4], effects);
}

void effects_read(const struct scope *s, const struct yaml_node *node, struct rule *rule)
{
	struct effects effects = {.rule = rule};

	if (!field_filled(s, node, "then"))
		return;
	for (size_t i = 0; i < field_count(node); i++)
		read_item(s, field_item(node, i), &effects);
	rule->effects = effects.list.items;
	rule->effect_count = effects.list.count;
}
