/* store.c - the transaction of a batch, and what to do when it fails. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/fault.h"
#include "base/log.h"
#include "store/archive.h"
#include "store/erasure.h"
#include "store/migrate.h"
#include "store/months.h"
#include "store/rows.h"

enum {
	WAIT_FIRST_MS = 100,
	WAIT_MAX_MS = 30000,
	BATCH_MAX = 1 << 20,     /* items of one transaction; the sink asks for far fewer */
	REJECT_WINDOW = 10000,   /* rows over which refusals are counted … */
	REJECT_PERCENT_MAX = 20, /* … and more than this are no poison but a wrong schema */
};

struct store {
	struct pg *pg;
	char *pipeline, *owner;
	bool checked; /* this connection's database is ours and of our version */
	int64_t wait_ms;
	size_t batch_max; /* halved after lost locks, doubled after success */
	struct rows rows;
	struct column columns[8];
	struct arena arena, rows_arena; /* of one attempt; of one statement */
	struct months months;
	struct erasure erasure;
	struct archive *archive; /* NULL: no messages come */
	int careful; /* statements that are still laid out with care: see write_rows() */
	struct refused {
		const struct store_item *item;
		char sqlstate[6];
		char text[200];
	} * refused;
	size_t refused_count, refused_cap;
	uint64_t window_rows, window_refused;
	struct ruleset_seen {
		char digest[80];
		int64_t first_ms;
	} rulesets[64]; /* what the table is known to hold */
	size_t ruleset_next;
	struct store_counts counts;
	char sqlstate[6]; /* of the last fault */
};

int store_new(struct store **out, const struct store_settings *settings, struct err *err)
{
	OWNED(store) *s = calloc(1, sizeof *s);
	if (!s || !(s->pipeline = strdup(settings->pipeline)) ||
	    !(s->owner = strdup(settings->owner)))
		return err_set(err, ERR_OS, "store: out of memory");
	s->batch_max = BATCH_MAX;
	if (settings->archive && archive_new(&s->archive, err) < 0)
		return -1;
	s->rows.archive = s->archive;
	if (pg_new(&s->pg, settings->postgres, settings->postgres_count, err) < 0)
		return -1;
	*out = TAKE(s);
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	pg_free(s->pg);
	rows_fini(&s->rows);
	for (size_t i = 0; i < ARRAY_LEN(s->columns); i++)
		column_fini(&s->columns[i]);
	archive_free(s->archive);
	arena_fini(&s->arena);
	arena_fini(&s->rows_arena);
	free(s->refused);
	free(s->pipeline);
	free(s->owner);
	free(s);
}

int64_t store_wait_ms(const struct store *s)
{
	return s->wait_ms;
}

const char *store_sqlstate(const struct store *s)
{
	return s->sqlstate;
}

struct store_counts store_counts(const struct store *s)
{
	return s->counts;
}

/* Turns a fault into what the caller shall do, and leaves the connection without a transaction. */
static enum store_result failed(struct store *s, const struct pg_fault *fault, const char *doing,
				struct err *err)
{
	(void)pg_err(err, fault, doing);
	(void)snprintf(s->sqlstate, sizeof s->sqlstate, "%s", fault->sqlstate);
	pg_rollback(s->pg);
	memset(s->rulesets, 0, sizeof s->rulesets); /* some may not be in the table after all */
	switch (fault->action) {
	case ACTION_RECONNECT:
		/* Also of a read-only server: the next connection searches the one that writes. */
		pg_disconnect(s->pg);
		break;
	case ACTION_RETRY:
		s->counts.retries++;
		s->batch_max = MAX(s->batch_max / 2, 1);
		break;
	case ACTION_WAIT:
		break;
	case ACTION_REJECT:
	case ACTION_PERMISSION:
	case ACTION_CONFIG:
	case ACTION_BUG:
		return STORE_FAILED;
	}
	s->wait_ms = s->wait_ms ? MIN(s->wait_ms * 2, WAIT_MAX_MS) : WAIT_FIRST_MS;
	return STORE_LATER;
}

static struct pg_parameter text_parameter(struct str text)
{
	return (struct pg_parameter){
		25, text.data ? text : (struct str){"", 0}
	};
}

