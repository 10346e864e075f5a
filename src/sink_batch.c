/* sink_batch.c - copies records and reads them as events or messages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sink_batch.h"

#include "base/clock.h"
#include "base/heap.h"
#include "consume/topic.h"

enum { HEADERS_MAX = 32 }; /* ours are 8; what others add is not read */

int sink_batch_init(struct sink_batch *b, const struct decode_settings *messages,
		    const struct directory *directory, struct err *err)
{
	b->directory = directory;
	if (messages && decoder_new(&b->decoder, messages, err) < 0)
		return -1;
	return event_reader_new(&b->reader, err);
}

void sink_batch_fini(struct sink_batch *b)
{
	event_reader_free(b->reader);
	decoder_free(b->decoder);
	arena_fini(&b->arena);
	free(b->items);
}

void sink_batch_clear(struct sink_batch *b)
{
	b->count = 0;
	b->bytes = 0;
	arena_reset(&b->arena);
}

static struct store_item *new_item(struct sink_batch *b)
{
	if (b->count == b->cap) {
		b->cap = MAX((size_t)1024, b->cap * 2);
		b->items = heap_grown(b->items, b->cap * sizeof *b->items);
	}
	if (b->count == 0)
		b->begun_ms = clock_monotonic_ms();
	return &b->items[b->count++];
}

/* A copy that outlives the next poll. */
static struct str keep(struct sink_batch *b, struct str bytes)
{
	if (!bytes.data)
		return bytes;
	b->bytes += bytes.len;
	return arena_copy(&b->arena, bytes);
}

static size_t keep_headers(struct sink_batch *b, const struct consumed *consumed,
			   struct event_header out[HEADERS_MAX])
{
	struct kafka_header headers[HEADERS_MAX];
	size_t count = consumed_headers(consumed, headers, HEADERS_MAX);

	for (size_t i = 0; i < count; i++)
		out[i] = (struct event_header){keep(b, str_of(headers[i].name)),
					       keep(b, headers[i].value)};
	return count;
}

/* The item of a record, and the record with its bytes in the arena. */
static struct store_item *add_record(struct sink_batch *b, const struct consumed *consumed,
				     const struct store_partition *partition, struct record *record)
{
	*record = topic_record(&consumed->record, &b->arena);
	b->bytes += record->key.len + record->value.len;
	struct store_item *item = new_item(b);
	*item = (struct store_item){.partition = partition,
				    .offset = record->offset,
				    .key = record->key,
				    .value = record->value,
				    .record_ms = record->time_ms};
	return item;
}

void sink_batch_event(struct sink_batch *b, const struct consumed *consumed,
		      const struct store_partition *partition)
{
	struct record record;
	struct store_item *item = add_record(b, consumed, partition, &record);
	struct event_row *row = ARENA_NEW(&b->arena, struct event_row);
	struct event_header headers[HEADERS_MAX];
	size_t header_count = keep_headers(b, consumed, headers);
	struct event_header *kept = arena_alloc(&b->arena, sizeof *kept * header_count + 1);

	memcpy(kept, headers, sizeof *kept * header_count);
	enum decode_result result =
		decode_event(b->reader, &record, kept, header_count, &b->arena, row);
	if (result == DECODE_DONE) {
		item->event = &row->event;
		item->evidence_json = row->evidence_json;
	} else if (result != DECODE_NULL) {
		item->refusal = decode_result_name(result);
	}
}

/* Who is to be forgotten is told on the topics of events, which another sink may read. Here the word
 * stands behind the person's messages, so that none of them that was late stays. */
static struct event *erase_event(struct arena *arena, const struct message *m)
{
	struct event *e = ARENA_NEW(arena, struct event);

	e->type = EVENT_ERASE;
	e->cause = CAUSE_MANUAL;
	e->time_ms = e->msgtime_ms = m->msgtime_ms;
	e->corpid = m->corpid;
	e->subject = m->subject;
	e->msgid = m->msgid;
	e->by = m->by;
	return e;
}

/* What is no message is a dead letter of `run` and no matter of the database: only the offset
 * moves, as for other records that speak to `run`. */
void sink_batch_message(struct sink_batch *b, const struct consumed *consumed,
			const struct store_partition *partition)
{
	struct record record;
	struct store_item *item = add_record(b, consumed, partition, &record);
	struct message *m = ARENA_NEW(&b->arena, struct message);

	if (decode(b->decoder, b->directory, &record, &b->arena, m) != DECODE_DONE)
		return;
	switch (m->kind) {
	case MESSAGE_CHAT:
	case MESSAGE_RECALL:
	case MESSAGE_SWITCH:
	case MESSAGE_AGREE:
	case MESSAGE_DISAGREE:
		item->message = m;
		return;
	case MESSAGE_CONTROL:
		if (m->control->erase)
			item->event = erase_event(&b->arena, m);
		return;
	case MESSAGE_CLOCK:
	case MESSAGE_RULES:
		return;
	}
}

void sink_batch_offset(struct sink_batch *b, int64_t offset, const struct store_partition *partition)
{
	*new_item(b) = (struct store_item){.partition = partition, .offset = offset};
}
