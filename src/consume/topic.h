/* topic.h - records of the archive topic: each partition that this member owns, in order, once.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The source knows the next offset of each owned partition and hands out nothing else: what was
 * queued for a partition that is gone, or before an offset it was rewound to, is dropped here.
 * Offsets may jump forward: transaction markers take some.
 *
 * Each record is copied into the caller's arena with RECORD_PADDING behind it, because
 * librdkafka's payload has none (a copy of 300 bytes costs about 10 ns).
 *
 * Thread: a source belongs to one worker; the events of the group come inside topic_source_poll().
 */
#pragma once

#include "base/arena.h"
#include "kafka/consumer.h"
#include "model.h"

struct topic_source;

/* A partition that this member owns. */
struct owned {
	int32_t partition;
	int64_t next; /* next offset to take; CONSUMER_BEGINNING before the first record of all */
	/* Where reading stands while nothing was left to read behind the last record: behind the
	 * markers of transactions, which take offsets too. -1: there may be more records. */
	int64_t end;
};

struct topic_events {
	/* The group gave these: fill `next` of each. Errors go out of topic_source_poll(). */
	int (*assigned)(void *context, struct owned *owned, size_t count, struct err *err);
	/* They go. `lost`: they are somebody else's already, nothing may be committed. */
	void (*revoked)(void *context, bool lost);
	void *context;
};

struct topic_source_settings {
	const struct kafka_settings *kafka;
	const char *group, *instance, *topic;
	int32_t partitions; /* of the topic: part of the name in the group, as who comes back gets what it had */
	struct topic_events events;
};

MUST_CHECK int topic_source_new(struct topic_source **out,
				const struct topic_source_settings *settings, struct err *err);
void topic_source_free(struct topic_source *t); /* NULL is fine */
DEFINE_OWNED(topic_source);

/* A copy whose bytes live in `arena`, with RECORD_PADDING behind them and a time that decode takes. */
struct record topic_record(const struct record *from, struct arena *arena);

/* Waits up to `timeout_ms`. 1: a record; 0: none; -1: an error that waiting does not heal. The
 * record's bytes live in `arena`. `next` of its partition is not moved: topic_source_done() does,
 * when the record is part of a transaction. */
MUST_CHECK int topic_source_poll(struct topic_source *t, int timeout_ms, struct arena *arena,
				 struct record *out, struct err *err);
/* The last record once more, copied again, after the arena was reset. */
struct record topic_source_again(const struct topic_source *t, struct arena *arena);
/* Partition, one of those owned, and key of a record that may come `ahead` polls from now; false: not
 * known. The key lives until the next poll. */
bool topic_source_peek(const struct topic_source *t, size_t ahead, int32_t *partition, struct str *key);
void topic_source_done(struct topic_source *t, const struct record *record);
/* The next to take is this record itself: what stood before it is done. */
void topic_source_reach(struct topic_source *t, const struct record *record);
/* The headers of the last record; until the next poll. */
void topic_source_headers(const struct topic_source *t, struct kafka_headers *out);

/* What is owned, by partition; until the group changes it. */
const struct owned *topic_source_owned(const struct topic_source *t, size_t *count);
/* Goes back (or on): `next[i]` for the i-th owned partition. */
MUST_CHECK int topic_source_rewind(struct topic_source *t, const int64_t *next, struct err *err);

/* The handle, for offsets in transactions and questions to the group. */
struct consumer *topic_source_consumer(struct topic_source *t);
