/* worker.c - the loop of one worker: one record after the other, to the end. */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing outside happens but through a transaction, so that the process may die between any two
 * lines: the next producer of the same name ends the open transaction, the marker in the restored
 * state says where to go on, and aborted records are invisible to read_committed readers.
 *
 * Events are handed to the producer after every few records, not at the end of the transaction:
 * librdkafka's threads compress and send while this one matches, and the arena stays in the cache.
 *
 * While there is less to do than time, wake-ups and requests cost more than the records. So whoever
 * finds nothing to read rests for a while instead of being woken by each answer of a broker, and
 * events are held back for half of the transaction (or as long as the producer would, linger.ms): its
 * topics then join the transaction together, which costs librdkafka two milliseconds of waiting without
 * sleep each time (2.0.2: the last millisecond of a timer of its main thread, before the request and
 * after it), and still before the commit, which would have to wait for them.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "topic_plan.h"
#include "worker_parts.h"

enum {
	BATCH_RECORDS = 64,	 /* records between two hand-overs to the producer … */
	BATCH_BYTES = 256 * 1024, /* … or so many: what is worked out of them stays in memory */
	HELD_RECORDS = 2048, HELD_BYTES = 1024 * 1024, /* and while there is time to rest */
	REST_MS = 5,		 /* several hundred records at half load */
	TXN_RECORDS_MAX = 100000, /* one second of work at full speed: bounds the undo log */
	TXN_BYTES_MAX = 32 * 1024 * 1024, /* half of the producer's queue */
	BUSY_MS = 5,		 /* instead of IDLE_MS while there is work in the house */
	DUE_EVENTS_MAX = 10000,	 /* what falls due at once is committed in parts of so many */
};

/* ---- a record ---- */

/* Notes whether a record was for another partition; too many of them are a topic with other keys. */
static int note_route(struct worker *w, bool missed, struct err *err)
{
	struct routes *routes = &w->routes;
	uint64_t bit = 1ull << (routes->at % 64), *word = &routes->bits[routes->at / 64];

	routes->missed += missed - ((*word & bit) != 0);
	*word = missed ? *word | bit : *word & ~bit;
	routes->at = (routes->at + 1) % ROUTES;
	if (routes->missed <= ROUTES_MISSED_MAX)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "more than 1 %% of the last %d records of %s are keyed for another "
		       "partition: its keys are not corpid/subject; `chatmill rekey` copies it onto "
		       "a topic that `run` can read",
		       ROUTES, w->settings.config->input.topic);
}

static int send_dead(struct worker *w, const struct dead *dead, struct err *err)
{
	topic_source_headers(w->source, &w->headers);
	worker_add(&w->counts.dead, 1);
	if (sender_dead(w->sender, &dead->record, decode_result_name(dead->reason),
			decode_result_detail(dead->reason), &w->headers, err) == 0)
		return 0;
	return err_wrap(err, "dead letter of %s partition %d offset %lld", w->settings.config->input.topic,
			dead->record.partition, (long long)dead->record.offset);
}

/* What stands before the record goes out; it will be taken in a transaction of its own. 1: go on;
 * 0: it will be read again; -1: the end. */
static int commit_before(struct worker *w, const struct record *record, struct err *err)
{
	bool doubtful;

	holdings_find(&w->holdings, record->partition)->touched = true;
	topic_source_reach(w->source, record);
	if (worker_commit(w, COMMIT_MS, &doubtful, err) < 0)
		return worker_heal(w, doubtful, err);
	return 1;
}

