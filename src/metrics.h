/* metrics.h - what the program counts, and the text that Prometheus reads.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One table in metrics.c names every metric with type, unit, labels and help. A series is one line
 * of it: a metric, the values of its labels, and the thread that writes it. Threads that count the
 * same thing have a series each; metrics_write() adds them up. So a worker counts with two relaxed
 * operations on memory that nobody else writes.
 *
 *	struct series *s = metrics_series(m, number, METRIC_DEAD, "bad_json", NULL);   rare: a lock
 *	series_add(s, 1);                                                              any time: none
 *
 * Labels never hold ids of people or messages. Every metric has a limit of series; beyond it the
 * labels read "other", so that whoever writes records or rules cannot fill our memory.
 *
 * Exposition: Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
 *
 * Thread: series_*() by the one writer of the series, all else by any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum metric {
	/* run */
	METRIC_RECORDS,	   /* result */
	METRIC_DEAD,	   /* reason */
	METRIC_ODDITIES,   /* kind */
	METRIC_EVENTS,	   /* type */
	METRIC_HITS,	   /* pack, rule */
	METRIC_LIMITS,	   /* limit */
	METRIC_LAG_RECORDS, /* partition */
	METRIC_LAG_SECONDS, /* partition */
	METRIC_POSITION,    /* partition */
	METRIC_NEWEST,	    /* corp */
	METRIC_TRANSACTIONS, /* outcome */
	METRIC_TRANSACTION_TIME,
	METRIC_STAGE_TIME, /* stage */
	METRIC_PARTITIONS,
	METRIC_REBALANCES, /* kind */
	METRIC_RESTORES,
	METRIC_RESTORE_TIME,
	METRIC_RESTORED,  /* source */
	METRIC_SNAPSHOTS, /* outcome */
	METRIC_STATE_KEYS,
	METRIC_STATE_BYTES,
	METRIC_RULES_IN_FORCE, /* digest: how many partitions it judges */
	METRIC_RULES_COMPILED,
	METRIC_RULE_SWITCHES,
	METRIC_WORKERS_READY,
	/* sink */
	METRIC_SINK_ITEMS,
	METRIC_SINK_BATCHES,
	METRIC_SINK_BATCH_TIME,
	METRIC_SINK_RETRIES, /* class: the first two characters of the SQLSTATE */
	METRIC_SINK_REJECTED,
	METRIC_SINK_WITHOUT_MONTH,
	METRIC_SINK_PARTITIONS,
	METRIC_SINK_LAG_RECORDS, /* topic, partition */
	METRIC_DATABASE_UP,
	/* all */
	METRIC_READY,
	METRIC_BROKERS_UP,
	METRIC_INSECURE,
	METRIC_LOG_LINES, /* level */
	METRIC_LOG_REPEATED,
	METRIC_BUILD,	  /* version */
	METRIC_START_TIME,
	METRIC_CPU,
	METRIC_MEMORY,
	METRIC_COUNT,
};

enum {
	METRICS_LABELS_MAX = 2,
	METRICS_LABEL_BYTES = 72, /* longer values are cut; a digest has 71 */
	METRICS_SERIES_MAX = 20000, /* of the process: 300 bytes each with their labels */
};

struct metrics;
struct series;

MUST_CHECK int metrics_new(struct metrics **out, struct err *err);
void metrics_free(struct metrics *m); /* NULL is fine; no series may be used afterwards */
DEFINE_OWNED(metrics);

/* The series of `metric` with these labels that `writer` writes: found, or made with value 0. Lives
 * as long as `m`. Takes a lock and looks through the metric's series: not for each message. */
struct series *metrics_series(struct metrics *m, int64_t writer, enum metric metric,
			      const char *first, const char *second);
/* The series is shown no more, and may become another one of the same writer's. */
void metrics_hide(struct metrics *m, struct series *s);

void series_add(struct series *s, uint64_t more);  /* counters */
void series_set(struct series *s, int64_t value);  /* gauges; in the metric's own unit: metrics.c */
void series_observe(struct series *s, int64_t us); /* histograms of time; microseconds */

/* All series of all writers, by metric and labels. */
void metrics_write(struct metrics *m, struct buf *out);

/* The table of all metrics, for docs/operations.md. */
void metrics_describe(FILE *out);
