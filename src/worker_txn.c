/* worker_txn.c - one transaction after the other, and what is done when one fails. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "worker_parts.h"

enum {
	FENCED_MS = 1500,	 /* longer than a heartbeat: the group tells whether we were replaced */
	BACKOFF_MAX_MS = 2000,
	FAILURES_MAX = 5,	 /* in a row, of a kind that waiting does not heal */
};

int worker_renew_sender(struct worker *w, struct err *err)
{
	int64_t start_ms = clock_monotonic_ms();

	sender_close(w->sender);
	worker_add(&w->counts.renewals, 1);
	meter_transaction(w->meter, METER_RENEWED);
	int phase = atomic_load(&w->counts.phase);
	while (sender_open(w->sender, INIT_TRY_MS, err) < 0) {
		bool passes = err->kind == ERR_UNAVAILABLE || err->kind == ERR_RETRY ||
			      (err->kind == ERR_CONFIG &&
			       clock_monotonic_ms() - start_ms < MISSING_MS);
		if (!passes)
			return -1;
		/* Brokers that answer, of a topic that is gone for example, are not away. */
		bool answered = err->kind != ERR_UNAVAILABLE;
		worker_note_brokers(w, answered);
		worker_note_trouble(w, answered ? err->text : "");
		atomic_store(&w->counts.phase, answered ? WORKER_CONNECTING : phase);
		worker_note_turn(w);
		log_event(LOG_WARN, "producer_wait", LOG_NUM("worker", w->settings.number),
			  LOG_TEXT("err", err->text));
		if (worker_stopping(w))
			return worker_stopped(err);
		clock_sleep_ms(500);
	}
	w->renew = false;
	worker_note_brokers(w, true);
	worker_note_trouble(w, "");
	atomic_store(&w->counts.phase, phase);
	return 0;
}

/* ---- a transaction ---- */

/* When a transaction that begins now is to be committed. Who has time keeps a beat: how long the commit
 * before took does not put this one off. Each worker of the process has a beat of its own, so that they do
 * not commit at the same time and wait for each other's processor and broker. */
static int64_t due_ms(const struct worker *w, int64_t now_ms)
{
	int64_t interval_ms = w->settings.config->commit_interval_ms;
	int64_t offset_ms = w->settings.number * interval_ms / w->settings.config->workers;
	int64_t left_ms = interval_ms - (now_ms + interval_ms - offset_ms) % interval_ms;

	return now_ms + (w->rested && left_ms >= interval_ms / 4 ? left_ms : interval_ms);
}

int worker_begin(struct worker *w, struct err *err)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);

	if (w->renew || !sender_is_open(w->sender) || sender_hygiene(w->sender))
		if (worker_renew_sender(w, err) < 0)
			return -1;
	while (sender_begin(w->sender, err) < 0)
		if (worker_renew_sender(w, err) < 0)
			return -1;
	holdings_begin(&w->holdings, owned);
	w->open = true;
	w->routes_begun = w->routes;
	w->begun_us = clock_monotonic_us();
	w->due_ms = due_ms(w, w->begun_us / 1000);
	w->txn_records = 0;
	w->again = pipeline_is_again(w->pipeline);
	w->calm = w->rested;
	w->rested = false;
	fault_point("begin");
	return 0;
}

int worker_send_batch(struct worker *w, struct err *err)
{
	const struct events *events = &pipeline_batch(w->pipeline)->events;

	for (size_t i = 0; i < events->count; i++) {
		if (sender_event(w->sender, &events->items[i], err) < 0)
			return -1;
		meter_event(w->meter, events->items[i].type);
	}
	worker_add(&w->counts.events, events->count);
	pipeline_clear(w->pipeline);
	w->batch_records = w->batch_bytes = 0;
	return 0;
}

int worker_hand_over(struct worker *w, struct err *err)
{
	for (size_t i = 0; i < w->holdings.count; i++) {
		struct holding *holding = &w->holdings.items[i];
		if (!holding->touched || holding->joined)
			continue;
		holding->joined = true;
		buf_clear(&w->marker);
		shard_marker(holding->shard, &w->marker);
		if (w->marker.len && sender_change(w->sender, holding->partition, shard_marker_key,
						   buf_str(&w->marker), err) < 0)
			return -1;
	}
	return worker_send_batch(w, err);
}