/* Enters our name if the schema serves nobody yet, and reads whose it is. */
static enum store_result check_pipeline(struct store *s, struct err *err)
{
	struct pg_parameter name = text_parameter(str_of(s->pipeline));
	struct pg_fault fault;

	OWNED(pg_result) *row = NULL;
	if (pg_query(s->pg,
		     "INSERT INTO chatmill.pipeline (name) SELECT $1::text "
		     "WHERE NOT EXISTS (SELECT FROM chatmill.pipeline) ON CONFLICT DO NOTHING",
		     &name, 1, NULL, &fault) < 0 ||
	    pg_query(s->pg, "SELECT name::text FROM chatmill.pipeline", NULL, 0, &row, &fault) < 0)
		return failed(s, &fault, "reading chatmill.pipeline", err);
	if (pg_rows(row) == 1 && str_eq(pg_text(row, 0, 0), str_of(s->pipeline)))
		return STORE_DONE;
	struct str other = pg_rows(row) ? pg_text(row, 0, 0) : (struct str){0};
	(void)err_set(
		err, ERR_CONFIG,
		"postgres: the schema chatmill serves the pipeline '%.*s', not '%s': give this "
		"pipeline a database of its own",
		STR_ARG(other), s->pipeline);
	return STORE_FAILED;
}

static enum store_result check_version(struct store *s, struct err *err)
{
	struct migration_status status;

	arena_reset(&s->arena);
	if (migrate_status(s->pg, &status, &s->arena, err) < 0)
		return err->kind == ERR_UNAVAILABLE || err->kind == ERR_RETRY ? STORE_LATER
									      : STORE_FAILED;
	if (status.applied == migration_count)
		return STORE_DONE;
	(void)err_set(err, ERR_CONFIG,
		      "postgres: the schema is at version %d, this program needs %d: run "
		      "`chatmill db migrate`",
		      status.applied, migration_count);
	return STORE_FAILED;
}

enum store_result store_open(struct store *s, struct err *err)
{
	struct pg_fault fault;

	if (pg_is_connected(s->pg) && s->checked)
		return STORE_DONE;
	s->checked = false;
	if (!pg_is_connected(s->pg) && pg_connect(s->pg, &fault) < 0)
		return failed(s, &fault, "connecting", err);
	enum store_result result = check_version(s, err);
	if (result == STORE_DONE)
		result = check_pipeline(s, err);
	if (result == STORE_DONE && erasure_open(&s->erasure, s->pg, &fault) < 0)
		result = failed(s, &fault, "reading chatmill.secret", err);
	if (result == STORE_DONE && s->archive && archive_open(s->archive, s->pg, &fault) < 0)
		result = failed(s, &fault, "reading chatmill.message_dictionary", err);
	s->checked = result == STORE_DONE;
	return result;
}

/* ---- claim ---- */

enum store_result store_claim(struct store *s, struct store_partition *parts, size_t count,
			      struct err *err)
{
	struct column *topics = &s->columns[0], *numbers = &s->columns[1];
	struct pg_fault fault;
	enum store_result result = store_open(s, err);

	if (result != STORE_DONE)
		return result;
	column_begin(topics, COLUMN_TEXT);
	column_begin(numbers, COLUMN_I32);
	for (size_t i = 0; i < count; i++) {
		column_str(topics, str_of(parts[i].topic));
		column_number(numbers, parts[i].partition);
	}
	struct pg_parameter parameters[] = {
		text_parameter(str_of(s->pipeline)),
		text_parameter(str_of(s->owner)),
		column_parameter(topics),
		column_parameter(numbers),
	};
	OWNED(pg_result) *rows = NULL;
	if (pg_query(s->pg,
		     "INSERT INTO chatmill.sink_offset AS t "
		     "(pipeline, topic, partition, next_offset, owner, epoch) "
		     "SELECT $1::text, topic, partition, -1, $2::text, 1 "
		     "FROM unnest($3::text[], $4::int4[]) AS x(topic, partition) "
		     "ORDER BY topic, partition "
		     "ON CONFLICT (pipeline, topic, partition) DO UPDATE "
		     "SET owner = EXCLUDED.owner, epoch = t.epoch + 1, updated_at = now() "
		     "RETURNING topic::text, partition, next_offset, epoch",
		     parameters, ARRAY_LEN(parameters), &rows, &fault) < 0)
		return failed(s, &fault, "taking over partitions", err);
	for (int r = 0; r < pg_rows(rows); r++)
		for (size_t i = 0; i < count; i++)
			if (parts[i].partition == pg_i64(rows, r, 1) &&
			    str_eq(str_of(parts[i].topic), pg_text(rows, r, 0))) {
				parts[i].next_offset = pg_i64(rows, r, 2);
				parts[i].epoch = pg_i64(rows, r, 3);
			}
	s->wait_ms = 0;
	return STORE_DONE;
}

