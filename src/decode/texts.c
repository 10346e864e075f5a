/* texts.c - the walk through the body of a message. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/texts.h"

#include "base/hash.h"
#include "base/heap.h"
#include "base/utf8.h"
#include "decode/marks.h"

static void walk_shape(struct decoder *d, const struct json *j, uint32_t object,
                       const struct shape *shape);
static void walk_generic(struct decoder *d, const struct json *j, uint32_t node, bool for_people);

/* ---- paths ---- */

/* Adds ".key" (or "key" at the beginning); the caller sets d->path.len back to what it was. */
static void path_key(struct decoder *d, struct str key)
{
	if (d->path.len > PATH_BYTES_MAX)
		return; /* it is cut anyway, and must not grow with the square of a record */
	d->cut_path.data = NULL;
	if (d->path.len)
		buf_putc(&d->path, '.');
	buf_put(&d->path, key);
}

static void path_index(struct decoder *d, size_t index)
{
	if (d->path.len > PATH_BYTES_MAX)
		return;
	d->cut_path.data = NULL;
	buf_putc(&d->path, '[');
	buf_put_u64(&d->path, index);
	buf_putc(&d->path, ']');
}

static struct str path_copy(struct decoder *d)
{
	if (LIKELY(d->path.len <= PATH_BYTES_MAX))
		return arena_copy(d->arena, buf_str(&d->path));
	/* All texts behind the cut have the same path: one copy serves thousands. */
	if (!d->cut_path.data)
		d->cut_path = arena_copy(d->arena, utf8_head(buf_str(&d->path), PATH_BYTES_MAX));
	return d->cut_path;
}

/* ---- one text ---- */

/* The first strings of a record may have less before them than the search may read. */
static struct str with_room(struct decoder *d, struct str s)
{
	const char *record = d->record->value.data;
	if (LIKELY(s.data < record || s.data >= record + 16))
		return s;
	char *copy = (char *)arena_alloc(d->arena, 16 + s.len + RECORD_PADDING) + 16;
	memcpy(copy, s.data, s.len);
	return (struct str){copy, s.len};
}

static const struct span *spans_take(struct decoder *d, size_t *count)
{
	size_t bytes = d->spans.len;
	*count = bytes / sizeof(struct span);
	if (bytes == 0)
		return NULL;
	d->spans.len = 0;
	return memcpy(arena_alloc(d->arena, bytes), d->spans.data, bytes);
}

static void add_text(struct decoder *d, struct str content)
{
	if (content.len == 0)
		return;
	if (d->text_count == d->text_cap) {
		d->text_cap = MAX(d->text_cap * 2, (size_t)64);
		d->texts = heap_grown(d->texts, d->text_cap * sizeof *d->texts);
	}

	struct text *text = &d->texts[d->text_count++];
	*text = (struct text){
	        .path = path_copy(d),
	        .content = with_room(d, content),
	        .forwarded = d->nested > 0,
	        .own_start = (uint32_t)marks_quoted(content),
	};
	size_t count;
	marks_spans(content, &d->spans);
	text->spans = spans_take(d, &count);
	text->span_count = (uint32_t)count;
	d->only_closing = d->only_closing && marks_only_emoticons(content, text->own_start,
	                                                          text->spans, text->span_count);
}

static void add_string(struct decoder *d, const struct json *j, uint32_t node)
{
	if (json_kind(j, node) != 'n')
		add_text(d, value_str(d, j, node));
}

/* ---- items: messages in a message ---- */

static void walk_typed(struct decoder *d, const struct json *j, uint32_t node,
                       const struct type *type)
{
	bool forwarded = type && type->flags & TYPE_FORWARDED;

	d->nested += forwarded;
	if (!type || type->flags & TYPE_GENERIC)
		walk_generic(d, j, node, true);
	else if (json_kind(j, node) == '{')
		walk_shape(d, j, node, type->shape);
	else
		decoder_fail(d, DECODE_BAD_FIELD);
	d->nested -= forwarded;
}

#define BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not 0 if one of the eight bytes is 0. */
static inline uint64_t bytes_zero(uint64_t v)
{
	return (v - BYTES(1)) & ~v & BYTES(0x80);
}

/* Nearly all items of a forwarded record are exactly {"content":"…"} without an escape. That needs
 * no parser: `text` is valid UTF-8 already. Returns what is between the quotes, or NULL. */
static struct str plain_content(struct str text)
{
	const struct str head = STR("{\"content\":\""), tail = STR("\"}");

