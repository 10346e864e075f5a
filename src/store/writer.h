/* writer.h - the rows of a batch into the tables, inside the caller's transaction.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Items are written together under a savepoint. When the server refuses a row, both halves are
 * tried, and so on until the row is alone and set aside (rejects.h): a poisoned batch of n rows
 * costs about 2 log2(n) further attempts for each poison. The left half lands before the right
 * one, so that the order of a key is kept; erasures take place between the rows, where they stand.
 *
 * Thread: belongs to one store.
 */
#pragma once

#include "store/erasure.h"
#include "store/rejects.h"
#include "store/rows.h"

struct writer {
	struct pg *pg; /* borrowed for its life */
	struct rows rows;
	struct arena arena, rows_arena; /* of one batch; of one statement */
	struct rejects rejects;		/* of the last batch */
	struct erasure erasure;
	int careful; /* statements that are still laid out with care: see write_rows() */
	uint64_t erased, dropped_erased;
};

void writer_fini(struct writer *w);

/* Writes the items in their order. `shard` names who counts; `any_erased`: people were erased here,
 * look at each item. -1: nothing may be committed. */
MUST_CHECK int writer_write(struct writer *w, const struct store_item *items, size_t count,
			    int32_t shard, bool any_erased, struct pg_fault *fault);
