/* decoder.c - how the values of fields are read. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/decoder.h"

void decoder_fail(struct decoder *d, enum decode_result why)
{
	if (d->failed == DECODE_DONE)
		d->failed = why;
}

enum json_status decoder_parse(struct decoder *d, struct str text, struct json *out)
{
	/* More levels than a record has room for: only objects in strings of a raised limit. */
	if (d->level == JSON_LEVEL_MAX)
		return JSON_TOO_DEEP;
	enum json_status status = json_parse(d->parser, d->level, text, JSON_DEPTH_MAX, out);
	if (status != JSON_OK)
		return status;
	out->arena = d->arena;
	out->surrogates = &d->surrogates;
	d->level++;
	return JSON_OK;
}

void decoder_leave(struct decoder *d)
{
	assert(d->level > 0);
	d->level--;
}

/* The digits of a number, in quotes or not; anything else fails later as no number. */
static struct str number_text(const struct json *j, uint32_t node)
{
	char kind = json_kind(j, node);
	if (kind == '"')
		return json_str(j, node);
	bool number = kind == '-' || (kind >= '0' && kind <= '9');
	return number ? json_number(j, node) : (struct str){0};
}

uint64_t value_u64(struct decoder *d, const struct json *j, uint32_t node)
{
	uint64_t value = 0;
	if (!node || LIKELY(json_small(j, node, &value)))
		return value;
	if (!str_to_u64(number_text(j, node), &value)) {
		decoder_fail(d, DECODE_BAD_FIELD);
		return 0;
	}
	return value;
}

int64_t value_i64(struct decoder *d, const struct json *j, uint32_t node)
{
	uint64_t small = 0;
	if (!node || LIKELY(json_small(j, node, &small)))
		return (int64_t)small;
	int64_t value = 0;
	if (!str_to_i64(number_text(j, node), &value)) {
		decoder_fail(d, DECODE_BAD_FIELD);
		return 0;
	}
	return value;
}

int64_t value_time_ms(struct decoder *d, const struct json *j, uint32_t node, int64_t max_ms)
{
	/* E6 writes an empty string where there is no time. */
	if (node && json_kind(j, node) == '"' && json_raw(j, node).len == 0)
		return 0;
	int64_t time = value_i64(d, j, node);
	if (time >= 0 && time < INT64_C(100000000000))
		time *= 1000;
	if (time < 0 || time > max_ms) {
		decoder_fail(d, DECODE_BAD_FIELD);
		return 0;
	}
	return time;
}

bool value_bool(struct decoder *d, const struct json *j, uint32_t node)
{
	if (!node)
		return false;
	char kind = json_kind(j, node);
	if (kind != 't' && kind != 'f')
		decoder_fail(d, DECODE_BAD_FIELD);
	return kind == 't';
}

const struct str *value_strs(struct decoder *d, const struct json *j, uint32_t node, size_t *count)
{
	*count = 0;
	if (!node)
		return NULL;
	if (json_kind(j, node) != '[') {
		decoder_fail(d, DECODE_BAD_FIELD);
		return NULL;
	}
	/* Each element but the last has a comma behind it. */
	struct str *items = arena_alloc(d->arena, (j->after[node] - node) / 2 * sizeof *items);
	for (uint32_t i = json_first(j, node); i; i = json_next(j, i))
		items[(*count)++] = value_str(d, j, i);
	return items;
}

uint32_t value_member(struct decoder *d, const struct json *j, uint32_t object, struct str name)
{
	uint32_t found = 0;

	for (uint32_t key = json_first(j, object); key; key = json_next_key(j, key)) {
		if (!str_eq(json_str(j, key), name))
			continue;
		if (found)
			decoder_fail(d, DECODE_BAD_FIELD);
		found = key + 2;
	}
	return found && json_kind(j, found) != 'n' ? found : 0;
}