/* ---- the transaction of a batch ---- */

/* A partition with what of it is in the batch. */
struct position {
	const struct store_partition *partition;
	int64_t in_table; /* next_offset of the table */
	int64_t next;     /* behind the last item */
};

static struct position *position_of(struct position *positions, size_t *count,
				    const struct store_partition *partition)
{
	for (size_t i = 0; i < *count; i++)
		if (positions[i].partition == partition)
			return &positions[i];
	positions[*count] = (struct position){.partition = partition};
	return &positions[(*count)++];
}

/* The server cancels what takes too long, because libpq's own cancel is not encrypted. Hash and
 * merge joins would read all of customer_tag for a batch of a few thousand rows. */
static const char begin_sql[] =
	"BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'; "
	"SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL jit = off; "
	"SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/* Locks the offsets. Returns 1 if we still own all partitions, 0 if not, -1 with a fault. */
static int fence(struct store *s, struct position *positions, size_t count, bool *any_erased,
		 struct pg_fault *fault)
{
	struct column *topics = &s->columns[0], *numbers = &s->columns[1];

	column_begin(topics, COLUMN_TEXT);
	column_begin(numbers, COLUMN_I32);
	for (size_t i = 0; i < count; i++) {
		column_str(topics, str_of(positions[i].partition->topic));
		column_number(numbers, positions[i].partition->partition);
	}
	struct pg_parameter parameters[] = {text_parameter(str_of(s->pipeline)),
					    column_parameter(topics), column_parameter(numbers)};
	OWNED(pg_result) *rows = NULL;
	if (pg_query(s->pg,
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
			const struct store_partition *p = positions[i].partition;
			if (p->partition != pg_i64(rows, r, 1) ||
			    !str_eq(str_of(p->topic), pg_text(rows, r, 0)))
				continue;
			positions[i].in_table = pg_i64(rows, r, 2);
			owned += p->epoch == pg_i64(rows, r, 3);
			*any_erased = pg_text(rows, r, 4).data[0];
		}
	return owned == count;
}

static void refuse(struct store *s, const struct store_item *item, const char *sqlstate,
		   const char *text)
{
	if (s->refused_count == s->refused_cap) {
		s->refused_cap = MAX(64, s->refused_cap * 2);
		s->refused = realloc(s->refused, s->refused_cap * sizeof *s->refused);
		if (!s->refused)
			abort(); /* as in arena.h */
	}
	struct refused *r = &s->refused[s->refused_count++];
	r->item = item;
	(void)snprintf(r->sqlstate, sizeof r->sqlstate, "%s", sqlstate);
	(void)snprintf(r->text, sizeof r->text, "%s", text);
}

static int write_tables(struct store *s, const struct store_item *items, size_t count,
			int32_t shard, bool careful, struct pg_fault *fault)
{
	static const char *const points[ROWS_TABLE_COUNT] = {
		"sink_tag_event",      "sink_stage_event",    "sink_message", "sink_customer_tag",
		"sink_customer_staff", "sink_customer_stage", "sink_alert",   "sink_stage_day"};

	arena_reset(&s->rows_arena);
	rows_build(&s->rows, items, count, careful, &s->rows_arena);
	for (int t = 0; t < ROWS_TABLE_COUNT; t++) {
		fault_point(points[t]);
		if (rows_write(&s->rows, t, shard, s->pg, fault) < 0)
			return -1;
	}
	return 0;
}

/* All statements of the items; the caller has set a savepoint. COPY fails where an event is in the
 * table already: somebody set offsets back, or redrove dead letters. Then, and for some batches
 * after, the statement that leaves such rows alone does it. */
static int write_rows(struct store *s, const struct store_item *items, size_t count, int32_t shard,
		      struct pg_fault *fault)
{
	enum { CAREFUL_BATCHES = 64 };

