/* offsets.h - how far each partition has come and who owns it: positions and fence of the sink.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A row of chatmill.sink_offset is lock, fence and position in one: whoever writes rows of a
 * partition holds its lock, has its epoch, and moves next_offset in the same transaction.
 * Thread: belongs to one store. Memory is kept between batches.
 */
#pragma once

#include "store/column.h"
#include "store/store.h"

struct offsets {
	const char *pipeline, *owner; /* borrowed for its life */
	struct column topics, numbers, nexts;
};

/* A partition with what of it is in the batch. */
struct position {
	const struct store_partition *partition;
	int64_t in_table; /* next_offset of the table; by offsets_fence() */
	int64_t next;     /* behind the last item */
};

void offsets_fini(struct offsets *o);

/* Makes us the owner of the partitions: a new epoch, and where to go on. One statement. */
MUST_CHECK int offsets_claim(struct offsets *o, struct pg *pg, struct store_partition *parts,
			     size_t count, struct pg_fault *fault);

/* The partitions of the items; `out` has room for each item. Returns how many there are. */
size_t offsets_of(const struct store_item *items, size_t count, struct position *out);
const struct position *offsets_find(const struct position *positions,
				    const struct store_partition *partition);

/* Locks the rows until the transaction ends and reads them. Returns 1 if we still own all of them,
 * 0 if not, -1 with a fault. `*any_erased` tells whether anybody was ever erased here. */
MUST_CHECK int offsets_fence(struct offsets *o, struct pg *pg, struct position *positions,
			     size_t count, bool *any_erased, struct pg_fault *fault);

/* Moves them behind the batch; never back. */
MUST_CHECK int offsets_write(struct offsets *o, struct pg *pg, const struct position *positions,
			     size_t count, struct pg_fault *fault);
