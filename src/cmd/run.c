/* run.c - `chatmill run`: the pipeline on Kafka, exactly once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/commands.h"
#include "health.h"
#include "kafka/consumer.h"
#include "publish.h"
#include "slot.h"
#include "topic_plan.h"
#include "worker.h"

enum {
	WORKERS_MAX = 256,
	TURN_MS = 90000, /* three tries of what may wait longest in the loop: it turns within them */
	STOP_MS = 25000, /* the promise is 30 s; librdkafka 2.0.2 can hang while it closes */
	ASK_MS = 5000,
	MISSING_MS = 30000,
	FAILURES_READY = 3, /* in a row: a broker that moves its partitions costs one or two */
};

struct run_options {
	const char *file, *publish, *by;
	bool insecure;
};

struct run {
	const struct run_options *options;
	struct config *config;
	struct brokers *brokers;
	struct shelf *shelf;
	char cache_dir[512], snapshot_dir[512];
	int slot_fd, signal_fd, ended_fd;
	int slot;
	int32_t partitions;
	_Atomic bool stop;
	struct health *health;
	struct worker *workers[WORKERS_MAX];
	char names[WORKERS_MAX][160];
	_Atomic int64_t worker_count; /* read by the health's threads */
};

/* ---- signals ---- */

static int catch_signals(struct run *r, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0 ||
	    (r->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return err_errno(err, ERR_OS, "signals");
	return 0;
}

/* Takes the signals that came. The second one leaves at once: what is open is aborted by the
 * broker, or by our next start. */
static void take_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (atomic_exchange(&r->stop, true))
			_exit(128 + (int)info.ssi_signo);
		log_event(LOG_INFO, "stopping", LOG_NUM("signal", info.ssi_signo));
	}
}

/* ---- what operators see ---- */

static void ask_live(void *context, struct reasons *out)
{
	const struct run *r = context;
	int64_t now_ms = clock_monotonic_ms(), count = atomic_load(&r->worker_count);

	for (int64_t i = 0; i < count; i++) {
		const struct worker_counts *c = worker_counts(r->workers[i]);
		int64_t turned_ms = atomic_load(&c->turned_ms);
		/* Restoring may take long, and says how far it is in the log. */
		if (atomic_load(&c->phase) == WORKER_READY && now_ms - turned_ms > TURN_MS)
			reasons_add(out, "worker %lld: its loop has not turned for %lld s",
				    (long long)i, (long long)(now_ms - turned_ms) / 1000);
	}
}

static void ask_ready(void *context, struct reasons *out)
{
	const struct run *r = context;
	static const char *const waits[] = {
		[WORKER_CONNECTING] = "opening its transactions",
		[WORKER_RULES] = "waiting for rules: `chatmill rules publish`",
		[WORKER_PARTITIONS] = "waiting for partitions of the archive",
		[WORKER_RESTORING] = "reading the state of its partitions, compiling their rules",
	};
	int64_t count = atomic_load(&r->worker_count);

	if (!count)
		reasons_add(out, "waiting for brokers and topics");
	for (int64_t i = 0; i < count; i++) {
		const struct worker_counts *c = worker_counts(r->workers[i]);
		int phase = atomic_load(&c->phase), failures = atomic_load(&c->failures);
		char trouble[WORKER_TROUBLE_MAX];
		worker_trouble(r->workers[i], trouble, sizeof trouble);
		/* Before it polls for the first time it does not know. */
		if (phase >= WORKER_PARTITIONS && !atomic_load(&c->brokers))
			reasons_add(out, "worker %lld: no broker answers", (long long)i);
		else if (phase != WORKER_READY)
			reasons_add(out, "worker %lld: %s%s%s", (long long)i, waits[phase],
				    trouble[0] ? ": " : "", trouble);
		else if (failures >= FAILURES_READY)
			reasons_add(out, "worker %lld: %d transactions in a row failed; the log says why",
				    (long long)i, failures);
	}
}

static void refresh(void *context, struct metrics *m)
{
	struct run *r = context;
	int64_t count = atomic_load(&r->worker_count), ready = 0;

	for (int64_t i = 0; i < count; i++)
		ready += atomic_load(&worker_counts(r->workers[i])->phase) == WORKER_READY;
	series_set(metrics_series(m, -1, METRIC_WORKERS_READY, NULL, NULL), ready);
	if (count) /* then there is a shelf too */
		series_set(metrics_series(m, -1, METRIC_RULES_COMPILED, NULL, NULL),
			   (int64_t)shelf_compiled(r->shelf));
}

static int start_health(struct run *r, struct err *err)
{
	struct health_settings settings = {
		.listen = r->config->http_listen,
		.listen_shown = config_shown(r->config, &r->config->http_listen),
		.insecure = r->options->insecure,
		.refresh = refresh,
		.live = ask_live,
		.ready = ask_ready,
		.context = r,
	};

	return health_start(&r->health, &settings, err);
}