	if (s->careful > 0) {
		s->careful--;
		return write_tables(s, items, count, shard, true, fault);
	}
	if (write_tables(s, items, count, shard, false, fault) == 0)
		return 0;
	if (strcmp(fault->sqlstate, "23505") != 0)
		return -1;
	if (pg_run(s->pg, "ROLLBACK TO SAVEPOINT part", fault) < 0)
		return -1;
	s->careful = CAREFUL_BATCHES;
	return write_tables(s, items, count, shard, true, fault);
}

/* Writes the items; those that the server refuses are found by halving and set aside. The left
 * half lands before the right one, so that the order of a key is kept. */
static int write_or_refuse(struct store *s, const struct store_item *items, size_t count,
			   int32_t shard, struct pg_fault *fault)
{
	struct pg_fault why;

	if (count == 0)
		return 0;
	fault_point("sink_savepoint");
	if (pg_run(s->pg, "SAVEPOINT part", fault) < 0)
		return -1;
	if (write_rows(s, items, count, shard, &why) == 0)
		return pg_run(s->pg, "RELEASE SAVEPOINT part", fault);
	if (why.action != ACTION_REJECT) {
		*fault = why;
		return -1;
	}
	if (pg_run(s->pg, "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part", fault) < 0)
		return -1;
	if (count == 1) {
		refuse(s, items, why.sqlstate, why.text);
		return 0;
	}
	if (write_or_refuse(s, items, count / 2, shard, fault) < 0)
		return -1;
	return write_or_refuse(s, items + count / 2, count - count / 2, shard, fault);
}

/* What is no event, or no value that a column can hold, needs no server to be refused. */
static bool has_rows(struct store *s, const struct store_item *item)
{
	if (item->refusal) {
		refuse(s, item, "22P02", item->refusal);
		return false;
	}
	if (item->message)
		return true;
	if (!item->event)
		return false; /* only the offset moves */
	if (item->event->sequence > INT64_MAX) {
		refuse(s, item, "22003", "sequence out of range");
		return false;
	}
	return true;
}

/* The items between two erasures. */
static int write_part(struct store *s, const struct store_item *items, size_t count, int32_t shard,
		      bool any_erased, struct pg_fault *fault)
{
	struct store_item *kept = arena_alloc(&s->arena, count * sizeof *kept + 1);
	size_t kept_count = 0;

	for (size_t i = 0; i < count; i++)
		if (has_rows(s, &items[i]))
			kept[kept_count++] = items[i];
	if (any_erased) {
		size_t before = kept_count;
		if (erasure_drop(&s->erasure, s->pg, kept, &kept_count, &s->arena, fault) < 0)
			return -1;
		s->counts.dropped_erased += before - kept_count;
	}
	return write_or_refuse(s, kept, kept_count, shard, fault);
}

static int write_items(struct store *s, const struct store_item *items, size_t count, int32_t shard,
		       bool any_erased, struct pg_fault *fault)
{
	size_t start = 0;

	for (size_t i = 0; i < count; i++) {
		const struct event *e = items[i].event;
		if (!e || e->type != EVENT_ERASE)
			continue;
		if (write_part(s, items + start, i - start, shard, any_erased, fault) < 0)
			return -1;
		fault_point("sink_erase");
		if (erasure_run(s->pg, e, fault) < 0)
			return -1;
		s->counts.erased++;
		any_erased = true;
		start = i + 1;
	}
	return write_part(s, items + start, count - start, shard, any_erased, fault);
}

static int write_refused(struct store *s, struct pg_fault *fault)
{
	static const enum column_type types[] = {COLUMN_TEXT,  COLUMN_I32,   COLUMN_I64,
						 COLUMN_BYTES, COLUMN_BYTES, COLUMN_TEXT,
						 COLUMN_TEXT};
	struct pg_parameter parameters[ARRAY_LEN(types)];
	struct column *c = s->columns;

	if (s->refused_count == 0)
		return 0;
	fault_point("sink_reject");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		column_begin(&c[i], types[i]);
	for (size_t i = 0; i < s->refused_count; i++) {
		const struct refused *r = &s->refused[i];
		column_str(&c[0], str_of(r->item->partition->topic));
		column_number(&c[1], r->item->partition->partition);
		column_number(&c[2], r->item->offset);
		column_str(&c[3], r->item->key);
		column_str(&c[4], r->item->value);
		column_str(&c[5], str_of(r->sqlstate));
		column_str(&c[6], str_of(r->text));
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		parameters[i] = column_parameter(&c[i]);
	return pg_query(
		s->pg,
		"INSERT INTO chatmill.sink_reject (topic, partition, \"offset\", key, value, "
		"sqlstate, message) SELECT * FROM unnest($1::text[], $2::int4[], $3::int8[], "
		"$4::bytea[], $5::bytea[], $6::text[], $7::text[]) AS x(a, b, c) "
		"ORDER BY a, b, c ON CONFLICT DO NOTHING",
		parameters, ARRAY_LEN(parameters), NULL, fault);
}

static int write_offsets(struct store *s, const struct position *positions, size_t count,
			 struct pg_fault *fault)
{
	struct column *topics = &s->columns[0], *numbers = &s->columns[1], *nexts = &s->columns[2];

	fault_point("sink_offset");
	column_begin(topics, COLUMN_TEXT);
	column_begin(numbers, COLUMN_I32);
	column_begin(nexts, COLUMN_I64);
	for (size_t i = 0; i < count; i++) {
		column_str(topics, str_of(positions[i].partition->topic));
		column_number(numbers, positions[i].partition->partition);
		column_number(nexts, MAX(positions[i].next, positions[i].in_table));
	}
	struct pg_parameter parameters[] = {text_parameter(str_of(s->pipeline)),
					    column_parameter(topics), column_parameter(numbers),
					    column_parameter(nexts)};
	return pg_query(
		s->pg,
		"UPDATE chatmill.sink_offset t SET next_offset = x.next, updated_at = now() "
		"FROM unnest($2::text[], $3::int4[], $4::int8[]) AS x(topic, partition, next) "
		"WHERE t.pipeline = $1 AND t.topic = x.topic AND t.partition = x.partition",
		parameters, ARRAY_LEN(parameters), NULL, fault);
}

/* Enters the rule sets of the batch that the table may not know, with the time of their earliest
 * event. Known ones cost nothing. */
static int write_rulesets(struct store *s, const struct store_item *items, size_t count,
			  struct pg_fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		const struct event *e = items[i].event;
		if (!e || e->ruleset.len == 0 || e->ruleset.len >= sizeof s->rulesets[0].digest)
			continue;
		struct ruleset_seen *seen = NULL;
		for (size_t k = 0; k < ARRAY_LEN(s->rulesets) && !seen; k++)
			if (str_eq(str_of(s->rulesets[k].digest), e->ruleset))
				seen = &s->rulesets[k];
		if (seen && seen->first_ms <= e->time_ms)
			continue;
		if (!seen)
			seen = &s->rulesets[s->ruleset_next++ % ARRAY_LEN(s->rulesets)];
		memcpy(seen->digest, e->ruleset.data, e->ruleset.len);
		seen->digest[e->ruleset.len] = '\0';
		seen->first_ms = e->time_ms;
		column_begin(&s->columns[0], COLUMN_TIME);
		column_number(&s->columns[0], e->time_ms);
		struct pg_parameter parameters[] = {text_parameter(e->ruleset),
						    column_parameter(&s->columns[0])};
		if (pg_query(s->pg,
			     "INSERT INTO chatmill.ruleset AS t (digest, first_used) "
			     "SELECT $1::text, ($2::timestamptz[])[1] ON CONFLICT (digest) DO "
			     "UPDATE "
			     "SET first_used = EXCLUDED.first_used WHERE t.first_used > "
			     "EXCLUDED.first_used",
			     parameters, ARRAY_LEN(parameters), NULL, fault) < 0)
			return -1;
	}
	return 0;
}

/* Everything between the fence and COMMIT, for the items that are not in the tables yet. */
static int write_new(struct store *s, const struct store_item *items, size_t count,
		     const struct position *positions, size_t position_count, bool any_erased,
		     struct pg_fault *fault)
{
	struct store_item *fresh = arena_alloc(&s->arena, count * sizeof *fresh + 1);
	size_t fresh_count = 0;
	int32_t shard = INT32_MAX;