/* Changelog and markers of the partitions that were touched. */
static int send_changes(struct worker *w, const struct owned *owned, struct err *err)
{
	for (size_t i = 0; i < w->holdings.count; i++) {
		struct holding *holding = &w->holdings.items[i];
		size_t count;
		if (!holding->touched)
			continue;
		if (shard_check(holding->shard, err) < 0)
			return -1;
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

int worker_commit(struct worker *w, int timeout_ms, bool *doubtful, struct err *err)
{
	size_t count;
	const struct owned *owned = topic_source_owned(w->source, &count);

	int64_t start_us = clock_monotonic_us();

	*doubtful = false;
	if (worker_send_batch(w, err) < 0 || send_changes(w, owned, err) < 0)
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
	atomic_store_explicit(&w->counts.failures, 0, memory_order_relaxed);
	worker_add(&w->counts.commits, 1);
	int64_t now_us = clock_monotonic_us();
	meter_time(w->meter, METER_SEND, sent_us - start_us);
	meter_time(w->meter, METER_COMMIT, now_us - sent_us);
	meter_commit(w->meter, w->pipeline, now_us - w->begun_us);
	worker_look(w);
	return 0;
}

/* ---- when a transaction fails ---- */

void worker_uncount(struct worker *w)
{
	meter_rollback(w->meter, w->pipeline);
	w->routes = w->routes_begun;
	pipeline_set_again(w->pipeline, w->again);
}

void worker_abort(struct worker *w)
{
	struct err ignored; /* told by the failure that led here */

	worker_add(&w->counts.aborts, 1);
	meter_transaction(w->meter,
			  sender_is_fenced(w->sender) ? METER_FENCED : METER_ABORTED);
	w->open = false;
	pipeline_clear(w->pipeline);
	w->batch_records = w->batch_bytes = 0;
	/* Never the same producer again (producer.h): what of this transaction is still under way, records
	 * or its end, would be of the next one's epoch. */
	w->renew = true;
	bool ended = sender_state(w->sender) != PRODUCER_DOUBTFUL &&
		     sender_abort(w->sender, COMMIT_MS, &ignored) == 0;
	(void)ended; /* if not, the new producer's first word ends it */
}

static int rewind_to_begin(struct worker *w, struct err *err)
{
	size_t count = w->holdings.count;
	OWNED_MEM int64_t *next = calloc(MAX(count, (size_t)1), sizeof *next);

	if (!next)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < count; i++) {
		next[i] = w->holdings.items[i].begun_next;
		if (worker_sync_book(w, &w->holdings.items[i], err) < 0)
			return -1;
	}
	return topic_source_rewind(w->source, next, err);
}

static int roll_back(struct worker *w, struct err *err)
{
	worker_uncount(w);
	holdings_rollback(&w->holdings);
	return rewind_to_begin(w, err);
}

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
	worker_uncount(w);
	worker_drop(w);
	if (worker_restore(w, owned, count, err) < 0)
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

	while (clock_monotonic_ms() < until_ms && !worker_stopping(w)) {
		int got = topic_source_poll(w->source, 50, pipeline_arena(w->pipeline), &record, err);
		pipeline_clear(w->pipeline);
		if (got < 0)
			return -1;
	}
	return 0;
}

int worker_heal(struct worker *w, bool doubtful, struct err *err)
{
	bool fenced = sender_is_fenced(w->sender);
	int failures = atomic_fetch_add(&w->counts.failures, 1) + 1;

	log_event(LOG_WARN, "transaction_failed", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("in_a_row", failures), LOG_TEXT("doubtful", doubtful ? "yes" : "no"),
		  LOG_TEXT("err", err->text));
	if (err->kind == ERR_PERMISSION || err->kind == ERR_OS || err->kind == ERR_BUG ||
	    (failures >= FAILURES_MAX && (err->kind == ERR_CONFIG || err->kind == ERR_DATA)))
		return -1;
	doubtful &= sender_state(w->sender) != PRODUCER_ABORT;
	worker_abort(w);
	if (failures > 1)
		clock_sleep_ms(MIN(50 << MIN(failures, 10), BACKOFF_MAX_MS));
	uint64_t before = w->counts.restores;
	if (fenced && wait_for_verdict(w, err) < 0)
		return -1;
	if (worker_renew_sender(w, err) < 0)
		return -1;
	if (w->counts.restores != before || w->holdings.count == 0) {
		worker_uncount(w);
		return 0; /* the group gave us partitions anew meanwhile, or took all */
	}
	return doubtful ? resolve(w, err) : roll_back(w, err);
}

int worker_commit_or_heal(struct worker *w, struct err *err)
{
	bool doubtful;

	if (worker_commit(w, COMMIT_MS, &doubtful, err) == 0)
		return 0;
	return worker_heal(w, doubtful, err);
}
