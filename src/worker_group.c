/* worker_group.c - partitions come with their state, and go. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/heap.h"
#include "base/log.h"
#include "topic_plan.h"
#include "worker_parts.h"

enum {
	REVOKE_COMMIT_MS = 5000, /* the whole group waits for us then */
	SETTLE_SUBJECTS = 500,	 /* at once: less than a millisecond */
	SQUEEZE_STEPS = 8,	 /* the same */
	QUIET_MS = 2000,	 /* without a transaction */
	QUIET_AGAIN_MS = 10000,
};

void worker_drop(struct worker *w)
{
	if (w->saver)
		saver_drop(w->saver);
	holdings_drop(&w->holdings);
}

static int take_saver(struct worker *w, struct err *err)
{
	OWNED_MEM int32_t *partitions = calloc(w->holdings.count + 1, sizeof *partitions);

	if (!partitions)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < w->holdings.count; i++)
		partitions[i] = w->holdings.items[i].partition;
	saver_take(w->saver, partitions, w->holdings.count);
	return 0;
}

static struct shard *shard_of(void *context, int32_t partition)
{
	struct worker *w = context;

	return holdings_find(&w->holdings, partition)->shard;
}

/* What a busy time took from the C library it keeps for the next one, some 400 MB after a million
 * messages; in a quiet time it goes back, and what is remembered moves together. True if there is
 * more to do. */
static bool give_memory_back(struct worker *w)
{
	int64_t now_ms = clock_monotonic_ms(), busy_ms = MAX(w->begun_us / 1000, w->moved_ms);

	if (!w->moved_ms || w->quiet_ms > busy_ms || now_ms - busy_ms < QUIET_MS ||
	    now_ms - w->quiet_ms < QUIET_AGAIN_MS)
		return false;
	if (holdings_squeeze(&w->holdings, SQUEEZE_STEPS))
		return true;
	if (w->holdings.count)
		shard_give_back(w->holdings.items[0].shard);
	consumer_give_back(topic_source_consumer(w->source));
	sender_give_back(w->sender);
	heap_give_back();
	w->quiet_ms = now_ms;
	return false;
}

void worker_keep_house(struct worker *w)
{
	w->busy = holdings_settle(&w->holdings, SETTLE_SUBJECTS) || give_memory_back(w);
	if (!w->saver)
		return;
	int64_t start_us = clock_monotonic_us();
	bool saving = saver_turn(w->saver, shard_of, w);
	w->busy |= saving;
	if (saving)
		meter_time(w->meter, METER_SNAPSHOT, clock_monotonic_us() - start_us);
	meter_snapshots(w->meter, saver_counts(w->saver));
}

int worker_restore(struct worker *w, struct owned *owned, size_t count, struct err *err)
{
	const struct config *config = w->settings.config;
	struct holdings_settings settings = {
		.changelog = {.kafka = &w->settings.brokers->settings,
			      .group = config->pipeline,
			      .topic = config->state_topic,
			      .stop = w->settings.stop,
			      .worker = w->settings.number,
			      .snapshots = w->settings.snapshots,
			      .pipeline = config->pipeline},
		.shard = {.memory_ms = config->state.memory_ms,
			  .idle_ms = config->state.idle_days * DAY_MS},
		.archive = config->input.topic,
		.consumer = topic_source_consumer(w->source),
	};

	int64_t start_us = clock_monotonic_us();

	worker_add(&w->counts.restores, 1);
	if (holdings_take(&w->holdings, &settings, owned, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (worker_sync_book(w, &w->holdings.items[i], err) < 0)
			return -1;
	meter_restored(w->meter, clock_monotonic_us() - start_us, &w->holdings);
	return w->saver ? take_saver(w, err) : 0;
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
		       "them; of the state: " TOPIC_PLAN_MOVE,
		       topic, now, w->settings.partitions);
}

int worker_assigned(void *context, struct owned *owned, size_t count, struct err *err)
{
	struct worker *w = context;

	if (check_partitions(w, err) < 0)
		return -1;
	/* Before the state is read: an open transaction of ours must be over. */
	if ((w->renew || !sender_is_open(w->sender)) && worker_renew_sender(w, err) < 0)
		return -1;
	worker_drop(w);
	meter_rebalance(w->meter, METER_ASSIGNED);
	atomic_store(&w->counts.phase, WORKER_RESTORING);
	atomic_store(&w->counts.failures, 0);
	if (worker_restore(w, owned, count, err) < 0)
		return -1;
	meter_look(w->meter, &w->holdings, owned, topic_source_consumer(w->source),
		   w->settings.config->input.topic);
	atomic_store(&w->counts.partitions, (int64_t)count);
	atomic_store(&w->counts.phase, WORKER_READY);
	w->moved_ms = clock_monotonic_ms();
	log_event(LOG_INFO, "assigned", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partitions", count));
	return 0;
}

void worker_revoked(void *context, bool lost)
{
	struct worker *w = context;
	struct err err = {0};
	bool doubtful;

	fault_point("in_revoke");
	log_event(LOG_INFO, "revoked", LOG_NUM("worker", w->settings.number),
		  LOG_NUM("partitions", w->holdings.count), LOG_TEXT("lost", lost ? "yes" : "no"));
	/* Lost partitions are somebody else's: what is open must not be committed. Whatever fails
	 * here needs no resolving: the next owner reads the state from Kafka, be it us. */
	if (w->open && (lost || worker_commit(w, REVOKE_COMMIT_MS, &doubtful, &err) < 0)) {
		if (!lost)
			log_event(LOG_WARN, "transaction_failed",
				  LOG_NUM("worker", w->settings.number), LOG_TEXT("err", err.text));
		worker_abort(w);
		worker_uncount(w);
	}
	worker_drop(w);
	w->moved_ms = clock_monotonic_ms();
	meter_rebalance(w->meter, lost ? METER_LOST : METER_REVOKED);
	atomic_store(&w->counts.phase, WORKER_PARTITIONS);
	atomic_store(&w->counts.partitions, 0);
}
