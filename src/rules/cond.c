/* cond.c - the tree below `match`, and the words below `allow` and `ignore`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/field.h"

enum {
	NEAR_CHARS_MAX = 10000,
	NEAR_MESSAGES_MAX = 100,
	COUNT_MAX = 10000,
};

static const char *const cond_fields[] = {"word", "fold", "mode", "gap",  "regex",  "list", "is",
					  "except", "any", "all",  "none", "near",   "count"};
static const char *const group_fields[] = {"any", "all", "none"};
static const char *const fold_names[] = {"none", "standard", "loose"};

/* What may stand inside a condition, and what a list there means. */
enum inside {
	INSIDE_ANY,  /* alternatives already: a list in the list is a slip */
	INSIDE_EACH, /* each item counts by itself: a list there means any of it */
	INSIDE_PART, /* a part of near or count: as EACH, but only what has a place in the text */
};

struct reading {
	const struct scope *scope;
	struct cond_count *count; /* NULL: words and lists only */
};

static struct cond *read_value(const struct reading *r, const struct yaml_node *node,
			       enum inside inside);

static struct cond *new_cond(const struct reading *r, enum cond_kind kind,
			     const struct yaml_node *node)
{
	struct cond *cond = ARENA_NEW(r->scope->loader->arena, struct cond);

	*cond = (struct cond){
		.kind = kind, .file = r->scope->file, .line = node->line, .col = node->col,
		.fold = scope_pack(r->scope)->pack.fold, .gap = GAP_UNSET,
		.except_list = -1, .near_chars = -1, .near_messages = -1,
	};
	return cond;
}

/* A group of the values of `node`, or the only one of them by itself where that means the same. */
static struct cond *read_group(const struct reading *r, enum cond_kind kind,
			       const struct yaml_node *node, enum inside inside)
{
	struct cond *group = new_cond(r, kind, node);
	size_t count = field_count(node);

	group->children = ARENA_ARRAY(r->scope->loader->arena, struct cond *, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct cond *child = read_value(r, field_item(node, i), inside);
		if (child)
			group->children[group->child_count++] = child;
	}
	if (group->child_count == 0)
		return NULL;
	return group->child_count == 1 && kind != COND_NONE ? group->children[0] : group;
}

static struct cond *read_word(const struct reading *r, const struct yaml_node *node)
{
	struct cond *cond = new_cond(r, COND_WORD, node);

	return field_word(r->scope, node, &cond->word) ? cond : NULL;
}

static struct cond *read_regex(const struct reading *r, const struct yaml_node *node)
{
	struct cond *cond = new_cond(r, COND_REGEX, node);

	cond->word.line = node->line;
	cond->word.col = node->col;
	if (!field_text(r->scope, node, "a regex", PATTERN_BYTES_MAX, &cond->word.text))
		return NULL;
	if (memchr(cond->word.text.data, '\b', cond->word.text.len))
		ERROR_AT(r->scope, node, "\\b in double quotes is a backspace; write the regex in single quotes");
	return cond;
}

static struct cond *read_list(const struct reading *r, const struct yaml_node *node)
{
	struct cond *cond = new_cond(r, COND_LIST, node);

	return wordlist_find(r->scope, node, &cond->list) ? cond : NULL;
}

static struct cond *read_is(const struct reading *r, const struct yaml_node *node)
{
	static const char *const names[] = {
		[IS_PHONE] = "phone", [IS_EMAIL] = "email",	    [IS_URL] = "url",
		[IS_WECHAT_ID] = "wechat_id", [IS_QQ] = "qq", [IS_BANK_CARD] = "bank_card",
		[IS_ID_CARD] = "id_card",
	};
	struct cond *cond = new_cond(r, COND_IS, node);
	int index;

	if (!field_choice(r->scope, node, "is", names, ARRAY_LEN(names), &index))
		return NULL;
	cond->is = (enum detector)index;
	cond->word.text = str_of(names[index]);
	return cond;
}

/* `word`, `regex`, `list` or `is`: a list of values means any of them. */
static struct cond *read_leaf(const struct reading *r, const struct yaml_node *node,
			      struct cond *(*read)(const struct reading *, const struct yaml_node *),
			      const char *what)
{
	if (node->kind != YAML_LIST)
		return read(r, node);
	if (!field_filled(r->scope, node, what))
		return NULL;
	struct cond *any = new_cond(r, COND_ANY, node);
	any->children = ARENA_ARRAY(r->scope->loader->arena, struct cond *, node->count);
	for (size_t i = 0; i < node->count; i++) {
		struct cond *child = read(r, node->items[i]);
		if (child)
			any->children[any->child_count++] = child;
	}
	return any->child_count == 0 ? NULL : any->child_count == 1 ? any->children[0] : any;
}

