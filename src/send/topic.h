/* topic.h - what a transaction of `run` writes: events, dead letters, changelog, offsets.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The sender owns the transactional producer of its worker and renews it under the same id:
 *
 *	sender_open → { sender_begin → sender_event | sender_dead | sender_change …
 *			→ sender_commit | sender_abort } … → sender_close → sender_open …
 *
 * After a failed call sender_state() says what to do next, as in kafka/producer.h. Everything is
 * encoded into reused buffers and copied by the producer: nothing here outlives its call.
 *
 * Thread: a sender belongs to one worker.
 */
#pragma once

#include "kafka/producer.h"
#include "model.h"
#include "send/encode.h"
#include "send/letter.h"

struct sender;

struct sender_settings {
	const struct kafka_settings *kafka;
	const char *transactional_id;
	const char *tags, *stages, *alerts, *hits, *deadletter, *state; /* hits NULL: not sent */
	const char *archive; /* named in dead letters */
	/* A record as large as this goes onto `deadletter`, if the brokers do not tell us its setting. */
	int64_t deadletter_bytes;
	struct encode_settings encode;
};

MUST_CHECK int sender_new(struct sender **out, const struct sender_settings *settings,
			  struct err *err); /* borrows the settings' texts for its life */
void sender_free(struct sender *s);	    /* NULL is fine */
DEFINE_OWNED(sender);

/* A new producer: older ones of the id are fenced and their transaction ended. */
MUST_CHECK int sender_open(struct sender *s, int timeout_ms, struct err *err);
void sender_close(struct sender *s);
bool sender_is_open(const struct sender *s);

MUST_CHECK int sender_begin(struct sender *s, struct err *err);
MUST_CHECK int sender_event(struct sender *s, const struct event *event, struct err *err);

/* A record that cannot be used, as letter.h makes it. */
MUST_CHECK int sender_dead(struct sender *s, const struct record *record, const char *reason,
			   const char *detail, const struct kafka_headers *headers, struct err *err);
/* One record of the changelog; `value.data` NULL: a tombstone. */
MUST_CHECK int sender_change(struct sender *s, int32_t partition, struct str key, struct str value,
			     struct err *err);

MUST_CHECK int sender_offsets(struct sender *s, const struct consumer *consumer,
			      const struct consumer_partition *parts, size_t count,
			      struct err *err);
MUST_CHECK int sender_commit(struct sender *s, int timeout_ms, struct err *err);
MUST_CHECK int sender_abort(struct sender *s, int timeout_ms, struct err *err);

enum producer_state sender_state(const struct sender *s);
bool sender_hygiene(const struct sender *s); /* must be renewed before the next transaction */
bool sender_is_fenced(const struct sender *s);

/* How long records may wait for others before they are sent; the commit waits for none. */
int64_t sender_linger_ms(const struct sender *s);
/* For a quiet time: as producer_give_back(). */
void sender_give_back(struct sender *s);

/* Bytes sent since sender_begin(). */
size_t sender_bytes(const struct sender *s);
