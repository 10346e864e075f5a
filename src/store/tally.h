/* tally.h - what the tables of customers and alerts hold after these events, taken one by one.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The sink folds batches (coalesce.h) and lets the server merge them (statements.c). This says the
 * same in the plainest way, one event after the other, for `verify` to compare with. The rules are
 * those of coalesce.h: only a greater sequence changes a row; staff join a tag that is there, any
 * other addition begins it anew; a removal keeps since when it was there.
 *
 * Memory: a row for each tag and stage of a customer and for each alert. Thread: belongs to one
 * thread.
 */
#pragma once

#include "base/arena.h"
#include "model.h"

struct tally;

enum tally_table { TALLY_TAG, TALLY_STAGE, TALLY_ALERT, TALLY_TABLE_COUNT };

/* The event that changed a row last, for whoever has to find it. */
struct tally_place {
	const char *topic; /* as long as the tally */
	int32_t partition;
	int64_t offset; /* -1: no longer on its topic */
	bool asked;	/* in the range that the user asked about */
};

struct tally_row {
	struct tally_row *next; /* of the tally */
	enum tally_table table;
	struct str corpid, subject, group, name; /* name: tag or ladder */
	char alert_id[UUID_LEN];
	uint64_t sequence;
	struct str pack, rule, msgid;
	bool here, has_since; /* tag */
	int64_t since_ms, removed_ms;
	struct str wecom_id;
	struct str *texts; /* staff of a tag, messages of an alert */
	size_t text_count;
	struct str stage, previous; /* stage */
	uint64_t count;		    /* alert */
	bool recalled;
	int64_t recalled_ms;
	char event_id[UUID_LEN];
	struct tally_place place;
};

struct tally *tally_new(void);
void tally_free(struct tally *t); /* NULL is fine */

/* Returns true for the first event of an alert: the one whose columns never change. */
bool tally_take(struct tally *t, const struct event *event, const struct tally_place *place);
/* Nothing is known of a subject any more, and nothing that comes is told: it was erased. */
void tally_forget(struct tally *t, struct str corpid, struct str subject);

/* Visits the rows of one table. */
void tally_each(const struct tally *t, enum tally_table table,
		void (*visit)(void *context, const struct tally_row *row), void *context);
