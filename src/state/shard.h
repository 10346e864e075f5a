/* shard.h - the state of one partition: its subjects, clocks, position and rules in force.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A shard changes inside a transaction: shard_begin(), changes, then shard_commit() once Kafka has
 * committed, or shard_rollback(), which brings back what was there at shard_begin() (undo log:
 * key -> previous value). shard_changes() gives what the changelog must hold: one record for each
 * subject that changed, and the marker (next offset, clock of each corp, digest of the rules).
 * The format of keys and values is in state/codec.h; values carry a version and a checksum.
 *
 * Thread: a shard belongs to one worker. Times are event time, brought by the caller.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct shard;
struct shard_settings {
	int64_t memory_ms; /* how long an effective message is remembered: state.memory, 7 days */
	int64_t idle_ms;   /* subjects without tag, stage, window, wait are forgotten after it */
};

struct shard_change {
	struct str key;
	struct str value; /* data NULL: a tombstone */
};

MUST_CHECK int shard_new(struct shard **out, int32_t partition,
			 const struct shard_settings *settings, struct err *err);
void shard_free(struct shard *s); /* NULL is fine */
DEFINE_OWNED(shard);

void shard_begin(struct shard *s);
void shard_commit(struct shard *s);
void shard_rollback(struct shard *s);
/* What changed since shard_begin(), encoded; the marker last. Until the next commit/rollback. */
const struct shard_change *shard_changes(struct shard *s, size_t *count);

/* Takes one record of the changelog, in order. Unknown versions and broken checksums are
 * ERR_CONFIG. shard_loaded() ends loading (builds what is derived, such as deadlines). */
MUST_CHECK int shard_load(struct shard *s, struct str key, struct str value, struct err *err);
MUST_CHECK int shard_loaded(struct shard *s, struct err *err);

int64_t shard_next_offset(const struct shard *s); /* -1: no marker yet */
void shard_set_next_offset(struct shard *s, int64_t offset);

/* Digest of the rules in force on this partition; empty: none yet. */
struct str shard_ruleset(const struct shard *s);
/* From `offset` on (that of the rules record) the rules of `digest` judge. */
void shard_set_ruleset(struct shard *s, struct str digest, int64_t offset);

/* The clock of a corp (CONTRACT.md section 2), 0 before its first message. */
int64_t shard_clock_ms(const struct shard *s, struct str corpid);

struct shard_stats {
	uint64_t subjects, bytes;
};
struct shard_stats shard_stats(const struct shard *s);
