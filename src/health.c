/* health.c - asks once a second how things are, and tells. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "version_number.h"

enum { ASK_MS = 1000, WRITER = -1 /* of the series that are no worker's */ };

struct health {
	struct health_settings settings;
	struct metrics *metrics;
	struct http *http;
	pthread_t thread;
	bool runs;
	bool quiet;
	pthread_mutex_t lock; /* held while a callback runs, and for `quiet` */
	pthread_cond_t wake;
	struct series *cpu, *memory, *repeated, *lines[4], *readiness;
	int64_t watchdog_ms, told_ms;
	bool ready;
};

struct metrics *health_metrics(struct health *h)
{
	return h->metrics;
}

/* ---- callbacks, one at a time ---- */

static void ask(struct health *h, void (*what)(void *, struct reasons *), struct reasons *out)
{
	pthread_mutex_lock(&h->lock);
	if (h->quiet && what == h->settings.ready)
		reasons_add(out, "stopping");
	if (!h->quiet) /* who is about to leave is alive */
		what(h->settings.context, out);
	pthread_mutex_unlock(&h->lock);
}

static void ask_live(void *context, struct reasons *out)
{
	struct health *h = context;

	ask(h, h->settings.live, out);
}

static void ask_ready(void *context, struct reasons *out)
{
	struct health *h = context;

	ask(h, h->settings.ready, out);
}

static int64_t resident_bytes(void)
{
	long long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lld %lld", &pages, &resident) != 2)
		resident = 0;
	(void)fclose(f); /* only read from */
	return resident * sysconf(_SC_PAGESIZE);
}

static void refresh(void *context)
{
	struct health *h = context;
	struct log_counts counts = log_counts();
	struct reasons ready = {0};

	ask_ready(h, &ready);
	series_set(h->readiness, ready.count == 0);
	buf_fini(&ready.json);
	series_set(h->cpu, clock_cpu_us());
	series_set(h->memory, resident_bytes());
	series_set(h->repeated, (int64_t)counts.repeated);
	for (size_t i = 0; i < ARRAY_LEN(h->lines); i++)
		series_set(h->lines[i], (int64_t)counts.lines[i]);
	pthread_mutex_lock(&h->lock);
	if (!h->quiet && h->settings.refresh)
		h->settings.refresh(h->settings.context, h->metrics);
	pthread_mutex_unlock(&h->lock);
}

/* ---- the service manager ---- */

static void tell_manager(struct health *h)
{
	struct reasons live = {0}, ready = {0};
	struct buf status = {0};
	int64_t now_ms = clock_monotonic_ms();

	ask_live(h, &live);
	ask_ready(h, &ready);
	if (!live.count && h->watchdog_ms && now_ms - h->told_ms >= h->watchdog_ms) {
		notify_send("WATCHDOG=1");
		h->told_ms = now_ms;
	}
	if ((ready.count == 0) != h->ready) {
		h->ready = ready.count == 0;
		if (h->ready)
			log_event(LOG_INFO, "ready");
		else
			log_event(LOG_WARN, "not_ready", LOG_NUM("reasons", ready.count));
	}
	buf_put(&status, STR("STATUS="));
	buf_put(&status, ready.count ? buf_str(&ready.json) : STR("ready"));
	buf_putc(&status, '\0');
	notify_send(status.data);
	buf_fini(&status);
	buf_fini(&live.json);
	buf_fini(&ready.json);
}

static void *tick(void *context)
{
	struct health *h = context;
	int64_t pause_ms = h->watchdog_ms ? MIN(h->watchdog_ms, (int64_t)ASK_MS) : ASK_MS;
	bool quiet = false;

	notify_send("READY=1");
	while (!quiet) {
		tell_manager(h);
		int64_t until_ms = clock_monotonic_ms() + pause_ms;
		struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
		pthread_mutex_lock(&h->lock);
		while (!h->quiet && pthread_cond_timedwait(&h->wake, &h->lock, &until) == 0)
			continue;
		quiet = h->quiet;
		pthread_mutex_unlock(&h->lock);
	}
	notify_send("STOPPING=1");
	return NULL;
}

/* ---- life ---- */

static void make_series(struct health *h)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	struct metrics *m = h->metrics;

	h->cpu = metrics_series(m, WRITER, METRIC_CPU, NULL, NULL);
	h->memory = metrics_series(m, WRITER, METRIC_MEMORY, NULL, NULL);
	h->readiness = metrics_series(m, WRITER, METRIC_READY, NULL, NULL);
	h->repeated = metrics_series(m, WRITER, METRIC_LOG_REPEATED, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		h->lines[i] = metrics_series(m, WRITER, METRIC_LOG_LINES, levels[i], NULL);
	series_set(metrics_series(m, WRITER, METRIC_START_TIME, NULL, NULL), clock_wall_ms());
	series_set(metrics_series(m, WRITER, METRIC_BUILD, CHATMILL_VERSION, NULL), 1);
	series_set(metrics_series(m, WRITER, METRIC_INSECURE, NULL, NULL), h->settings.insecure);
}

int health_start(struct health **out, const struct health_settings *settings, struct err *err)
{
	struct health *h = calloc(1, sizeof *h);
	pthread_condattr_t monotonic;

	if (!h)
		return err_set(err, ERR_OS, "out of memory");
	h->settings = *settings;
	h->watchdog_ms = notify_watchdog_ms();
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	struct http_source source = {NULL, refresh, ask_live, ask_ready, h};
	if (metrics_new(&h->metrics, err) == 0) {
		make_series(h);
		source.metrics = h->metrics;
		if (!settings->listen || http_start(&h->http, settings->listen, settings->listen_shown, &source, err) == 0) {
			h->runs = pthread_create(&h->thread, NULL, tick, h) == 0;
			if (h->runs) {
				*out = h;
				return 0;
			}
			(void)err_set(err, ERR_OS, "no thread for the health");
		}
	}
	health_stop(h);
	return -1;
}

void health_quiet(struct health *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->quiet = true;
	pthread_cond_broadcast(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

void health_stop(struct health *h)
{
	if (!h)
		return;
	health_quiet(h);
	if (h->runs)
		pthread_join(h->thread, NULL);
	http_stop(h->http);
	metrics_free(h->metrics);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
