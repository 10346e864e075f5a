/* sink_meter.h - what a sink tells the metrics and those who ask whether it is ready.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: a meter belongs to the sink; sink_live() and sink_ready() may be called from any.
 */
#pragma once

#include <stdatomic.h>

#include "health.h"
#include "kafka/consumer.h"
#include "store/store.h"

struct sink_meter {
	_Atomic bool database, brokers, assigned;
	_Atomic int64_t turned_ms; /* when the loop turned last; 0: not yet */
	struct metrics *metrics;   /* borrowed */
	struct store_counts counts;
	struct series *events, *batches, *batch_time, *rejected, *without_month, *partitions, *up, *brokers_up;
	struct series **lags; /* of the partitions owned */
	size_t lag_count;
};

/* Before the sink runs and others look. `metrics` live as long as the meter. */
void sink_meter_init(struct sink_meter *m, struct metrics *metrics);
void sink_meter_fini(struct sink_meter *m);

void sink_meter_turn(struct sink_meter *m, bool brokers);
void sink_meter_database(struct sink_meter *m, bool up);
/* A database transaction was not committed and will be tried again: SQLSTATE, or "" if the
 * connection broke. */
void sink_meter_retry(struct sink_meter *m, const char *sqlstate);
/* One was, and took `us`. */
void sink_meter_batch(struct sink_meter *m, const struct store_counts *counts, int64_t us);
/* Partitions came (`count` of them) or went (0). */
void sink_meter_assigned(struct sink_meter *m, const struct store_partition *parts, size_t count);
/* `next`: of each partition the offset that the database has. */
void sink_meter_lag(struct sink_meter *m, const struct consumer *consumer,
		    const struct store_partition *parts, const int64_t *next, size_t count);

/* For health.h; the context is the meter. */
void sink_live(void *meter, struct reasons *out);
void sink_ready(void *meter, struct reasons *out);