	if (text.len < head.len + tail.len || !str_starts(text, head) || !str_ends(text, tail))
		return (struct str){0};
	struct str s = {text.data + head.len, text.len - head.len - tail.len};
	bool other = false;
	for (size_t i = 0; i < s.len; i += 8) { /* eight at a time; `tail` and more stand behind */
		uint64_t v;
		memcpy(&v, s.data + i, sizeof v);
		if (s.len - i < 8)
			v |= ~(((uint64_t)1 << (s.len - i) * 8) - 1);
		other |= (bytes_zero(v ^ BYTES(0x22)) | bytes_zero(v ^ BYTES(0x5c)) |
			  ((v - BYTES(0x20)) & ~v & BYTES(0x80))) != 0;
	}
	return other ? (struct str){0} : s;
}

/* The content of an item: JSON in a string, an object, or a text. */
static void walk_content(struct decoder *d, const struct json *j, uint32_t node,
                         const struct type *type)
{
	if (json_kind(j, node) == '{') {
		walk_typed(d, j, node, type);
		return;
	}
	struct str text = value_str(d, j, node);
	struct str start = text;
	while (start.len && strchr(" \t\r\n", start.data[0]) && start.data[0])
		start = str_from(start, 1);
	if (start.len == 0 || start.data[0] != '{') {
		add_text(d, text);
		return;
	}

	struct str plain = plain_content(text);
	if (plain.data && type && type->shape == type_find(STR("text"))->shape) {
		size_t len = d->path.len;
		path_key(d, STR("content"));
		add_text(d, plain);
		d->path.len = len;
		return;
	}

	struct json inner;
	switch (decoder_parse(d, text, &inner)) {
	case JSON_OK:
		walk_typed(d, &inner, 0, type);
		decoder_leave(d);
		break;
	case JSON_TOO_DEEP:
		decoder_fail(d, DECODE_TOO_DEEP);
		break;
	case JSON_BAD:
	case JSON_BAD_UTF8:
		add_text(d, text); /* somebody's braces */
		break;
	}
}

/* The values of `content` and `type`, 0 if absent or null, in one walk: a record has hundreds. */
static void item_members(struct decoder *d, const struct json *j, uint32_t item, uint32_t *content,
			 uint32_t *kind)
{
	*content = *kind = 0;
	for (uint32_t key = json_first(j, item); key; key = json_next_key(j, key)) {
		struct str name = json_str(j, key);
		uint32_t *member = str_eq(name, STR("content")) ? content
				   : str_eq(name, STR("type"))	? kind
								: NULL;
		if (!member)
			continue;
		if (*member)
			decoder_fail(d, DECODE_BAD_FIELD);
		*member = key + 2;
	}
	*content = *content && json_kind(j, *content) != 'n' ? *content : 0;
	*kind = *kind && json_kind(j, *kind) != 'n' ? *kind : 0;
}

static void walk_item(struct decoder *d, const struct json *j, uint32_t item)
{
	if (json_kind(j, item) != '{') {
		decoder_fail(d, DECODE_BAD_FIELD);
		return;
	}
	uint32_t content, kind;
	item_members(d, j, item, &content, &kind);
	const struct type *type = type_find_item(value_str(d, j, kind));

	d->only_closing = d->only_closing && type && type->flags & TYPE_WORDS;
	if (!content)
		return;
	size_t len = d->path.len;
	path_key(d, STR("content"));
	walk_content(d, j, content, type);
	d->path.len = len;
}

/* ---- shapes: types whose fields are known ---- */

static void walk_member(struct decoder *d, const struct json *j, uint32_t node,
                        const struct shape *shape)
{
	size_t index = 0, len = d->path.len;

	if (shape->kind == SHAPE_STRING) {
		add_string(d, j, node);
		return;
	}
	if (json_kind(j, node) != '[') {
		if (json_kind(j, node) != 'n')
			decoder_fail(d, DECODE_BAD_FIELD);
		return;
	}
	for (uint32_t i = json_first(j, node); i; i = json_next(j, i)) {
		path_index(d, index++);
		if (shape->kind == SHAPE_STRINGS)
			add_string(d, j, i);
		else if (shape->kind == SHAPE_ITEMS)
			walk_item(d, j, i);
		else if (json_kind(j, i) == '{')
			walk_shape(d, j, i, shape->inside);
		else if (json_kind(j, i) != 'n')
			decoder_fail(d, DECODE_BAD_FIELD);
		d->path.len = len;
	}
}

