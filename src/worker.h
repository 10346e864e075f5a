/* worker.h - one thread that turns its partitions of the archive into events, exactly once.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	consumer ─► pipeline + shards ─► transactional producer
 *
 * A worker shares nothing but the shelf of rule sets, the stop flag and the counters. Its name is
 * that of its group member and of its transactions, so that a restart takes its place at once.
 *
 *	poll ─ take ─ … ─ commit {events, dead letters, state, marker, offsets} ─ keep the state
 *	   a transaction fails: the state of memory goes back, the offsets too, and all is read again
 *	   a commit is doubtful: a new producer ends it either way, then the group's offsets tell
 *
 * The position is the marker in the state, never the group's offset.
 *
 * Thread: worker_start(), worker_join() and the counters may be used from any thread.
 */
#pragma once

#include <stdatomic.h>

#include "brokers.h"
#include "metrics.h"
#include "shelf.h"

struct worker;

struct worker_settings {
	const struct config *config;
	const struct brokers *brokers;
	struct shelf *shelf;
	struct metrics *metrics;
	const char *name;  /* <pipeline>-<instance>-<slot>-<number> */
	int64_t number;
	int32_t partitions; /* of the archive */
	const char *snapshots; /* the folder of snapshots; NULL: none are made or used */
	const _Atomic bool *stop; /* finish the transaction and end */
	int ended_fd;		  /* an eventfd that is written to when the worker ends */
};

/* How far a worker is; operators see what it waits for. */
enum worker_phase {
	WORKER_CONNECTING, /* opening its producer */
	WORKER_RULES,	   /* waiting for a first rule set to be published */
	WORKER_PARTITIONS, /* waiting for the group to give it some */
	WORKER_RESTORING,  /* reading their state, and compiling the rules that judge there */
	WORKER_READY,
};

/* Written by the worker, read by anybody; relaxed. */
struct worker_counts {
	_Atomic uint64_t records, events, dead, commits, aborts, renewals, restores;
	_Atomic int64_t partitions; /* owned now */
	_Atomic int phase;	    /* enum worker_phase */
	_Atomic int failures;	    /* transactions that failed, in a row, up to now */
	_Atomic bool brokers;	    /* connected to one at least */
	_Atomic int64_t turned_ms;  /* when the loop turned last (clock_monotonic_ms); 0: not yet */
};

MUST_CHECK int worker_start(struct worker **out, const struct worker_settings *settings,
			    struct err *err); /* borrows the settings for its life */
/* Waits for the end; 0, or -1 with the reason. Frees the worker. */
MUST_CHECK int worker_join(struct worker *w, struct err *err);
/* Whether worker_join() would return at once. */
bool worker_has_ended(const struct worker *w);
const struct worker_counts *worker_counts(const struct worker *w);
/* While it is WORKER_CONNECTING: what its last attempt said, or "". */
enum { WORKER_TROUBLE_MAX = 400 };
void worker_trouble(struct worker *w, char *out, size_t size);
