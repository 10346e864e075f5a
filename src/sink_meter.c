/* sink_meter.c - the series of a sink. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sink_meter.h"

#include "base/clock.h"

enum { WRITER = 0, TURN_MS = 120000 /* four times the statement_timeout of the longest batch */ };

static struct series *series(struct metrics *m, enum metric metric, const char *first,
			     const char *second)
{
	return metrics_series(m, WRITER, metric, first, second);
}

void sink_meter_init(struct sink_meter *m, struct metrics *metrics)
{
	m->metrics = metrics;
	m->events = series(metrics, METRIC_SINK_ITEMS, NULL, NULL);
	m->batches = series(metrics, METRIC_SINK_BATCHES, NULL, NULL);
	m->batch_time = series(metrics, METRIC_SINK_BATCH_TIME, NULL, NULL);
	m->rejected = series(metrics, METRIC_SINK_REJECTED, NULL, NULL);
	m->without_month = series(metrics, METRIC_SINK_WITHOUT_MONTH, NULL, NULL);
	m->partitions = series(metrics, METRIC_SINK_PARTITIONS, NULL, NULL);
	m->up = series(metrics, METRIC_DATABASE_UP, NULL, NULL);
	m->brokers_up = series(metrics, METRIC_BROKERS_UP, NULL, NULL);
	/* So that a rate is there before the first trouble: a conflict, and a lost connection. */
	(void)series(metrics, METRIC_SINK_RETRIES, "40", NULL);
	(void)series(metrics, METRIC_SINK_RETRIES, "none", NULL);
}

void sink_meter_fini(struct sink_meter *m)
{
	free(m->lags);
	m->lags = NULL;
}

void sink_meter_turn(struct sink_meter *m, bool brokers)
{
	atomic_store(&m->turned_ms, clock_monotonic_ms());
	atomic_store(&m->brokers, brokers);
	series_set(m->brokers_up, brokers);
}

void sink_meter_database(struct sink_meter *m, bool up)
{
	atomic_store(&m->database, up);
	series_set(m->up, up);
}

void sink_meter_retry(struct sink_meter *m, const char *sqlstate)
{
	char class[3];

	(void)snprintf(class, sizeof class, "%.2s", sqlstate);
	series_add(series(m->metrics, METRIC_SINK_RETRIES, class[0] ? class : "none", NULL), 1);
}

void sink_meter_batch(struct sink_meter *m, const struct store_counts *counts, int64_t us)
{
	series_add(m->events, counts->items - m->counts.items);
	series_add(m->batches, counts->batches - m->counts.batches);
	series_add(m->rejected, counts->rejected - m->counts.rejected);
	series_add(m->without_month, counts->without_month - m->counts.without_month);
	m->counts = *counts;
	series_observe(m->batch_time, us);
}

void sink_meter_assigned(struct sink_meter *m, const struct store_partition *parts, size_t count)
{
	for (size_t i = 0; i < m->lag_count; i++)
		metrics_hide(m->metrics, m->lags[i]);
	free(m->lags);
	m->lag_count = 0;
	m->lags = calloc(count + 1, sizeof(struct series *));
	for (size_t i = 0; m->lags && i < count; i++) {
		char label[16];
		(void)snprintf(label, sizeof label, "%d", parts[i].partition);
		m->lags[m->lag_count++] =
			series(m->metrics, METRIC_SINK_LAG_RECORDS, parts[i].topic, label);
	}
	series_set(m->partitions, (int64_t)count);
	atomic_store(&m->assigned, count > 0);
}

void sink_meter_lag(struct sink_meter *m, const struct consumer *consumer,
		    const struct store_partition *parts, const int64_t *next, size_t count)
{
	for (size_t i = 0; i < MIN(count, m->lag_count); i++) {
		int64_t high = consumer_high_watermark(consumer, parts[i].topic, parts[i].partition);
		series_set(m->lags[i], MAX(high - next[i], (int64_t)0));
	}
}

void sink_live(void *meter, struct reasons *out)
{
	struct sink_meter *m = meter;
	int64_t turned_ms = atomic_load(&m->turned_ms), now_ms = clock_monotonic_ms();

	/* While the database is away the loop waits for it, and says so in readiness. */
	if (turned_ms && atomic_load(&m->database) && now_ms - turned_ms > TURN_MS)
		reasons_add(out, "the loop has not turned for %lld s",
			    (long long)(now_ms - turned_ms) / 1000);
}

void sink_ready(void *meter, struct reasons *out)
{
	struct sink_meter *m = meter;

	if (!atomic_load(&m->database))
		reasons_add(out, "the database does not answer");
	if (!atomic_load(&m->brokers))
		reasons_add(out, "no broker answers");
	else if (!atomic_load(&m->assigned))
		reasons_add(out, "waiting for partitions of the event topics");
}