/* Calls `set` on the leaf, or on each of several. */
static void each_leaf(struct cond *cond, void (*set)(struct cond *, const struct cond *),
		      const struct cond *like)
{
	if (cond->kind != COND_ANY) {
		set(cond, like);
		return;
	}
	for (size_t i = 0; i < cond->child_count; i++)
		set(cond->children[i], like);
}

static void set_spelling(struct cond *cond, const struct cond *like)
{
	cond->fold = like->fold;
	cond->mode = like->mode;
	cond->gap = like->gap;
}

static void set_except(struct cond *cond, const struct cond *like)
{
	cond->except_list = like->except_list;
}

static void read_word_options(const struct reading *r, const struct yaml_node *map,
			      struct cond *cond)
{
	static const char *const modes[] = {"contains"};
	const struct yaml_node *node;
	struct cond like = {.fold = scope_pack(r->scope)->pack.fold, .gap = GAP_UNSET};
	int64_t gap;
	int index;

	if ((node = yaml_find(map, STR("fold"))) &&
	    field_choice(r->scope, node, "fold", fold_names, ARRAY_LEN(fold_names), &index))
		like.fold = (enum fold_form)index;
	if ((node = yaml_find(map, STR("mode"))) &&
	    field_choice(r->scope, node, "mode", modes, ARRAY_LEN(modes), &index))
		like.mode = MODE_CONTAINS;
	if ((node = yaml_find(map, STR("gap"))) &&
	    field_int(r->scope, node, "gap", 0, GAP_MAX, &gap)) {
		like.gap = (int)gap;
		if (like.fold != FORM_LOOSE)
			ERROR_AT(r->scope, node, "gap works under loose folding only; add fold: loose");
	}
	each_leaf(cond, set_spelling, &like);
}

static void read_except(const struct reading *r, const struct yaml_node *node, struct cond *cond)
{
	static const char *const fields[] = {"list"};
	const struct yaml_node *names;
	struct loader *l = r->scope->loader;

	if (!field_map(r->scope, node, fields, ARRAY_LEN(fields), "except"))
		return;
	names = yaml_find(node, STR("list"));
	if (!names) {
		ERROR_AT(r->scope, node, "except names what is ours: {list: NAME}");
		return;
	}
	size_t count = field_count(names), found = 0;
	uint32_t *indexes = ARENA_ARRAY(l->scratch, uint32_t, count + 1);
	for (size_t i = 0; i < count; i++)
		found += wordlist_find(r->scope, field_item(names, i), &indexes[found]);
	if (!found)
		return;
	uint32_t list = found == 1 ? indexes[0] : wordlist_join(l, indexes, found);
	each_leaf(cond, set_except, &(struct cond){.except_list = list});
}

/* Only what has a place in the text can be near something or be counted. */
static bool has_place(const struct cond *cond)
{
	if (cond->kind == COND_ANY) {
		for (size_t i = 0; i < cond->child_count; i++)
			if (!has_place(cond->children[i]))
				return false;
		return true;
	}
	return cond->kind == COND_WORD || cond->kind == COND_REGEX || cond->kind == COND_LIST ||
	       cond->kind == COND_IS;
}

/* The parts of `of`; false with a finding if one has no place in the text. */
static bool read_parts(const struct reading *r, const struct yaml_node *node, struct cond *into)
{
	size_t count = field_count(node);
	bool ok = true;

	into->children = ARENA_ARRAY(r->scope->loader->arena, struct cond *, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct cond *part = read_value(r, field_item(node, i), INSIDE_PART);
		if (part && !has_place(part)) {
			ERROR_AT(r->scope, field_item(node, i),
				 "only words, regexes, lists, detectors and any of them have a place "
				 "in the text; write all and none around near and count");
			part = NULL;
		}
		if (part)
			into->children[into->child_count++] = part;
		ok &= part != NULL;
	}
	return ok;
}

static struct cond *read_near(const struct reading *r, const struct yaml_node *map)
{
	static const char *const fields[] = {"of", "chars", "messages", "ordered"};
	struct cond *near = new_cond(r, COND_NEAR, map);
	int64_t value;

