/* holdings.h - what a worker holds of each partition it owns: state, rules in force, positions.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Holdings are taken when the group assigns partitions (the state is restored, the marker in it is
 * the position), change together inside a transaction, and are dropped when the group takes the
 * partitions away.
 *
 * Thread: holdings belong to one worker.
 */
#pragma once

#include "consume/topic.h"
#include "rulebook.h"
#include "state/changelog.h"
#include "state/shard.h"

struct holding {
	int32_t partition;
	struct shard *shard;
	struct rulebook *book; /* of shard_ruleset(); NULL: none yet */
	bool touched;	       /* in this transaction */
	bool joined;	       /* its partition of the changelog is in the transaction */
	int64_t begun_next;    /* next offset when the transaction began */
	int64_t committed;     /* the group's offset after the last commit known; -1: none */
	bool from_snapshot;    /* restored from the disk, and the tail of the changelog */
};

struct holdings {
	struct holding *items; /* by partition */
	size_t count;
};

struct holdings_settings {
	struct changelog_settings changelog;
	struct shard_settings shard;
	const char *archive;
	struct consumer *consumer; /* asks for the group's offsets */
};

/* Restores the partitions of `owned` and sets `next` of each to its marker. *h was dropped. */
MUST_CHECK int holdings_take(struct holdings *h, const struct holdings_settings *settings,
			     struct owned *owned, size_t count, struct err *err);
void holdings_drop(struct holdings *h);

/* The holding of a partition; it is there. */
struct holding *holdings_find(const struct holdings *h, int32_t partition);

/* Between two transactions: brings some of what was restored into its small form. True if there is
 * more of it. */
bool holdings_settle(struct holdings *h, uint32_t subjects);

/* In a quiet time: a few steps of shard_squeeze(). True if there is more to do. */
bool holdings_squeeze(struct holdings *h, uint32_t steps);

/* A transaction begins; `owned` are the same partitions in the same order. */
void holdings_begin(struct holdings *h, const struct owned *owned);
/* Kafka has it: the changes stay. `committed` offsets are those of `owned`. */
void holdings_commit(struct holdings *h, const struct owned *owned);
/* Kafka does not have it: all is as at holdings_begin(). */
void holdings_rollback(struct holdings *h);
