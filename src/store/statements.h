/* statements.h - the SQL of the sink, one statement for each table.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any; the table is constant.
 */
#pragma once

#include "store/rows.h"

struct statement {
	const char *point; /* fault point that is passed before the statement */
	const char *sql;  /* $1 … are the columns as arrays; then the shard if it counts */
	bool counts;      /* keeps a table of daily counts too, under a shard */
	size_t column_count;
	enum column_type columns[ROWS_COLUMNS_MAX];
	const char *copy; /* of an append-only table: the same rows by COPY */
	enum column_type copy_columns[ROWS_COLUMNS_MAX];
};

extern const struct statement statements[ROWS_TABLE_COUNT];
