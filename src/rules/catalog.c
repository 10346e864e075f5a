/* catalog.c - tags and ladders of all packs together, and the names that mean them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"

enum { TAGS_PER_GROUP_MAX = 10000, STAGES_MAX = 100 };

/* A name that may stand in front of a slash in «group/tag». */
static bool front_name(const struct scope *s, const struct yaml_node *key, const char *what,
		       struct str *out)
{
	if (!field_text(s, key, what, NAME_BYTES_MAX, out))
		return false;
	if (memchr(out->data, '/', out->len)) {
		ERROR_AT(s, key, "%s «%.*s» holds a slash, which parts it from its values", what,
			 STR_ARG(*out));
		return false;
	}
	return true;
}

static bool first_of_its_name(const struct scope *s, const struct yaml_node *key, const char *what,
			      const struct name_table *names, const struct str *places)
{
	uint32_t index;

	if (!name_table_find(names, key->text, &index))
		return true;
	ERROR_AT(s, key, "%s «%.*s» is defined already, in %.*s; tags and ladders belong to all "
			 "packs together", what, STR_ARG(key->text), STR_ARG(places[index]));
	return false;
}

static struct str place(const struct scope *s, const struct yaml_node *node)
{
	return arena_printf(s->loader->scratch, "%.*s:%d", STR_ARG(s->file), node->line);
}

static struct str joined(struct loader *l, struct str front, struct str back)
{
	return arena_printf(l->arena, "%.*s/%.*s", STR_ARG(front), STR_ARG(back));
}

/* ---- tag groups ---- */

static void add_tag_name(struct loader *l, struct str name, struct tag_ref ref)
{
	uint32_t index;

	if (name_table_find(&l->tag_names, name, &index)) {
		l->tags.items[index].ambiguous = true;
		return;
	}
	name_table_add(&l->tag_names, l->scratch, name, (uint32_t)l->tags.count);
	*VEC_ADD(l->scratch, &l->tags) = (struct tag_name){ref, false};
}

/* The tag of a value and its mapping ({wecom_id: …}), NULL for none. */
static bool read_tag(const struct scope *s, const struct yaml_node *name,
		     const struct yaml_node *about, struct tag *out)
{
	static const char *const fields[] = {"wecom_id"};

	if (!field_text(s, name, "a tag", NAME_BYTES_MAX, &out->name))
		return false;
	if (!about || yaml_is_null(about))
		return true;
	if (!field_map(s, about, fields, ARRAY_LEN(fields), "a tag"))
		return false;
	const struct yaml_node *id = yaml_find(about, STR("wecom_id"));
	return !id || field_text(s, id, "wecom_id", NAME_BYTES_MAX, &out->wecom_id);
}

static void read_values(const struct scope *s, const struct yaml_node *node, struct tag_group *group)
{
	VEC(struct tag) tags = {0};
	struct name_table seen = {0};
	struct loader *l = s->loader;
	uint32_t ignored;

	if (node->kind == YAML_SCALAR || node->count == 0 || node->count > TAGS_PER_GROUP_MAX) {
		ERROR_AT(s, node, "values is a list of 1 to %d tags ([a, b]), or a mapping of tags "
				  "to {wecom_id: …}", TAGS_PER_GROUP_MAX);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		bool list = node->kind == YAML_LIST;
		const struct yaml_node *name = list ? node->items[i] : node->pairs[i].key;
		struct tag tag = {0};
		if (!read_tag(s, name, list ? NULL : node->pairs[i].value, &tag))
			continue;
		if (name_table_find(&seen, tag.name, &ignored)) {
			ERROR_AT(s, name, "tag «%.*s» stands here twice", STR_ARG(tag.name));
			continue;
		}
		name_table_add(&seen, l->scratch, tag.name, 0);
		*VEC_ADD(l->arena, &tags) = tag;
	}
	group->tags = tags.items;
	group->tag_count = tags.count;
}

