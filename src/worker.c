/* worker.c - the loop of one worker, and what it does when a transaction fails. */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing outside happens but through a transaction, so that the process may die between any two
 * lines: the next producer of the same name ends the open transaction, the marker in the restored
 * state says where to go on, and aborted records are invisible to read_committed readers.
 *
 * Events are handed to the producer after every few records, not at the end of the transaction:
 * librdkafka's threads compress and send while this one matches, and the arena stays in the cache.
 */
#include "worker.h"

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "consume/topic.h"
#include "holdings.h"
#include "meter.h"
#include "pipeline.h"
#include "send/topic.h"

enum {
	IDLE_MS = 500,		 /* how long a poll waits when nothing is open; bounds the stop too */
	BATCH_RECORDS = 64,	 /* records between two hand-overs to the producer */
	TXN_RECORDS_MAX = 100000, /* one second of work at full speed: bounds the undo log */
	TXN_BYTES_MAX = 32 * 1024 * 1024, /* half of the producer's queue */
	DUE_EVENTS_MAX = 10000,	 /* what falls due at once is committed in parts of so many */
	COMMIT_MS = PRODUCER_TRANSACTION_TIMEOUT_MS - 2000,
	REVOKE_COMMIT_MS = 5000, /* the whole group waits for us then */
	INIT_TRY_MS = 5000,	 /* short, so that a stop is seen */
	MISSING_MS = 30000,	 /* topics and rule sets may show late on one broker of many */
	FENCED_MS = 1500,	 /* longer than a heartbeat: the group tells whether we were replaced */
	BACKOFF_MAX_MS = 2000,
	FAILURES_MAX = 5,	 /* in a row, of a kind that waiting does not heal */
	ROUTES = 10000, ROUTES_MISSED_MAX = ROUTES / 100,
	BOOKS_MAX = 64,
};

struct worker {
	struct worker_settings settings;
	struct worker_counts counts;
	pthread_t thread;
	_Atomic bool ended;
	struct err err; /* of the end */
	int status;

	struct topic_source *source;
	struct sender *sender;
	struct pipeline *pipeline;
	struct meter *meter;
	struct holdings holdings;
	const struct rulebook *fitted[BOOKS_MAX]; /* the pipeline has room for these */
	size_t fitted_count;
	size_t events_sent; /* of the pipeline's batch */
	size_t batch_records;

	bool open;	    /* a transaction is */
	bool renew;	    /* the producer must be renewed before the next one */
	int64_t begun_ms, begun_us;
	uint64_t txn_records;
	int failures;	    /* transactions in a row */

	uint64_t routes[(ROUTES + 63) / 64]; /* ring of bits: was the record misrouted */
	size_t route_at, routes_missed;
};

static bool stopping(const struct worker *w)
{
	return atomic_load_explicit(w->settings.stop, memory_order_relaxed);
}

static int stopped(struct err *err)
{
	return err_set(err, ERR_RETRY, "stopped");
}

static void add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

/* ---- what operators see ---- */

static void note_brokers(struct worker *w, bool up)
{
	atomic_store_explicit(&w->counts.brokers, up, memory_order_relaxed);
	meter_brokers(w->meter, up);
}

/* The loop turned. Called where no transaction is open, or seldom. */
static void note_turn(struct worker *w)
{
	atomic_store_explicit(&w->counts.turned_ms, clock_monotonic_ms(), memory_order_relaxed);
}

/* Positions and gauges as they are now; no transaction is open. */
static void look(struct worker *w)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);

	meter_look(w->meter, &w->holdings, owned, topic_source_consumer(w->source),
		   w->settings.config->input.topic);
}

/* ---- the producer ---- */

/* Opens a new producer under our name, for as long as it takes. */
static int renew_sender(struct worker *w, struct err *err)
{
	int64_t start_ms = clock_monotonic_ms();

	sender_close(w->sender);
	add(&w->counts.renewals, 1);
	meter_transaction(w->meter, METER_RENEWED);
	while (sender_open(w->sender, INIT_TRY_MS, err) < 0) {
		bool passes = err->kind == ERR_UNAVAILABLE || err->kind == ERR_RETRY ||
			      (err->kind == ERR_CONFIG &&
			       clock_monotonic_ms() - start_ms < MISSING_MS);
		if (!passes)
			return -1;
		note_brokers(w, false);
		note_turn(w);
		log_event(LOG_WARN, "producer_wait", LOG_NUM("worker", w->settings.number),
			  LOG_TEXT("err", err->text));
		if (stopping(w))
			return stopped(err);
		clock_sleep_ms(500);
	}
	w->renew = false;
	note_brokers(w, true);
	return 0;
}