/* ---- before the workers ---- */

/* Waits for the brokers and the topics; says so once in a while. */
static int wait_for_topics(struct run *r, struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumer_settings settings = {.kafka = &r->brokers->settings,
					     .group = r->config->pipeline};
	int64_t missing_ms = 0, told_ms = 0;
	int32_t archive = 0, state = 0;

	if (consumer_new(&c, &settings, err) < 0)
		return -1;
	while (consumer_need_topic(c, r->config->input.topic, ASK_MS, &archive, err) < 0 ||
	       consumer_need_topic(c, r->config->state_topic, ASK_MS, &state, err) < 0) {
		int64_t now_ms = clock_monotonic_ms();
		bool missing = err->kind == ERR_CONFIG;
		take_signals(r);
		if (atomic_load(&r->stop))
			return err_set(err, ERR_NONE, "%s", "");
		if (err->kind == ERR_PERMISSION)
			return -1;
		missing_ms = missing ? missing_ms + 500 : 0;
		if (missing_ms > MISSING_MS)
			return -1;
		if (!told_ms || now_ms - told_ms > 10000) {
			log_event(LOG_WARN, missing ? "topics_wait" : "broker_wait",
				  LOG_TEXT("err", err->text));
			told_ms = now_ms;
		}
		clock_sleep_ms(500);
	}
	if (archive != state)
		return err_set(err, ERR_CONFIG,
			       "%s has %d partitions and its state %s has %d: customers would not "
			       "find their state; " TOPIC_PLAN_MOVE,
			       r->config->input.topic, archive, r->config->state_topic, state);
	r->partitions = archive;
	return 0;
}

static int publish(struct run *r, struct err *err)
{
	struct publish_settings settings = {
		.config = r->config,
		.brokers = r->brokers,
		.dir = r->options->publish,
		.by = r->options->by,
		.only_new = true,
		.cache_dir = r->cache_dir,
	};
	char digest[DIGEST_TEXT_SIZE];
	int result = publish_rules(&settings, digest, err);

	if (result == PUBLISH_NOT_NEW)
		log_event(LOG_INFO, "rules_in_force", LOG_TEXT("digest", digest));
	return result < 0 ? -1 : 0;
}

static int start_workers(struct run *r, struct err *err)
{
	struct shelf_settings shelf = {
		.kafka = &r->brokers->settings,
		.group = r->config->pipeline,
		.topic = r->config->output.rulesets,
		.cache_dir = r->cache_dir,
		.compile = true,
	};

	if (shelf_new(&r->shelf, &shelf, err) < 0)
		return -1;
	for (int64_t i = 0; i < MIN(r->config->workers, (int64_t)WORKERS_MAX); i++) {
		(void)snprintf(r->names[i], sizeof r->names[i], "%s-%s-%d-%lld",
			       r->config->pipeline, r->config->instance, r->slot, (long long)i);
		struct worker_settings settings = {
			.config = r->config,
			.brokers = r->brokers,
			.shelf = r->shelf,
			.metrics = health_metrics(r->health),
			.name = r->names[i],
			.number = i,
			.partitions = r->partitions,
			.snapshots = r->config->state.snapshot_interval_ms ? r->snapshot_dir : NULL,
			.stop = &r->stop,
			.ended_fd = r->ended_fd,
		};
		if (worker_start(&r->workers[i], &settings, err) < 0)
			return -1;
		r->worker_count++;
	}
	log_event(LOG_INFO, "started", LOG_TEXT("pipeline", r->config->pipeline),
		  LOG_TEXT("instance", r->config->instance), LOG_NUM("slot", r->slot),
		  LOG_NUM("workers", r->worker_count), LOG_NUM("partitions", r->partitions));
	return 0;
}

/* ---- while the workers work ---- */

static bool all_ended(const struct run *r)
{
	for (int64_t i = 0; i < r->worker_count; i++)
		if (!worker_has_ended(r->workers[i]))
			return false;
	return true;
}

static bool any_ended(const struct run *r)
{
	for (int64_t i = 0; i < r->worker_count; i++)
		if (worker_has_ended(r->workers[i]))
			return true;
	return false;
}

/* Until a signal, or the end of a worker, which ends them all: the supervisor starts us anew. */
static void wait_for_end(struct run *r)
{
	int64_t leave_ms = 0;

	while (!all_ended(r)) {
		struct pollfd fds[] = {{.fd = r->signal_fd, .events = POLLIN},
				       {.fd = r->ended_fd, .events = POLLIN}};
		uint64_t ends;
		(void)poll(fds, ARRAY_LEN(fds), leave_ms ? 200 : -1); /* EINTR: as a wake-up */
		take_signals(r);
		ssize_t got = read(r->ended_fd, &ends, sizeof ends);
		(void)got; /* only wakes us */
		if (any_ended(r))
			atomic_store(&r->stop, true);
		int64_t now_ms = clock_monotonic_ms();
		if (atomic_load(&r->stop) && !leave_ms)
			leave_ms = now_ms + STOP_MS;
		if (leave_ms && now_ms > leave_ms) {
			log_event(LOG_ERROR, "stop_deadline", LOG_NUM("after_ms", STOP_MS));
			_exit(ERR_RETRY);
		}
	}
}

