/* producer.h - records into Kafka, in transactions together with the consumer's offsets.
 * SPDX-License-Identifier: Apache-2.0
 *
 * producer_new() → producer_init() → { producer_begin → producer_send … → producer_send_offsets →
 * producer_commit | producer_abort } …
 *
 * What an error leaves behind is told by producer_state(), never by the err:
 *
 *	PRODUCER_GOOD     nothing happened that matters
 *	PRODUCER_ABORT    the transaction cannot be committed; producer_abort() ends it
 *	PRODUCER_DOUBTFUL the transaction may or may not be (or become) committed, or a delayed
 *			  request of it may still reach the next one: free this producer, make a new
 *			  one of the same id, producer_init() it - that ends the old transaction
 *			  either way - and then ask the group for its offsets
 *
 * The epoch hygiene of that last point (KAFKA-17754: a delayed EndTxn can end the *next*
 * transaction of the same epoch) is why a timeout or a lost connection during a transaction makes
 * a producer doubtful even when the call succeeded in the end. producer_hygiene() tells.
 *
 * After producer_abort() the producer is renewed as well, whatever led there: 2.0.2 throws away what
 * waits to be sent and gives its numbers to the records that come next (epoch_base_msgid in
 * rd_kafka_toppar_purge_queues()). What waits to be sent again may be with the broker already, which
 * then refuses the next transaction's records as out of order (seen once in 16 kills of a broker), or
 * takes them for copies and says that they are written.
 *
 * Without `transactional_id` it is an idempotent producer: producer_send(), producer_flush().
 *
 * Thread: a producer belongs to one thread. Waiting calls end at their deadline.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "kafka/consumer.h"
#include "kafka/headers.h"
#include "kafka/settings.h"

struct producer;

enum producer_state { PRODUCER_GOOD, PRODUCER_ABORT, PRODUCER_DOUBTFUL };

enum { PRODUCER_TRANSACTION_TIMEOUT_MS = 10000 };

struct producer_settings {
	const struct kafka_settings *kafka;
	const char *transactional_id; /* NULL: no transactions */
	const char *linger_ms;	      /* NULL: 5 */
	const char *compression_level; /* NULL: the usual one; 1 makes archives a third larger */
};

MUST_CHECK int producer_new(struct producer **out, const struct producer_settings *settings,
			    struct err *err);
/* Drops what is not sent; an open transaction is left to the next producer_init() of its id, or
 * to its timeout. NULL is fine. */
void producer_free(struct producer *p);
DEFINE_OWNED(producer);

/* Fences older producers of the id and ends their transaction. Tries for `timeout_ms`. ERR_RETRY
 * and ERR_UNAVAILABLE may be tried again; others may not. */
MUST_CHECK int producer_init(struct producer *p, int timeout_ms, struct err *err);

/* A topic to send to, for as long as the producer lives. Ask once, not for each record. */
struct producer_topic;
MUST_CHECK int producer_topic(struct producer *p, const char *name, struct producer_topic **out,
			      struct err *err);
/* Partitions of a topic; 0: none such. Also warms librdkafka's cache: the first record for a
 * topic that it does not know waits up to a second (2.0.2). */
MUST_CHECK int producer_partition_count(struct producer *p, const char *topic, int timeout_ms,
					int32_t *out, struct err *err);
/* The same of a topic that must be there: if it is not, ERR_CONFIG says what makes it. */
MUST_CHECK int producer_need_topic(struct producer *p, const char *topic, int timeout_ms,
				   int32_t *out, struct err *err);

/* The size of a record that goes onto the topic however badly it compresses: by the topic's setting as
 * the brokers have it, `assumed` if they do not tell, and by those of the producer. */
int64_t producer_record_bytes_max(struct producer *p, const char *topic, int timeout_ms,
				  int64_t assumed);

enum { PRODUCER_BY_KEY = -1 };

struct outgoing {
	struct producer_topic *topic;
	int32_t partition; /* or PRODUCER_BY_KEY: murmur2 as Java clients do; no key: any */
	struct str key, value; /* data NULL: null */
	int64_t time_ms;       /* 0: now */
	const struct kafka_header *headers;
	size_t header_count;
};

/* Copies the record into the producer's queue. Waits when the queue is full, up to the
 * transaction's time. Never waits for the broker otherwise; a refusal shows at commit. */
MUST_CHECK int producer_send(struct producer *p, const struct outgoing *record, struct err *err);

MUST_CHECK int producer_begin(struct producer *p, struct err *err);

/* Puts offsets (next to read) into the transaction, with the generation that `consumer` had when
 * it was assigned: a member that lost its partitions cannot commit. Offsets of -1 are left out.
 * Records that linger set out meanwhile: nothing more should be sent but the commit. */
MUST_CHECK int producer_send_offsets(struct producer *p, const struct consumer *consumer,
				     const struct consumer_partition *parts, size_t count,
				     struct err *err);
MUST_CHECK int producer_commit(struct producer *p, int timeout_ms, struct err *err);
MUST_CHECK int producer_abort(struct producer *p, int timeout_ms, struct err *err);

/* Waits until all that was sent is acknowledged (no transactions). Fails if a record was not. */
MUST_CHECK int producer_flush(struct producer *p, int timeout_ms, struct err *err);

enum producer_state producer_state(const struct producer *p);

/* Whether a connection was lost or a request timed out since producer_init(): then the producer
 * must be renewed before its next transaction. Asked before each producer_begin(). */
bool producer_hygiene(const struct producer *p);

/* linger.ms as it is in force. */
int64_t producer_linger_ms(const struct producer *p);

/* For a quiet time: its threads give back the memory that they freed. Asks a broker something, and waits
 * up to 100 ms for its answer. */
void producer_give_back(struct producer *p);

/* Whether somebody else uses the id now, or the broker ended our transaction by its timeout. */
bool producer_is_fenced(const struct producer *p);