/* ---- rules ---- */

static int fit(struct worker *w, const struct rulebook *book, struct err *err)
{
	for (size_t i = 0; i < w->fitted_count; i++)
		if (w->fitted[i] == book)
			return 0;
	if (pipeline_fit(w->pipeline, book, err) < 0)
		return -1;
	/* A full list only means that one is fitted again, which is harmless. */
	w->fitted[w->fitted_count < BOOKS_MAX ? w->fitted_count++ : BOOKS_MAX - 1] = book;
	return 0;
}

/* The rulebook of `digest`, waiting for it to be read and compiled. */
static int get_book(struct worker *w, struct str digest, struct rulebook **out, struct err *err)
{
	int64_t missing_ms = 0;

	for (;;) {
		enum shelf_answer answer =
			shelf_get(w->settings.shelf, digest, IDLE_MS, out, err);
		if (answer == SHELF_READY) {
			if (fit(w, *out, err) == 0)
				return 0;
			rulebook_free(*out);
			return -1;
		}
		if (answer == SHELF_BROKEN)
			return -1;
		if (stopping(w))
			return stopped(err);
		missing_ms += answer == SHELF_MISSING ? IDLE_MS : 0;
		if (missing_ms >= MISSING_MS)
			return err_set(err, ERR_CONFIG,
				       "the rule set %.*s, which is in force, is not on %s; publish "
				       "it again, or restore the topic",
				       STR_ARG(digest), w->settings.config->output.rulesets);
	}
}

/* The rulebook of the set that was published first, of those that this program can judge by. */
static int get_first_book(struct worker *w, struct rulebook **out, struct err *err)
{
	char tried[72] = "", digest[72] = "";
	struct err ignored; /* that of get_book() says more */

	while (shelf_first(w->settings.shelf, IDLE_MS, digest, &ignored) == SHELF_READY &&
	       strcmp(digest, tried) != 0) {
		if (get_book(w, str_of(digest), out, err) == 0)
			return 0;
		if (stopping(w))
			return -1;
		memcpy(tried, digest, sizeof tried);
	}
	return tried[0] ? -1 : err_set(err, ERR_CONFIG, "no rule set that was published is usable");
}

/* The rulebook by which a holding judges now: that of the digest in its state, else the first. */
static int fetch_book(struct worker *w, struct holding *holding, struct rulebook **out,
		      struct err *err)
{
	char digest[72];

	(void)snprintf(digest, sizeof digest, "%.*s", STR_ARG(shard_ruleset(holding->shard)));
	return digest[0] ? get_book(w, str_of(digest), out, err) : get_first_book(w, out, err);
}

/* Makes `book` of a holding what fetch_book() says. A set that cannot be used is no failure yet
 * (book is NULL then): the next record may be one that puts another into force, as after an
 * upgrade that changed what rules mean. */
static int sync_book(struct worker *w, struct holding *holding, struct err *err)
{
	struct str digest = shard_ruleset(holding->shard);

	if (holding->book && str_eq(digest, str_of(holding->book->set->digest)))
		return 0;
	rulebook_free(TAKE(holding->book));
	if (fetch_book(w, holding, &holding->book, err) == 0)
		return 0;
	holding->book = NULL;
	if (stopping(w) || (err->kind != ERR_CONFIG && err->kind != ERR_DATA))
		return -1;
	log_event(LOG_WARN, "rules_unusable", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partition", holding->partition), LOG_TEXT("err", err->text));
	return 0;
}

/* ---- a transaction ---- */

static int begin(struct worker *w, struct err *err)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);

	if (w->renew || !sender_is_open(w->sender) || sender_hygiene(w->sender))
		if (renew_sender(w, err) < 0)
			return -1;
	while (sender_begin(w->sender, err) < 0)
		if (renew_sender(w, err) < 0)
			return -1;
	holdings_begin(&w->holdings, owned);
	w->open = true;
	w->begun_us = clock_monotonic_us();
	w->begun_ms = w->begun_us / 1000;
	w->txn_records = 0;
	fault_point("begin");
	return 0;
}