static int join_workers(struct run *r, struct err *err)
{
	int status = 0;

	health_quiet(r->health); /* nobody looks at workers that are being freed */
	for (int64_t i = 0; i < r->worker_count; i++) {
		struct err one;
		const struct worker_counts *counts = worker_counts(r->workers[i]);
		log_event(LOG_INFO, "worker_ended", LOG_NUM("worker", i),
			  LOG_NUM("records", counts->records), LOG_NUM("events", counts->events),
			  LOG_NUM("dead", counts->dead), LOG_NUM("commits", counts->commits),
			  LOG_NUM("aborts", counts->aborts),
			  LOG_NUM("renewals", counts->renewals));
		if (worker_join(r->workers[i], &one) < 0 && status == 0) {
			*err = one;
			(void)err_wrap(err, "worker %lld", (long long)i);
			status = -1;
		}
	}
	r->worker_count = 0;
	return status;
}

static int run_all(struct run *r, struct err *err)
{
	if (config_open(&r->config, r->options->file, err) < 0 ||
	    brokers_new(&r->brokers, r->config, r->options->insecure, err) < 0 ||
	    catch_signals(r, err) < 0 ||
	    (r->slot_fd = slot_take(r->config->state.dir, r->config->pipeline, "slot", &r->slot, err)) < 0 ||
	    start_health(r, err) < 0)
		return -1;
	(void)snprintf(r->cache_dir, sizeof r->cache_dir, "%s/compiled", r->config->state.dir);
	(void)snprintf(r->snapshot_dir, sizeof r->snapshot_dir, "%s/snapshots",
		       r->config->state.dir);
	if (file_make_dir(r->cache_dir, err) < 0 || file_make_dir(r->snapshot_dir, err) < 0)
		return -1;
	if (wait_for_topics(r, err) < 0)
		return atomic_load(&r->stop) ? 0 : -1;
	if (r->options->publish && publish(r, err) < 0)
		return -1;
	if (start_workers(r, err) < 0) {
		atomic_store(&r->stop, true);
		struct err ignored; /* the first error counts */
		wait_for_end(r);
		(void)join_workers(r, &ignored);
		return -1;
	}
	wait_for_end(r);
	return join_workers(r, err);
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	struct run r = {.options = given, .slot_fd = -1, .signal_fd = -1, .ended_fd = -1};

	int status = run_all(&r, err);
	health_quiet(r.health);
	shelf_free(r.shelf);
	health_stop(r.health);
	brokers_free(r.brokers);
	config_free(r.config);
	if (r.slot_fd >= 0)
		close(r.slot_fd);
	if (r.signal_fd >= 0)
		close(r.signal_fd);
	if (r.ended_fd >= 0)
		close(r.ended_fd);
	return status;
}

static const struct option options[] = {
	OPTION_CONFIG(struct run_options),
	{"publish", 0, OPTION_TEXT, "DIR",
	 "publish the rules of DIR at start, if they are not the ones published last",
	 offsetof(struct run_options, publish)},
	{"by", 0, OPTION_TEXT, "WHO", "with --publish: who publishes (default: user@host)",
	 offsetof(struct run_options, by), .needs = "publish"},
	OPTION_INSECURE(struct run_options),
	OPTIONS_END,
};

const struct command cmd_run = {
	.words = "run",
	.arguments = "-c FILE [--publish DIR]",
	.summary = "run the pipeline on Kafka, exactly once",
	.help = "Reads the archive topic, judges each message by the rules in force at its place, and\n"
		"writes events, dead letters, state and offsets in one transaction. Rules come from\n"
		"`chatmill rules publish`, or with --publish from a folder at start. Messages that\n"
		"stand before the first rules record are judged by the first rules published.\n"
		"\n"
		"Runs until SIGTERM or SIGINT, which finish the transaction (within 30 s); a second\n"
		"one leaves at once. A broker that is away is waited for.\n"
		"\n"
		"examples:\n"
		"  chatmill run -c chatmill.yaml\n"
		"  chatmill run -c chatmill.yaml --publish rules\n"
		"\n"
		"exit status: 0 stopped, 65 bad data or rules, 75 another process has our name,\n"
		"77 not permitted, 78 wrong configuration or topics",
	.options = options,
	.options_bytes = sizeof(struct run_options),
	.run = run,
};
