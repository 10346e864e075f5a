/* rows.h - a batch of events as columns, and the statement that takes them for each table.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Append-only tables take every event once (event_id): by COPY, which is a third cheaper than
 * arrays and fails where an event is there already; then the batch is laid out again, `carefully`,
 * for a statement that leaves such rows alone. The tables of customers and alerts take what
 * coalesce.h left of the batch, as arrays, and change only where the sequence is greater. Every
 * statement writes in the order of the table's key, so that two sinks never wait for each other in
 * a circle.
 *
 * Thread: belongs to one worker. Memory is kept between batches.
 */
#pragma once

#include "store/coalesce.h"
#include "store/column.h"

struct archive;
struct store_item;

enum rows_table {
	ROWS_TAG_EVENT,
	ROWS_STAGE_EVENT,
	ROWS_MESSAGE,
	ROWS_CUSTOMER_TAG,   /* what needs nothing of the row but its `since` */
	ROWS_CUSTOMER_STAFF, /* the same table: staff that join those of the row, if it is there */
	ROWS_CUSTOMER_STAGE,
	ROWS_ALERT,     /* and alert_week */
	ROWS_STAGE_DAY, /* after COPY; the careful statement counts by itself */
	ROWS_TABLE_COUNT,
};

enum { ROWS_COLUMNS_MAX = 26, ROWS_COPIED = ROWS_MESSAGE + 1 };

struct rows {
	struct column columns[ROWS_TABLE_COUNT][ROWS_COLUMNS_MAX];
	struct column lines[ROWS_COPIED]; /* rows of COPY */
	struct buf scratch;
	struct archive *archive; /* borrowed; NULL where no messages come */
};

void rows_fini(struct rows *r); /* a zeroed struct is ready for use */

/* Lays `items` out, all of them events or messages; what lives in `arena` lives as long as the
 * columns. */
void rows_build(struct rows *r, const struct store_item *items, size_t count, bool careful,
		struct arena *arena);

/* Runs the statement of one table; nothing if it has no rows. `shard` names who counts. Without
 * `careful` an event that the table has is a fault with SQLSTATE 23505. */
MUST_CHECK int rows_write(struct rows *r, enum rows_table table, int32_t shard, struct pg *pg,
			  struct pg_fault *fault);
