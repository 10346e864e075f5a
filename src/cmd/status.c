/* status.c - `chatmill status`: partitions, lag, rates, rules and database at a glance. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "brokers.h"
#include "cmd/commands.h"
#include "database.h"
#include "kafka/consumer.h"
#include "shelf.h"

enum { ASK_MS = 15000, ENTRIES_MAX = 10000, TOPICS = 3 };

struct status_options {
	const char *file, *over;
	bool json, insecure;
};

struct status {
	const struct config *config;
	const struct brokers *brokers;
	struct consumer *consumer;
	bool json;
	int32_t count;
	struct consumer_partition *before, *now; /* what the group has committed */
	int64_t *high;
	int64_t over_ms; /* between the two */
	int64_t lag;	 /* of all partitions, for the answer */
};

static int ask_committed(struct status *s, struct consumer_partition *parts, struct err *err)
{
	for (int32_t i = 0; i < s->count; i++)
		parts[i] = (struct consumer_partition){s->config->input.topic, i, -1};
	return consumer_committed(s->consumer, parts, (size_t)s->count, ASK_MS, err);
}

static int ask_partitions(struct status *s, struct err *err)
{
	int64_t start_ms = clock_monotonic_ms(), low;

	if (ask_committed(s, s->before, err) < 0)
		return -1;
	if (s->over_ms > 0)
		clock_sleep_ms(s->over_ms);
	if (ask_committed(s, s->now, err) < 0)
		return -1;
	s->over_ms = clock_monotonic_ms() - start_ms;
	for (int32_t i = 0; i < s->count; i++)
		if (consumer_query_offsets(s->consumer, s->config->input.topic, i, ASK_MS, &low,
					   &s->high[i], err) < 0)
			return -1;
	return 0;
}

static void print_partitions(struct status *s)
{
	if (!s->json)
		printf("%-9s %14s %14s %12s %12s\n", "partition", "committed", "end", "lag",
		       "records/s");
	for (int32_t i = 0; i < s->count; i++) {
		int64_t at = MAX(s->now[i].offset, (int64_t)0);
		int64_t lag = MAX(s->high[i] - at, (int64_t)0);
		int64_t moved = at - MAX(s->before[i].offset, (int64_t)0);
		double rate = (double)moved * 1000 / (double)MAX(s->over_ms, (int64_t)1);
		s->lag += lag;
		printf(s->json ? "{\"partition\":%d,\"committed\":%lld,\"end\":%lld,\"lag\":%lld,"
				 "\"records_per_second\":%.1f}\n"
			       : "%-9d %14lld %14lld %12lld %12.1f\n",
		       i, (long long)at, (long long)s->high[i], (long long)lag, rate);
	}
}

static int print_rules(const struct status *s, struct err *err)
{
	OWNED(shelf) *shelf = NULL;
	OWNED_MEM struct shelf_entry *entries = calloc(ENTRIES_MAX, sizeof(struct shelf_entry));
	struct shelf_settings settings = {.kafka = &s->brokers->settings,
					  .group = s->config->pipeline,
					  .topic = s->config->output.rulesets};
	const struct shelf_entry *last = NULL;
	struct buf line = {0};

	if (!entries)
		return err_set(err, ERR_OS, "out of memory");
	if (shelf_new(&shelf, &settings, err) < 0 || shelf_wait(shelf, ASK_MS, err) < 0)
		return -1;
	size_t count = shelf_list(shelf, entries, ENTRIES_MAX);
	for (size_t i = 0; i < count; i++)
		if (entries[i].published_ms &&
		    (!last || entries[i].published_ms > last->published_ms))
			last = &entries[i];
	if (!last) {
		printf(s->json ? "{\"rules\":null}\n" : "rules: none published\n");
		return 0;
	}
	buf_put(&line, s->json ? STR("{\"rules\":\"") : STR("rules: "));
	buf_put(&line, str_of(last->digest));
	buf_put(&line, s->json ? STR("\",\"by\":") : STR(" by "));
	buf_put_json(&line, str_of(last->by));
	buf_put(&line, s->json ? STR(",\"published\":\"") : STR(" "));
	buf_put_time(&line, last->published_ms);
	buf_put(&line, s->json ? STR("\"}\n") : STR("\n"));
	output_put(buf_str(&line));
	buf_fini(&line);
	return 0;
}