static void walk_shape(struct decoder *d, const struct json *j, uint32_t object,
                       const struct shape *shape)
{
	unsigned seen = 0;
	size_t len = d->path.len;

	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key)) {
		struct str name = json_str(j, key);
		for (unsigned i = 0; shape[i].kind != SHAPE_END; i++) {
			if (!str_eq(name, shape[i].key))
				continue;
			if (seen & 1u << i)
				decoder_fail(d, DECODE_BAD_FIELD);
			seen |= 1u << i;
			path_key(d, name);
			walk_member(d, j, key + 2, &shape[i]);
			d->path.len = len;
			break;
		}
	}
}

/* ---- generic: types whose fields nobody told us ---- */

static bool ends_with(struct str key, struct str ending)
{
	if (key.len < ending.len)
		return false;
	const char *p = key.data + key.len - ending.len;
	for (size_t i = 0; i < ending.len; i++) {
		char c = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] | 0x20) : p[i];
		if (c != ending.data[i])
			return false;
	}
	return true;
}

/* Ids, hashes, keys and addresses of files are not for people ("md5sum" ends in "sum"). */
static bool is_for_machines(struct str key)
{
	static const struct str endings[] = {
	        {"id",   2},
                {"sum",  3},
                {"key",  3},
                {"url",  3},
                {"ver",  3},
                {"type", 4}
        };
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (ends_with(key, endings[i]))
			return true;
	return false;
}

/* Whether a member of an object is read: what is for people, what may hold that, and the type of an item. */
static bool reads_inside(const struct decoder *d, struct str name, char kind)
{
	return kind == '{' || kind == '[' || !is_for_machines(name) || str_eq(name, STR("type"));
}

struct known_name {
	struct str name;
	bool read;
};

/* Fails the record if a key that is read is there twice: which of the two would be meant? A table
 * in the arena, for one object can have a hundred thousand keys. */
static void check_once(struct decoder *d, const struct json *j, uint32_t object,
                       bool (*reads)(const struct decoder *d, struct str name, char kind))
{
	size_t count = 0, slots = 4;

	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key))
		count++;
	while (slots < 2 * count)
		slots *= 2;
	struct known_name *seen = ARENA_ARRAY(d->arena, struct known_name, slots);
	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key)) {
		struct str name = json_str(j, key);
		bool read = reads(d, name, json_kind(j, key + 2));
		size_t slot = hash_64(name) & (slots - 1);
		while (seen[slot].name.data && !str_eq(seen[slot].name, name))
			slot = (slot + 1) & (slots - 1);
		if (seen[slot].name.data && (read || seen[slot].read))
			decoder_fail(d, DECODE_BAD_FIELD);
		seen[slot] = (struct known_name){name, read || seen[slot].read};
	}
}

static void walk_generic_object(struct decoder *d, const struct json *j, uint32_t object)
{
	size_t len = d->path.len;
	const struct type *type = NULL;
	bool item = false;

	check_once(d, j, object, reads_inside);
	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key))
		if (str_eq(json_str(j, key), STR("type")) && json_kind(j, key + 2) == '"') {
			item = true;
			type = type_find_item(json_str(j, key + 2));
		}
	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key)) {
		struct str name = json_str(j, key);
		bool content = item && str_eq(name, STR("content"));
		bool forwarded = content && type && type->flags & TYPE_FORWARDED;
		path_key(d, name);
		if (content && json_kind(j, key + 2) == '"') {
			walk_content(d, j, key + 2, type);
		} else { /* an object may hold more than its type tells */
			d->nested += forwarded;
			walk_generic(d, j, key + 2, !is_for_machines(name));
			d->nested -= forwarded;
		}
		d->path.len = len;
	}
}

/* `for_people`: strings here count. Recursion is bounded by JSON_DEPTH_MAX and JSON_LEVEL_MAX. */
static void walk_generic(struct decoder *d, const struct json *j, uint32_t node, bool for_people)
{
	size_t index = 0, len = d->path.len;

	switch (json_kind(j, node)) {
	case '"':
		if (for_people)
			add_text(d, json_str(j, node));
		break;
	case '{':
		walk_generic_object(d, j, node);
		break;
	case '[':
		for (uint32_t i = json_first(j, node); i; i = json_next(j, i)) {
			path_index(d, index++);
			walk_generic(d, j, i, for_people);
			d->path.len = len;
		}
		break;
	}
}

