/* rulesets.h - the table of rule sets: which digests judged, since when, and what each one held.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The digest and its first time come with the events, in their transaction; the text comes from
 * the topic of rule sets, later and by itself.
 * Thread: belongs to one store.
 */
#pragma once

#include "store/column.h"
#include "store/store.h"

struct rulesets {
	struct {
		char digest[80];
		int64_t first_ms;
	} seen[64]; /* what the table is known to hold */
	size_t next;
	struct column times;
};

void rulesets_fini(struct rulesets *r); /* a zeroed struct is ready for use */
/* After a transaction that failed: some may not be in the table after all. */
void rulesets_forget(struct rulesets *r);

/* Enters the rule sets of the batch that the table may not know, with the time of their earliest
 * event. Known ones cost nothing. *written says how many statements it took. */
MUST_CHECK int rulesets_write(struct rulesets *r, struct pg *pg, const struct store_item *items,
			      size_t count, uint64_t *written, struct pg_fault *fault);

/* Digests whose text is missing, at most `max`, oldest first. */
MUST_CHECK int rulesets_missing(struct pg *pg, struct store_digest *out, size_t max, size_t *count,
				struct pg_fault *fault);
/* Fills the text of one in, if nobody has. */
MUST_CHECK int rulesets_fill(struct pg *pg, const char *digest, struct str text,
			     struct pg_fault *fault);
