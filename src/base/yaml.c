/* yaml.c - libyaml's events become a tree; whatever is too clever is a finding. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <yaml.h>

#include "base/utf8.h"
#include "base/yaml_slip.h"

/* A word list of 100,000 lines takes as many nodes; a file of 16 MiB of «a,a,a» would take eight
 * million, a gigabyte of tree. */
enum { YAML_NODES_MAX = 1 << 20 };

struct reader {
	struct arena *arena;
	struct str file, text;
	struct findings *findings;
	yaml_parser_t parser;
	struct yaml_place quote; /* of the last event, if it was a text in quotes of several lines */
	size_t node_count;
	bool stop; /* the rest cannot be read */
};

/* A list or map that grows while its children are read. */
struct growing {
	struct yaml_node **items;
	size_t count, cap;
};

static void complain(struct reader *r, yaml_mark_t at, const char *what)
{
	findings_add(r->findings, FINDING_ERROR, r->file, (int)at.line + 1, (int)at.column + 1,
		     "%s", what);
}

static struct yaml_place place_of(yaml_mark_t mark)
{
	return (struct yaml_place){(int)mark.line + 1, (int)mark.column + 1};
}

/* Of characters that it refuses libyaml tells the offset only; people want the line. */
static struct yaml_place place_in(struct str text, size_t offset)
{
	struct yaml_place place = {.line = 1};
	size_t start = 0;

	offset = MIN(offset, text.len);
	for (const char *end; (end = memchr(text.data + start, '\n', offset - start)); place.line++)
		start = (size_t)(end - text.data) + 1;
	place.col = (int)utf8_count((struct str){text.data + start, offset - start}) + 1;
	return place;
}

static void complain_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	struct yaml_stumble stumble = {
		.problem = p->problem ? p->problem : "not YAML",
		.context = p->context,
		.at = p->error == YAML_READER_ERROR ? place_in(r->text, p->problem_offset)
						    : place_of(p->problem_mark),
		.begun = p->context ? place_of(p->context_mark) : (struct yaml_place){0},
		.quote = r->quote,
	};

	yaml_slip(r->findings, r->file, r->text, &stumble);
	r->stop = true;
}

