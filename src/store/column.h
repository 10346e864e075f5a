/* column.h - one column of many rows as a binary array of PostgreSQL, for unnest().
 * SPDX-License-Identifier: Apache-2.0
 *
 * A batch goes to a table as one array for each column: one statement for any number of rows, no
 * limit of 65,535 parameters, nothing to parse. The layout is that of array_recv() and of the
 * receive function of each type (PostgreSQL, src/backend/utils/adt); integers are big-endian.
 * What a type cannot hold (a year 300000) is sent so that the server refuses it, as any bad value.
 *
 * Memory is kept over column_begin(). Thread: a column belongs to one worker.
 */
#pragma once

#include "base/buf.h"
#include "base/digest.h"
#include "store/pg.h"

enum column_type {
	COLUMN_TEXT,
	COLUMN_JSON, /* jsonb, given as its text */
	COLUMN_UUID, /* given as 36 characters */
	COLUMN_TIME, /* timestamptz, given as ms since 1970 */
	COLUMN_DAY,  /* date, given as ms since 1970: the day in UTC */
	COLUMN_I64,
	COLUMN_I32,
	COLUMN_BOOL,
	COLUMN_BYTES,
	COLUMN_LIST, /* text[]; only in a row of COPY, where it is an array in a row */
};

struct column {
	enum column_type type;
	struct buf data;
	uint32_t count;
	bool nulls;
};

void column_fini(struct column *c); /* a zeroed column is ready for column_begin() */
void column_begin(struct column *c, enum column_type type);

void column_null(struct column *c);
void column_str(struct column *c, struct str value); /* TEXT, JSON, BYTES */
void column_uuid(struct column *c, const char id[UUID_LEN]);
void column_number(struct column *c, int64_t value); /* TIME, DAY, I64, I32, BOOL */
/* A text[]: in a row of COPY as it is (LIST); in an array of rows as its text, {"a","b"}, because
 * an array of arrays cannot be ragged (TEXT, and the statement casts). */
void column_list(struct column *c, const struct str *items, size_t count);

/* A row of COPY … (FORMAT binary) has the layout of an element for each field. column_line_begin()
 * makes the column such a buffer; before each field its type is set by hand. */
void column_line_begin(struct column *c);

/* The array as a parameter, until the column is begun again. */
struct pg_parameter column_parameter(struct column *c);
