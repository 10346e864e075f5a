/* tap.c - `chatmill tap`: events as they pass, masked, no more than a person or a pipe can take. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "brokers.h"
#include "cmd/commands.h"
#include "cmd/event_filter.h"
#include "cmd/event_line.h"
#include "consume/topic.h"
#include "decode/event.h"
#include "send/encode.h"

enum { ASK_MS = 8000, POLL_MS = 100, HEADERS_MAX = 32, TOPICS_MAX = 4, RATE_STANDARD = 100 };

struct tap_options {
	const char *file, *since;
	struct event_filter filter;
	int64_t rate, limit;
	bool json, insecure;
};

struct tap {
	struct tap_options options;
	struct config *config;
	struct brokers *brokers;
	struct consumer *consumer;
	struct event_reader *reader;
	struct arena arena;
	struct buf out;
	struct encode_settings encode;
	const char *topics[TOPICS_MAX];
	size_t topic_count;
	int64_t since_ms; /* since 1970; -1: from now on */
	int64_t second_ms, in_second;
	uint64_t shown, left_out, left_out_before, strange;
};

/* ---- the way out ---- */

/* Whether SIGINT or SIGTERM came; both are blocked while events are followed. */
static bool is_stopped(void)
{
	sigset_t set;
	struct timespec none = {0};

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return sigtimedwait(&set, NULL, &none) > 0;
}

/* Writes what is in `out`. 1: a signal came, or nobody reads any more; both are a good end. */
static int flush(struct tap *t, struct err *err)
{
	struct str rest = buf_str(&t->out);

	while (rest.len) {
		struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
		if (poll(&fd, 1, POLL_MS) <= 0) {
			if (is_stopped())
				return 1;
			continue;
		}
		/* So much goes into a pipe that is ready without waiting (POSIX, write()). */
		ssize_t done = write(STDOUT_FILENO, rest.data, MIN(rest.len, (size_t)PIPE_BUF));
		if (done < 0 && errno == EPIPE)
			return 1;
		if (done < 0 && errno != EAGAIN && errno != EINTR)
			return err_errno(err, ERR_OS, "standard output cannot be written");
		rest = str_from(rest, (size_t)MAX(done, (ssize_t)0));
	}
	return 0;
}

/* Whether there is room for one more event in this second. */
static bool has_room(struct tap *t)
{
	int64_t now_ms = clock_monotonic_ms();

	if (now_ms - t->second_ms >= 1000) {
		if (t->left_out > t->left_out_before)
			fprintf(stderr, "tap: %llu events left out (--rate %lld)\n",
				(unsigned long long)(t->left_out - t->left_out_before),
				(long long)t->options.rate);
		t->left_out_before = t->left_out;
		t->second_ms = now_ms;
		t->in_second = 0;
	}
	return t->in_second < t->options.rate;
}

static int show(struct tap *t, const struct event *e, struct err *err)
{
	if (!has_room(t)) {
		t->left_out++;
		return 0;
	}
	t->in_second++;
	t->shown++;
	buf_clear(&t->out);
	if (t->options.json) {
		struct encode_settings settings = t->encode;
		if (e->evidence_count && !e->evidence[0].text.data)
			settings.evidence = EVIDENCE_NONE; /* there is nothing to mask */
		encode_structured(&t->out, e, &settings);
		buf_putc(&t->out, '\n');
	} else {
		event_line(&t->out, e);
	}
	return flush(t, err);
}

static int take(struct tap *t, const struct consumed *got, struct err *err)
{
	struct kafka_header headers[HEADERS_MAX];
	struct event_header named[HEADERS_MAX];
	struct event_row row;
	size_t count = consumed_headers(got, headers, HEADERS_MAX);

	arena_reset(&t->arena);
	struct record record = topic_record(&got->record, &t->arena);
	for (size_t i = 0; i < count; i++)
		named[i] = (struct event_header){str_of(headers[i].name), headers[i].value};
	enum decode_result result =
		decode_event(t->reader, &record, named, count, &t->arena, &row);
	if (result != DECODE_DONE) {
		t->strange += result != DECODE_NULL;
		return 0;
	}
	t->encode.source = row.source;
	/* An erasure stands on every topic of events; once is enough to see it. */
	if (row.event.type == EVENT_ERASE && strcmp(got->topic, t->topics[0]) != 0)
		return 0;
	return event_filter_wants(&t->options.filter, &row.event) ? show(t, &row.event, err) : 0;
}