	for (size_t i = 0; i < count; i++) {
		size_t p = 0;
		while (positions[p].partition != items[i].partition)
			p++;
		shard = MIN(shard, items[i].partition->partition);
		if (items[i].offset >= positions[p].in_table)
			fresh[fresh_count++] = items[i];
	}
	if (write_items(s, fresh, fresh_count, shard, any_erased, fault) < 0 ||
	    write_rulesets(s, fresh, fresh_count, fault) < 0 || write_refused(s, fault) < 0 ||
	    write_offsets(s, positions, position_count, fault) < 0)
		return -1;
	s->counts.skipped += count - fresh_count;
	return 0;
}

/* Whether so much was refused that the data cannot be at fault. Not before 100 rows: a topic may
 * begin with one bad record. */
static bool too_many_refused(struct store *s, size_t count)
{
	s->window_rows += count;
	s->window_refused += s->refused_count;
	bool too_many = s->window_refused >= 100 &&
			s->window_refused * 100 > s->window_rows * REJECT_PERCENT_MAX;
	if (s->window_rows >= REJECT_WINDOW) {
		s->window_rows /= 2;
		s->window_refused /= 2;
	}
	return too_many;
}

static enum store_result too_many(struct store *s, struct err *err)
{
	const struct refused *first = &s->refused[0];