/* Hands the events of the pipeline's batch to the producer, and ends the batch. */
static int send_batch(struct worker *w, struct err *err)
{
	const struct events *events = &pipeline_batch(w->pipeline)->events;

	for (size_t i = 0; i < events->count; i++) {
		if (sender_event(w->sender, &events->items[i], err) < 0)
			return -1;
		meter_event(w->meter, events->items[i].type);
	}
	add(&w->counts.events, events->count);
	pipeline_clear(w->pipeline);
	w->batch_records = 0;
	return 0;
}

/* Changelog and markers of the partitions that were touched. */
static int send_changes(struct worker *w, const struct owned *owned, struct err *err)
{
	for (size_t i = 0; i < w->holdings.count; i++) {
		struct holding *holding = &w->holdings.items[i];
		size_t count;
		if (!holding->touched)
			continue;
		shard_set_next_offset(holding->shard, owned[i].next);
		const struct shard_change *changes = shard_changes(holding->shard, &count);
		for (size_t k = 0; k < count; k++)
			if (sender_change(w->sender, holding->partition, changes[k].key,
					  changes[k].value, err) < 0)
				return -1;
	}
	return 0;
}

/* The offsets of all partitions, touched or not: they carry the member's generation. */
static int send_offsets(struct worker *w, const struct owned *owned, size_t count, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(count, (size_t)1), sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct consumer_partition){w->settings.config->input.topic,
						       owned[i].partition,
						       MAX(owned[i].next, (int64_t)-1)};
	return sender_offsets(w->sender, topic_source_consumer(w->source), parts, count, err);
}

/* Commits what is open. *doubtful tells, on failure, whether the commit itself was tried. */
static int commit(struct worker *w, int timeout_ms, bool *doubtful, struct err *err)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);

	int64_t start_us = clock_monotonic_us();

	*doubtful = false;
	if (send_batch(w, err) < 0 || send_changes(w, owned, err) < 0)
		return -1;
	fault_point("after_produce");
	if (send_offsets(w, owned, count, err) < 0)
		return -1;
	fault_point("after_send_offsets");
	int64_t sent_us = clock_monotonic_us();
	*doubtful = true;
	fault_point("in_commit");
	if (sender_commit(w->sender, timeout_ms, err) < 0)
		return -1;
	fault_point("after_commit");
	holdings_commit(&w->holdings, owned);
	w->open = false;
	w->failures = 0;
	add(&w->counts.commits, 1);
	int64_t now_us = clock_monotonic_us();
	meter_time(w->meter, METER_SEND, sent_us - start_us);
	meter_time(w->meter, METER_COMMIT, now_us - sent_us);
	meter_commit(w->meter, w->pipeline, now_us - w->begun_us);
	look(w);
	return 0;
}

/* ---- when a transaction fails ---- */

/* Ends the broker's side of it; afterwards `renew` says whether the producer may go on. */
static void abort_transaction(struct worker *w)
{
	struct err ignored; /* told by the failure that led here */

	add(&w->counts.aborts, 1);
	meter_transaction(w->meter,
			  sender_is_fenced(w->sender) ? METER_FENCED : METER_ABORTED);
	w->open = false;
	pipeline_clear(w->pipeline);
	w->batch_records = 0;
	if (sender_state(w->sender) == PRODUCER_DOUBTFUL ||
	    sender_abort(w->sender, COMMIT_MS, &ignored) < 0)
		w->renew = true;
}

static int rewind_to_begin(struct worker *w, struct err *err)
{
	size_t count = w->holdings.count;
	OWNED_MEM int64_t *next = calloc(MAX(count, (size_t)1), sizeof *next);

	if (!next)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < count; i++) {
		next[i] = w->holdings.items[i].begun_next;
		if (sync_book(w, &w->holdings.items[i], err) < 0)
			return -1;
	}
	return topic_source_rewind(w->source, next, err);
}