/* ---- options ---- */

static int read_options(struct tap *t, struct err *err)
{
	struct tap_options *o = &t->options;

	o->rate = o->rate ? o->rate : RATE_STANDARD;
	o->json |= isatty(STDOUT_FILENO) != 1;
	t->since_ms = -1;
	if (event_filter_read(&o->filter, err) < 0)
		return -1;
	return duration_read_time("--since", o->since, &t->since_ms, err);
}

/* Of the topics of events those on which the wanted ones stand. */
static int choose_topics(struct tap *t, struct err *err)
{
	const struct config *c = t->config;
	const char *all[] = {c->output.tags, c->output.stages, c->output.alerts, c->output.hits};
	const bool *wanted = t->options.filter.wanted;
	bool erase = wanted[EVENT_ERASE];

	if (t->options.filter.type && wanted[EVENT_HIT] && !c->output.hits)
		return err_set(err, ERR_CONFIG, "%s: output.hits is null, so that `run` makes no hit "
						"events; name a topic there", c->file);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i] && (wanted[i] || (erase && !t->topic_count && i == 0)))
			t->topics[t->topic_count++] = all[i];
	return 0;
}

/* ---- places ---- */

static int find_places(struct tap *t, const char *topic, struct consumer_partition *parts,
		       int32_t count, struct err *err)
{
	for (int32_t i = 0; i < count; i++) {
		int64_t low;
		parts[i] = (struct consumer_partition){topic, i, t->since_ms};
		if (t->since_ms < 0 && consumer_query_offsets(t->consumer, topic, i, ASK_MS, &low,
							      &parts[i].offset, err) < 0)
			return -1;
	}
	return t->since_ms < 0 ? 0
			       : consumer_offsets_at(t->consumer, parts, (size_t)count, ASK_MS, err);
}

static int assign(struct tap *t, struct err *err)
{
	int32_t counts[TOPICS_MAX], all = 0, at = 0;

	for (size_t i = 0; i < t->topic_count; i++) {
		if (consumer_need_topic(t->consumer, t->topics[i], ASK_MS, &counts[i], err) < 0)
			return -1;
		all += counts[i];
	}
	OWNED_MEM struct consumer_partition *parts =
		calloc((size_t)all + 1, sizeof(struct consumer_partition));
	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t i = 0; i < t->topic_count; at += counts[i++])
		if (find_places(t, t->topics[i], parts + at, counts[i], err) < 0)
			return -1;
	return consumer_assign(t->consumer, parts, (size_t)all, err);
}

/* ---- the command ---- */

/* True once the one who reads standard output has gone: a quiet topic would never tell. */
static bool is_reader_gone(void)
{
	struct pollfd fd = {STDOUT_FILENO, 0, 0};

	return poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR);
}

static int follow(struct tap *t, struct err *err)
{
	struct consumed got;
	int status = 0;

	while (status == 0) {
		int result = consumer_poll(t->consumer, POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_RECORD)
			status = take(t, &got, err);
		if (is_stopped() || is_reader_gone() ||
		    (t->options.limit && t->shown >= (uint64_t)t->options.limit))
			return 0;
		(void)has_room(t); /* tells what was left out when the second is over */
	}
	return status < 0 ? -1 : 0;
}