	pg_rollback(s->pg);
	(void)err_set(err, ERR_DATA,
		      "postgres: more than %d %% of the last rows were refused; the first of them, "
		      "offset "
		      "%lld of %s [%d]: %s (SQLSTATE %s)",
		      REJECT_PERCENT_MAX, (long long)first->item->offset,
		      first->item->partition->topic, first->item->partition->partition, first->text,
		      first->sqlstate);
	return STORE_FAILED;
}

static enum store_result write_batch(struct store *s, const struct store_item *items, size_t count,
				     struct position *positions, size_t position_count,
				     struct err *err)
{
	struct pg_fault fault;
	bool any_erased;

	fault_point("sink_begin");
	if (pg_run(s->pg, begin_sql, &fault) < 0)
		return failed(s, &fault, "beginning a transaction", err);
	fault_point("sink_fence");
	int owned = fence(s, positions, position_count, &any_erased, &fault);
	if (owned < 0)
		return failed(s, &fault, "reading the offsets", err);
	if (!owned) {
		pg_rollback(s->pg);
		(void)err_set(err, ERR_RETRY,
			      "postgres: another sink has taken over the partitions");
		return STORE_FENCED;
	}
	s->refused_count = 0;
	if (write_new(s, items, count, positions, position_count, any_erased, &fault) < 0)
		return failed(s, &fault, "writing a batch", err);
	if (too_many_refused(s, count))
		return too_many(s, err);
	fault_point("sink_commit");
	if (pg_run(s->pg, "COMMIT", &fault) < 0)
		return failed(s, &fault, "committing", err);
	fault_point("sink_committed");
	return STORE_DONE;
}

enum store_result store_write(struct store *s, const struct store_item *items, size_t count,
			      size_t *taken, struct err *err)
{
	struct pg_fault fault;
	enum store_result result = store_open(s, err);

	if (result != STORE_DONE)
		return result;
	count = MIN(count, s->batch_max);
	arena_reset(&s->arena);
	struct position *positions = ARENA_ARRAY(&s->arena, struct position, count + 1);
	size_t position_count = 0;
	for (size_t i = 0; i < count; i++)
		position_of(positions, &position_count, items[i].partition)->next =
			items[i].offset + 1;

	if (months_make(&s->months, s->pg, items, count, &fault) < 0)
		return failed(s, &fault, "making partitions", err);
	if (s->archive && archive_learn(s->archive, items, count, s->pg, &fault) < 0)
		return failed(s, &fault, "keeping a dictionary", err);
	result = write_batch(s, items, count, positions, position_count, err);
	if (result != STORE_DONE)
		return result;
	for (size_t i = 0; i < s->refused_count; i++)
		log_event(LOG_WARN, "sink_reject",
			  LOG_TEXT("topic", s->refused[i].item->partition->topic),
			  LOG_NUM("partition", s->refused[i].item->partition->partition),
			  LOG_NUM("offset", s->refused[i].item->offset),
			  LOG_TEXT("sqlstate", s->refused[i].sqlstate));
	s->counts.rejected += s->refused_count;
	s->counts.batches++;
	s->counts.items += count;
	s->wait_ms = 0;
	s->batch_max = MIN(s->batch_max * 2, BATCH_MAX);
	*taken = count;
	return STORE_DONE;
}