/* A rules record: from here on the rules of `digest` judge the partition. */
static int switch_rules(struct worker *w, const struct record *record, struct err *err)
{
	struct holding *holding = holdings_find(&w->holdings, record->partition);
	struct err ignored; /* that of worker_get_book() is the same */
	struct rulebook *book;
	char digest[DIGEST_TEXT_SIZE];

	(void)snprintf(digest, sizeof digest, "%.*s", STR_ARG(pipeline_digest(w->pipeline)));
	if (shelf_get(w->settings.shelf, str_of(digest), 0, &book, err) != SHELF_READY) {
		/* Compiling may take longer than a transaction may be open. */
		int rc = commit_before(w, record, err);
		if (rc <= 0)
			return rc;
		log_event(LOG_INFO, "rules_wait", LOG_NUM("worker", w->settings.number),
			  LOG_NUM("partition", record->partition), LOG_TEXT("digest", digest));
		if (worker_get_book(w, str_of(digest), &book, err) < 0) {
			/* One that is there and unusable is an error for the next message only. */
			if (shelf_get(w->settings.shelf, str_of(digest), 0, &book, &ignored) !=
			    SHELF_BROKEN)
				return -1;
			log_event(LOG_WARN, "rules_unusable", LOG_NUM("worker", w->settings.number),
				  LOG_NUM("partition", record->partition), LOG_TEXT("err", err->text));
			book = NULL;
		}
		if (worker_begin(w, err) < 0)
			return -1;
	} else if (worker_fit(w, book, err) < 0) {
		return -1;
	}
	/* Events of the batch name rules of the old set, which may go with its last user. */
	if (worker_send_batch(w, err) < 0) {
		rulebook_free(book);
		return worker_heal(w, false, err);
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
	return rules ? 0 : worker_fetch_book(w, holding, &holding->book, err);
}

/* What is remembered of those who come soon is on its way into the cache meanwhile. */
static void look_ahead(struct worker *w)
{
	int32_t partition;
	struct str key;

	if (topic_source_peek(w->source, SHARD_AHEAD, &partition, &key))
		shard_expect(holdings_find(&w->holdings, partition)->shard, key);
}

/* Takes one record into the open transaction. 1: done; 0: it will be read again; -1: the end. */
static int take(struct worker *w, struct record *record, struct err *err)
{
	struct holding *holding = holdings_find(&w->holdings, record->partition);
	const struct pipeline_batch *batch = pipeline_batch(w->pipeline);
	enum pipeline_step step;
	int rc;

	if (UNLIKELY(!holding->book)) {
		if (worker_send_batch(w, err) < 0)
			return worker_heal(w, false, err);
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
		if (worker_begin(w, err) < 0)
			return -1;
		*record = topic_source_again(w->source, pipeline_arena(w->pipeline));
		dead_before = 0;
	}
	const struct dead *dead =
		batch->dead_count > dead_before ? &batch->dead[batch->dead_count - 1] : NULL;
	bool missed = dead && dead->reason == DECODE_MISROUTED;
	if (UNLIKELY(dead) && send_dead(w, dead, err) < 0)
		return worker_heal(w, false, err);
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
	worker_add(&w->counts.records, 1);
	return note_route(w, missed, err) < 0 ? -1 : 1;
}

/* ---- the loop ---- */

static bool is_due(const struct worker *w)
{
	return clock_monotonic_ms() >= w->due_ms || w->txn_records >= TXN_RECORDS_MAX ||
	       sender_bytes(w->sender) >= TXN_BYTES_MAX;
}

/* Whether what the batch holds goes to the producer now. */
static bool is_batch_due(const struct worker *w)
{
	if (!w->calm)
		return w->batch_records >= BATCH_RECORDS || w->batch_bytes >= BATCH_BYTES;
	return w->batch_records >= HELD_RECORDS || w->batch_bytes >= HELD_BYTES;
}

/* Nothing waits to be read while a transaction is open. */
static int rest(struct worker *w, struct err *err)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t left_ms = w->due_ms - now_ms;
	int64_t hold_ms = MIN(sender_linger_ms(w->sender),
			      (int64_t)w->settings.config->commit_interval_ms / 2);

	w->rested = true;
	if (w->batch_records && now_ms - w->batch_ms >= hold_ms && worker_hand_over(w, err) < 0)
		return -1;
	if (left_ms > 0)
		clock_sleep_ms(MIN(left_ms, (int64_t)REST_MS));
	return 0;
}

