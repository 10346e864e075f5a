/* rejects.c - keeps what was refused, writes it, and knows when it is too much. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rejects.h"

#include "base/heap.h"
#include "base/utf8.h"

enum {
	WINDOW_ROWS = 10000, /* over which refusals are counted … */
	PERCENT_MAX = 20,    /* … and more than this are no poison but a wrong schema */
	COUNT_MIN = 100,     /* a topic may begin with one bad record */
};

void rejects_fini(struct rejects *r)
{
	for (size_t i = 0; i < ARRAY_LEN(r->columns); i++)
		column_fini(&r->columns[i]);
	free(r->rows);
}

void rejects_add(struct rejects *r, const struct store_item *item, const char *sqlstate,
		 const char *text)
{
	if (r->count == r->cap) {
		r->cap = MAX(64, r->cap * 2);
		r->rows = heap_grown(r->rows, (size_t)r->cap * sizeof *r->rows);
	}
	struct reject *row = &r->rows[r->count++];
	row->item = item;
	(void)snprintf(row->sqlstate, sizeof row->sqlstate, "%s", sqlstate);
	(void)snprintf(row->text, sizeof row->text, "%s", text);
	row->text[utf8_valid_len(str_of(row->text))] = '\0'; /* a character that was cut */
}

void rejects_forget(struct rejects *r, struct str key)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++)
		if (!str_eq(r->rows[i].item->key, key))
			r->rows[kept++] = r->rows[i];
	r->count = kept;
}

int rejects_write(struct rejects *r, struct pg *pg, struct pg_fault *fault)
{
	static const enum column_type types[] = {COLUMN_TEXT,  COLUMN_I32,   COLUMN_I64,
						 COLUMN_BYTES, COLUMN_BYTES, COLUMN_TEXT,
						 COLUMN_TEXT};
	struct pg_parameter parameters[ARRAY_LEN(types)];
	struct column *c = r->columns;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		column_begin(&c[i], types[i]);
	for (size_t i = 0; i < r->count; i++) {
		const struct reject *row = &r->rows[i];
		column_str(&c[0], str_of(row->item->partition->topic));
		column_number(&c[1], row->item->partition->partition);
		column_number(&c[2], row->item->offset);
		column_str(&c[3], row->item->key);
		column_str(&c[4], row->item->value);
		column_str(&c[5], str_of(row->sqlstate));
		column_str(&c[6], str_of(row->text));
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		parameters[i] = column_parameter(&c[i]);
	return pg_query(
		pg,
		"INSERT INTO chatmill.sink_reject (topic, partition, \"offset\", key, value, "
		"sqlstate, message) SELECT * FROM unnest($1::text[], $2::int4[], $3::int8[], "
		"$4::bytea[], $5::bytea[], $6::text[], $7::text[]) AS x(a, b, c) "
		"ORDER BY a, b, c ON CONFLICT DO NOTHING",
		parameters, ARRAY_LEN(parameters), NULL, fault);
}

void rejects_count(struct rejects *r, size_t rows)
{
	r->window_rows += rows;
	r->window_refused += r->count;
	if (r->window_rows >= WINDOW_ROWS) {
		r->window_rows /= 2;
		r->window_refused /= 2;
	}
}

bool rejects_too_many(const struct rejects *r, size_t rows, struct err *err)
{
	uint64_t refused = r->window_refused + r->count;

	if (r->count == 0 || refused < COUNT_MIN ||
	    refused * 100 <= (r->window_rows + rows) * PERCENT_MAX)
		return false;
	const struct reject *first = &r->rows[0];
	(void)err_set(err, ERR_DATA,
		      "postgres: more than %d %% of the last rows were refused; the first of them, "
		      "offset %lld of %s [%d]: %s (SQLSTATE %s)",
		      PERCENT_MAX, (long long)first->item->offset, first->item->partition->topic,
		      first->item->partition->partition, first->text, first->sqlstate);
	return true;
}
