/* replay.h - judges records of the archive again, as `run` judged them, in memory.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The same pipeline with the rule sets that held at each offset (CONTRACT.md section 5): a partition
 * begins with the set that was published first, and changes at each rules record. State begins
 * empty, so that a partition must be replayed from the beginning of its archive.
 *
 * Records of several partitions may come in turn, those of one in order. Memory: the state of the
 * partitions that were begun and not ended, the compiled rules, one batch.
 *
 * Thread: a replay belongs to one thread.
 */
#pragma once

#include "config.h"
#include "kafka/consumer.h"
#include "pipeline.h"
#include "shelf.h"

struct replay;

struct replay_settings {
	const struct config *config;
	struct shelf *shelf; /* compiling */
	int32_t partitions;  /* of the archive */
};

/* What a record makes. Lives until the receiver returns. */
struct replayed {
	const struct record *record;
	const struct event *events; /* in order; what falls due before the record comes first */
	size_t event_count;
	const struct message *message; /* NULL: a dead letter */
	const struct dead *dead; /* or NULL */
};
typedef void (*replay_made)(void *context, const struct replayed *made);

MUST_CHECK int replay_new(struct replay **out, const struct replay_settings *settings,
			  replay_made made, void *context, struct err *err);
void replay_free(struct replay *r); /* NULL is fine */
DEFINE_OWNED(replay);

/* ERR_CONFIG when the rules that held cannot be used by this program, or are not on the topic of
 * rule sets. */
MUST_CHECK int replay_take(struct replay *r, const struct record *record, struct err *err);

/* Forgets the state of a partition. */
void replay_end(struct replay *r, int32_t partition);
