/* writer.c - writes items table by table, and finds those that the server refuses by halving. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/writer.h"

#include "base/fault.h"
#include "store/suspect.h"

void writer_fini(struct writer *w)
{
	rows_fini(&w->rows);
	rejects_fini(&w->rejects);
	arena_fini(&w->arena);
	arena_fini(&w->rows_arena);
}

static int write_tables(struct writer *w, const struct store_item *items, size_t count,
			int32_t shard, bool careful, struct pg_fault *fault)
{
	arena_reset(&w->rows_arena);
	rows_build(&w->rows, items, count, careful, &w->rows_arena);
	for (int t = 0; t < ROWS_TABLE_COUNT; t++)
		if (rows_write(&w->rows, t, shard, w->pg, fault) < 0)
			return -1;
	return 0;
}

/* All statements of the items; the caller has set a savepoint. COPY fails where an event is in the
 * table already: somebody set offsets back, or redrove dead letters. Then, and for some batches
 * after, the statement that leaves such rows alone does it. */
static int write_rows(struct writer *w, const struct store_item *items, size_t count, int32_t shard,
		      struct pg_fault *fault)
{
	enum { CAREFUL_BATCHES = 64 };

	if (w->careful > 0) {
		w->careful--;
		return write_tables(w, items, count, shard, true, fault);
	}
	if (write_tables(w, items, count, shard, false, fault) == 0)
		return 0;
	if (strcmp(fault->sqlstate, "23505") != 0)
		return -1;
	if (pg_run(w->pg, "ROLLBACK TO SAVEPOINT part", fault) < 0)
		return -1;
	w->careful = CAREFUL_BATCHES;
	return write_tables(w, items, count, shard, true, fault);
}

/* Writes the items; those that the server refuses are found by halving and set aside. The left
 * half lands before the right one, so that the order of a key is kept. */
static int write_or_refuse(struct writer *w, const struct store_item *items, size_t count,
			   int32_t shard, struct pg_fault *fault)
{
	struct pg_fault why;

	if (count == 0)
		return 0;
	fault_point("sink_savepoint");
	if (pg_run(w->pg, "SAVEPOINT part", fault) < 0)
		return -1;
	if (write_rows(w, items, count, shard, &why) == 0)
		return pg_run(w->pg, "RELEASE SAVEPOINT part", fault);
	if (why.action != ACTION_REJECT) {
		*fault = why;
		return -1;
	}
	if (pg_run(w->pg, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", fault) < 0)
		return -1;
	if (count == 1) {
		rejects_add(&w->rejects, items, why.sqlstate, why.text);
		return 0;
	}
	if (write_or_refuse(w, items, count / 2, shard, fault) < 0)
		return -1;
	return write_or_refuse(w, items + count / 2, count - count / 2, shard, fault);
}

/* Suspects alone, what stands between them together; all in their order. */
static int write_around_suspects(struct writer *w, const struct store_item *items, size_t count,
				 int32_t shard, struct pg_fault *fault)
{
	size_t start = 0;

	for (size_t i = 0; i < count; i++) {
		if (!store_is_suspect(&items[i]))
			continue;
		if (write_or_refuse(w, items + start, i - start, shard, fault) < 0 ||
		    write_or_refuse(w, items + i, 1, shard, fault) < 0)
			return -1;
		start = i + 1;
	}
	return write_or_refuse(w, items + start, count - start, shard, fault);
}

/* What is no event, or no value that a column can hold, needs no server to be refused. */
static bool has_rows(struct writer *w, const struct store_item *item)
{
	if (item->refusal) {
		rejects_add(&w->rejects, item, "22P02", item->refusal);
		return false;
	}
	if (item->event && item->event->sequence > INT64_MAX) {
		rejects_add(&w->rejects, item, "22003", "sequence out of range");
		return false;
	}
	return true;
}

/* The items between two erasures. */
static int write_part(struct writer *w, const struct store_item *items, size_t count, int32_t shard,
		      bool any_erased, struct pg_fault *fault)
{
	struct store_item *kept = arena_alloc(&w->arena, count * sizeof *kept + 1);
	struct store_item *rows = arena_alloc(&w->arena, count * sizeof *rows + 1);
	size_t kept_count = 0, row_count = 0;

	for (size_t i = 0; i < count; i++)
		if (items[i].event || items[i].message || items[i].refusal)
			kept[kept_count++] = items[i]; /* of others only the offset moves */
	if (any_erased) {
		size_t before = kept_count;
		if (erasure_drop(&w->erasure, w->pg, kept, &kept_count, &w->arena, fault) < 0)
			return -1;
		w->dropped_erased += before - kept_count;
	}
	for (size_t i = 0; i < kept_count; i++)
		if (has_rows(w, &kept[i]))
			rows[row_count++] = kept[i]; /* refusals point to the others */
	return write_around_suspects(w, rows, row_count, shard, fault);
}

/* Forgets the person that the event names; a name that the server refuses is set aside. */
static int erase(struct writer *w, const struct store_item *item, struct pg_fault *fault)
{
	struct pg_fault why;
	bool held;

	fault_point("sink_erase");
	if (pg_run(w->pg, "SAVEPOINT part", fault) < 0)
		return -1;
	if (erasure_run(w->pg, item->event, &held, &why) == 0) {
		w->erased++;
		if (!held)
			rejects_forget(&w->rejects, erasure_name(item, &w->arena));
		return pg_run(w->pg, "RELEASE SAVEPOINT part", fault);
	}
	*fault = why;
	if (why.action != ACTION_REJECT)
		return -1;
	rejects_add(&w->rejects, item, why.sqlstate, why.text);
	return pg_run(w->pg, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", fault);
}

int writer_write(struct writer *w, const struct store_item *items, size_t count, int32_t shard,
		 bool any_erased, struct pg_fault *fault)
{
	size_t start = 0;

	arena_reset(&w->arena);
	w->rejects.count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct event *e = items[i].event;
		if (!e || e->type != EVENT_ERASE)
			continue;
		if (write_part(w, items + start, i - start, shard, any_erased, fault) < 0)
			return -1;
		if (erase(w, &items[i], fault) < 0)
			return -1;
		any_erased = true;
		start = i + 1;
	}
	return write_part(w, items + start, count - start, shard, any_erased, fault);
}
