/* saver.h - writes snapshots of a worker's shards while the worker goes on.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One partition after the other, each once an interval. A thread of the saver's own asks Kafka for
 * the offset of a marker, compresses, writes and syncs; the worker only copies pieces of at most
 * SNAPSHOT_PIECE_BYTES, one between two transactions, when the piece before is gone. So a
 * snapshot costs the worker some 0.2 ms a piece, memory for two pieces, and one pass of zstd over
 * the state elsewhere.
 *
 *	saver: find a marker ─► worker: does my state reach it? ─► copies ─► saver: end of log, rename
 *
 * The state has all that stands before the marker if its own marker is not behind it (a frozen
 * worker that lost its partitions finds a marker ahead of its own, and saves nothing).
 *
 * A failure costs nothing but the snapshot: event=snapshot_failed, and again after the interval.
 *
 * Thread: a saver belongs to one worker, but for saver_counts().
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "kafka/settings.h"
#include "state/shard.h"

struct saver;

struct saver_settings {
	const struct kafka_settings *kafka;
	const char *group;     /* librdkafka wants a name; nothing is joined or committed */
	const char *topic;     /* the changelog */
	const char *dir;       /* of the snapshots; is there */
	const char *pipeline;
	const char *name;      /* of the worker: what it writes has this name until it is whole */
	int64_t interval_ms;
	int64_t worker;
};

MUST_CHECK int saver_new(struct saver **out, const struct saver_settings *settings,
			 struct err *err); /* borrows the settings' texts for its life */
/* Gives up what is being written. NULL is fine. */
void saver_free(struct saver *s);
DEFINE_OWNED(saver);

/* Partitions came; their shards are asked for by number. */
void saver_take(struct saver *s, const int32_t *partitions, size_t count);
/* They go. */
void saver_drop(struct saver *s);

/* Between two transactions: begins a snapshot or copies a piece, if there is reason to. `shard_of`
 * gives the shard of a partition that was taken. Returns true if another turn should come soon,
 * even while nothing else is to do. */
bool saver_turn(struct saver *s, struct shard *(*shard_of)(void *context, int32_t partition),
		void *context);

struct saver_counts {
	uint64_t written, failed;
};
struct saver_counts saver_counts(const struct saver *s);
