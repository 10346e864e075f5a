/* shard_parts.h - what the files of a shard share: its structs.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	shard.c		subjects, clocks and the marker, inside a transaction
 *	shard_log.c	what the changelog must hold, and reading it back
 *	shard_copy.c	all of it in pieces, for snapshots
 *
 * Private to them. Thread: as the shard.
 */
#pragma once

#include "state/codec.h"
#include "state/shard.h"
#include "state/table.h"

/* A subject that this transaction has unpacked. */
struct live {
	struct subject subject; /* first: react holds pointers to it */
	uint32_t slot;
	uint32_t corp;
	int64_t saved_due_ms;
	bool is_new;	/* was not there at shard_begin() */
	bool changed;
	bool forgotten; /* is not there now */
};

struct corp {
	struct str id;
	int64_t clock_ms, saved_clock_ms;
};

struct marker {
	int64_t next_offset;
	struct str ruleset, lineage;
};

struct rule_switch {
	struct str ruleset;
	int64_t offset;
};

/* What shards need while something is under way; those of one thread share it. */
struct shard_work {
	uint32_t shards, open; /* that have it; of them, those in a transaction */
	struct arena arena; /* of the transaction */
	struct buf packed, scratch;
	struct codec_names names;
	struct buf encoded; /* keys and values of `changes` */
	struct shard_change *changes;
	size_t change_cap;
};

struct shard {
	int32_t partition;
	struct shard_settings settings;
	struct names names;
	struct table table;
	struct corp *corps; /* index as table.queues */
	uint32_t corp_count, corp_cap;
	uint32_t last_corp; /* most archives have one */
	uint32_t last_slot; /* of find_slot(): one message asks several times */
	uint32_t expected[SHARD_AHEAD], expected_at; /* hashes of shard_expect(), a ring */
	struct marker marker, saved_marker;
	bool importing; /* the note of an import was read */
	bool broken;	  /* a packed form made no sense */
	uint32_t settled; /* slots that shard_settle() has been through */

	struct shard_work *work;
	bool open; /* a transaction */
	struct live **lives;
	uint32_t live_count, live_cap;
	struct rule_switch *switches; /* of the transaction */
	uint32_t switch_count, switch_cap;
};

/* The index of a corp in `corps`, which moves when there is a new one. */
uint32_t shard_corp(struct shard *s, struct str corpid);