/* The next event; false when there is none that can be used. */
static bool next(struct reader *r, yaml_event_t *event)
{
	if (r->stop)
		return false;
	if (!yaml_parser_parse(&r->parser, event)) {
		complain_syntax(r);
		return false;
	}
	bool quoted = event->type == YAML_SCALAR_EVENT && event->end_mark.line > event->start_mark.line &&
		      (event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
		       event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	r->quote = quoted ? place_of(event->start_mark) : (struct yaml_place){0};
	return true;
}

static void add(struct reader *r, struct growing *g, struct yaml_node *node)
{
	if (g->count == g->cap) {
		size_t cap = MAX(g->cap * 2, (size_t)8);
		struct yaml_node **items = ARENA_ARRAY(r->arena, struct yaml_node *, cap);
		if (g->count)
			memcpy(items, g->items, g->count * sizeof *items);
		g->items = items;
		g->cap = cap;
	}
	g->items[g->count++] = node;
}

static struct yaml_node *new_node(struct reader *r, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node = ARENA_NEW(r->arena, struct yaml_node);

	node->kind = kind;
	node->line = (int)at.line + 1;
	node->col = (int)at.column + 1;
	if (++r->node_count > YAML_NODES_MAX && !r->stop) {
		complain(r, at, "the file holds more than 1,048,576 values; use word files for "
				"long lists");
		r->stop = true;
	}
	return node;
}

static struct yaml_node *read_value(struct reader *r, yaml_event_t *event, int depth);

static struct yaml_node *read_scalar(struct reader *r, const yaml_event_t *event)
{
	struct yaml_node *node = new_node(r, YAML_SCALAR, event->start_mark);

	node->text = arena_copy(r->arena, (struct str){(const char *)event->data.scalar.value,
						       event->data.scalar.length});
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (memchr(node->text.data, '\0', node->text.len))
		complain(r, event->start_mark, "a text with a zero byte in it");
	return node;
}

static struct yaml_node *read_list(struct reader *r, yaml_mark_t at, int depth)
{
	struct yaml_node *list = new_node(r, YAML_LIST, at);
	struct growing items = {0};
	yaml_event_t event;

	while (next(r, &event)) {
		bool end = event.type == YAML_SEQUENCE_END_EVENT;
		struct yaml_node *item = end ? NULL : read_value(r, &event, depth);
		yaml_event_delete(&event);
		if (end)
			break;
		if (item)
			add(r, &items, item);
	}
	list->items = items.items;
	list->count = items.count;
	return list;
}

static int by_key(const void *left, const void *right)
{
	const struct yaml_node *a = *(struct yaml_node *const *)left;
	const struct yaml_node *b = *(struct yaml_node *const *)right;
	int order = str_cmp(a->text, b->text);
	if (order)
		return order;
	return a->line != b->line ? (a->line < b->line ? -1 : 1) : (a->col > b->col) - (a->col < b->col);
}

/* Keeps the first of equal keys, so that nobody complains of the others again. */
static void check_keys(struct reader *r, struct yaml_node *map)
{
	if (map->count < 2)
		return;
	struct yaml_node **keys = ARENA_ARRAY(r->arena, struct yaml_node *, map->count);
	for (size_t i = 0; i < map->count; i++)
		keys[i] = map->pairs[i].key;
	qsort(keys, map->count, sizeof(*keys), by_key);
	bool again = false;
	for (size_t i = 1, first = 0; i < map->count; i++) {
		if (!str_eq(keys[i]->text, keys[first]->text)) {
			first = i;
			continue;
		}
		findings_add(r->findings, FINDING_ERROR, r->file, keys[i]->line, keys[i]->col,
			     "«%.*s» stands here twice; the first is in line %d",
			     STR_ARG(keys[i]->text), keys[first]->line);
		keys[i]->kind = YAML_LIST; /* a mark: no key is a list */
		again = true;
	}
	size_t kept = 0;
	for (size_t i = 0; again && i < map->count; i++)
		if (map->pairs[i].key->kind == YAML_SCALAR)
			map->pairs[kept++] = map->pairs[i];
	map->count = again ? kept : map->count;
}

static bool is_pair(const struct yaml_node *key, const struct yaml_node *value)
{
	return key && value && key->kind == YAML_SCALAR &&
	       (key->quoted || !str_eq(key->text, STR("<<")));
}

static struct yaml_node *read_map(struct reader *r, yaml_mark_t at, int depth)
{
	struct yaml_node *map = new_node(r, YAML_MAP, at);
	struct growing flat = {0}; /* key, value, key, value … */
	yaml_event_t event;

	while (next(r, &event)) {
		bool end = event.type == YAML_MAPPING_END_EVENT;
		struct yaml_node *node = end ? NULL : read_value(r, &event, depth);
		if (node && flat.count % 2 == 0) {
			if (node->kind != YAML_SCALAR)
				complain(r, event.start_mark,
					 "a list or a mapping stands where a name belongs; if a "
					 "word was meant, quote it");
			else if (!node->quoted && str_eq(node->text, STR("<<")))
				complain(r, event.start_mark, "merge keys (<<) are not read; write "
							      "the fields out");
		}
		yaml_event_delete(&event);
		if (end)
			break;
		add(r, &flat, node); /* NULL keeps the pairs in step; the finding is there already */
	}
	map->pairs = ARENA_ARRAY(r->arena, struct yaml_pair, flat.count / 2 + 1);
	for (size_t i = 0; i + 1 < flat.count; i += 2)
		if (is_pair(flat.items[i], flat.items[i + 1]))
			map->pairs[map->count++] = (struct yaml_pair){flat.items[i], flat.items[i + 1]};
	check_keys(r, map);
	return map;
}

static void refuse_properties(struct reader *r, yaml_mark_t at, const void *anchor, const void *tag)
{
	if (anchor)
		complain(r, at, "anchors (&name) are not read; if a word was meant, quote it");
	if (tag)
		complain(r, at, "tags (!name) are not read; if a word was meant, quote it");
}

/* The value that `event` begins; NULL when it cannot be used (there is a finding then). */
static struct yaml_node *read_value(struct reader *r, yaml_event_t *event, int depth)
{
	yaml_mark_t at = event->start_mark;

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		refuse_properties(r, at, event->data.scalar.anchor, event->data.scalar.tag);
		return read_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_properties(r, at, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_properties(r, at, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag);
		break;
	case YAML_ALIAS_EVENT:
		complain(r, at, "aliases (*name) are not read; if a word was meant, quote it");
		return NULL;
	default: /* libyaml gives no others inside a document */
		complain(r, at, "YAML: something else than a value");
		r->stop = true;
		return NULL;
	}
	if (depth == YAML_DEPTH_MAX) {
		complain(r, at, "nested more than 32 deep");
		r->stop = true;
		return NULL;
	}
	return event->type == YAML_SEQUENCE_START_EVENT ? read_list(r, at, depth + 1)
							: read_map(r, at, depth + 1);
}

static struct yaml_node *read_documents(struct reader *r)
{
	struct yaml_node *root = NULL;
	yaml_event_t event;
	int documents = 0;

	while (next(r, &event)) {
		yaml_event_type_t type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && ++documents == 2) {
			complain(r, event.start_mark, "a second document (---); one file holds one, "
						      "write two files");
			r->stop = true;
		} else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
			   type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
			root = read_value(r, &event, 0);
		}
		yaml_event_delete(&event);
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	return root;
}

