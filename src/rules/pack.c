/* pack.c - what a rule file says of its whole pack. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"
#include "rules/zone.h"

static bool pack_name_ok(struct str name)
{
	if (name.len < 1 || name.len > 32)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", name.data[i]))
			return false;
	return true;
}

bool pack_find(struct scope *s, const struct yaml_node *root)
{
	struct loader *l = s->loader;
	const struct yaml_node *node = yaml_find(root, STR("pack"));

	if (!node) {
		ERROR_AT(s, root, "a rule file begins with pack: NAME");
		return false;
	}
	if (node->kind != YAML_SCALAR || !pack_name_ok(node->text)) {
		ERROR_AT(s, node, "the name of a pack is 1 to 32 of a-z, 0-9 and -");
		return false;
	}
	if (name_table_find(&l->pack_names, node->text, &s->pack))
		return true;
	struct str name = arena_copy(l->arena, node->text);
	s->pack = (uint32_t)l->packs.count;
	name_table_add(&l->pack_names, l->scratch, name, s->pack);
	*VEC_ADD(l->scratch, &l->packs) = (struct pack_draft){
		.pack = {.name = name, .title = name, .zone = zone_china(), .fold = FORM_STANDARD}};
	return true;
}

/* ---- settings of a pack ---- */

/* True if this file is the first to set it; another that sets it too is a finding. */
static bool first_to_say(const struct scope *s, const struct yaml_node *node, const char *what,
			 struct str *said_by)
{
	if (said_by->len) {
		ERROR_AT(s, node, "%s of pack %.*s is set in %.*s already; it belongs to the whole pack",
			 what, STR_ARG(scope_pack(s)->pack.name), STR_ARG(*said_by));
		return false;
	}
	*said_by = s->file;
	return true;
}

static void read_timezone(const struct scope *s, const struct yaml_node *node)
{
	struct loader *l = s->loader;
	const struct source *source;
	const struct zone *zone = NULL;
	struct str name, bytes;
	struct err err;

	if (!field_text(s, node, "timezone", 64, &name))
		return;
	if (sources_get(&source, l->sources, SOURCE_ZONE, name, &err) < 0 ||
	    source_zone_bytes(&bytes, l->scratch, source, &err) < 0) {
		ERROR_AT(s, node, "timezone «%.*s»: %s", STR_ARG(name), err.text);
		return;
	}
	zone = zone_parse(l->arena, bytes);
	if (!zone)
		ERROR_AT(s, node, "timezone «%.*s»: its file makes no sense", STR_ARG(name));
	else
		scope_pack(s)->pack.zone = zone;
}

static void read_settings(const struct scope *s, const struct yaml_node *root)
{
	static const char *const folds[] = {
		[FORM_NONE] = "none", [FORM_STANDARD] = "standard", [FORM_LOOSE] = "loose"};
	static const char *const modes[] = {"shadow"};
	struct pack_draft *draft = scope_pack(s);
	const struct yaml_node *node;
	int index;

	if ((node = yaml_find(root, STR("title"))) && first_to_say(s, node, "title", &draft->title_file))
		(void)field_text(s, node, "title", NAME_BYTES_MAX, &draft->pack.title); /* finding told */
	if ((node = yaml_find(root, STR("timezone"))) &&
	    first_to_say(s, node, "timezone", &draft->zone_file))
		read_timezone(s, node);
	if ((node = yaml_find(root, STR("fold"))) && first_to_say(s, node, "fold", &draft->fold_file) &&
	    field_choice(s, node, "fold", folds, ARRAY_LEN(folds), &index))
		draft->pack.fold = (enum fold_form)index;
	if ((node = yaml_find(root, STR("mode"))) && first_to_say(s, node, "mode", &draft->mode_file) &&
	    field_choice(s, node, "mode", modes, ARRAY_LEN(modes), &index))
		draft->shadow = true;
}

void pack_read(const struct scope *s, const struct yaml_node *root)
{
	const struct yaml_node *node;

	read_settings(s, root);
	if ((node = yaml_find(root, STR("tags"))))
		catalog_read_tags(s, node);
	if ((node = yaml_find(root, STR("ladders"))))
		catalog_read_ladders(s, node);
	if ((node = yaml_find(root, STR("lists"))))
		wordlist_read_all(s, node);
	if ((node = yaml_find(root, STR("aliases"))))
		wordlist_read_aliases(s, node);
}
