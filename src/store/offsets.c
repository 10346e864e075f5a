/* offsets.c - claims, locks and moves the rows of chatmill.sink_offset. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/offsets.h"

void offsets_fini(struct offsets *o)
{
	column_fini(&o->topics);
	column_fini(&o->numbers);
	column_fini(&o->nexts);
}

static void begin(struct offsets *o)
{
	column_begin(&o->topics, COLUMN_TEXT);
	column_begin(&o->numbers, COLUMN_I32);
	column_begin(&o->nexts, COLUMN_I64);
}

static void put(struct offsets *o, const struct store_partition *p, int64_t next)
{
	column_str(&o->topics, str_of(p->topic));
	column_number(&o->numbers, p->partition);
	column_number(&o->nexts, next);
}

static bool is_row_of(const struct pg_result *rows, int row, const struct store_partition *p)
{
	return p->partition == pg_i64(rows, row, 1) &&
	       str_eq(str_of(p->topic), pg_text(rows, row, 0));
}

int offsets_claim(struct offsets *o, struct pg *pg, struct store_partition *parts, size_t count,
		  struct pg_fault *fault)
{
	begin(o);
	for (size_t i = 0; i < count; i++)
		put(o, &parts[i], -1);
	struct pg_parameter parameters[] = {
		pg_text_parameter(str_of(o->pipeline)), pg_text_parameter(str_of(o->owner)),
		column_parameter(&o->topics), column_parameter(&o->numbers),
		column_parameter(&o->nexts)};
	OWNED(pg_result) *rows = NULL;
	if (pg_query(pg,
		     "INSERT INTO chatmill.sink_offset AS t "
		     "(pipeline, topic, partition, next_offset, owner, epoch) "
		     "SELECT $1::text, topic, partition, next, $2::text, 1 "
		     "FROM unnest($3::text[], $4::int4[], $5::int8[]) AS x(topic, partition, next) "
		     "ORDER BY topic, partition "
		     "ON CONFLICT (pipeline, topic, partition) DO UPDATE "
		     "SET owner = EXCLUDED.owner, epoch = t.epoch + 1, updated_at = now() "
		     "RETURNING topic::text, partition, next_offset, epoch",
		     parameters, ARRAY_LEN(parameters), &rows, fault) < 0)
		return -1;
	for (int r = 0; r < pg_rows(rows); r++)
		for (size_t i = 0; i < count; i++)
			if (is_row_of(rows, r, &parts[i])) {
				parts[i].next_offset = pg_i64(rows, r, 2);
				parts[i].epoch = pg_i64(rows, r, 3);
			}
	return 0;
}

size_t offsets_of(const struct store_item *items, size_t count, struct position *out)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		size_t p = 0;
		while (p < found && out[p].partition != items[i].partition)
			p++;
		if (p == found)
			out[found++] = (struct position){.partition = items[i].partition};
		out[p].next = items[i].offset + 1;
	}
	return found;
}

const struct position *offsets_find(const struct position *positions,
				    const struct store_partition *partition)
{
	while (positions->partition != partition)
		positions++;
	return positions;
}

int offsets_fence(struct offsets *o, struct pg *pg, struct position *positions, size_t count,
		  bool *any_erased, struct pg_fault *fault)
{
	begin(o);
	for (size_t i = 0; i < count; i++)
		put(o, positions[i].partition, 0);
	struct pg_parameter parameters[] = {pg_text_parameter(str_of(o->pipeline)),
					    column_parameter(&o->topics),
					    column_parameter(&o->numbers)};
	OWNED(pg_result) *rows = NULL;
	if (pg_query(pg,
		     "SELECT topic::text, partition, next_offset, epoch, "
		     "EXISTS (SELECT FROM chatmill.erased) FROM chatmill.sink_offset "
		     "WHERE pipeline = $1 AND (topic, partition) IN "
		     "(SELECT * FROM unnest($2::text[], $3::int4[])) "
		     "ORDER BY topic, partition FOR UPDATE",
		     parameters, ARRAY_LEN(parameters), &rows, fault) < 0)
		return -1;
	*any_erased = false;
	size_t owned = 0;
	for (int r = 0; r < pg_rows(rows); r++)
		for (size_t i = 0; i < count; i++) {
			if (!is_row_of(rows, r, positions[i].partition))
				continue;
			positions[i].in_table = pg_i64(rows, r, 2);
			owned += positions[i].partition->epoch == pg_i64(rows, r, 3);
			*any_erased = pg_text(rows, r, 4).data[0];
		}
	return owned == count;
}

int offsets_write(struct offsets *o, struct pg *pg, const struct position *positions, size_t count,
		  struct pg_fault *fault)
{
	begin(o);
	for (size_t i = 0; i < count; i++)
		put(o, positions[i].partition, MAX(positions[i].next, positions[i].in_table));
	struct pg_parameter parameters[] = {
		pg_text_parameter(str_of(o->pipeline)), column_parameter(&o->topics),
		column_parameter(&o->numbers), column_parameter(&o->nexts)};
	return pg_query(
		pg,
		"UPDATE chatmill.sink_offset t SET next_offset = x.next, updated_at = now() "
		"FROM unnest($2::text[], $3::int4[], $4::int8[]) AS x(topic, partition, next) "
		"WHERE t.pipeline = $1 AND t.topic = x.topic AND t.partition = x.partition",
		parameters, ARRAY_LEN(parameters), NULL, fault);
}
