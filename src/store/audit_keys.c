/* audit_keys.c - a set of hashes, and a cursor over a table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_keys.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/heap.h"
#include "store/audit.h"

enum { CAP_FIRST = 1024, FETCHED = 5000 };

void audit_keys_fini(struct audit_keys *k)
{
	free(k->slots);
}

static bool put(uint64_t *slots, size_t cap, uint64_t key)
{
	size_t at = key & (cap - 1);

	while (slots[at] && slots[at] != key)
		at = (at + 1) & (cap - 1);
	bool fresh = !slots[at];
	slots[at] = key;
	return fresh;
}

static void grow(struct audit_keys *k)
{
	size_t cap = k->cap ? k->cap * 2 : CAP_FIRST;
	uint64_t *slots = heap_zeroed(cap, sizeof *slots);

	for (size_t i = 0; i < k->cap; i++)
		if (k->slots[i])
			put(slots, cap, k->slots[i]);
	free(k->slots);
	k->slots = slots;
	k->cap = cap;
}

bool audit_keys_add(struct audit_keys *k, uint64_t key)
{
	if (k->full)
		return true;
	if (k->count == AUDIT_KEYS_MAX) {
		k->full = true;
		return true;
	}
	if ((k->count + 1) * 2 > k->cap)
		grow(k);
	bool fresh = put(k->slots, k->cap, key | 1); /* never 0 */
	k->count += fresh;
	return fresh;
}

bool audit_keys_has(const struct audit_keys *k, uint64_t key)
{
	for (size_t at = (key | 1) & (k->cap - 1); k->cap && k->slots[at]; at = (at + 1) & (k->cap - 1))
		if (k->slots[at] == (key | 1))
			return true;
	return false;
}

uint64_t audit_key(const struct str *parts, size_t count)
{
	struct buf key = {0};

	for (size_t i = 0; i < count; i++) {
		uint64_t len = parts[i].len; /* so that a/bc and ab/c differ */
		buf_put(&key, (struct str){(const char *)&len, sizeof len});
		buf_put(&key, parts[i]);
	}
	uint64_t hash = hash_64(buf_str(&key));
	buf_fini(&key);
	return hash;
}

/* Message, then the parts of the key. Nothing makes an event row older than its person's erasure. The
 * rows of customers name no message's time, so that those of people once erased are passed over; whose
 * one is is looked up only where somebody was erased. */
#define NOT_ERASED(subject)                                                                        \
	" WHERE NOT EXISTS (SELECT FROM chatmill.erased) OR chatmill.subject_hmac(corpid, " subject  \
	") NOT IN (SELECT subject_hmac FROM chatmill.erased)"

static const struct {
	const char *table, *sql;
	size_t parts;
	bool is_id; /* the key is an event's or alert's id */
} tables[AUDIT_TABLE_COUNT] = {
	[AUDIT_TAG_EVENT] = {"tag_event",
			     "DECLARE rows NO SCROLL CURSOR FOR SELECT msgid::text, event_id::text "
			     "FROM chatmill.tag_event",
			     1, true},
	[AUDIT_STAGE_EVENT] = {"stage_event",
			       "DECLARE rows NO SCROLL CURSOR FOR SELECT msgid::text, event_id::text "
			       "FROM chatmill.stage_event",
			       1, true},
	[AUDIT_ALERT] = {"alert",
			 "DECLARE rows NO SCROLL CURSOR FOR SELECT msgid::text, alert_id::text "
			 "FROM chatmill.alert",
			 1, true},
	[AUDIT_CUSTOMER_TAG] = {"customer_tag",
				"DECLARE rows NO SCROLL CURSOR FOR SELECT msgid::text, corpid::text, "
				"external_userid::text, \"group\"::text, tag::text "
				"FROM chatmill.customer_tag" NOT_ERASED("external_userid"),
				4, false},
	[AUDIT_CUSTOMER_STAGE] = {"customer_stage",
				  "DECLARE rows NO SCROLL CURSOR FOR SELECT msgid::text, corpid::text, "
				  "external_userid::text, ''::text, ladder::text "
				  "FROM chatmill.customer_stage" NOT_ERASED("external_userid"),
				  4, false},
};

int audit_keys_check(const struct audit_keys *k, enum audit_table table, struct pg *pg,
		     void (*visit)(void *context, const char *table, struct str id, struct str msgid),
		     void *context, struct pg_fault *fault)
{
	char fetch[64];

	if (k->full)
		return 0;
	(void)snprintf(fetch, sizeof fetch, "FETCH %d FROM rows", FETCHED);
	if (pg_run(pg, tables[table].sql, fault) < 0)
		return -1;
	for (bool more = true; more;) {
		OWNED(pg_result) *rows = NULL;
		if (pg_query(pg, fetch, NULL, 0, &rows, fault) < 0)
			return -1;
		for (int r = 0; r < pg_rows(rows); r++) {
			struct str parts[4];
			for (size_t i = 0; i < tables[table].parts; i++)
				parts[i] = pg_text(rows, r, (int)i + 1);
			uint64_t key = tables[table].is_id ? hash_64(parts[0])
							   : audit_key(parts, tables[table].parts);
			if (!audit_keys_has(k, key))
				visit(context, tables[table].table,
				      tables[table].is_id ? parts[0] : (struct str){0},
				      pg_text(rows, r, 0));
		}
		more = pg_rows(rows) > 0;
	}
	return pg_run(pg, "CLOSE rows", fault);
}
