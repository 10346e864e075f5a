/* sink.c - takes events from Kafka to PostgreSQL, batch by batch. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include "base/clock.h"
#include "base/log.h"
#include "sink_batch.h"
#include "sink_rules.h"

enum {
	POLL_MS = 100,
	BATCH_BYTES_MAX = 64 * 1024 * 1024, /* events of 1 MiB must not fill a batch of 5,000 */
	LOG_EVERY_MS = 10000,
	BROKERS_MS = 500,
	ASK_MS = 5000,
	PING_MS = 10000, /* a database that goes while nothing comes is noticed after so long */
};

struct sink {
	struct sink_settings settings;
	struct consumer *consumer;
	struct store *store;
	struct sink_rules *rules;

	struct store_partition *parts; /* that we own */
	int64_t *nexts;                /* of each: the offset behind the last record taken */
	size_t part_count;
	uint64_t assignments; /* goes up when partitions come or go: then the batch is gone */

	struct sink_batch batch;

	bool paused; /* all of `parts`, while the database is away */
	bool away;
	int64_t ping_ms;   /* when the database is asked next, unless it answers before */
	int64_t logged_ms; /* when that was said last, and of what */
	char logged_sqlstate[6];
};

static bool stopping(const struct sink *s)
{
	return atomic_load_explicit(s->settings.stop, memory_order_relaxed);
}

static void forget_partitions(struct sink *s)
{
	sink_batch_clear(&s->batch);
	free(s->parts);
	free(s->nexts);
	s->parts = NULL;
	s->nexts = NULL;
	s->part_count = 0;
	s->assignments++;
}

/* ---- the database is away ---- */

static void say_away(struct sink *s, const struct err *err)
{
	int64_t now_ms = clock_monotonic_ms();
	const char *sqlstate = store_sqlstate(s->store);

	sink_meter_retry(s->settings.meter, sqlstate);
	sink_meter_database(s->settings.meter, false);
	if (s->away && now_ms - s->logged_ms < LOG_EVERY_MS && !strcmp(s->logged_sqlstate, sqlstate))
		return;
	s->away = true;
	s->logged_ms = now_ms;
	(void)snprintf(s->logged_sqlstate, sizeof s->logged_sqlstate, "%s", sqlstate);
	log_event(LOG_WARN, "database_away", LOG_NUM("wait_ms", store_wait_ms(s->store)),
		  LOG_TEXT("err", err->text));
}

static void say_back(struct sink *s)
{
	if (s->away)
		log_event(LOG_INFO, "database_back");
	sink_meter_database(s->settings.meter, true);
	s->away = false;
	s->ping_ms = clock_monotonic_ms() + PING_MS;
}

static int pause_all(struct sink *s, bool pause, struct err *err)
{
	if (s->paused == pause)
		return 0;
	s->paused = pause;
	struct consumer_partition *parts = calloc(s->part_count + 1, sizeof *parts);

	if (!parts)
		return err_set(err, ERR_OS, "sink: out of memory");
	for (size_t i = 0; i < s->part_count; i++)
		parts[i] =
			(struct consumer_partition){s->parts[i].topic, s->parts[i].partition, -1};
	int result = pause ? consumer_pause(s->consumer, parts, s->part_count, err)
			   : consumer_resume(s->consumer, parts, s->part_count, err);
	free(parts);
	return result;
}

/* ---- partitions come and go (inside consumer_poll) ---- */

/* Takes the partitions over in the database, however long it is away: who owns nothing there can
 * do nothing else. */
static int claim(struct sink *s, struct err *err)
{
	for (;;) {
		enum store_result result = store_claim(s->store, s->parts, s->part_count, err);
		switch (result) {
		case STORE_DONE:
			say_back(s);
			return 0;
		case STORE_LATER:
			say_away(s, err);
			for (int64_t left = store_wait_ms(s->store); left > 0 && !stopping(s);
			     left -= POLL_MS)
				clock_sleep_ms(MIN(left, POLL_MS));
			if (stopping(s))
				return -1;
			break;
		case STORE_FENCED:
		case STORE_FAILED:
			return -1;
		}
	}
}

/* The callback's name of the topic ends with the call; the settings have the same one. */
static const char *own_topic(const struct sink *s, const char *topic)
{
	for (size_t i = 0; i < s->settings.topic_count; i++)
		if (!strcmp(s->settings.topics[i], topic))
			return s->settings.topics[i];
	UNREACHABLE("a partition of a topic that we did not subscribe to");
}

