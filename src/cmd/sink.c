/* sink.c - `chatmill sink`: events from Kafka into PostgreSQL, exactly once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "brokers.h"
#include "cmd/commands.h"
#include "database.h"
#include "slot.h"

struct sink_options {
	const char *file;
	bool insecure;
};

enum { STOP_MS = 25000 }; /* as `run` */

/* The first signal asks to finish; the second, or the time it may take, ends the program: what is open
 * is undone by the database. */
static void *take_signals(void *arg)
{
	_Atomic bool *stop = arg;
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigwait(&set, &number) != 0)
		return NULL;
	atomic_store(stop, true);
	log_event(LOG_INFO, "stopping", LOG_NUM("signal", number));
	/* libpq waits for its server as long as it takes, behind a lock or a disk that hangs. */
	int64_t leave_ms = clock_monotonic_ms() + STOP_MS, left_ms;
	while ((left_ms = leave_ms - clock_monotonic_ms()) > 0) {
		const struct timespec wait = {left_ms / 1000, left_ms % 1000 * 1000000};
		if (sigtimedwait(&set, NULL, &wait) > 0) /* else the time is over, or EINTR */
			_exit(128 + number);
	}
	log_event(LOG_ERROR, "stop_deadline", LOG_NUM("after_ms", STOP_MS));
	_exit(ERR_RETRY);
}

static int catch_signals(_Atomic bool *stop, struct err *err)
{
	sigset_t set;
	pthread_t thread;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ||
	    pthread_create(&thread, NULL, take_signals, stop) != 0)
		return err_set(err, ERR_OS, "sink: no thread for signals");
	pthread_detach(thread);
	return 0;
}

/* Adds the topic of messages. */
static int read_archive(const struct config *config, struct sink_settings *settings,
			struct arena *staff, struct err *err)
{
	settings->topics[settings->topic_count++] = config->input.topic;
	settings->archive = config->input.topic;
	settings->decode.corpid = str_of(config->input.corpid);
	settings->decode.record_bytes_max = (size_t)config->input.record_bytes_max;
	return directory_open(&settings->directory, staff, config->staff, err);
}

/* Runs the sink with the operator's port beside it. */
static int run_watched(struct sink_settings *settings, const struct config *config, bool insecure,
		       struct err *err)
{
	struct sink_meter meter = {0};
	struct health *health;
	struct sink *sink = NULL;
	struct health_settings watch = {
		.listen = config->http_listen,
		.listen_shown = config_shown(config, &config->http_listen),
		.insecure = insecure,
		.live = sink_live,
		.ready = sink_ready,
		.context = &meter,
	};

	if (health_start(&health, &watch, err) < 0)
		return -1;
	sink_meter_init(&meter, health_metrics(health));
	settings->meter = &meter;
	int status = sink_new(&sink, settings, err);
	if (status == 0)
		status = sink_run(sink, err);
	sink_free(sink);
	health_stop(health);
	sink_meter_fini(&meter);
	return status;
}

static int run_sink(const struct config *config, const struct brokers *brokers, struct arena *staff,
		    struct err *err)
{
	/* The thread of signals may outlive this call by an instant. */
	static _Atomic bool stop;
	struct pg_setting postgres[DATABASE_KEYS_MAX];
	char instance[160], group[160];
	size_t keys;
	int slot; /* held until the process ends */

	if (slot_take(config->state.dir, config->pipeline, "sink-slot", &slot, err) < 0 ||
	    database_settings(postgres, &keys, config, err) < 0)
		return -1;
	(void)snprintf(instance, sizeof instance, "%s-%s-sink-%d", config->pipeline, config->instance, slot);
	(void)snprintf(group, sizeof group, "%s-sink", config->pipeline);
	struct sink_settings settings = {
		.kafka = &brokers->settings,
		.group = group,
		.instance = instance,
		.topics = {config->output.tags, config->output.stages, config->output.alerts},
		.topic_count = 3,
		.rulesets = config->output.rulesets,
		.store = {postgres, keys, config->pipeline, instance, config->sink.archive},
		.batch_rows = config->sink.batch_rows,
		.batch_ms = config->sink.batch_ms,
		.stop = &stop,
	};
	if (config->sink.archive && read_archive(config, &settings, staff, err) < 0)
		return -1;
	if (catch_signals(&stop, err) < 0)
		return -1;
	return run_watched(&settings, config, brokers->settings.insecure, err);
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct sink_options *o = given;

	OWNED(config) *config = NULL;
	OWNED(brokers) *brokers = NULL;
	if (config_open(&config, o->file, err) < 0 ||
	    brokers_new(&brokers, config, o->insecure, err) < 0)
		return -1;
	struct arena staff = {0};
	int result = run_sink(config, brokers, &staff, err);
	arena_fini(&staff);
	return result;
}

static const struct option options[] = {
	OPTION_CONFIG(struct sink_options),
	OPTION_INSECURE(struct sink_options),
	OPTIONS_END,
};

const struct command cmd_sink = {
	.words = "sink",
	.arguments = "-c FILE",
	.summary = "event topics into PostgreSQL, exactly once",
	.help = "Reads the topics of tags, stages and alerts and keeps the tables of the schema\n"
		"chatmill (`db migrate` makes it). Offsets are written in the transaction that "
		"writes\n"
		"the rows; the consumer group only shares partitions out, so several sinks may "
		"run.\n"
		"A row that the database refuses goes to chatmill.sink_reject and the rest lands. "
		"A\n"
		"database or broker that is away is waited for. SIGTERM finishes the batch.\n"
		"\n"
		"example:\n"
		"  chatmill sink -c chatmill.yaml\n"
		"\n"
		"exit status: 0 asked to stop, 65 most rows are refused, 75 try again, 77 not\n"
		"permitted, 78 wrong configuration or schema",
	.options = options,
	.options_bytes = sizeof(struct sink_options),
	.run = run,
};
