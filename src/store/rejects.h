/* rejects.h - the rows of a batch that the database refused, on their way to chatmill.sink_reject.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Poison is rare. When a good part of everything is refused the schema is wrong, not the data, and
 * setting it all aside would be losing it: rejects_too_many() says so.
 * Thread: belongs to one store. Memory is kept between batches.
 */
#pragma once

#include "store/column.h"
#include "store/store.h"

struct rejects {
	struct reject {
		const struct store_item *item; /* borrowed until the batch ends */
		char sqlstate[6];
		char text[200];
	} * rows;
	size_t count, cap;
	uint64_t window_rows, window_refused; /* of the last batches */
	struct column columns[7];
};

void rejects_fini(struct rejects *r); /* a zeroed struct is ready for use */
void rejects_add(struct rejects *r, const struct store_item *item, const char *sqlstate,
		 const char *text);
/* Takes those of this key out: the person is erased. */
void rejects_forget(struct rejects *r, struct str key);
/* Writes them, in the transaction of the rest. */
MUST_CHECK int rejects_write(struct rejects *r, struct pg *pg, struct pg_fault *fault);
/* True if, with this batch of `rows`, the data cannot be at fault. err tells of the first one. */
bool rejects_too_many(const struct rejects *r, size_t rows, struct err *err);
/* Counts a batch that was committed. */
void rejects_count(struct rejects *r, size_t rows);
