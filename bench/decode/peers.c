/* peers.c - chatmill, memchr, jansson and yajl. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "peers.h"

#include <jansson.h>
#include <yajl/yajl_parse.h>

#include "decode/decode.h"

enum { BATCH_BYTES = 200 * 1000 }; /* 500 messages of 400 bytes */

uint64_t peer_memchr(const struct line *lines, size_t count)
{
	uint64_t found = 0;
	for (size_t i = 0; i < count; i++)
		found += memchr(lines[i].data, '\x01', lines[i].len) != NULL;
	return found;
}

uint64_t peer_chatmill(const struct line *lines, size_t count)
{
	static struct arena arena;
	static struct decoder *decoder;
	struct decode_settings settings = {0};
	struct err err;
	uint64_t sum = 0;
	size_t batch_bytes = 0;

	if (!decoder && decoder_new(&decoder, &settings, &err) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct record record = {.value = {lines[i].data, lines[i].len}, .time_ms = 1};
		struct message m;
		batch_bytes += lines[i].len;
		if (batch_bytes > BATCH_BYTES) {
			arena_reset(&arena);
			batch_bytes = 0;
		}
		if (decode(decoder, directory_empty(), &record, &arena, &m) != DECODE_DONE)
			return 0;
		sum += m.corpid.len + m.seq + (uint64_t)m.recv_ms + m.msgid.len + strlen("send") +
		       m.from.len + m.roomid.len + (uint64_t)m.msgtime_ms + m.msgtype.len +
		       m.texts[0].content.len;
		for (size_t k = 0; k < m.tolist_count; k++)
			sum += m.tolist[k].len;
	}
	return sum;
}

static uint64_t string_at(json_t *object, const char *key)
{
	return json_string_length(json_object_get(object, key));
}

uint64_t peer_jansson(const struct line *lines, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		json_error_t error;
		json_t *doc = json_loadb(lines[i].data, lines[i].len, 0, &error);
		json_t *m = json_object_get(doc, "message"), *list = json_object_get(m, "tolist");
		sum += string_at(doc, "corpid");
		sum += (uint64_t)json_integer_value(json_object_get(doc, "seq"));
		sum += (uint64_t)json_integer_value(json_object_get(doc, "recv_ts"));
		sum += string_at(m, "msgid") + string_at(m, "action") + string_at(m, "from") +
		       string_at(m, "roomid") + string_at(m, "msgtype");
		sum += (uint64_t)json_integer_value(json_object_get(m, "msgtime"));
		sum += string_at(json_object_get(m, "text"), "content");
		for (size_t k = 0; k < json_array_size(list); k++)
			sum += json_string_length(json_array_get(list, k));
		json_decref(doc);
	}
	return sum;
}

/* yajl calls back for each piece: the key decides what counts. */
struct yajl_state {
	uint64_t sum;
	unsigned depth;
	bool wanted;
};

static int on_start(void *state)
{
	((struct yajl_state *)state)->depth++;
	return 1;
}

static int on_end(void *state)
{
	((struct yajl_state *)state)->depth--;
	return 1;
}

static int on_key(void *state, const unsigned char *key, size_t len)
{
	static const char *const wanted[] = {"corpid", "seq", "recv_ts", "msgid", "action", "from",
					     "tolist", "roomid", "msgtime", "msgtype", "content"};
	struct yajl_state *s = state;

	s->wanted = false;
	for (size_t i = 0; i < ARRAY_LEN(wanted) && !s->wanted; i++)
		s->wanted = strlen(wanted[i]) == len && memcmp(wanted[i], key, len) == 0;
	if (s->depth == 1 && len == 5 && memcmp(key, "msgid", 5) == 0)
		s->wanted = false; /* the one of the message is read */
	return 1;
}

static int on_string(void *state, const unsigned char *text, size_t len)
{
	struct yajl_state *s = state;
	s->sum += s->wanted ? len : 0;
	return 1;
}

static int on_integer(void *state, long long value)
{
	struct yajl_state *s = state;
	s->sum += s->wanted ? (uint64_t)value : 0;
	return 1;
}

uint64_t peer_yajl(const struct line *lines, size_t count)
{
	static const yajl_callbacks callbacks = {
		.yajl_integer = on_integer, .yajl_string = on_string, .yajl_map_key = on_key,
		.yajl_start_map = on_start, .yajl_end_map = on_end};
	struct yajl_state state = {0};

	for (size_t i = 0; i < count; i++) {
		yajl_handle h = yajl_alloc(&callbacks, NULL, &state);
		yajl_status ok = yajl_parse(h, (const unsigned char *)lines[i].data, lines[i].len);
		if (ok == yajl_status_ok)
			ok = yajl_complete_parse(h);
		yajl_free(h);
		if (ok != yajl_status_ok)
			return 0;
	}
	return state.sum;
}