static int open_tap(struct tap *t, struct err *err)
{
	if (read_options(t, err) < 0 || config_open(&t->config, t->options.file, err) < 0 ||
	    choose_topics(t, err) < 0 ||
	    brokers_new(&t->brokers, t->config, t->options.insecure, err) < 0 ||
	    event_reader_new(&t->reader, err) < 0)
		return -1;
	/* Only assigns, and so joins no group; librdkafka wants a name. */
	struct consumer_settings settings = {.kafka = &t->brokers->settings,
					     .group = t->config->pipeline,
					     .batch = true,
					     .fetch_wait_ms = "100"};
	if (consumer_new(&t->consumer, &settings, err) < 0)
		return -1;
	return assign(t, err);
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	struct tap t = {.options = *(const struct tap_options *)given};
	sigset_t set;

	int status = open_tap(&t, err);
	if (status == 0) {
		sigemptyset(&set);
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGTERM);
		(void)sigprocmask(SIG_BLOCK, &set, NULL); /* taken by is_stopped() */
		fprintf(stderr, "tap: listening to");
		for (size_t i = 0; i < t.topic_count; i++)
			fprintf(stderr, " %s", t.topics[i]);
		fprintf(stderr, "\n");
		status = follow(&t, err);
		fprintf(stderr, "tap: %llu events shown, %llu left out",
			(unsigned long long)t.shown, (unsigned long long)t.left_out);
		if (t.strange)
			fprintf(stderr, ", %llu records that are no events",
				(unsigned long long)t.strange);
		fprintf(stderr, "\n");
	}
	consumer_free(t.consumer);
	event_reader_free(t.reader);
	brokers_free(t.brokers);
	config_free(t.config);
	arena_fini(&t.arena);
	buf_fini(&t.out);
	return status;
}

static const struct option options[] = {
	OPTION_CONFIG(struct tap_options),
	{"type", 't', OPTION_TEXT, "LIST", "of tag, stage, alert, hit, erase (default: all)",
	 offsetof(struct tap_options, filter.type)},
	{"rule", 'r', OPTION_TEXT, "LIST", "only these rules: RULE or PACK/RULE",
	 offsetof(struct tap_options, filter.rule)},
	{"pack", 'p', OPTION_TEXT, "LIST", "only these packs", offsetof(struct tap_options, filter.pack)},
	{"corp", 0, OPTION_TEXT, "LIST", "only these corps", offsetof(struct tap_options, filter.corp)},
	{"severity", 's', OPTION_TEXT, "LEVEL", "only alerts, of low, medium, high or critical and above",
	 offsetof(struct tap_options, filter.severity)},
	{"since", 0, OPTION_TEXT, "TIME", "begin with what was written then, or so long ago (default: now)",
	 offsetof(struct tap_options, since)},
	{"limit", 'n', OPTION_NUMBER, "N", "end after N events", offsetof(struct tap_options, limit), 1},
	{"rate", 0, OPTION_NUMBER, "N", "events shown in a second at most (default: 100)",
	 offsetof(struct tap_options, rate), 1},
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line, also on a terminal",
	 offsetof(struct tap_options, json)},
	OPTION_INSECURE(struct tap_options),
	OPTIONS_END,
};

const struct command cmd_tap = {
	.words = "tap",
	.arguments = "-c FILE [--type LIST] [--rule LIST] [--pack LIST] [--since TIME]",
	.summary = "events as they pass, masked",
	.help = "Shows committed events of the output topics from now on: a line for a person on a\n"
		"terminal, one CloudEvent as JSON a line elsewhere. LIST has commas between. Joins no\n"
		"group and commits nothing, so that nobody notices. What is over --rate is left out and\n"
		"counted on standard error. Ends with Ctrl-C, SIGTERM, or when nobody reads any more.\n"
		"\n"
		"Masked: of a message only the words that were hit are shown, and any run of 7 or more\n"
		"digits in them (phones, cards, ids) is a *, whatever `evidence` says; with `evidence:\n"
		"none` no words. Ids of customers and staff are shown as they are.\n"
		"\n"
		"examples:\n"
		"  chatmill tap -c chatmill.yaml\n"
		"  chatmill tap -c chatmill.yaml --rule sales/ask-price --since 10m\n"
		"  chatmill tap -c chatmill.yaml --severity high --json | jq .data.title\n"
		"\n"
		"exit status: 0 ended, 64 wrong usage, 69 no broker answers, 78 wrong configuration or\n"
		"topics",
	.options = options,
	.options_bytes = sizeof(struct tap_options),
	.run = run,
};
