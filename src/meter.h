/* meter.h - what one worker tells the metrics: only what was committed, when it was.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Records, dead letters, hits and events are gathered aside while a transaction is open and added
 * to the series when Kafka has it; an aborted transaction leaves no trace but its own count. So
 * what /metrics says can be compared with the topics.
 *
 * Lag is worked out from our own committed position (the marker), not from the group's offsets,
 * and grows by itself when the worker stands still: the series holds the time of the last
 * committed record.
 *
 * Thread: a meter belongs to one worker.
 */
#pragma once

#include "holdings.h"
#include "metrics.h"
#include "pipeline.h"
#include "state/saver.h"

struct meter;

enum meter_transaction { METER_COMMITTED, METER_ABORTED, METER_FENCED, METER_RENEWED };
enum meter_rebalance { METER_ASSIGNED, METER_REVOKED, METER_LOST };
enum meter_stage { METER_READ, METER_REACT, METER_SEND, METER_COMMIT, METER_SNAPSHOT,
		   METER_STAGE_COUNT };

MUST_CHECK int meter_new(struct meter **out, struct metrics *metrics, int64_t worker,
			 struct err *err);
void meter_free(struct meter *m); /* NULL is fine */

/* A record of the index-th holding was taken into the transaction: its time, and what the pipeline
 * knows of it. */
void meter_record(struct meter *m, const struct pipeline *p, const struct holdings *holdings,
		  size_t index, const struct record *record);
void meter_event(struct meter *m, enum event_type type);
void meter_time(struct meter *m, enum meter_stage stage, int64_t us);

/* Kafka has the transaction, which was open for `us`. */
void meter_commit(struct meter *m, const struct pipeline *p, int64_t us);
/* It has not: what was gathered is forgotten. */
void meter_rollback(struct meter *m, const struct pipeline *p);
void meter_transaction(struct meter *m, enum meter_transaction what);

/* Partitions came or went. */
void meter_rebalance(struct meter *m, enum meter_rebalance what);
void meter_restored(struct meter *m, int64_t us, const struct holdings *holdings);
void meter_snapshots(struct meter *m, struct saver_counts counts);
void meter_switched(struct meter *m);

/* What is true now: positions, lag, state, rules. `owned` and the holdings are in step; no
 * transaction is open. */
void meter_look(struct meter *m, const struct holdings *holdings, const struct owned *owned,
		const struct consumer *consumer, const char *topic);
void meter_brokers(struct meter *m, bool up);
