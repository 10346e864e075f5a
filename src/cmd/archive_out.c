/* archive_out.c - decodes a record for its key and time, and sends its bytes as they are. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/archive_out.h"

#include "base/hash.h"

enum { ASK_MS = 30000, FLUSH_MS = 300000 };

struct archive_out {
	struct archive_out_settings settings;
	struct producer *producer;
	struct producer_topic *topic;
	struct decoder *decoder;
	const struct directory *directory;
	struct arena staff, arena; /* of the directory; of one record */
	struct buf key;
	struct message message;
	int32_t partitions;
	uint64_t sent;
};

/* What goes along with each record that one line becomes. */
struct extras {
	const struct kafka_header *headers;
	size_t header_count;
	int64_t time_ms; /* of the line before, then of the record itself */
};

int archive_out_renew(struct archive_out *a, struct err *err)
{
	const struct archive_out_settings *settings = &a->settings;
	struct producer_settings producer = {
		.kafka = &settings->brokers->settings,
		.transactional_id = settings->transactional_id,
		.linger_ms = "20",
	};
	const char *topic = settings->topic ? settings->topic : settings->config->input.topic;

	producer_free(TAKE(a->producer));
	if (producer_new(&a->producer, &producer, err) < 0 ||
	    (settings->transactional_id && producer_init(a->producer, ASK_MS, err) < 0) ||
	    producer_need_topic(a->producer, topic, ASK_MS, &a->partitions, err) < 0)
		return -1;
	return producer_topic(a->producer, topic, &a->topic, err);
}

int archive_out_new(struct archive_out **out, const struct archive_out_settings *settings,
		    struct err *err)
{
	const struct config *config = settings->config;
	OWNED(archive_out) *a = calloc(1, sizeof *a);
	struct decode_settings decode = {
		.corpid = str_of(config->input.corpid),
		.record_bytes_max = (size_t)config->input.record_bytes_max,
	};

	if (!a)
		return err_set(err, ERR_OS, "out of memory");
	a->settings = *settings;
	if (directory_open(&a->directory, &a->staff, config->staff, err) < 0 || decoder_new(&a->decoder, &decode, err) < 0 ||
	    archive_out_renew(a, err) < 0)
		return -1;
	*out = TAKE(a);
	return 0;
}

void archive_out_free(struct archive_out *a)
{
	if (!a)
		return;
	producer_free(a->producer);
	decoder_free(a->decoder);
	arena_fini(&a->staff);
	arena_fini(&a->arena);
	buf_fini(&a->key);
	free(a);
}

struct producer *archive_out_producer(struct archive_out *a)
{
	return a->producer;
}

static int send(struct archive_out *a, int32_t partition, struct str key, struct str value,
		const struct extras *extras, struct err *err)
{
	struct outgoing out = {
		.topic = a->topic,
		.partition = partition,
		.key = key,
		.value = value,
		.time_ms = extras->time_ms,
		.headers = extras->headers,
		.header_count = extras->header_count,
	};

	a->sent++;
	return producer_send(a->producer, &out, err);
}

/* Without a key, where its bytes put it: the same line goes to the same place every time. */
static int send_unreadable(struct archive_out *a, const struct record *record,
			   const struct extras *extras, struct err *err)
{
	return send(a, hash_partition(record->value, a->partitions), (struct str){0},
		    record->value, extras, err);
}

static int send_message(struct archive_out *a, const struct record *record,
			const struct extras *extras, struct err *err)
{
	const struct message *m = &a->message;

	if (!m->subject.len) {
		for (int32_t i = 0; i < a->partitions; i++)
			if (send(a, i, (struct str){0}, record->value, extras, err) < 0)
				return -1;
		return 0;
	}
	buf_clear(&a->key);
	buf_put(&a->key, m->corpid);
	buf_putc(&a->key, '/');
	buf_put(&a->key, m->subject);
	struct str key = buf_str(&a->key);
	return send(a, hash_partition(key, a->partitions), key, record->value, extras, err);
}

/* Sends one record that is no batch; DECODE_BATCH without sending when it is one. */
static int put_one(struct archive_out *a, struct record *record, struct extras *extras,
		   struct err *err)
{
	record->time_ms = extras->time_ms;
	enum decode_result result =
		decode(a->decoder, a->directory, record, &a->arena, &a->message);
	if (result == DECODE_BATCH)
		return result;
	if (result == DECODE_DONE)
		extras->time_ms = a->message.recv_ms;
	int rc = result == DECODE_DONE ? send_message(a, record, extras, err)
				       : send_unreadable(a, record, extras, err);
	return rc < 0 ? -1 : (int)result;
}

int archive_out_put(struct archive_out *a, struct record *record,
		    const struct kafka_header *headers, size_t header_count, int64_t *time_ms,
		    struct err *err)
{
	struct extras extras = {headers, header_count, record->time_ms};
	struct record *items;
	size_t count;

	arena_reset(&a->arena);
	int result = put_one(a, record, &extras, err);
	if (result == DECODE_BATCH) {
		enum decode_result split =
			decode_split(a->decoder, record, &a->arena, &items, &count);
		if (split != DECODE_DONE) {
			result = send_unreadable(a, record, &extras, err) < 0 ? -1 : (int)split;
		} else {
			result = DECODE_DONE;
			for (size_t i = 0; i < count && result >= 0; i++) {
				result = put_one(a, &items[i], &extras, err);
				/* A batch inside a batch is a dead letter, here as in scan. */
				if (result == DECODE_BATCH)
					result = send_unreadable(a, &items[i], &extras, err);
			}
			result = result < 0 ? -1 : DECODE_DONE;
		}
	}
	*time_ms = extras.time_ms;
	return result;
}

enum decode_result archive_out_read(struct archive_out *a, const struct record *record,
				    const struct message **message)
{
	arena_reset(&a->arena);
	*message = &a->message;
	return decode(a->decoder, a->directory, record, &a->arena, &a->message);
}

int archive_out_flush(struct archive_out *a, struct err *err)
{
	return producer_flush(a->producer, FLUSH_MS, err);
}

uint64_t archive_out_sent(const struct archive_out *a)
{
	return a->sent;
}
