/* audit.h - compares the tables with what the sink should have made of the events; reads only.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	audit_begin   one snapshot of the database: tables, and how far the sink was
 *	audit_take    every event that the sink has taken, in the order of its topic
 *	audit_settle  the rows of customers and alerts of those events; they are then forgotten
 *	audit_close   rows that no event made
 *
 * Events are compared with tag_event, stage_event and the first columns of alert in batches, by the
 * server, with the same columns that the sink writes (rows.h); customer_tag, customer_stage and what
 * changes of an alert with tally.h. Who was erased is looked for in none of them. Not compared: the
 * counts of the boards (stage_day, alert_week), rule sets, reviews, stored messages.
 *
 * Events of months that were dropped count as passed, those that the database refused (sink_reject)
 * as refused. Memory: a tally, one batch, and 16 bytes for each row to tell those that nobody made
 * (up to AUDIT_KEYS_MAX; beyond, such rows are not looked for).
 *
 * Thread: belongs to one thread; holds one connection with one open transaction.
 */
#pragma once

#include "store/pg.h"
#include "store/store.h"

struct audit;

enum { AUDIT_KEYS_MAX = 1 << 26 };

struct audit_row {
	const char *table, *reason;
	bool is_lost, is_changed; /* neither: nothing makes it */
	const char *topic;	  /* of the newest event that it rests on; NULL: none */
	int32_t partition;
	int64_t offset;
	struct str id; /* of that event; empty: none */
};

struct audit_settings {
	const struct pg_setting *postgres; /* keys of libpq */
	size_t postgres_count;
	const char *pipeline;
	void (*report)(void *context, const struct audit_row *row);
	void *context;
};

struct audit_counts {
	uint64_t rows, passed, refused;
};

MUST_CHECK int audit_new(struct audit **out, const struct audit_settings *settings,
			 struct err *err);
void audit_free(struct audit *a); /* NULL is fine */
DEFINE_OWNED(audit);

MUST_CHECK int audit_begin(struct audit *a, struct err *err);

/* How far the sink was: the offset behind the last event in the tables; 0: none of it. */
int64_t audit_next_offset(const struct audit *a, const char *topic, int32_t partition);

/* What the events of a batch live in, until audit_take() hands the batch over. */
struct arena *audit_arena(struct audit *a);

struct audit_event {
	const struct event *event; /* lives in audit_arena() */
	struct str evidence_json;
	const char *topic; /* as long as the audit */
	int32_t partition;
	int64_t offset; /* -1: no longer on its topic */
	bool asked;	/* differences are reported */
};
MUST_CHECK int audit_take(struct audit *a, const struct audit_event *event, struct err *err);
MUST_CHECK int audit_settle(struct audit *a, struct err *err);
/* Only after all events of all partitions. */
MUST_CHECK int audit_close(struct audit *a, struct err *err);

struct audit_counts audit_counts(const struct audit *a);