/* One record, or a wait for one. */
static int step(struct worker *w, struct err *err)
{
	struct arena *arena = pipeline_arena(w->pipeline);
	struct record record;

	if (!w->open) {
		worker_note_turn(w);
		worker_note_brokers(w, consumer_look_for_brokers(topic_source_consumer(w->source),
							  w->settings.config->input.topic, IDLE_MS));
		worker_look(w);
		worker_keep_house(w);
	}
	if (is_batch_due(w) && worker_hand_over(w, err) < 0)
		return worker_heal(w, false, err);
	int got = topic_source_poll(w->source, 0, arena, &record, err);
	if (got == 0) {
		if (w->open && rest(w, err) < 0)
			return worker_heal(w, false, err);
		int patience_ms = w->open ? 0 : w->busy ? BUSY_MS : IDLE_MS;
		got = topic_source_poll(w->source, patience_ms, arena, &record, err);
	}
	if (got < 0)
		return -1;
	if (got > 0) {
		if (!w->open && worker_begin(w, err) < 0)
			return -1;
		if (w->batch_records++ == 0)
			w->batch_ms = clock_monotonic_ms();
		w->batch_bytes += record.value.len;
		look_ahead(w);
		if (take(w, &record, err) < 0)
			return -1;
	}
	/* The clock is looked at once a batch while records flow. */
	bool look = got == 0 || w->batch_records % BATCH_RECORDS == 0 || w->batch_bytes >= BATCH_BYTES;
	if (w->open && look && is_due(w))
		return worker_commit_or_heal(w, err);
	return 0;
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
		.deadletter_bytes = TOPIC_PLAN_DEAD_BYTES,
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
		.partitions = w->settings.partitions,
		.group = config->pipeline,
		.instance = w->settings.name,
		.topic = config->input.topic,
		.events = {worker_assigned, worker_revoked, w},
	};
	struct saver_settings saver = {
		.kafka = &w->settings.brokers->settings,
		.group = config->pipeline,
		.topic = config->state_topic,
		.dir = w->settings.snapshots,
		.pipeline = config->pipeline,
		.name = w->settings.name,
		.interval_ms = config->state.snapshot_interval_ms,
		.worker = w->settings.number,
	};

	if (meter_new(&w->meter, w->settings.metrics, w->settings.number, err) < 0 ||
	    pipeline_new(&w->pipeline, &pipeline, err) < 0 ||
	    sender_new(&w->sender, &sender, err) < 0 || worker_renew_sender(w, err) < 0)
		return -1;
	atomic_store(&w->counts.phase, WORKER_RULES);
	if (worker_wait_for_rules(w, err) < 0)
		return -1;
	atomic_store(&w->counts.phase, WORKER_PARTITIONS);
	if (w->settings.snapshots && saver_new(&w->saver, &saver, err) < 0)
		return -1;
	return topic_source_new(&w->source, &source, err);
}

static int work(struct worker *w, struct err *err)
{
	if (make(w, err) < 0)
		return -1;
	while (!worker_stopping(w))
		if (step(w, err) < 0)
			return -1;
	bool doubtful;
	/* What fails now is read again by whoever starts next. */
	return w->open ? worker_commit(w, COMMIT_MS, &doubtful, err) : 0;
}

static void *run(void *context)
{
	struct worker *w = context;

	w->status = work(w, &w->err);
	if (w->status < 0 && worker_stopping(w) && w->err.kind == ERR_RETRY)
		w->status = 0; /* nothing is lost by a transaction that was not committed */
	atomic_store(&w->counts.phase, WORKER_CONNECTING);
	/* The consumer first: it must not rejoin while the producer goes. */
	topic_source_free(TAKE(w->source));
	sender_free(TAKE(w->sender));
	saver_free(TAKE(w->saver));
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
	w->trouble_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
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
	buf_fini(&w->marker);
	kafka_headers_fini(&w->headers);
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