/* The end of all partitions of a topic, added up. */
static int ask_end(const struct status *s, const char *topic, int64_t *end, struct err *err)
{
	int32_t count;
	int64_t low, high;

	*end = 0;
	if (consumer_partition_count(s->consumer, topic, ASK_MS, &count, err) < 0)
		return -1;
	for (int32_t i = 0; i < count; i++) {
		if (consumer_query_offsets(s->consumer, topic, i, ASK_MS, &low, &high, err) < 0)
			return -1;
		*end += high;
	}
	return 0;
}

/* How far the sink is, by what the database says. A database that is away is part of the answer. */
static int print_database(const struct status *s, struct err *err)
{
	const char *topics[TOPICS] = {s->config->output.tags, s->config->output.stages,
				      s->config->output.alerts};
	struct pg_fault fault;
	OWNED(pg) *pg = NULL;

	if (!s->config->postgres.count)
		return 0;
	if (database_new(&pg, s->config, err) < 0)
		return -1;
	if (pg_connect(pg, &fault) < 0) {
		printf(s->json ? "{\"database\":false}\n" : "database: does not answer\n");
		return 0;
	}
	for (int i = 0; i < TOPICS; i++) {
		struct pg_parameter topic = {25, str_of(topics[i])}; /* 25: text */
		struct pg_result *rows;
		int64_t end;
		if (ask_end(s, topics[i], &end, err) < 0)
			return -1;
		if (pg_query(pg,
			     "SELECT coalesce(sum(next_offset), 0)::int8 FROM chatmill.sink_offset "
			     "WHERE topic = $1",
			     &topic, 1, &rows, &fault) < 0)
			return pg_err(err, &fault, "status");
		int64_t at = pg_i64(rows, 0, 0);
		pg_result_free(rows);
		printf(s->json ? "{\"database\":true,\"topic\":\"%s\",\"committed\":%lld,"
				 "\"end\":%lld,\"lag\":%lld}\n"
			       : "database: %s %lld of %lld, lag %lld\n",
		       topics[i], (long long)at, (long long)end,
		       (long long)MAX(end - at, (int64_t)0));
	}
	return 0;
}

static int look(struct status *s, struct err *err)
{
	if (consumer_need_topic(s->consumer, s->config->input.topic, ASK_MS, &s->count, err) < 0)
		return -1;
	s->before = calloc((size_t)s->count, sizeof *s->before);
	s->now = calloc((size_t)s->count, sizeof *s->now);
	s->high = calloc((size_t)s->count, sizeof *s->high);
	if (!s->before || !s->now || !s->high)
		return err_set(err, ERR_OS, "out of memory");
	if (ask_partitions(s, err) < 0)
		return -1;
	print_partitions(s);
	if (print_rules(s, err) < 0)
		return -1;
	return print_database(s, err);
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct status_options *o = given;
	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	struct status s = {.json = o->json};

	if (config_open(&config, o->file, err) < 0 ||
	    brokers_new(&brokers, config, o->insecure, err) < 0 ||
	    duration_read("--over", o->over ? o->over : "1s", &s.over_ms, err) < 0)
		return -1;
	s.config = config;
	s.brokers = brokers;
	struct consumer_settings settings = {.kafka = &brokers->settings, .group = config->pipeline};
	int status = consumer_new(&s.consumer, &settings, err);
	if (status == 0)
		status = look(&s, err);
	consumer_free(s.consumer);
	free(s.before);
	free(s.now);
	free(s.high);
	return status;
}

static const struct option options[] = {
	OPTION_CONFIG(struct status_options),
	{"over", 0, OPTION_TEXT, "TIME", "rates are measured over so long (default: 1s)",
	 offsetof(struct status_options, over)},
	OPTION_JSON(struct status_options),
	OPTION_INSECURE(struct status_options),
	OPTIONS_END,
};

const struct command cmd_status = {
	.words = "status",
	.arguments = "-c FILE",
	.summary = "partitions, lag, rates, rules and database at a glance",
	.help = "For each partition of the archive what the group has committed, the end, and how many\n"
		"offsets lie between (those of transaction markers too); the rules published last; how\n"
		"far the database is. The times of lag are in /metrics.\n"
		"\n"
		"examples:\n"
		"  chatmill status -c chatmill.yaml\n"
		"  watch chatmill status -c chatmill.yaml --over 5s\n"
		"\n"
		"exit status: 0 told, 69 no broker answers, 78 wrong configuration or topics",
	.options = options,
	.options_bytes = sizeof(struct status_options),
	.run = run,
};