static int roll_back(struct worker *w, struct err *err)
{
	meter_rollback(w->meter, w->pipeline);
	holdings_rollback(&w->holdings);
	return rewind_to_begin(w, err);
}

static int restore(struct worker *w, struct owned *owned, size_t count, struct err *err);

/* The state is read again from Kafka, the position with it. */
static int restore_again(struct worker *w, struct err *err)
{
	size_t count;
	const struct owned *now = topic_source_owned(w->source, &count);
	OWNED_MEM struct owned *owned = calloc(MAX(count, (size_t)1), sizeof *owned);
	OWNED_MEM int64_t *next = calloc(MAX(count, (size_t)1), sizeof *next);

	if (!owned || !next)
		return err_set(err, ERR_OS, "out of memory");
	memcpy(owned, now, count * sizeof *owned);
	meter_rollback(w->meter, w->pipeline);
	holdings_drop(&w->holdings);
	if (restore(w, owned, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		next[i] = owned[i].next;
	return topic_source_rewind(w->source, next, err);
}

/* After a doubtful commit, with a new producer: what the group's offsets say about it. */
static int resolve(struct worker *w, struct err *err)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);
	OWNED_MEM struct consumer_partition *parts =
		calloc(MAX(count, (size_t)1), sizeof(struct consumer_partition));
	OWNED_MEM int64_t *next = calloc(MAX(count, (size_t)1), sizeof *next);
	bool all_new = true, all_old = true;

	if (!parts || !next)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct consumer_partition){w->settings.config->input.topic,
						       owned[i].partition, -1};
	if (consumer_committed(topic_source_consumer(w->source), parts, count, COMMIT_MS, err) < 0)
		all_new = all_old = false;
	for (size_t i = 0; i < count; i++) {
		if (owned[i].next < 0)
			continue; /* nothing of it was committed ever */
		all_new &= parts[i].offset == owned[i].next;
		all_old &= parts[i].offset == w->holdings.items[i].committed;
	}
	/* Equal both ways: a transaction that moved no offset (what fell due, in parts). */
	const char *outcome = all_new == all_old ? "restore" : all_new ? "committed" : "aborted";
	log_event(LOG_WARN, "commit_resolved", LOG_NUM("worker", w->settings.number),
		  LOG_TEXT("outcome", outcome));
	if (all_new == all_old)
		return restore_again(w, err);
	if (all_old)
		return roll_back(w, err);
	holdings_commit(&w->holdings, owned);
	meter_commit(w->meter, w->pipeline, clock_monotonic_us() - w->begun_us);
	for (size_t i = 0; i < count; i++)
		next[i] = owned[i].next;
	return topic_source_rewind(w->source, next, err); /* what was polled meanwhile is gone */
}

/* Our id is used by somebody else, or the broker ended the transaction by its timeout. In the
 * first case the group tells soon that our name is taken; what is polled is read again. */
static int wait_for_verdict(struct worker *w, struct err *err)
{
	int64_t until_ms = clock_monotonic_ms() + FENCED_MS;
	struct record record;

	while (clock_monotonic_ms() < until_ms && !stopping(w)) {
		int got = topic_source_poll(w->source, 50, pipeline_arena(w->pipeline), &record, err);
		pipeline_clear(w->pipeline);
		if (got < 0)
			return -1;
	}
	return 0;
}

/* Makes good what a failed transaction left. Returns -1 if the worker must end. */
static int heal(struct worker *w, bool doubtful, struct err *err)
{
	bool fenced = sender_is_fenced(w->sender);

	w->failures++;
	log_event(LOG_WARN, "transaction_failed", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("in_a_row", w->failures), LOG_TEXT("doubtful", doubtful ? "yes" : "no"),
		  LOG_TEXT("err", err->text));
	if (err->kind == ERR_PERMISSION || err->kind == ERR_OS || err->kind == ERR_BUG ||
	    (w->failures >= FAILURES_MAX && (err->kind == ERR_CONFIG || err->kind == ERR_DATA)))
		return -1;
	doubtful &= sender_state(w->sender) != PRODUCER_ABORT;
	abort_transaction(w);
	if (w->failures > 1)
		clock_sleep_ms(MIN(50 << MIN(w->failures, 10), BACKOFF_MAX_MS));
	if (w->renew) {
		uint64_t before = w->counts.restores;
		if (fenced && wait_for_verdict(w, err) < 0)
			return -1;
		if (renew_sender(w, err) < 0)
			return -1;
		if (w->counts.restores != before || w->holdings.count == 0) {
			meter_rollback(w->meter, w->pipeline);
			return 0; /* the group gave us partitions anew meanwhile, or took all */
		}
	}
	return doubtful ? resolve(w, err) : roll_back(w, err);
}

