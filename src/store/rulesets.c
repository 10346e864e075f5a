/* rulesets.c - enters digests as events name them, and fills their texts in. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rulesets.h"

#include "base/digest.h"

void rulesets_fini(struct rulesets *r)
{
	column_fini(&r->times);
}

void rulesets_forget(struct rulesets *r)
{
	memset(r->seen, 0, sizeof r->seen);
}

/* Whether the table has to hear of the event's digest; remembers that it did. */
static bool is_news(struct rulesets *r, const struct event *e)
{
	/* The events may hold anything there; what is no digest names no rule set, and must not stop the
	 * batch of which only its own row was refused. */
	if (!digest_is_text(e->ruleset))
		return false;
	size_t i = 0;
	while (i < ARRAY_LEN(r->seen) && !str_eq(str_of(r->seen[i].digest), e->ruleset))
		i++;
	if (i < ARRAY_LEN(r->seen) && r->seen[i].first_ms <= e->time_ms)
		return false;
	if (i == ARRAY_LEN(r->seen))
		i = r->next++ % ARRAY_LEN(r->seen);
	memcpy(r->seen[i].digest, e->ruleset.data, e->ruleset.len);
	r->seen[i].digest[e->ruleset.len] = '\0';
	r->seen[i].first_ms = e->time_ms;
	return true;
}

int rulesets_write(struct rulesets *r, struct pg *pg, const struct store_item *items, size_t count,
		   uint64_t *written, struct pg_fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		const struct event *e = items[i].event;
		if (!e || !is_news(r, e))
			continue;
		column_begin(&r->times, COLUMN_TIME);
		column_number(&r->times, e->time_ms);
		struct pg_parameter parameters[] = {pg_text_parameter(e->ruleset),
						    column_parameter(&r->times)};
		if (pg_query(pg,
			     "INSERT INTO chatmill.ruleset AS t (digest, first_used) "
			     "SELECT $1::text, ($2::timestamptz[])[1] ON CONFLICT (digest) DO "
			     "UPDATE SET first_used = EXCLUDED.first_used "
			     "WHERE t.first_used > EXCLUDED.first_used",
			     parameters, ARRAY_LEN(parameters), NULL, fault) < 0)
			return -1;
		++*written;
	}
	return 0;
}

int rulesets_missing(struct pg *pg, struct store_digest *out, size_t max, size_t *count,
		     struct pg_fault *fault)
{
	OWNED(pg_result) *rows = NULL;

	if (pg_query(pg,
		     "SELECT digest::text FROM chatmill.ruleset WHERE text IS NULL "
		     "ORDER BY first_used",
		     NULL, 0, &rows, fault) < 0)
		return -1;
	*count = 0;
	for (int r = 0; r < pg_rows(rows) && *count < max; r++) {
		struct str digest = pg_text(rows, r, 0);
		if (digest.len < sizeof out->text)
			(void)snprintf(out[(*count)++].text, sizeof out->text, "%.*s",
				       STR_ARG(digest));
	}
	return 0;
}

int rulesets_fill(struct pg *pg, const char *digest, struct str text, struct pg_fault *fault)
{
	struct pg_parameter parameters[] = {pg_text_parameter(str_of(digest)),
					    pg_text_parameter(text)};

	return pg_query(pg,
			"UPDATE chatmill.ruleset SET text = $2 WHERE digest = $1 AND text IS NULL",
			parameters, ARRAY_LEN(parameters), NULL, fault);
}