static void read_group(const struct scope *s, const struct yaml_pair *pair)
{
	static const char *const fields[] = {"values", "exclusive", "expires"};
	struct loader *l = s->loader;
	const struct yaml_node *about = pair->value, *node;
	struct tag_group group = {0};

	if (!front_name(s, pair->key, "a tag group", &group.name) ||
	    !first_of_its_name(s, pair->key, "tag group", &l->group_names, l->group_places.items) ||
	    !field_map(s, about, fields, ARRAY_LEN(fields), "a tag group"))
		return;
	if ((node = yaml_find(about, STR("values"))))
		read_values(s, node, &group);
	else
		ERROR_AT(s, about, "tag group «%.*s» has no values; write values: [a, b]",
			 STR_ARG(group.name));
	if ((node = yaml_find(about, STR("exclusive"))))
		(void)field_bool(s, node, "exclusive", &group.exclusive); /* a finding is enough */
	if ((node = yaml_find(about, STR("expires"))))
		(void)field_duration(s, node, "expires", &group.expires_ms);

	uint32_t index = (uint32_t)l->groups.count;
	name_table_add(&l->group_names, l->scratch, group.name, index);
	*VEC_ADD(l->scratch, &l->group_places) = place(s, pair->key);
	*VEC_ADD(l->arena, &l->groups) = group;
	for (size_t i = 0; i < group.tag_count; i++) {
		struct tag_ref ref = {index, (uint32_t)i};
		add_tag_name(l, group.tags[i].name, ref);
		add_tag_name(l, joined(l, group.name, group.tags[i].name), ref);
	}
}

void catalog_read_tags(const struct scope *s, const struct yaml_node *map)
{
	if (map->kind != YAML_MAP) {
		ERROR_AT(s, map, "tags is a mapping: group: {values: [a, b]}");
		return;
	}
	for (size_t i = 0; i < map->count; i++)
		read_group(s, &map->pairs[i]);
}

bool catalog_tag(const struct scope *s, const struct yaml_node *node, struct tag_ref *out)
{
	struct loader *l = s->loader;
	struct str name;
	uint32_t index;

	if (!field_text(s, node, "a tag", 2 * NAME_BYTES_MAX, &name))
		return false;
	if (!name_table_find(&l->tag_names, name, &index)) {
		ERROR_AT(s, node, "unknown tag «%.*s»%s", STR_ARG(name),
			 field_hint_name(s, name, &l->tag_names));
		return false;
	}
	const struct tag_name *found = &l->tags.items[index];
	if (found->ambiguous) {
		ERROR_AT(s, node, "several groups have a tag «%.*s»; write «%.*s/%.*s» for one of them",
			 STR_ARG(name), STR_ARG(l->groups.items[found->ref.group].name), STR_ARG(name));
		return false;
	}
	*out = found->ref;
	return true;
}

/* ---- ladders ---- */

static void add_stage_name(struct loader *l, struct str name, struct ladder_stage ref)
{
	uint32_t index;

	if (name_table_find(&l->stage_names, name, &index)) {
		l->stages.items[index].ambiguous = true;
		return;
	}
	name_table_add(&l->stage_names, l->scratch, name, (uint32_t)l->stages.count);
	*VEC_ADD(l->scratch, &l->stages) = (struct stage_name){ref, false};
}

static void read_stages(const struct scope *s, const struct yaml_node *node, struct ladder *ladder,
			struct name_table *seen)
{
	VEC(struct tag) stages = {0};
	uint32_t ignored;

	if (node->kind != YAML_LIST || node->count == 0 || node->count > STAGES_MAX) {
		ERROR_AT(s, node, "stages is a list of 1 to %d stages in order: [a, b]", STAGES_MAX);
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		struct str name;
		if (!field_text(s, node->items[i], "a stage", NAME_BYTES_MAX, &name))
			continue;
		if (name_table_find(seen, name, &ignored)) {
			ERROR_AT(s, node->items[i], "stage «%.*s» stands here twice", STR_ARG(name));
			continue;
		}
		name_table_add(seen, s->loader->scratch, name, (uint32_t)stages.count);
		*VEC_ADD(s->loader->arena, &stages) = (struct tag){.name = name};
	}
	ladder->stages = stages.items;
	ladder->stage_count = stages.count;
}

