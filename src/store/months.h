/* months.h - the monthly partitions of the tables, made before rows need them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A row whose month has no partition goes to the default one, so that none falls out; rows found
 * there move when the partition is made. Made ahead are this month and the next two, and those of
 * a batch, late ones too, each asked for once for each connection of a store. A batch waits for the
 * months of its rows; what is made ahead it does not wait for.
 * Thread: belongs to one store.
 */
#pragma once

#include "store/pg.h"
#include "store/store.h"

enum { MONTHS_MAX = 256 }; /* 21 years; more only means that we ask again */

struct months {
	int32_t known[MONTHS_MAX]; /* months since 1970 that were asked for */
	size_t count;
	int64_t ahead_ms; /* of the monotonic clock: not before are months ahead asked for again */
	size_t outside; /* rows of the last batch that go to the default partition */
};

/* Asks the database for the months of the items, and ahead, that are new to us. In transactions of
 * their own: it locks, and must not wait inside ours. */
MUST_CHECK int months_make(struct months *m, struct pg *pg, const struct store_item *items,
			   size_t count, struct pg_fault *fault);