static int assigned(void *context, struct consumer_partition *parts, size_t count, struct err *err)
{
	struct sink *s = context;

	forget_partitions(s);
	s->parts = calloc(count + 1, sizeof *s->parts);
	s->nexts = calloc(count + 1, sizeof *s->nexts);
	if (!s->parts || !s->nexts)
		return err_set(err, ERR_OS, "sink: out of memory");
	for (size_t i = 0; i < count; i++)
		s->parts[i] = (struct store_partition){own_topic(s, parts[i].topic),
						       parts[i].partition, -1, 0};
	s->part_count = count;
	if (count && claim(s, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		bool begun = s->parts[i].next_offset >= 0;
		parts[i].offset = begun ? s->parts[i].next_offset : CONSUMER_BEGINNING;
		s->nexts[i] = MAX(s->parts[i].next_offset, 0);
	}
	sink_meter_assigned(s->settings.meter, s->parts, count);
	log_event(LOG_INFO, "sink_assigned", LOG_NUM("partitions", count));
	return 0;
}

/* What is in hand is not in the tables, and whoever comes next reads it again. librdkafka keeps in
 * mind that a partition was paused when it goes, and would never read it again when it comes back. */
static void revoked(void *context, bool lost)
{
	struct sink *s = context;
	struct err err;

	if (pause_all(s, false, &err) < 0)
		log_event(LOG_WARN, "resume_failed", LOG_TEXT("err", err.text));

	sink_meter_assigned(s->settings.meter, NULL, 0);
	log_event(LOG_INFO, "sink_revoked", LOG_NUM("partitions", s->part_count),
		  LOG_NUM("lost", lost));
	forget_partitions(s);
}

/* ---- one record ---- */

static size_t find_partition(const struct sink *s, const struct consumed *consumed)
{
	for (size_t i = 0; i < s->part_count; i++)
		if (s->parts[i].partition == consumed->record.partition &&
		    !strcmp(s->parts[i].topic, consumed->topic))
			return i;
	return s->part_count;
}

static void take(struct sink *s, const struct consumed *consumed)
{
	size_t part = find_partition(s, consumed);

	/* Of a partition that went away, or fetched before a seek. */
	if (part == s->part_count || consumed->record.offset < s->nexts[part])
		return;
	s->nexts[part] = consumed->record.offset + 1;

	if (s->settings.archive && !strcmp(s->settings.archive, consumed->topic))
		sink_batch_message(&s->batch, consumed, &s->parts[part]);
	else
		sink_batch_event(&s->batch, consumed, &s->parts[part]);
}

/* The end of what is committed: behind the last record stand markers of transactions, which
 * nobody sees. Noting them lets people compare the offsets with the end of the topic. */
static void take_end(struct sink *s, const struct consumed *consumed)
{
	size_t part = find_partition(s, consumed);

	if (part == s->part_count || consumed->record.offset <= s->nexts[part])
		return;
	s->nexts[part] = consumed->record.offset;
	sink_batch_offset(&s->batch, consumed->record.offset - 1, &s->parts[part]);
}

/* An offset of the database that the topic does not have: says of which and what to do. */
static void explain_offset(struct sink *s, struct err *err)
{
	int64_t low, high;
	struct err ignored;

	for (size_t i = 0; i < s->part_count; i++) {
		const char *topic = s->parts[i].topic;
		int partition = s->parts[i].partition;
		if (consumer_query_offsets(s->consumer, topic, partition, ASK_MS, &low, &high, &ignored) < 0 ||
		    (s->nexts[i] >= low && s->nexts[i] <= high))
			continue;
		(void)err_set(err, ERR_CONFIG,
			      "%s partition %d: the database wants offset %lld next and the topic has %lld to "
			      "%lld: %s; UPDATE chatmill.sink_offset SET next_offset = %lld WHERE topic = '%s' AND "
			      "partition = %d lets the sink go on (docs/operations.md, \"An event topic made anew\")",
			      topic, partition, (long long)s->nexts[i], (long long)low, (long long)high,
			      s->nexts[i] > high ? "it was made anew" : "its retention passed the sink", (long long)low,
			      topic, partition);
		return;
	}
}

static int poll_once(struct sink *s, int timeout_ms, struct err *err)
{
	struct consumed consumed;
	int result = consumer_poll(s->consumer, timeout_ms, &consumed, err);

	if (result < 0 && err->kind == ERR_CONFIG)
		explain_offset(s, err);
	if (result == CONSUMER_RECORD)
		take(s, &consumed);
	else if (result == CONSUMER_END)
		take_end(s, &consumed);
	return result;
}

/* ---- a batch ---- */

/* While nothing is to be written: whether the database would take it. */
static int look_for_database(struct sink *s, struct err *err)
{
	if (s->batch.count || clock_monotonic_ms() < s->ping_ms)
		return 0;
	switch (store_ping(s->store, err)) {
	case STORE_DONE:
		say_back(s);
		return 0;
	case STORE_LATER:
		say_away(s, err);
		s->ping_ms = clock_monotonic_ms() + store_wait_ms(s->store);
		return 0;
	case STORE_FENCED:
	case STORE_FAILED:
		return -1;
	}
	UNREACHABLE("a result that is not in the enum");
}

/* Reads until the batch is full or old enough. */
static int gather(struct sink *s, struct err *err)
{
	while (!stopping(s)) {
		int64_t left_ms = POLL_MS;
		sink_meter_turn(s->settings.meter,
				consumer_look_for_brokers(s->consumer, s->settings.topics[0],
							  BROKERS_MS));
		sink_rules_turn(s->rules);
		if (look_for_database(s, err) < 0)
			return -1;
		if (s->batch.count) {
			left_ms = s->batch.begun_ms + s->settings.batch_ms - clock_monotonic_ms();
			if (left_ms <= 0 || s->batch.count >= (size_t)s->settings.batch_rows ||
			    s->batch.bytes >= BATCH_BYTES_MAX)
				return 0;
		}
		/* The clock is looked at once for many records while they flow. */
		for (int i = 0; i < 64 && s->batch.count < (size_t)s->settings.batch_rows; i++) {
			int result = poll_once(s, (int)MIN(left_ms, POLL_MS), err);
			if (result < 0)
				return -1;
			if (result == CONSUMER_NOTHING)
				break;
		}
	}
	return 0;
}

/* Waits as long as the store says, and stays a member of the group meanwhile. */
static int wait_for_database(struct sink *s, struct err *err)
{
	int64_t until_ms = clock_monotonic_ms() + store_wait_ms(s->store);
	uint64_t assignments = s->assignments;

	for (int64_t left_ms; !stopping(s) && assignments == s->assignments &&
			      (left_ms = until_ms - clock_monotonic_ms()) > 0;)
		if (poll_once(s, (int)MIN(left_ms, POLL_MS), err) < 0)
			return -1;
	return 0;
}

enum flush { FLUSH_DONE, FLUSH_REJOIN, FLUSH_FAILED };

/* Writes the batch, however long the database is away; unless the partitions go, or the program
 * shall end: then what is left stays on the topic. */
static enum flush write_out(struct sink *s, struct err *err)
{
	uint64_t assignments = s->assignments;
	size_t written = 0, taken;

	while (assignments == s->assignments && written < s->batch.count) {
		int64_t start_us = clock_monotonic_us();
		struct store_counts counts;
		switch (store_write(s->store, s->batch.items + written, s->batch.count - written, &taken,
				    err)) {
		case STORE_DONE:
			say_back(s);
			written += taken;
			counts = store_counts(s->store);
			sink_meter_batch(s->settings.meter, &counts,
					 clock_monotonic_us() - start_us);
			break;
		case STORE_LATER:
			say_away(s, err);
			if (pause_all(s, true, err) < 0)
				return FLUSH_FAILED;
			if (wait_for_database(s, err) < 0)
				return FLUSH_FAILED;
			if (stopping(s))
				return FLUSH_DONE;
			break;
		case STORE_FENCED:
			return FLUSH_REJOIN;
		case STORE_FAILED:
			return FLUSH_FAILED;
		}
	}
	return FLUSH_DONE;
}

static enum flush flush(struct sink *s, struct err *err)
{
	uint64_t assignments = s->assignments;
	enum flush result = write_out(s, err);

	if (assignments != s->assignments)
		return result; /* the batch went with its partitions; new ones are not paused */
	sink_batch_clear(&s->batch);
	if (result == FLUSH_DONE)
		sink_meter_lag(s->settings.meter, s->consumer, s->parts, s->nexts, s->part_count);
	if (result == FLUSH_DONE && pause_all(s, false, err) < 0)
		return FLUSH_FAILED;
	return result;
}

/* ---- life ---- */

/* The topics and how many partitions each has, for the name in the group: who comes back after either
 * changed must not get what it had. A topic that is not known now counts as one of none. */
static void name_reads(const struct sink *s, struct buf *out)
{
	struct consumer_settings settings = {.kafka = s->settings.kafka, .group = s->settings.group};
	OWNED(consumer) *c = NULL;
	struct err ignored; /* who cannot ask cannot join either, and that is told */

	if (consumer_new(&c, &settings, &ignored) < 0)
		c = NULL;
	for (size_t i = 0; i < s->settings.topic_count; i++) {
		int32_t count = 0;
		if (c && consumer_partition_count(c, s->settings.topics[i], ASK_MS, &count, &ignored) < 0)
			count = 0;
		buf_printf(out, "%s:%d ", s->settings.topics[i], (int)count);
	}
	buf_putc(out, '\0');
}

static int join(struct sink *s, struct err *err)
{
	struct buf reads = {0};

	name_reads(s, &reads);
	struct consumer_settings settings = {
		.kafka = s->settings.kafka,
		.group = s->settings.group,
		.instance = s->settings.instance,
		.reads = reads.data,
		.events = {assigned, revoked, s},
		.ends = true,
		/* A claim waits for the database as long as it takes; a process that hangs is
		 * noticed by its session. */
		.max_poll_interval_ms = "86400000",
	};

	consumer_free(s->consumer);
	s->consumer = NULL;
	s->paused = false;
	forget_partitions(s);
	int status = consumer_new(&s->consumer, &settings, err);
	buf_fini(&reads);
	if (status < 0)
		return -1;
	return consumer_subscribe(s->consumer, s->settings.topics, s->settings.topic_count, err);
}

int sink_new(struct sink **out, const struct sink_settings *settings, struct err *err)
{
	OWNED(sink) *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(err, ERR_OS, "sink: out of memory");
	s->settings = *settings;
	if (sink_batch_init(&s->batch, settings->archive ? &settings->decode : NULL,
			    settings->directory, err) < 0 ||
	    store_new(&s->store, &settings->store, err) < 0)
		return -1;
	struct sink_rules_settings rules = {settings->kafka, settings->group, settings->rulesets,
					    s->store};
	if (sink_rules_new(&s->rules, &rules, err) < 0)
		return -1;
	*out = TAKE(s);
	return 0;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	consumer_free(s->consumer);
	forget_partitions(s);
	sink_rules_free(s->rules);
	store_free(s->store);
	sink_batch_fini(&s->batch);
	free(s);
}

/* A wrong schema or a missing right is told before partitions are taken from others. */
static int open_store(struct sink *s, struct err *err)
{
	while (!stopping(s)) {
		switch (store_open(s->store, err)) {
		case STORE_DONE:
			say_back(s);
			return 0;
		case STORE_LATER:
			say_away(s, err);
			clock_sleep_ms(MAX(store_wait_ms(s->store), 10));
			break;
		case STORE_FENCED:
		case STORE_FAILED:
			return -1;
		}
	}
	return 0;
}

static void say_counts(const struct sink *s)
{
	struct store_counts c = store_counts(s->store);

	log_event(LOG_INFO, "sink_stopped", LOG_NUM("batches", c.batches),
		  LOG_NUM("items", c.items), LOG_NUM("rejected", c.rejected),
		  LOG_NUM("skipped", c.skipped), LOG_NUM("retries", c.retries), LOG_NUM("erased", c.erased));
}

int sink_run(struct sink *s, struct err *err)
{
	if (open_store(s, err) < 0)
		return -1;
	if (!stopping(s) && join(s, err) < 0)
		return -1;
	while (!stopping(s)) {
		if (gather(s, err) < 0) {
			if (stopping(s))
				break; /* a claim was given up */
			return -1;
		}
		switch (flush(s, err)) {
		case FLUSH_DONE:
			break;
		case FLUSH_REJOIN:
			log_event(LOG_WARN, "sink_fenced", LOG_TEXT("err", err->text));
			if (join(s, err) < 0)
				return -1;
			break;
		case FLUSH_FAILED:
			return -1;
		}
	}
	say_counts(s);
	return 0;
}
