/* erasure.c - forgets people, and drops what is older than their erasure. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/erasure.h"

#include "base/log.h"
#include "store/suspect.h"

int erasure_open(struct erasure *e, struct pg *pg, struct pg_fault *fault)
{
	OWNED(pg_result) *row = NULL;
	if (pg_query(pg, "SELECT inner_pad, outer_pad FROM chatmill.secret", NULL, 0, &row, fault) <
	    0)
		return -1;
	if (pg_rows(row) != 1) {
		*fault = (struct pg_fault){ACTION_CONFIG, "P0002", "chatmill.secret has no key"};
		return -1;
	}
	memcpy(e->inner, pg_text(row, 0, 0).data, sizeof e->inner); /* a CHECK says 64 bytes */
	memcpy(e->outer, pg_text(row, 0, 1).data, sizeof e->outer);
	return 0;
}

int erasure_run(struct pg *pg, const struct event *event, bool *held, struct pg_fault *fault)
{
	struct column at = {0};

	column_begin(&at, COLUMN_TIME);
	column_number(&at, event->time_ms);
	struct pg_parameter parameters[] = {
		{25, event->corpid },
		{25, event->subject},
		column_parameter(&at)
	};
	OWNED(pg_result) *row = NULL;
	int result = pg_query(pg, "SELECT chatmill.erase($1, $2, ($3::timestamptz[])[1])",
			      parameters, ARRAY_LEN(parameters), &row, fault);
	column_fini(&at);
	if (result < 0)
		return -1;
	*held = str_eq(pg_text(row, 0, 0), STR("held"));
	if (*held)
		log_event(LOG_WARN, "erase_held",
			  LOG_TEXT("why", "the person is in chatmill.hold"));
	return 0;
}

struct str erasure_name(const struct store_item *item, struct arena *arena)
{
	if (!item->event && !item->message)
		return item->key;
	struct str corpid = item->event ? item->event->corpid : item->message->corpid;
	struct str subject = item->event ? item->event->subject : item->message->subject;
	return arena_printf(arena, "%.*s/%.*s", STR_ARG(corpid), STR_ARG(subject));
}

static int64_t time_of(const struct store_item *item)
{
	int64_t ms = item->event     ? item->event->msgtime_ms
		     : item->message ? item->message->msgtime_ms
				     : item->record_ms;
	/* What no column can hold is refused by its own row, and must not stop the batch. */
	return store_time(ms);
}

static struct str hmac(const struct erasure *e, const struct store_item *item, struct arena *arena)
{
	struct str name = erasure_name(item, arena);
	char *block = arena_alloc(arena, sizeof e->inner + name.len);
	unsigned char outer[sizeof e->outer + SHA256_BYTES];
	unsigned char *out = arena_alloc(arena, SHA256_BYTES);

	memcpy(block, e->inner, sizeof e->inner);
	if (name.len) /* a record without a key has none, and memcpy() takes no NULL */
		memcpy(block + sizeof e->inner, name.data, name.len);
	memcpy(outer, e->outer, sizeof e->outer);
	digest_sha256((struct str){block, sizeof e->inner + name.len}, outer + sizeof e->outer);
	digest_sha256((struct str){(char *)outer, sizeof outer}, out);
	return (struct str){(char *)out, SHA256_BYTES};
}

int erasure_drop(struct erasure *e, struct pg *pg, struct store_item *items, size_t *count,
		 struct arena *arena, struct pg_fault *fault)
{
	struct column names = {0}, times = {0};
	size_t kept = 0;

	if (*count == 0)
		return 0;
	column_begin(&names, COLUMN_BYTES);
	column_begin(&times, COLUMN_TIME);
	for (size_t i = 0; i < *count; i++) {
		column_str(&names, hmac(e, &items[i], arena));
		column_number(&times, time_of(&items[i]));
	}
	struct pg_parameter parameters[] = {column_parameter(&names), column_parameter(&times)};
	OWNED(pg_result) *rows = NULL;
	int result = pg_query(pg,
			      "SELECT x.n::int4 - 1 FROM unnest($1::bytea[], $2::timestamptz[]) "
			      "WITH ORDINALITY AS x(hmac, at, n) "
			      "JOIN chatmill.erased e ON e.subject_hmac = x.hmac AND x.at < e.at "
			      "ORDER BY 1",
			      parameters, ARRAY_LEN(parameters), &rows, fault);
	column_fini(&names);
	column_fini(&times);
	if (result < 0)
		return -1;
	int next = 0;
	for (size_t i = 0; i < *count; i++) {
		if (next < pg_rows(rows) && pg_i64(rows, next, 0) == (int64_t)i)
			next++;
		else
			items[kept++] = items[i];
	}
	*count = kept;
	return 0;
}