static int commit_or_heal(struct worker *w, struct err *err)
{
	bool doubtful;

	if (commit(w, COMMIT_MS, &doubtful, err) == 0)
		return 0;
	return heal(w, doubtful, err);
}

/* ---- the group ---- */

static int restore(struct worker *w, struct owned *owned, size_t count, struct err *err)
{
	const struct config *config = w->settings.config;
	struct holdings_settings settings = {
		.changelog = {.kafka = &w->settings.brokers->settings,
			      .group = config->pipeline,
			      .topic = config->state_topic,
			      .stop = w->settings.stop,
			      .worker = w->settings.number},
		.shard = {.memory_ms = config->state.memory_ms,
			  .idle_ms = config->state.idle_days * 86400000LL},
		.archive = config->input.topic,
		.consumer = topic_source_consumer(w->source),
	};

	int64_t start_us = clock_monotonic_us();

	add(&w->counts.restores, 1);
	if (holdings_take(&w->holdings, &settings, owned, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (sync_book(w, &w->holdings.items[i], err) < 0)
			return -1;
	meter_restored(w->meter, clock_monotonic_us() - start_us);
	return 0;
}

static int check_partitions(struct worker *w, struct err *err)
{
	const char *topic = w->settings.config->input.topic;
	int32_t now;

	if (consumer_partition_count(topic_source_consumer(w->source), topic, INIT_TRY_MS, &now,
				     err) < 0)
		return err->kind == ERR_UNAVAILABLE || err->kind == ERR_RETRY ? 0 : -1;
	if (now == 0 || now == w->settings.partitions)
		return 0; /* 0: the topic is not known just now; polls tell if it is gone */
	return err_set(err, ERR_CONFIG,
		       "topic %s has %d partitions now, it had %d: customers would move between "
		       "them; `chatmill state export` and `import` carry the state over",
		       topic, now, w->settings.partitions);
}

static int on_assigned(void *context, struct owned *owned, size_t count, struct err *err)
{
	struct worker *w = context;

	if (check_partitions(w, err) < 0)
		return -1;
	/* Before the state is read: an open transaction of ours must be over. */
	if ((w->renew || !sender_is_open(w->sender)) && renew_sender(w, err) < 0)
		return -1;
	holdings_drop(&w->holdings);
	meter_rebalance(w->meter, METER_ASSIGNED);
	if (restore(w, owned, count, err) < 0)
		return -1;
	meter_look(w->meter, &w->holdings, owned, topic_source_consumer(w->source),
		   w->settings.config->input.topic);
	atomic_store(&w->counts.partitions, (int64_t)count);
	atomic_store(&w->counts.ready, true);
	log_event(LOG_INFO, "assigned", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partitions", count));
	return 0;
}

static void on_revoked(void *context, bool lost)
{
	struct worker *w = context;
	struct err err = {0};
	bool doubtful;

	fault_point("in_revoke");
	log_event(LOG_INFO, "revoked", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partitions", w->holdings.count), LOG_TEXT("lost", lost ? "yes" : "no"));
	/* Lost partitions are somebody else's: what is open must not be committed. Whatever fails
	 * here needs no resolving: the next owner reads the state from Kafka, be it us. */
	if (w->open && (lost || commit(w, REVOKE_COMMIT_MS, &doubtful, &err) < 0)) {
		if (!lost)
			log_event(LOG_WARN, "transaction_failed",
				  LOG_NUM("worker", w->settings.number), LOG_TEXT("err", err.text));
		abort_transaction(w);
		meter_rollback(w->meter, w->pipeline);
	}
	holdings_drop(&w->holdings);
	meter_rebalance(w->meter, lost ? METER_LOST : METER_REVOKED);
	atomic_store(&w->counts.ready, false);
	atomic_store(&w->counts.partitions, 0);
}

/* ---- a record ---- */

/* Notes whether a record was for another partition; too many of them are a topic with other keys. */
static int note_route(struct worker *w, bool missed, struct err *err)
{
	uint64_t bit = 1ull << (w->route_at % 64), *word = &w->routes[w->route_at / 64];

	w->routes_missed += missed - ((*word & bit) != 0);
	*word = missed ? *word | bit : *word & ~bit;
	w->route_at = (w->route_at + 1) % ROUTES;
	if (w->routes_missed <= ROUTES_MISSED_MAX)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "more than 1 %% of the last %d records of %s are keyed for another "
		       "partition: its keys are not corpid/subject; `chatmill rekey` copies it onto "
		       "a topic that `run` can read",
		       ROUTES, w->settings.config->input.topic);
}

static int send_dead(struct worker *w, const struct dead *dead, struct err *err)
{
	struct consumed_header headers[PRODUCER_HEADERS_MAX];
	size_t count = topic_source_headers(w->source, headers, ARRAY_LEN(headers));

	add(&w->counts.dead, 1);
	return sender_dead(w->sender, &dead->record, decode_result_name(dead->reason),
			   decode_result_detail(dead->reason), headers, count, err);
}

/* What stands before the record goes out; it will be taken in a transaction of its own. 1: go on;
 * 0: it will be read again; -1: the end. */
static int commit_before(struct worker *w, const struct record *record, struct err *err)
{
	bool doubtful;

	holdings_find(&w->holdings, record->partition)->touched = true;
	topic_source_reach(w->source, record);
	if (commit(w, COMMIT_MS, &doubtful, err) < 0)
		return heal(w, doubtful, err);
	return 1;
}

/* A rules record: from here on the rules of `digest` judge the partition. */
static int switch_rules(struct worker *w, const struct record *record, struct err *err)
{
	struct holding *holding = holdings_find(&w->holdings, record->partition);
	struct err ignored; /* that of get_book() is the same */
	struct rulebook *book;
	char digest[72];

	(void)snprintf(digest, sizeof digest, "%.*s", STR_ARG(pipeline_digest(w->pipeline)));
	if (shelf_get(w->settings.shelf, str_of(digest), 0, &book, err) != SHELF_READY) {
		/* Compiling may take longer than a transaction may be open. */
		int rc = commit_before(w, record, err);
		if (rc <= 0)
			return rc;
		log_event(LOG_INFO, "rules_wait", LOG_NUM("worker", w->settings.number),
			  LOG_NUM("partition", record->partition), LOG_TEXT("digest", digest));
		if (get_book(w, str_of(digest), &book, err) < 0) {
			/* One that is there and unusable is an error for the next message only. */
			if (shelf_get(w->settings.shelf, str_of(digest), 0, &book, &ignored) !=
			    SHELF_BROKEN)
				return -1;
			log_event(LOG_WARN, "rules_unusable", LOG_NUM("worker", w->settings.number),
				  LOG_NUM("partition", record->partition), LOG_TEXT("err", err->text));
			book = NULL;
		}
		if (begin(w, err) < 0)
			return -1;
	} else if (fit(w, book, err) < 0) {
		return -1;
	}
	rulebook_free(holding->book);
	holding->book = book;
	meter_switched(w->meter);
	shard_set_ruleset(holding->shard, str_of(digest), record->offset);
	log_event(LOG_INFO, "rules_switched", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partition", record->partition), LOG_NUM("offset", record->offset),
		  LOG_TEXT("digest", digest));
	return 1;
}

/* Without usable rules only a rules record can be taken. */
static int need_book(struct worker *w, struct holding *holding, const struct record *record,
		     struct err *err)
{
	struct reading reading;

	pipeline_read(w->pipeline, NULL, record, &reading);
	bool rules =
		reading.result == DECODE_DONE && reading.message.kind == MESSAGE_RULES;
	pipeline_clear(w->pipeline);
	return rules ? 0 : fetch_book(w, holding, &holding->book, err);
}

/* Takes one record into the open transaction. 1: done; 0: it will be read again; -1: the end. */
static int take(struct worker *w, struct record *record, struct err *err)
{
	struct holding *holding = holdings_find(&w->holdings, record->partition);
	const struct pipeline_batch *batch = pipeline_batch(w->pipeline);
	enum pipeline_step step;
	int rc;

	if (UNLIKELY(!holding->book)) {
		if (send_batch(w, err) < 0)
			return heal(w, false, err);
		*record = topic_source_again(w->source, pipeline_arena(w->pipeline));
		if (need_book(w, holding, record, err) < 0)
			return -1;
		*record = topic_source_again(w->source, pipeline_arena(w->pipeline));
	}
	size_t dead_before = batch->dead_count;

	while ((step = pipeline_take(w->pipeline, holding->shard, holding->book, record)) ==
	       PIPELINE_MORE) {
		if ((rc = commit_before(w, record, err)) <= 0)
			return rc;
		if (begin(w, err) < 0)
			return -1;
		*record = topic_source_again(w->source, pipeline_arena(w->pipeline));
		dead_before = 0;
	}
	const struct dead *dead =
		batch->dead_count > dead_before ? &batch->dead[batch->dead_count - 1] : NULL;
	bool missed = dead && dead->reason == DECODE_MISROUTED;
	if (UNLIKELY(dead) && send_dead(w, dead, err) < 0)
		return heal(w, false, err);
	if (UNLIKELY(step == PIPELINE_SWITCH) && (rc = switch_rules(w, record, err)) <= 0)
		return rc;
	/* Before its first rules record a partition is judged by the set that was published first:
	 * so what was loaded before rules were is judged too, and by every replay alike. */
	if (UNLIKELY(!shard_ruleset(holding->shard).len))
		shard_set_ruleset(holding->shard, str_of(holding->book->set->digest),
				  record->offset);
	holding->touched = true;
	meter_record(w->meter, w->pipeline, &w->holdings,
		     (size_t)(holding - w->holdings.items), record);
	topic_source_done(w->source, record);
	w->txn_records++;
	add(&w->counts.records, 1);
	return note_route(w, missed, err) < 0 ? -1 : 1;
}

/* ---- the loop ---- */

static bool is_due(const struct worker *w)
{
	return clock_monotonic_ms() - w->begun_ms >= w->settings.config->commit_interval_ms ||
	       w->txn_records >= TXN_RECORDS_MAX || sender_bytes(w->sender) >= TXN_BYTES_MAX;
}

/* How long a poll may wait: to the end of the open transaction's time. */
static int patience_ms(const struct worker *w)
{
	int64_t left = w->begun_ms + w->settings.config->commit_interval_ms - clock_monotonic_ms();

	return w->open ? (int)MAX(left, (int64_t)0) : IDLE_MS;
}

/* One record, or a wait for one. */
static int step(struct worker *w, struct err *err)
{
	struct arena *arena = pipeline_arena(w->pipeline);
	struct record record;

	if (!w->open) {
		note_turn(w);
		note_brokers(w, consumer_look_for_brokers(topic_source_consumer(w->source),
							  w->settings.config->input.topic, IDLE_MS));
		look(w);
	}
	if (w->batch_records >= BATCH_RECORDS && send_batch(w, err) < 0)
		return heal(w, false, err);
	int got = topic_source_poll(w->source, 0, arena, &record, err);
	if (got == 0) {
		if (w->open && send_batch(w, err) < 0)
			return heal(w, false, err);
		got = topic_source_poll(w->source, patience_ms(w), arena, &record, err);
	}
	if (got < 0)
		return -1;
	if (got > 0) {
		if (!w->open && begin(w, err) < 0)
			return -1;
		w->batch_records++;
		if (take(w, &record, err) < 0)
			return -1;
	}
	/* The clock is looked at once a batch while records flow. */
	if (w->open && (got == 0 || w->batch_records >= BATCH_RECORDS) && is_due(w))
		return commit_or_heal(w, err);
	return 0;
}

/* Rules that judge from the beginning must be there before any record is taken. */
static int wait_for_rules(struct worker *w, struct err *err)
{
	bool told = false;
	char digest[72];

	for (;;) {
		enum shelf_answer answer = shelf_first(w->settings.shelf, IDLE_MS, digest, err);
		if (answer == SHELF_READY)
			return 0;
		if (answer == SHELF_BROKEN)
			return -1;
		if (stopping(w))
			return stopped(err);
		if (answer == SHELF_MISSING && !told)
			log_event(LOG_WARN, "rules_none", LOG_NUM("worker", w->settings.number),
				  LOG_TEXT("err", "no rule set was published yet; `chatmill rules "
						  "publish` or `run --publish DIR` does it"));
		told |= answer == SHELF_MISSING;
	}
}

static int make(struct worker *w, struct err *err)
{
	const struct config *config = w->settings.config;
	struct sender_settings sender = {
		.kafka = &w->settings.brokers->settings,
		.transactional_id = w->settings.name,
		.tags = config->output.tags,
		.stages = config->output.stages,
		.alerts = config->output.alerts,
		.hits = config->output.hits,
		.deadletter = config->output.deadletter,
		.state = config->state_topic,
		.archive = config->input.topic,
		.encode = {str_of(config->source), config->evidence},
	};
	struct pipeline_settings pipeline = {
		.decode = {.corpid = str_of(config->input.corpid),
			   .record_bytes_max = (size_t)config->input.record_bytes_max},
		.react = {.hits = config->output.hits != NULL},
		.partitions = w->settings.partitions,
		.check_routes = true,
		.now_us = clock_monotonic_us,
		.due_events_max = DUE_EVENTS_MAX,
	};
	struct topic_source_settings source = {
		.kafka = &w->settings.brokers->settings,
		.group = config->pipeline,
		.instance = w->settings.name,
		.topic = config->input.topic,
		.events = {on_assigned, on_revoked, w},
	};

	if (meter_new(&w->meter, w->settings.metrics, w->settings.number, err) < 0 ||
	    pipeline_new(&w->pipeline, &pipeline, err) < 0 ||
	    sender_new(&w->sender, &sender, err) < 0 || renew_sender(w, err) < 0 ||
	    wait_for_rules(w, err) < 0)
		return -1;
	return topic_source_new(&w->source, &source, err);
}

static int work(struct worker *w, struct err *err)
{
	if (make(w, err) < 0)
		return -1;
	while (!stopping(w))
		if (step(w, err) < 0)
			return -1;
	bool doubtful;
	/* What fails now is read again by whoever starts next. */
	return w->open ? commit(w, COMMIT_MS, &doubtful, err) : 0;
}

static void *run(void *context)
{
	struct worker *w = context;

	w->status = work(w, &w->err);
	if (w->status < 0 && stopping(w) && w->err.kind == ERR_RETRY)
		w->status = 0; /* nothing is lost by a transaction that was not committed */
	atomic_store(&w->counts.ready, false);
	/* The consumer first: it must not rejoin while the producer goes. */
	topic_source_free(TAKE(w->source));
	sender_free(TAKE(w->sender));
	atomic_store(&w->ended, true);
	uint64_t one = 1;
	ssize_t written = write(w->settings.ended_fd, &one, sizeof one);
	(void)written; /* an eventfd takes it, or the poll of main sees `ended` later */
	return NULL;
}

int worker_start(struct worker **out, const struct worker_settings *settings, struct err *err)
{
	struct worker *w = calloc(1, sizeof *w);

	if (!w)
		return err_set(err, ERR_OS, "out of memory");
	w->settings = *settings;
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		free(w);
		return err_set(err, ERR_OS, "no thread for a worker");
	}
	*out = w;
	return 0;
}

int worker_join(struct worker *w, struct err *err)
{
	pthread_join(w->thread, NULL);
	int status = w->status;
	if (status < 0)
		*err = w->err;
	holdings_drop(&w->holdings);
	pipeline_free(w->pipeline);
	meter_free(w->meter);
	free(w);
	return status;
}

bool worker_has_ended(const struct worker *w)
{
	return atomic_load(&w->ended);
}

const struct worker_counts *worker_counts(const struct worker *w)
{
	return &w->counts;
}