/* `labels: {stage: WeCom id}`. `stages` are the ladder's own, still ours to write to. */
static void read_labels(const struct scope *s, const struct yaml_node *node, struct ladder *ladder,
			struct tag *stages, const struct name_table *seen)
{
	if (node->kind != YAML_MAP) {
		ERROR_AT(s, node, "labels is a mapping: stage: WeCom id of its tag");
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_node *key = node->pairs[i].key;
		uint32_t index;
		struct str id;
		if (!field_text(s, node->pairs[i].value, "a label", NAME_BYTES_MAX, &id))
			continue;
		if (ladder->lost.name.len && str_eq(key->text, ladder->lost.name))
			ladder->lost.wecom_id = id;
		else if (name_table_find(seen, key->text, &index) && index < ladder->stage_count)
			stages[index].wecom_id = id;
		else
			ERROR_AT(s, key, "unknown stage «%.*s»%s", STR_ARG(key->text),
				 field_hint_name(s, key->text, seen));
	}
}

static void add_ladder(const struct scope *s, const struct yaml_node *key,
		       const struct ladder *ladder)
{
	struct loader *l = s->loader;
	uint32_t index = (uint32_t)l->ladders.count;

	name_table_add(&l->ladder_names, l->scratch, ladder->name, index);
	*VEC_ADD(l->scratch, &l->ladder_places) = place(s, key);
	*VEC_ADD(l->arena, &l->ladders) = *ladder;
	for (size_t i = 0; i <= ladder->stage_count; i++) {
		bool lost = i == ladder->stage_count;
		struct str name = lost ? ladder->lost.name : ladder->stages[i].name;
		struct ladder_stage ref = {index, lost ? STAGE_LOST : (int32_t)i};
		if (!name.len)
			continue;
		add_stage_name(l, name, ref);
		add_stage_name(l, joined(l, ladder->name, name), ref);
	}
}

static void read_ladder(const struct scope *s, const struct yaml_pair *pair)
{
	static const char *const fields[] = {"stages", "lost", "labels"};
	struct loader *l = s->loader;
	const struct yaml_node *about = pair->value, *node;
	struct ladder ladder = {0};
	struct name_table seen = {0};
	uint32_t ignored;

	if (!front_name(s, pair->key, "a ladder", &ladder.name) ||
	    !first_of_its_name(s, pair->key, "ladder", &l->ladder_names, l->ladder_places.items) ||
	    !field_map(s, about, fields, ARRAY_LEN(fields), "a ladder"))
		return;
	if ((node = yaml_find(about, STR("stages"))))
		read_stages(s, node, &ladder, &seen);
	else
		ERROR_AT(s, about, "ladder «%.*s» has no stages; write stages: [a, b]",
			 STR_ARG(ladder.name));
	if ((node = yaml_find(about, STR("lost"))) &&
	    field_text(s, node, "lost", NAME_BYTES_MAX, &ladder.lost.name)) {
		if (name_table_find(&seen, ladder.lost.name, &ignored))
			ERROR_AT(s, node, "«%.*s» is a stage already; lost stands beside the stages",
				 STR_ARG(ladder.lost.name));
		else
			name_table_add(&seen, l->scratch, ladder.lost.name, UINT32_MAX);
	}
	if ((node = yaml_find(about, STR("labels"))))
		read_labels(s, node, &ladder, (struct tag *)ladder.stages, &seen);
	add_ladder(s, pair->key, &ladder);
}

void catalog_read_ladders(const struct scope *s, const struct yaml_node *map)
{
	if (map->kind != YAML_MAP) {
		ERROR_AT(s, map, "ladders is a mapping: name: {stages: [a, b]}");
		return;
	}
	for (size_t i = 0; i < map->count; i++)
		read_ladder(s, &map->pairs[i]);
}

bool catalog_stage(const struct scope *s, const struct yaml_node *node, struct ladder_stage *out)
{
	struct loader *l = s->loader;
	struct str name;
	uint32_t index;

	if (!field_text(s, node, "a stage", 2 * NAME_BYTES_MAX, &name))
		return false;
	if (!name_table_find(&l->stage_names, name, &index)) {
		ERROR_AT(s, node, "unknown stage «%.*s»%s", STR_ARG(name),
			 field_hint_name(s, name, &l->stage_names));
		return false;
	}
	const struct stage_name *found = &l->stages.items[index];
	if (found->ambiguous) {
		ERROR_AT(s, node, "several ladders have a stage «%.*s»; write «%.*s/%.*s» for one of "
				  "them", STR_ARG(name),
			 STR_ARG(l->ladders.items[found->ref.ladder].name), STR_ARG(name));
		return false;
	}
	*out = found->ref;
	return true;
}
