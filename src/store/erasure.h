/* erasure.h - people who are to be forgotten, and that nothing older brings them back.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The database knows an erased person only as an HMAC of corpid/subject, under a key of its own.
 * Erasing is one function of the database, which the sink may call and cannot look into.
 * Thread: belongs to one store.
 */
#pragma once

#include "base/arena.h"
#include "base/digest.h"
#include "store/column.h"
#include "store/store.h"

struct erasure {
	unsigned char inner[64], outer[64]; /* blocks of RFC 2104 */
};

/* Reads the key. */
MUST_CHECK int erasure_open(struct erasure *e, struct pg *pg, struct pg_fault *fault);

/* Removes the person that the event names from all tables, in the current transaction. Somebody on
 * the hold list is kept (*held); that is logged and noted in erase_proof. */
MUST_CHECK int erasure_run(struct pg *pg, const struct event *event, bool *held,
			   struct pg_fault *fault);

/* Whose the item is: corpid/subject, as keys of records spell it. In the arena, or the item's. */
struct str erasure_name(const struct store_item *item, struct arena *arena);

/* Takes the items out whose subject was erased after their message. Keeps the order. What is no
 * event is its key's, corpid/subject, as old as its Kafka record. */
MUST_CHECK int erasure_drop(struct erasure *e, struct pg *pg, struct store_item *items,
			    size_t *count, struct arena *arena, struct pg_fault *fault);
