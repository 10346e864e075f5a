/* audit_keys.h - which rows events make, as hashes; and the rows of a table that none of them makes.
 * SPDX-License-Identifier: Apache-2.0
 *
 * 64 bits of a key: of ten million rows two look alike once in 400,000 times, and then one row too
 * many is not told. Thread: belongs to one audit.
 */
#pragma once

#include "store/pg.h"

enum audit_table {
	AUDIT_TAG_EVENT,
	AUDIT_STAGE_EVENT,
	AUDIT_ALERT,
	AUDIT_CUSTOMER_TAG,
	AUDIT_CUSTOMER_STAGE,
	AUDIT_TABLE_COUNT,
};

struct audit_keys { /* a zeroed set is empty */
	uint64_t *slots; /* open addressing, 0: free */
	size_t cap, count;
	bool full; /* more than AUDIT_KEYS_MAX: rows too many are not looked for */
};

void audit_keys_fini(struct audit_keys *k);
/* False if it was there. */
bool audit_keys_add(struct audit_keys *k, uint64_t key);

bool audit_keys_has(const struct audit_keys *k, uint64_t key);

/* The key of several texts, of a row of customers for one. */
uint64_t audit_key(const struct str *parts, size_t count);

/* Visits the rows of the table whose key is not in the set. Nobody's who was erased: the sink removes
 * those rows by time, so that some may stay. */
MUST_CHECK int audit_keys_check(const struct audit_keys *k, enum audit_table table, struct pg *pg,
				void (*visit)(void *context, const char *table, struct str id,
					      struct str msgid),
				void *context, struct pg_fault *fault);
