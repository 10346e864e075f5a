/* consumer.h - records of Kafka, one by one, read_committed, at offsets that the caller chooses.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two ways to get partitions:
 *  - consumer_subscribe(): the group gives them (eager, range). `assigned` is called inside
 *    consumer_poll() with what this member now owns and says where each begins; `revoked` is
 *    called before they go, `lost` when they are already gone (nothing may be committed then).
 *    A rebalance takes everything away before it gives anything (eager).
 *  - consumer_assign(): the caller names partitions and offsets, also to seek.
 *
 * No offset is ever chosen silently: a partition without an offset is an error, and so is one
 * whose offset the broker no longer has. Nothing is committed here: offsets travel in a
 * producer's transaction (producer.h) or in a database.
 *
 * A record lives until the next consumer_poll() or consumer_assign(). Its bytes are librdkafka's
 * and NOT padded for simdjson: copy what must be (RECORD_PADDING, model.h).
 *
 * Thread: a consumer belongs to one thread; callbacks run on it, inside consumer_poll().
 * Failure: a broker that is away is not an error, it is waited for (logged as event=broker_away
 * and event=broker_back by the handle); errors are those that waiting does not heal.
 */
#pragma once

#include "base/err.h"
#include "kafka/headers.h"
#include "kafka/settings.h"
#include "model.h"

struct consumer;

/* Where to begin. Others are real offsets (the next to read). */
enum { CONSUMER_BEGINNING = -2 };

struct consumer_partition {
	const char *topic; /* borrowed for the call */
	int32_t partition;
	int64_t offset; /* next to read; -1: unknown */
};

struct consumer_events {
	/* Fills `offset` of each. An error goes out of consumer_poll(). May take long (restore):
	 * the group waits up to max.poll.interval.ms. */
	int (*assigned)(void *context, struct consumer_partition *parts, size_t count,
			struct err *err);
	void (*revoked)(void *context, bool lost);
	void *context;
};

struct consumer_settings {
	const struct kafka_settings *kafka;
	const char *group;    /* also needed when only assigning (librdkafka wants a name) */
	const char *instance; /* static member's name; NULL: dynamic member */
	/* What it subscribes to, in words: part of that name. Who comes back under its old name gets its
	 * old partitions back, whatever it asks for now; under another name the group shares out anew,
	 * once the old one's session has ended. */
	const char *reads;
	struct consumer_events events; /* for consumer_subscribe() */
	/* Take what is fetched in batches: a third less CPU time for a record. Not together with
	 * consumer_pause(): 2.0.2 loses its place then (#4208). */
	bool batch;
	bool ends; /* report CONSUMER_END when the last committed record was read */
	const char *max_poll_interval_ms; /* NULL: 600000 */
	/* How long a broker waits for records before it answers a fetch with none or too few, and
	 * thus before an end is reported; NULL: 500. Short means as many requests a second. */
	const char *fetch_wait_ms;
	/* What a broker waits for so long; NULL: a single byte. Many make few requests. */
	const char *fetch_min_bytes;
};

MUST_CHECK int consumer_new(struct consumer **out, const struct consumer_settings *settings,
			    struct err *err);
/* Leaves at once: a static member stays in the group until its session ends, and nothing is
 * committed. NULL is fine. */
void consumer_free(struct consumer *c);
DEFINE_OWNED(consumer);

MUST_CHECK int consumer_subscribe(struct consumer *c, const char *const *topics, size_t count,
				  struct err *err);

/* Reads these and no others, each from its offset. (Ask for the topic's partition count before the
 * first assignment of a handle: an assignment whose leaders librdkafka does not know yet waits for
 * its timer of 500 ms.) Records that were fetched for the assignment
 * before are never delivered. */
MUST_CHECK int consumer_assign(struct consumer *c, const struct consumer_partition *parts,
			       size_t count, struct err *err);

/* Stops and goes on fetching; what was fetched already may still be delivered once. */
MUST_CHECK int consumer_pause(struct consumer *c, const struct consumer_partition *parts,
			      size_t count, struct err *err);
MUST_CHECK int consumer_resume(struct consumer *c, const struct consumer_partition *parts,
			       size_t count, struct err *err);

enum consumer_result {
	CONSUMER_NOTHING, /* the time is over, or only callbacks ran */
	CONSUMER_RECORD,
	CONSUMER_END, /* `record.offset` is the next one that will come; only with `ends` */
};

struct consumed {
	struct record record;
	const char *topic; /* lives as long as the consumer */
	void *message;	   /* for consumed_headers() */
};

/* Waits up to `timeout_ms` for a record. Returns an enum consumer_result, or -1. */
MUST_CHECK int consumer_poll(struct consumer *c, int timeout_ms, struct consumed *out,
			     struct err *err);
/* Partition and key of the record that the `ahead`-th poll (from 1) from now would give, if it is here
 * already and nothing happens in between. The key lives until the next poll. */
bool consumer_peek(const struct consumer *c, size_t ahead, int32_t *partition, struct str *key);

/* The first `max` headers of the record, in order. Returns how many there were. */
size_t consumed_headers(const struct consumed *consumed, struct kafka_header *out, size_t max);
/* All of them, in place of what `out` has; until the next poll. */
void consumed_headers_all(const struct consumed *consumed, struct kafka_headers *out);

/* The group's committed offsets (-1: none); waits for transactions that are being committed. */
MUST_CHECK int consumer_committed(struct consumer *c, struct consumer_partition *parts,
				  size_t count, int timeout_ms, struct err *err);

/* The high watermark as of the last answer of the broker: the end of the log with everything
 * that open transactions wrote. -1: no answer since the assignment. No network. */
int64_t consumer_high_watermark(const struct consumer *c, const char *topic, int32_t partition);

/* Offsets of the oldest and the next record of a partition, asked from the broker. */
MUST_CHECK int consumer_query_offsets(struct consumer *c, const char *topic, int32_t partition,
				      int timeout_ms, int64_t *low, int64_t *high,
				      struct err *err);
/* The first offset of each partition whose record's time is at or after `offset` (given as ms
 * since 1970); the end of the partition if there is none. */
MUST_CHECK int consumer_offsets_at(struct consumer *c, struct consumer_partition *parts,
				   size_t count, int timeout_ms, struct err *err);

/* The id that the brokers' cluster gave itself; empty if they tell none in time. */
void consumer_cluster_id(struct consumer *c, int timeout_ms, char *out, size_t size);

/* Partitions of a topic: > 0; 0 if there is no such topic (as far as the broker knows now). */
MUST_CHECK int consumer_partition_count(struct consumer *c, const char *topic, int timeout_ms,
					int32_t *out, struct err *err);
/* The same of a topic that must be there: if it is not, ERR_CONFIG says what makes it. */
MUST_CHECK int consumer_need_topic(struct consumer *c, const char *topic, int timeout_ms,
				   int32_t *out, struct err *err);

/* While none is there: asks for up to `timeout_ms` whether one answers again (records tell too, but
 * a quiet topic has none). False once the last connection to every broker is gone. */
bool consumer_look_for_brokers(struct consumer *c, const char *topic, int timeout_ms);

/* For a quiet time: its threads give back the memory that they freed, soon. */
void consumer_give_back(struct consumer *c);
