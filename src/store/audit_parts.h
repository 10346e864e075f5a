/* audit_parts.h - what the files of audit.h share.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	audit.c         the snapshot, batches of events, rows that nothing makes
 *	audit_compare.c the statement that names rows that differ
 *	audit_settle.c  rows of customers and alerts
 *
 * Thread: as audit.h.
 */
#pragma once

#include "store/audit.h"
#include "store/audit_keys.h"
#include "store/erasure.h"
#include "store/rows.h"
#include "store/tally.h"

enum { AUDIT_BATCH = 1000, AUDIT_COLUMNS_MAX = 26, TALLY_COLUMNS = 12 };

struct audit {
	struct audit_settings settings;
	struct pg *pg;
	struct pg_result *offsets; /* topic, partition, next offset */
	bool any_erased;
	struct erasure erasure;

	struct arena arena, rows_arena; /* of the batch; of its columns */
	struct store_item *items;
	struct audit_event *events; /* of each item */
	size_t count;
	struct rows rows;

	struct tally *tally;
	struct column columns[TALLY_COLUMNS];
	const struct tally_row **settled; /* rows in the columns, in their order */
	size_t settled_count;
	enum tally_table settling;
	bool failed;
	struct pg_fault fault;

	struct audit_keys keys[AUDIT_TABLE_COUNT], refused; /* refused: places of records */
	struct audit_counts counts;
};

/* ---- audit_compare.c ---- */

struct field {
	const char *name;
	bool is_list;
};

/* Keys come first. Columns in the order in which rows.c and put_row() of audit_settle.c lay them out. */
struct layout {
	const char *table;
	size_t keys, count;
	struct field fields[AUDIT_COLUMNS_MAX];
};

/* The rows that the table lacks or has otherwise: place in the columns (from 1), first column as
 * text, whether the row is missing, names of the columns that differ. */
MUST_CHECK int audit_compare(struct audit *a, const struct layout *l, struct column *columns,
			     struct pg_result **out, struct pg_fault *fault);
void audit_say_columns(char out[160], struct str columns);
void audit_report(struct audit *a, const struct audit_row *row);

/* ---- audit_settle.c ---- */

/* Compares what the tally holds; the caller empties it. */
MUST_CHECK int audit_compare_tally(struct audit *a, struct pg_fault *fault);
