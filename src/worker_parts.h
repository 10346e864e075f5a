/* worker_parts.h - what the files of a worker share: its struct, its patience, its steps.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	worker.c	the loop: a record, the clock, the end
 *	worker_rules.c	the rulebooks it judges by
 *	worker_txn.c	a transaction, and what is done when one fails
 *	worker_group.c	partitions come and go
 *	worker_look.c	what operators see
 *
 * Private to them. Steps return -1 when the worker must end. Thread: that of the worker.
 */
#pragma once

#include <pthread.h>

#include "consume/topic.h"
#include "holdings.h"
#include "meter.h"
#include "pipeline.h"
#include "send/topic.h"
#include "state/saver.h"
#include "worker.h"

enum {
	IDLE_MS = 500,		 /* how long a poll waits when nothing is open; bounds the stop too */
	COMMIT_MS = PRODUCER_TRANSACTION_TIMEOUT_MS - 2000,
	INIT_TRY_MS = 5000,	 /* short, so that a stop is seen */
	MISSING_MS = 30000,	 /* topics and rule sets may show late on one broker of many */
	ROUTES = 10000, ROUTES_MISSED_MAX = ROUTES / 100,
	BOOKS_MAX = 64,
};

/* Of the last records, which of them were misrouted. */
struct routes {
	uint64_t bits[(ROUTES + 63) / 64]; /* a ring */
	size_t at, missed;
};

struct worker {
	struct worker_settings settings;
	struct worker_counts counts;
	pthread_t thread;
	_Atomic bool ended;
	struct err err; /* of the end */
	pthread_mutex_t trouble_lock;
	char trouble[WORKER_TROUBLE_MAX];
	int status;

	struct topic_source *source;
	struct sender *sender;
	struct pipeline *pipeline;
	struct meter *meter;
	struct holdings holdings;
	struct saver *saver; /* NULL: no snapshots */
	bool busy;	     /* worker_keep_house() wants a turn soon */
	int64_t quiet_ms;    /* when memory was given back last; 0: not yet */
	int64_t moved_ms;    /* when partitions came or went last, which counts as busy; 0: never */
	char fitted[BOOKS_MAX][DIGEST_TEXT_SIZE]; /* digests: the pipeline has room for these sets */
	size_t fitted_count;
	size_t batch_records, batch_bytes; /* not handed to the producer yet */
	int64_t batch_ms;		   /* when the first of them came */
	struct buf marker;		   /* worker_hand_over() writes it here */
	struct kafka_headers headers;	   /* send_dead() reads them here */

	bool open;	    /* a transaction is */
	bool rested, calm;  /* there was nothing to read for a while: in this one, in the one before */
	bool renew;	    /* the producer must be renewed before the next one */
	int64_t begun_us, due_ms; /* when it began, when it is to be committed */
	uint64_t txn_records;
	bool again; /* its first record was counted in the one before */

	struct routes routes, routes_begun; /* now; when the transaction began */
};

static inline bool worker_stopping(const struct worker *w)
{
	return atomic_load_explicit(w->settings.stop, memory_order_relaxed);
}

static inline int worker_stopped(struct err *err)
{
	return err_set(err, ERR_RETRY, "stopped");
}

/* A counter of worker_counts; the worker is its one writer. */
static inline void worker_add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

/* ---- worker_look.c ---- */

void worker_note_brokers(struct worker *w, bool up);
/* What keeps it from opening its transactions; "": nothing. */
void worker_note_trouble(struct worker *w, const char *text);
/* The loop turned. Called where no transaction is open, or seldom. */
void worker_note_turn(struct worker *w);
/* Positions and gauges as they are now; no transaction is open. */
void worker_look(struct worker *w);

/* ---- worker_rules.c ---- */

/* Makes room for `book` in the pipeline, once for each. */
MUST_CHECK int worker_fit(struct worker *w, const struct rulebook *book, struct err *err);
/* The rulebook of `digest`, waiting for it to be read and compiled. The caller owns *out. */
MUST_CHECK int worker_get_book(struct worker *w, struct str digest, struct rulebook **out,
			       struct err *err);
/* The rulebook by which a holding judges now: that of the digest in its state, else the first. */
MUST_CHECK int worker_fetch_book(struct worker *w, struct holding *holding, struct rulebook **out,
				 struct err *err);
/* Makes `book` of a holding what worker_fetch_book() says. A set that cannot be used is no failure
 * yet (book is NULL then): the next record may be one that puts another into force, as after an
 * upgrade that changed what rules mean. */
MUST_CHECK int worker_sync_book(struct worker *w, struct holding *holding, struct err *err);
/* Rules that judge from the beginning must be there before any record is taken. */
MUST_CHECK int worker_wait_for_rules(struct worker *w, struct err *err);

/* ---- worker_txn.c ---- */

/* Opens a new producer under our name, for as long as it takes. */
MUST_CHECK int worker_renew_sender(struct worker *w, struct err *err);
MUST_CHECK int worker_begin(struct worker *w, struct err *err);
/* Hands the events of the pipeline's batch to the producer, and ends the batch. */
MUST_CHECK int worker_send_batch(struct worker *w, struct err *err);
/* The same in the middle of a transaction. The partitions of the changelog join it now, together with
 * those of the events, by a copy of the marker as it is: joining takes librdkafka and the broker some
 * milliseconds, and they would be added to the commit. */
MUST_CHECK int worker_hand_over(struct worker *w, struct err *err);
/* Commits what is open. *doubtful tells, on failure, whether the commit itself was tried. */
MUST_CHECK int worker_commit(struct worker *w, int timeout_ms, bool *doubtful, struct err *err);
/* Ends the broker's side of the transaction. Its producer is not used again. */
void worker_abort(struct worker *w);
/* Makes good what a failed transaction left: all of it will be read again, or was committed. */
MUST_CHECK int worker_heal(struct worker *w, bool doubtful, struct err *err);
/* What was counted since the transaction began is uncounted: its records will be read again. */
void worker_uncount(struct worker *w);
MUST_CHECK int worker_commit_or_heal(struct worker *w, struct err *err);

/* ---- worker_group.c ---- */

/* Reads the state of `owned` back, and with it the position of each. */
MUST_CHECK int worker_restore(struct worker *w, struct owned *owned, size_t count, struct err *err);
/* For topic_source_settings.events; `context` is the worker. */
MUST_CHECK int worker_assigned(void *context, struct owned *owned, size_t count, struct err *err);
void worker_revoked(void *context, bool lost);
/* The state of the partitions goes. */
void worker_drop(struct worker *w);
/* Between two transactions: a step of the snapshots, and of settling what was restored; in a quiet
 * time, memory goes back. */
void worker_keep_house(struct worker *w);
