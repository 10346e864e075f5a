/* topic.c - events, dead letters and changelog into a transaction. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "send/topic.h"

enum { ASK_MS = 5000 };

struct sender {
	struct sender_settings settings;
	struct producer *producer; /* NULL between close and open */
	struct producer_topic *topics[EVENT_TYPE_COUNT], *deadletter, *state;
	struct buf value, headers, key;
	struct dead_letter letter;
	size_t dead_bytes_max; /* 0: not asked yet */
	size_t bytes;
};

int sender_new(struct sender **out, const struct sender_settings *settings, struct err *err)
{
	struct sender *s = calloc(1, sizeof *s);

	if (!s)
		return err_set(err, ERR_OS, "send: out of memory");
	s->settings = *settings;
	*out = s;
	return 0;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	sender_close(s);
	buf_fini(&s->value);
	buf_fini(&s->headers);
	buf_fini(&s->key);
	dead_letter_fini(&s->letter);
	free(s);
}

static int open_topics(struct sender *s, struct producer *p, struct err *err)
{
	const struct sender_settings *settings = &s->settings;
	const struct {
		const char *name;
		struct producer_topic **topic;
	} topics[] = {
		{settings->tags, &s->topics[EVENT_TAG]},
		{settings->stages, &s->topics[EVENT_STAGE]},
		{settings->alerts, &s->topics[EVENT_ALERT]},
		{settings->hits, &s->topics[EVENT_HIT]},
		{settings->deadletter, &s->deadletter},
		{settings->state, &s->state},
	};

	for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
		int32_t count;
		if (!topics[i].name)
			continue;
		if (producer_need_topic(p, topics[i].name, 10000, &count, err) < 0 ||
		    producer_topic(p, topics[i].name, topics[i].topic, err) < 0)
			return -1;
	}
	return 0;
}

int sender_open(struct sender *s, int timeout_ms, struct err *err)
{
	OWNED(producer) *p = NULL;
	struct producer_settings settings = {
		.kafka = s->settings.kafka,
		.transactional_id = s->settings.transactional_id,
		/* Longer than a transaction is open: batches go when they are full, or with the
		 * commit, which does not wait for them to fill. On 2.0.2 a thread that waits for the
		 * end of a linger polls without pause through its last millisecond, and the lingers
		 * of all partitions end at different times. */
		.linger_ms = "1000",
		/* A transaction has a few small batches for each partition, and librdkafka makes a
		 * compressor for each: the tables of zstd's level 3 cost more than the work. */
		.compression_level = "1",
	};

	assert(!s->producer);
	if (producer_new(&p, &settings, err) < 0 || producer_init(p, timeout_ms, err) < 0 ||
	    open_topics(s, p, err) < 0)
		return -1;
	if (!s->dead_bytes_max)
		s->dead_bytes_max = (size_t)producer_record_bytes_max(
			p, s->settings.deadletter, ASK_MS, s->settings.deadletter_bytes);
	s->producer = TAKE(p);
	return 0;
}

void sender_close(struct sender *s)
{
	producer_free(TAKE(s->producer));
}

bool sender_is_open(const struct sender *s)
{
	return s->producer != NULL;
}

int sender_begin(struct sender *s, struct err *err)
{
	s->bytes = 0;
	return producer_begin(s->producer, err);
}

static int send(struct sender *s, const struct outgoing *record, struct err *err)
{
	s->bytes += record->value.len + record->key.len + record->header_count * 24;
	return producer_send(s->producer, record, err);
}

int sender_event(struct sender *s, const struct event *event, struct err *err)
{
	struct kafka_header headers[ENCODE_HEADERS_MAX];
	static const enum event_type every[] = {EVENT_TAG, EVENT_STAGE, EVENT_ALERT, EVENT_HIT};

	buf_clear(&s->value);
	buf_clear(&s->key);
	encode_data(&s->value, event, &s->settings.encode);
	size_t count = encode_headers(&s->headers, event, &s->settings.encode, headers);
	encode_key(&s->key, event);
	struct outgoing record = {
		.topic = s->topics[event->type],
		.partition = PRODUCER_BY_KEY,
		.key = buf_str(&s->key),
		.value = buf_str(&s->value),
		.headers = headers,
		.header_count = count,
	};
	if (event->type != EVENT_ERASE)
		return record.topic ? send(s, &record, err) : 0;
	/* Whom to forget is told on all event topics. */
	for (size_t i = 0; i < ARRAY_LEN(every); i++) {
		record.topic = s->topics[every[i]];
		if (record.topic && send(s, &record, err) < 0)
			return -1;
	}
	return 0;
}

int sender_dead(struct sender *s, const struct record *record, const char *reason,
		const char *detail, const struct kafka_headers *headers, struct err *err)
{
	struct dead_letter *letter = &s->letter;

	dead_letter_make(letter, s->settings.archive, record, reason, detail, headers,
			 dead_letter_fit(record, headers, s->dead_bytes_max));
	struct outgoing dead = {
		.topic = s->deadletter,
		.partition = PRODUCER_BY_KEY,
		.key = letter->key,
		.value = letter->value,
		.headers = letter->headers.items,
		.header_count = letter->headers.count,
	};
	return send(s, &dead, err);
}

int sender_change(struct sender *s, int32_t partition, struct str key, struct str value,
		  struct err *err)
{
	struct outgoing change = {
		.topic = s->state, .partition = partition, .key = key, .value = value};

	return send(s, &change, err);
}

int sender_offsets(struct sender *s, const struct consumer *consumer,
		   const struct consumer_partition *parts, size_t count, struct err *err)
{
	return producer_send_offsets(s->producer, consumer, parts, count, err);
}

int sender_commit(struct sender *s, int timeout_ms, struct err *err)
{
	return producer_commit(s->producer, timeout_ms, err);
}

int sender_abort(struct sender *s, int timeout_ms, struct err *err)
{
	return producer_abort(s->producer, timeout_ms, err);
}

enum producer_state sender_state(const struct sender *s)
{
	return producer_state(s->producer);
}

bool sender_hygiene(const struct sender *s)
{
	return producer_hygiene(s->producer);
}

bool sender_is_fenced(const struct sender *s)
{
	return producer_is_fenced(s->producer);
}

int64_t sender_linger_ms(const struct sender *s)
{
	return producer_linger_ms(s->producer);
}

size_t sender_bytes(const struct sender *s)
{
	return s->bytes;
}

void sender_give_back(struct sender *s)
{
	if (s->producer)
		producer_give_back(s->producer);
}
