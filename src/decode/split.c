/* split.c - takes a batch (E5) apart. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/own.h"

/* The bytes of one item with the batch's corp put in, unless it has one of its own. */
static struct str item_bytes(struct decoder *d, const struct json *j, uint32_t node,
                             struct str corp_source)
{
	struct str item = json_source(j, node);
	bool put = false;

	if (corp_source.len && json_kind(j, node) == '{' && json_first(j, node)) {
		struct fields fields;
		fields_read(d->keys, j, node, FIELDS_INNER, &fields);
		put = !(fields.present & (uint64_t)1 << KEY_CORPID);
	}
	struct str head = put ? STR("{\"corpid\":") : (struct str){0};
	size_t room = head.len + corp_source.len + 1 + item.len + RECORD_PADDING;
	char *start = arena_alloc(d->arena, room), *out = start;
	if (put) {
		out = mempcpy(out, head.data, head.len);
		out = mempcpy(out, corp_source.data, corp_source.len);
		*out++ = ',';
		item = str_from(item, 1);
	}
	out = mempcpy(out, item.data, item.len);
	return (struct str){start, (size_t)(out - start)};
}

enum decode_result decode_split(struct decoder *d, const struct record *batch, struct arena *arena,
                                struct record **out, size_t *count)
{
	struct object outer;

	decode_begin(d, directory_empty(), batch, arena, NULL);
	enum decode_result result = decode_open(d, &outer);
	if (result != DECODE_DONE)
		return result;

	const struct json *j = &outer.json;
	uint32_t data = object_node(d, &outer, KEY_CHATDATA);
	uint32_t corp = object_node(d, &outer, KEY_CORPID);
	(void)value_id(d, j, corp);
	if (!data || json_kind(j, data) != '[')
		decoder_fail(d, DECODE_BAD_FIELD);
	if (d->failed != DECODE_DONE)
		return d->failed;

	struct str corp_source = corp ? json_source(j, corp) : (struct str){0};
	struct record *items = arena_alloc(arena, (j->after[data] - data) / 2 * sizeof *items);
	size_t n = 0;
	for (uint32_t i = json_first(j, data); i; i = json_next(j, i)) {
		items[n] = *batch;
		items[n++].value = item_bytes(d, j, i, corp_source);
	}
	*out = items;
	*count = n;
	return DECODE_DONE;
}
