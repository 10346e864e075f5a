/* fuzz_decode.c - any bytes as a record, a batch and an event: nothing may crash or break a promise. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "decode/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every later stage may assert. */
static void check(const struct message *m)
{
	assert(m->msgtime_ms > 0 && m->recv_ms > 0);
	assert(m->kind == MESSAGE_RULES || m->corpid.len);
	assert(m->kind == MESSAGE_RULES || m->kind == MESSAGE_CLOCK ||
	       (m->msgid.len && m->msgid.len <= MSGID_BYTES_MAX && m->subject.len));
	assert(m->subject.len <= MSGID_BYTES_MAX && m->tolist_count <= TOLIST_MAX);
	assert(m->userid_count <= USERIDS_MAX);
	assert(utf8_valid(m->corpid) && utf8_valid(m->msgid) && utf8_valid(m->subject));
	assert(utf8_valid(m->from) && utf8_valid(m->fileext));
	volatile unsigned sum = 0;
	for (size_t i = 0; i < m->text_count; i++) {
		const struct text *t = &m->texts[i];
		assert(t->content.len && utf8_valid(t->content) && utf8_valid(t->path));
		assert(t->own_start <= t->content.len);
		for (const char *p = t->content.data - 16; p < t->content.data; p++)
			sum += (unsigned char)*p;
		for (size_t k = 0; k < 64; k++)
			sum += (unsigned char)t->content.data[t->content.len + k];
		for (uint32_t k = 0; k < t->span_count; k++)
			assert(t->spans[k].start < t->spans[k].end &&
			       t->spans[k].end <= t->content.len);
	}
}

static void read_event(struct event_reader *r, const struct record *record, struct arena *arena)
{
	static const struct event_header headers[] = {
		{STR("ce_id"), STR("01234567-89ab-5def-8123-456789abcdef")},
		{STR("ce_type"), STR("chatmill.alert.v1")},
		{STR("ce_time"), STR("2023-11-14T22:13:20.123Z")},
		{STR("ce_subject"), STR("ww1/s")},
	};
	struct event_row row;
	if (decode_event(r, record, headers, ARRAY_LEN(headers), arena, &row) == DECODE_DONE)
		assert(row.event.msgid.len && row.event.corpid.len && row.event.subject.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decoder *d;
	static struct event_reader *r;
	static struct arena arena;
	struct decode_settings settings = {.corpid = STR("ww1")};
	struct err err;
	struct message m;
	struct record *items;
	size_t count;

	if (!d && (decoder_new(&d, &settings, &err) < 0 || event_reader_new(&r, &err) < 0))
		abort();
	arena_reset(&arena);
	char *value = malloc(size + RECORD_PADDING); /* ends where ASan looks */
	memcpy(value, data, size);
	memset(value + size, '"', RECORD_PADDING);
	struct record record = {.value = {value, size}, .time_ms = 1, .partition = -(int)(size & 1)};

	enum decode_result result = decode(d, directory_empty(), &record, &arena, &m);
	if (result == DECODE_DONE)
		check(&m);
	if (result == DECODE_BATCH &&
	    decode_split(d, &record, &arena, &items, &count) == DECODE_DONE)
		for (size_t i = 0; i < count; i++)
			if (decode(d, directory_empty(), &items[i], &arena, &m) == DECODE_DONE)
				check(&m);
	read_event(r, &record, &arena);
	free(value);
	return 0;
}
