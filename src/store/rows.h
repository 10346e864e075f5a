/* rows.h - a batch of events as columns, and the statement that takes them for each table.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Append-only tables take every event once (event_id); the tables of customers and alerts take
 * what coalesce.h left of the batch and change only where the sequence is greater. Every statement
 * writes in the order of the table's key, so that two sinks never wait for each other in a circle.
 *
 * Thread: belongs to one worker. Memory is kept between batches.
 */
#pragma once

#include "store/coalesce.h"
#include "store/column.h"

struct store_item;

enum rows_table {
	ROWS_TAG_EVENT,
	ROWS_STAGE_EVENT, /* and stage_day */
	ROWS_CUSTOMER_TAG,
	ROWS_CUSTOMER_STAGE,
	ROWS_ALERT, /* and alert_day */
	ROWS_TABLE_COUNT,
};

enum { ROWS_COLUMNS_MAX = 26 };

struct rows {
	struct column columns[ROWS_TABLE_COUNT][ROWS_COLUMNS_MAX];
	struct buf scratch;
};

void rows_fini(struct rows *r); /* a zeroed struct is ready for use */

/* Lays the events of `items` out; what lives in `arena` lives as long as the columns. */
void rows_build(struct rows *r, const struct store_item *items, size_t count, struct arena *arena);

/* Runs the statement of one table; nothing if it has no rows. `shard` names who counts. */
MUST_CHECK int rows_write(struct rows *r, enum rows_table table, int32_t shard, struct pg *pg,
                          struct pg_fault *fault);

/* A fixed name, for fault points and logs. */
const char *rows_table_name(enum rows_table table);