	if (!field_map(r->scope, map, fields, ARRAY_LEN(fields), "near"))
		return NULL;
	const struct yaml_node *of = yaml_find(map, STR("of"));
	const struct yaml_node *chars = yaml_find(map, STR("chars"));
	const struct yaml_node *messages = yaml_find(map, STR("messages"));
	const struct yaml_node *ordered = yaml_find(map, STR("ordered"));
	if (!of || of->kind != YAML_LIST || of->count < 2 || of->count > NEAR_PARTS_MAX) {
		ERROR_AT(r->scope, of ? of : map, "near takes 2 to %d parts: of: [A, B]", NEAR_PARTS_MAX);
		return NULL;
	}
	if (!chars == !messages) {
		ERROR_AT(r->scope, map, "near takes either chars: N (inside one text) or messages: N "
					"(over messages of one speaker)");
		return NULL;
	}
	if (ordered && messages)
		ERROR_AT(r->scope, ordered, "ordered goes with chars; parts in several messages have "
					    "no fixed order");
	if (ordered)
		(void)field_bool(r->scope, ordered, "ordered", &near->ordered);
	if (chars && field_int(r->scope, chars, "chars", 0, NEAR_CHARS_MAX, &value))
		near->near_chars = (int)value;
	if (messages && field_int(r->scope, messages, "messages", 1, NEAR_MESSAGES_MAX, &value)) {
		near->near_messages = (int)value;
		near->near_index = near_name(r->count, r->scope->loader->arena, of, near->near_messages);
	}
	return read_parts(r, of, near) ? near : NULL;
}

static struct cond *read_count(const struct reading *r, const struct yaml_node *map)
{
	static const char *const fields[] = {"of", "at_least"};
	struct cond *count = new_cond(r, COND_COUNT, map);
	int64_t value = 0;

	if (!field_map(r->scope, map, fields, ARRAY_LEN(fields), "count"))
		return NULL;
	const struct yaml_node *of = yaml_find(map, STR("of"));
	const struct yaml_node *at_least = yaml_find(map, STR("at_least"));
	if (!of || !at_least) {
		ERROR_AT(r->scope, map, "count takes both of and at_least: {of: A, at_least: 2}");
		return NULL;
	}
	if (!field_filled(r->scope, of, "of") || !read_parts(r, of, count))
		return NULL;
	if (!field_int(r->scope, at_least, "at_least", 1, COUNT_MAX, &value))
		return NULL;
	count->at_least = (uint32_t)value;
	return count;
}

static bool is_group_field(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(group_fields); i++)
		if (str_eq(name, str_of(group_fields[i])))
			return true;
	return false;
}

/* A mapping with any, all, none: their conjunction. */
static struct cond *read_groups(const struct reading *r, const struct yaml_node *map)
{
	struct cond *all = new_cond(r, COND_ALL, map);

	all->children = ARENA_ARRAY(r->scope->loader->arena, struct cond *, map->count);
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->pairs[i].key, *value = map->pairs[i].value;
		if (!is_group_field(key->text)) {
			ERROR_AT(r->scope, key, "«%.*s» stands beside any, all or none; put it into "
						"all: […]", STR_ARG(key->text));
			continue;
		}
		if (!field_filled(r->scope, value, key->text.data))
			continue;
		bool is_all = str_eq(key->text, STR("all"));
		enum cond_kind kind = is_all				    ? COND_ALL
				      : str_eq(key->text, STR("none")) ? COND_NONE
								     : COND_ANY;
		struct cond *child = read_group(r, kind, value, is_all ? INSIDE_EACH : INSIDE_ANY);
		if (child)
			all->children[all->child_count++] = child;
	}
	return all->child_count == 0 ? NULL : all->child_count == 1 ? all->children[0] : all;
}

/* The fields of `map` besides its main one must be among `beside`. */
static void check_beside(const struct reading *r, const struct yaml_node *map, struct str main,
			 const char *const *beside, size_t count)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->pairs[i].key;
		bool fits = str_eq(key->text, main);
		for (size_t k = 0; k < count; k++)
			fits |= str_eq(key->text, str_of(beside[k]));
		if (!fits)
			ERROR_AT(r->scope, key, "«%.*s» does not go with «%.*s»; conditions that must "
						"all hold are written all: [A, B]",
				 STR_ARG(key->text), STR_ARG(main));
	}
}

static bool known_fields(const struct reading *r, const struct yaml_node *map)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->pairs[i].key;
		bool known = false;
		for (size_t k = 0; k < ARRAY_LEN(cond_fields); k++)
			known |= str_eq(key->text, str_of(cond_fields[k]));
		if (known)
			continue;
		ERROR_AT(r->scope, key, "unknown field «%.*s» in a condition%s; if a word with a "
					"colon was meant, quote it", STR_ARG(key->text),
			 field_hint(r->scope, key->text, cond_fields, ARRAY_LEN(cond_fields)));
		return false;
	}
	return true;
}