/* libyaml says where it stumbled over bad bytes only by offset; people want the line. */
static bool check_bytes(struct str file, struct str text, struct findings *findings)
{
	if (text.len > YAML_BYTES_MAX) {
		findings_add(findings, FINDING_ERROR, file, 0, 0,
			     "the file is larger than 16 MiB; use word files for long lists");
		return false;
	}
	if (utf8_valid(text))
		return true;
	int line = 1;
	for (size_t start = 0; start < text.len; line++) {
		const char *end = memchr(text.data + start, '\n', text.len - start);
		size_t len = end ? (size_t)(end - text.data) - start + 1 : text.len - start;
		if (!utf8_valid((struct str){text.data + start, len}))
			break;
		start += len;
	}
	findings_add(findings, FINDING_ERROR, file, line, 1, "not UTF-8; save the file as UTF-8");
	return false;
}

int yaml_parse(struct arena *arena, struct str file, struct str text, struct findings *findings,
	       struct yaml_node **out)
{
	struct reader r = {.arena = arena, .file = file, .findings = findings};
	size_t errors = findings->errors;

	if (!check_bytes(file, text, findings))
		return -1;
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	if (!yaml_parser_initialize(&r.parser)) {
		findings_add(findings, FINDING_ERROR, file, 0, 0, "out of memory");
		return -1;
	}
	r.text = text;
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.data ? text.data : ""),
				     text.len);
	struct yaml_node *root = read_documents(&r);
	yaml_parser_delete(&r.parser);
	/* A tree that broke off would make a second finding of each thing that is missing. */
	if (r.stop || (!root && findings->errors > errors))
		return -1;
	*out = root;
	return 0;
}

struct yaml_node *yaml_find(const struct yaml_node *map, struct str key)
{
	if (map->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (str_eq(map->pairs[i].key->text, key))
			return map->pairs[i].value;
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && !node->quoted &&
	       (node->text.len == 0 || str_eq(node->text, STR("~")) ||
		str_eq(node->text, STR("null")));
}

const char *yaml_library_version(void)
{
	return yaml_get_version_string();
}