/* ---- the body ---- */

/* Whether a member at the top of a message may be a body that nobody told us of. */
static bool reads_on_top(const struct decoder *d, struct str name, char kind)
{
	enum key known = key_find(d->keys, name);
	return (kind == '{' || kind == '[') && (known == KEY_NONE || known >= KEY_FIRST_BODY);
}

/* Members at the top of a message that are no common field: where an unknown body may be.
 * With a name, only that one, of any kind; returns whether there was one. */
static bool walk_unknown(struct decoder *d, const struct object *m, struct str name)
{
	const struct json *j = &m->json;
	bool found = false, named = false;

	if (!name.len)
		check_once(d, j, m->node, reads_on_top);
	for (uint32_t key = json_first(j, m->node); key; key = json_next_key(j, key)) {
		struct str k = json_str(j, key);
		char kind = json_kind(j, key + 2);
		enum key known = key_find(d->keys, k);
		if (known != KEY_NONE && known < KEY_FIRST_BODY)
			continue;
		if (name.len ? !str_eq(k, name) : kind != '{' && kind != '[')
			continue;
		if (name.len && named)
			decoder_fail(d, DECODE_BAD_FIELD);
		named = true;
		if (kind == 'n')
			continue;
		found = true;
		path_key(d, k);
		walk_generic(d, j, key + 2, true);
		d->path.len = 0;
	}
	return found;
}

static struct str lower_copy(struct decoder *d, struct str s)
{
	char *copy = arena_alloc(d->arena, s.len + 1);
	for (size_t i = 0; i < s.len; i++)
		copy[i] =
		        s.data[i] >= 'A' && s.data[i] <= 'Z' ? (char)(s.data[i] | 0x20) : s.data[i];
	return (struct str){copy, s.len};
}

static struct str extension_of(struct str filename)
{
	const char *dot = filename.len ? memrchr(filename.data, '.', filename.len) : NULL;
	return dot ? str_from(filename, (size_t)(dot - filename.data) + 1) : (struct str){0};
}

static void read_facts(struct decoder *d, const struct json *j, uint32_t body,
                       const struct type *type)
{
	if (type->flags & TYPE_MONEY) {
		uint32_t amount = value_member(d, j, body, STR("totalamount"));
		int64_t fen = value_i64(d, j, amount);
		if (fen < 0)
			decoder_fail(d, DECODE_BAD_FIELD);
		if (amount)
			d->out->amount_fen = fen;
	}
	if (type->flags & TYPE_FILE) {
		struct str ext = value_str(d, j, value_member(d, j, body, STR("fileext")));
		if (ext.len && ext.data[0] == '.')
			ext = str_from(ext, 1);
		if (ext.len == 0)
			ext = extension_of(
			        value_str(d, j, value_member(d, j, body, STR("filename"))));
		d->out->fileext = lower_copy(d, ext);
	}
}

static bool walk_known(struct decoder *d, const struct object *m, const struct type *type)
{
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(type->bodies) && type->bodies[i]; i++) {
		uint32_t body = object_node(d, m, type->bodies[i]);
		if (!body)
			continue;
		found = true;
		path_key(d, json_str(&m->json, body - 2));
		walk_typed(d, &m->json, body, type);
		d->path.len = 0;
		if (json_kind(&m->json, body) == '{')
			read_facts(d, &m->json, body, type);
	}
	if (!found && type->flags & TYPE_FLAT) {
		walk_shape(d, &m->json, m->node, type->shape);
		found = d->text_count > 0;
	}
	return found;
}

void texts_read(struct decoder *d, const struct object *message, const struct type *type)
{
	d->text_count = 0;
	d->path.len = d->spans.len = 0;
	d->cut_path.data = NULL;
	d->nested = 0;
	d->only_closing = type && type->flags & TYPE_WORDS;

	bool found = type && walk_known(d, message, type);
	if (!type)
		found = d->out->msgtype.len && walk_unknown(d, message, d->out->msgtype);
	if (!found)
		walk_unknown(d, message, (struct str){0});
	if (!type || (!found && d->text_count))
		d->out->notes |= NOTE_UNKNOWN_TYPE;

	struct text *texts = arena_alloc(d->arena, d->text_count * sizeof *texts);
	if (d->text_count)
		memcpy(texts, d->texts, d->text_count * sizeof *texts);
	d->out->texts = texts;
	d->out->text_count = d->text_count;
	d->out->only_closing = d->only_closing;
}