static struct cond *read_map(const struct reading *r, const struct yaml_node *map)
{
	static const char *const word_beside[] = {"fold", "mode", "gap"};
	static const char *const is_beside[] = {"except"};
	const struct yaml_node *node;
	struct cond *cond = NULL;

	if (!known_fields(r, map))
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (is_group_field(map->pairs[i].key->text))
			return read_groups(r, map);
	if ((node = yaml_find(map, STR("word")))) {
		check_beside(r, map, STR("word"), word_beside, ARRAY_LEN(word_beside));
		if ((cond = read_leaf(r, node, read_word, "word")))
			read_word_options(r, map, cond);
	} else if ((node = yaml_find(map, STR("is")))) {
		check_beside(r, map, STR("is"), is_beside, ARRAY_LEN(is_beside));
		cond = read_leaf(r, node, read_is, "is");
		if (cond && (node = yaml_find(map, STR("except"))))
			read_except(r, node, cond);
	} else if ((node = yaml_find(map, STR("regex")))) {
		check_beside(r, map, STR("regex"), NULL, 0);
		cond = read_leaf(r, node, read_regex, "regex");
	} else if ((node = yaml_find(map, STR("list")))) {
		check_beside(r, map, STR("list"), NULL, 0);
		cond = read_leaf(r, node, read_list, "list");
	} else if ((node = yaml_find(map, STR("near"))) && r->count) {
		check_beside(r, map, STR("near"), NULL, 0);
		cond = read_near(r, node);
	} else if ((node = yaml_find(map, STR("count"))) && r->count) {
		check_beside(r, map, STR("count"), NULL, 0);
		cond = read_count(r, node);
	} else if (!node) {
		ERROR_AT(r->scope, map, "a condition needs one of word, regex, list, is, any, all, none, "
					"near, count");
	}
	return cond;
}

static struct cond *read_value(const struct reading *r, const struct yaml_node *node,
			       enum inside inside)
{
	switch (node->kind) {
	case YAML_SCALAR:
		return read_word(r, node);
	case YAML_MAP:
		return read_map(r, node);
	case YAML_LIST:
		break;
	}
	/* «[加微信]» for a word with brackets is the usual slip; a list of one says nothing more
	 * than its item, so it is taken for that slip too. */
	bool slip = inside == INSIDE_ANY ||
		    (node->count == 1 && node->items[0]->kind == YAML_SCALAR && !node->items[0]->quoted);
	if (slip || node->count == 0) {
		ERROR_AT(r->scope, node, "a word was meant here, but YAML reads a list; if the brackets "
					 "belong to the word, quote it");
		return NULL;
	}
	return read_group(r, COND_ANY, node, INSIDE_ANY);
}

const struct cond *cond_read(const struct scope *s, const struct yaml_node *node,
			     struct cond_count *count)
{
	struct reading r = {.scope = s, .count = count};

	if (node->kind != YAML_LIST)
		return read_value(&r, node, INSIDE_EACH);
	return field_filled(s, node, "match") ? read_group(&r, COND_ANY, node, INSIDE_ANY) : NULL;
}

const struct cond *cond_read_words(const struct scope *s, const struct yaml_node *node,
				   const char *what)
{
	struct reading r = {.scope = s};

	if (node->kind == YAML_LIST && !field_filled(s, node, what))
		return NULL;
	for (size_t i = 0; i < field_count(node); i++) {
		const struct yaml_node *item = field_item(node, i);
		bool fits = item->kind != YAML_MAP || yaml_find(item, STR("word")) ||
			    yaml_find(item, STR("list"));
		if (!fits) {
			ERROR_AT(s, item, "%s takes words and lists: [a, {list: NAME}]", what);
			return NULL;
		}
	}
	return node->kind == YAML_LIST ? read_group(&r, COND_ANY, node, INSIDE_ANY)
				       : read_value(&r, node, INSIDE_EACH);
}

bool cond_needs_hit(const struct cond *cond)
{
	bool any = cond->kind == COND_ANY;

	if (cond->kind == COND_NONE)
		return false;
	if (!any && cond->kind != COND_ALL)
		return true;
	for (size_t i = 0; i < cond->child_count; i++)
		if (cond_needs_hit(cond->children[i]) != any)
			return !any;
	return any;
}

bool cond_uses_list(const struct cond *cond, uint32_t list)
{
	if (cond->kind == COND_LIST)
		return cond->list == list;
	for (size_t i = 0; i < cond->child_count; i++)
		if (cond->kind != COND_NONE && cond_uses_list(cond->children[i], list))
			return true;
	return false;
}
