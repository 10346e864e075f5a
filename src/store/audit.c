/* audit.c - one snapshot, compared by the server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

#include "base/hash.h"
#include "store/audit_keys.h"
#include "store/erasure.h"
#include "store/migrate.h"
#include "store/rows.h"
#include "store/tally.h"

enum { BATCH = 1000, COLUMNS_MAX = 26, TALLY_COLUMNS = 12 };

struct audit {
	struct audit_settings settings;
	struct pg *pg;
	struct pg_result *offsets; /* topic, partition, next offset */
	bool any_erased;
	struct erasure erasure;

	struct arena arena, rows_arena; /* of the batch; of its columns */
	struct store_item *items;
	struct audit_event *events; /* of each item */
	size_t count;
	struct rows rows;

	struct tally *tally;
	struct column columns[TALLY_COLUMNS];
	const struct tally_row **settled; /* rows in the columns, in their order */
	size_t settled_count;
	enum tally_table settling;
	bool failed;
	struct pg_fault fault;

	struct audit_keys keys[AUDIT_TABLE_COUNT], refused; /* refused: places of records */
	struct audit_counts counts;
};

/* ---- the tables ---- */

struct field {
	const char *name;
	bool is_list;
};

/* Keys come first. Columns in the order in which rows.c and columns_of() lay them out. */
struct layout {
	const char *table;
	size_t keys, count;
	struct field fields[COLUMNS_MAX];
};

#define EVENT_FIELDS                                                                               \
	{"event_id"}, {"day"}, {"corpid"}, {"external_userid"}, {"time"}, {"msgtime"}, {"sequence"}, \
		{"cause"}, {"late"}, {"add"}, {"remove"}, {"userids", true}, {"roomid"}, {"chat"},   \
		{"sender"}, {"sender_role"}, {"msgid"}, {"pack"}, {"rule"}, {"ruleset"}, {"by"},     \
		{"evidence"}

static const struct layout tag_event = {"tag_event", 2, 22, {EVENT_FIELDS}};
static const struct layout stage_event = {
	"stage_event", 2, 25, {EVENT_FIELDS, {"ladder"}, {"from_stage"}, {"to_stage"}}};
/* What never changes of an alert. */
static const struct layout alert_first = {
	"alert", 1, 19,
	{{"alert_id"}, {"corpid"}, {"subject"}, {"customer"}, {"room"}, {"staff", true}, {"severity"},
	 {"category"}, {"title"}, {"pack"}, {"rule"}, {"ruleset"}, {"time"}, {"msgtime"}, {"chat"},
	 {"sender"}, {"sender_role"}, {"msgid"}, {"evidence"}}};
static const struct layout settled[TALLY_TABLE_COUNT] = {
	[TALLY_TAG] = {"customer_tag", 4, 12,
		       {{"corpid"}, {"external_userid"}, {"group"}, {"tag"}, {"wecom_id"},
			{"userids", true}, {"since"}, {"removed_at"}, {"pack"}, {"rule"}, {"msgid"},
			{"sequence"}}},
	[TALLY_STAGE] = {"customer_stage", 3, 10,
			 {{"corpid"}, {"external_userid"}, {"ladder"}, {"stage"}, {"since"},
			  {"previous"}, {"pack"}, {"rule"}, {"msgid"}, {"sequence"}}},
	[TALLY_ALERT] = {"alert", 1, 6,
			 {{"alert_id"}, {"count"}, {"msgids", true}, {"recalled"}, {"recalled_at"},
			  {"sequence"}}},
};
static const enum column_type settled_types[TALLY_TABLE_COUNT][TALLY_COLUMNS] = {
	[TALLY_TAG] = {COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT,
		       COLUMN_TIME, COLUMN_TIME, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_I64},
	[TALLY_STAGE] = {COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TIME, COLUMN_TEXT,
			 COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_I64},
	[TALLY_ALERT] = {COLUMN_UUID, COLUMN_I64, COLUMN_TEXT, COLUMN_BOOL, COLUMN_TIME, COLUMN_I64},
};

/* ---- life ---- */

int audit_new(struct audit **out, const struct audit_settings *settings, struct err *err)
{
	OWNED(audit) *a = calloc(1, sizeof *a);

	if (!a || !(a->items = calloc(BATCH, sizeof *a->items)) ||
	    !(a->events = calloc(BATCH, sizeof *a->events)) ||
	    !(a->settled = calloc(BATCH, sizeof *a->settled)))
		return err_set(err, ERR_OS, "verify: out of memory");
	a->settings = *settings;
	a->tally = tally_new();
	if (pg_new(&a->pg, settings->postgres, settings->postgres_count, err) < 0)
		return -1;
	*out = TAKE(a);
	return 0;
}

void audit_free(struct audit *a)
{
	if (!a)
		return;
	pg_result_free(a->offsets);
	pg_free(a->pg);
	rows_fini(&a->rows);
	for (size_t i = 0; i < TALLY_COLUMNS; i++)
		column_fini(&a->columns[i]);
	for (size_t i = 0; i < AUDIT_TABLE_COUNT; i++)
		audit_keys_fini(&a->keys[i]);
	audit_keys_fini(&a->refused);
	tally_free(a->tally);
	arena_fini(&a->arena);
	arena_fini(&a->rows_arena);
	free(a->items);
	free(a->events);
	free(a->settled);
	free(a);
}

static int check_schema(struct audit *a, struct err *err)
{
	struct migration_status status;
	struct pg_fault fault;
	OWNED(pg_result) *row = NULL;

	if (migrate_status(a->pg, &status, &a->arena, err) < 0)
		return -1;
	if (status.applied != migration_count)
		return err_set(err, ERR_CONFIG,
			       "postgres: the schema is at version %d, this program needs %d: run "
			       "`chatmill db migrate`",
			       status.applied, migration_count);
	if (pg_query(a->pg, "SELECT name::text FROM chatmill.pipeline", NULL, 0, &row, &fault) < 0)
		return pg_err(err, &fault, "reading chatmill.pipeline");
	if (pg_rows(row) && !str_eq(pg_text(row, 0, 0), str_of(a->settings.pipeline)))
		return err_set(err, ERR_CONFIG,
			       "postgres: the schema chatmill serves the pipeline '%.*s', not '%s'",
			       STR_ARG(pg_text(row, 0, 0)), a->settings.pipeline);
	return 0;
}

/* A transaction that idles while the archive is read must not be ended for that. */
static const char begin_sql[] =
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
	"SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; "
	"SET LOCAL jit = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

static uint64_t key_of_place(struct str topic, int32_t partition, int64_t offset)
{
	int64_t place[] = {partition, offset};
	const struct str parts[] = {topic, {(const char *)place, sizeof place}};

	return audit_key(parts, ARRAY_LEN(parts));
}

/* Records that the server refused left no rows. */
static int read_refused(struct audit *a, struct pg_fault *fault)
{
	OWNED(pg_result) *rows = NULL;

	if (pg_query(a->pg, "SELECT topic::text, partition, \"offset\" FROM chatmill.sink_reject",
		     NULL, 0, &rows, fault) < 0)
		return -1;
	for (int i = 0; i < pg_rows(rows); i++)
		(void)audit_keys_add(&a->refused,
				     key_of_place(pg_text(rows, i, 0), (int32_t)pg_i64(rows, i, 1),
						  pg_i64(rows, i, 2)));
	return 0;
}

int audit_begin(struct audit *a, struct err *err)
{
	struct pg_parameter pipeline = pg_text_parameter(str_of(a->settings.pipeline));
	struct pg_fault fault;
	OWNED(pg_result) *erased = NULL;

	if (pg_connect(a->pg, &fault) < 0)
		return pg_err(err, &fault, "connecting");
	if (check_schema(a, err) < 0)
		return -1;
	if (pg_run(a->pg, begin_sql, &fault) < 0 ||
	    pg_query(a->pg,
		     "SELECT topic::text, partition, next_offset FROM chatmill.sink_offset "
		     "WHERE pipeline = $1",
		     &pipeline, 1, &a->offsets, &fault) < 0 ||
	    pg_query(a->pg, "SELECT EXISTS (SELECT FROM chatmill.erased)", NULL, 0, &erased,
		     &fault) < 0 ||
	    erasure_open(&a->erasure, a->pg, &fault) < 0 || read_refused(a, &fault) < 0)
		return pg_err(err, &fault, "beginning to read");
	a->any_erased = pg_text(erased, 0, 0).data[0];
	return 0;
}

int64_t audit_next_offset(const struct audit *a, const char *topic, int32_t partition)
{
	for (int i = 0; i < pg_rows(a->offsets); i++)
		if (pg_i64(a->offsets, i, 1) == partition &&
		    str_eq(pg_text(a->offsets, i, 0), str_of(topic)))
			return MAX(pg_i64(a->offsets, i, 2), (int64_t)0);
	return 0;
}

struct arena *audit_arena(struct audit *a)
{
	return &a->arena;
}

struct audit_counts audit_counts(const struct audit *a)
{
	return a->counts;
}

/* ---- comparing ---- */

static const char *type_name(enum column_type type)
{
	switch (type) {
	case COLUMN_TEXT:
	case COLUMN_LIST:
		return "text";
	case COLUMN_JSON:
		return "jsonb";
	case COLUMN_UUID:
		return "uuid";
	case COLUMN_TIME:
		return "timestamptz";
	case COLUMN_DAY:
		return "date";
	case COLUMN_I64:
		return "int8";
	case COLUMN_I32:
		return "int4";
	case COLUMN_BOOL:
		return "bool";
	case COLUMN_BYTES:
		return "bytea";
	}
	UNREACHABLE("a column's type that is not in the enum");
}

/* The rows that the table lacks or has otherwise: place in the columns (from 1), id of the first
 * column, whether it is missing, names of the columns that differ. */
static void put_sql(struct buf *sql, const struct layout *l, const struct column *columns)
{
	buf_printf(sql, "SELECT x.n, x.\"%s\"::text, t.\"%s\" IS NULL, concat_ws(', '",
		   l->fields[0].name, l->fields[0].name);
	for (size_t i = l->keys; i < l->count; i++)
		buf_printf(sql, ", CASE WHEN t.\"%s\" IS DISTINCT FROM x.\"%s\"%s THEN '%s' END",
			   l->fields[i].name, l->fields[i].name,
			   l->fields[i].is_list ? "::text[]" : "", l->fields[i].name);
	buf_put(sql, STR(") FROM unnest("));
	for (size_t i = 0; i < l->count; i++)
		buf_printf(sql, "%s$%zu::%s[]", i ? ", " : "", i + 1, type_name(columns[i].type));
	buf_put(sql, STR(") WITH ORDINALITY AS x("));
	for (size_t i = 0; i < l->count; i++)
		buf_printf(sql, "\"%s\", ", l->fields[i].name);
	buf_printf(sql, "n) LEFT JOIN chatmill.%s t ON ", l->table);
	for (size_t i = 0; i < l->keys; i++)
		buf_printf(sql, "%st.\"%s\" = x.\"%s\"", i ? " AND " : "", l->fields[i].name,
			   l->fields[i].name);
	buf_printf(sql, " WHERE t.\"%s\" IS NULL", l->fields[0].name);
	for (size_t i = l->keys; i < l->count; i++)
		buf_printf(sql, " OR t.\"%s\" IS DISTINCT FROM x.\"%s\"%s", l->fields[i].name,
			   l->fields[i].name, l->fields[i].is_list ? "::text[]" : "");
	buf_put(sql, STR(" ORDER BY 1"));
	buf_putc(sql, '\0');
}

static int compare(struct audit *a, const struct layout *l, struct column *columns,
		   struct pg_result **out, struct pg_fault *fault)
{
	struct pg_parameter parameters[COLUMNS_MAX];
	struct buf sql = {0};

	put_sql(&sql, l, columns);
	for (size_t i = 0; i < l->count; i++)
		parameters[i] = column_parameter(&columns[i]);
	int rc = pg_query(a->pg, sql.data, parameters, l->count, out, fault);
	buf_fini(&sql);
	return rc;
}

static void report(struct audit *a, const char *table, bool lost, bool changed, const char *reason,
		   const char *topic, int32_t partition, int64_t offset, struct str id)
{
	struct audit_row row = {table, reason, lost, changed, topic, partition, offset, id};

	a->settings.report(a->settings.context, &row);
}

static void say_columns(char out[160], struct str columns)
{
	(void)snprintf(out, 160, "differs in %.*s", (int)MIN(columns.len, (size_t)120),
		       columns.data);
}

/* ---- events ---- */

/* Whether the month of an event was dropped (drop_months, docs/database.md). The sink makes a month
 * before it writes there; those beyond go to the default partition. */
static int was_dropped(struct audit *a, const struct layout *l, const struct event *e,
		       bool *dropped, struct err *err)
{
	struct column day = {0};
	struct pg_fault fault;
	OWNED(pg_result) *row = NULL;

	*dropped = false;
	if (l == &alert_first)
		return 0;
	column_begin(&day, COLUMN_DAY);
	column_number(&day, e->msgtime_ms);
	struct pg_parameter parameters[] = {pg_text_parameter(str_of(l->table)),
					    column_parameter(&day)};
	int rc = pg_query(a->pg,
			  "SELECT d >= '2010-01-01' AND d < now() + interval '1 month' AND "
			  "to_regclass('chatmill.' || $1 || to_char(d, '_YYYYMM')) IS NULL "
			  "FROM unnest($2::date[]) AS x(d)",
			  parameters, ARRAY_LEN(parameters), &row, &fault);
	column_fini(&day);
	if (rc < 0)
		return pg_err(err, &fault, "looking for a month");
	*dropped = pg_text(row, 0, 0).data[0];
	return 0;
}

static const struct audit_event *find_event(const struct audit *a, struct str id, bool is_alert)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct event *e = a->events[i].event;
		if (e && str_eq(id, (struct str){is_alert ? e->alert_id : e->id, sizeof e->id}))
			return &a->events[i];
	}
	UNREACHABLE("the server names an event that was not asked about");
}

static int compare_events(struct audit *a, enum rows_table table, const struct layout *l,
			  struct err *err)
{
	struct pg_fault fault;
	OWNED(pg_result) *found = NULL;
	char why[160];

	if (a->rows.columns[table][0].count == 0)
		return 0;
	a->counts.rows += a->rows.columns[table][0].count;
	if (compare(a, l, a->rows.columns[table], &found, &fault) < 0)
		return pg_err(err, &fault, "comparing events");
	for (int i = 0; i < pg_rows(found); i++) {
		const struct audit_event *e =
			find_event(a, pg_text(found, i, 1), table == ROWS_ALERT);
		bool lost = pg_text(found, i, 2).data[0], dropped = false;
		if (lost && was_dropped(a, l, e->event, &dropped, err) < 0)
			return -1;
		a->counts.passed += dropped;
		if (dropped || !e->asked)
			continue;
		say_columns(why, pg_text(found, i, 3));
		report(a, l->table, lost, !lost, lost ? "the event left no row" : why, e->topic,
		       e->partition, e->offset, (struct str){e->event->id, sizeof e->event->id});
	}
	return 0;
}

/* Events of people who were erased since leave nothing. */
static int drop_erased(struct audit *a, struct err *err)
{
	struct store_item *kept = arena_alloc(&a->rows_arena, (a->count + 1) * sizeof *kept);
	struct pg_fault fault;
	size_t count = a->count, k = 0;

	memcpy(kept, a->items, a->count * sizeof *kept);
	if (erasure_drop(&a->erasure, a->pg, kept, &count, &a->rows_arena, &fault) < 0)
		return pg_err(err, &fault, "reading chatmill.erased");
	for (size_t i = 0; i < a->count; i++) {
		if (k < count && kept[k].event == a->items[i].event) {
			k++;
			continue;
		}
		tally_forget(a->tally, a->items[i].event->corpid, a->items[i].event->subject);
		a->items[i].event = NULL;
	}
	return 0;
}

/* Of the batch, what is to be a row of its own: first copies, and first events of alerts. */
static size_t tally_batch(struct audit *a, struct store_item *out)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct event *e = a->items[i].event;
		const struct audit_event *from = &a->events[i];
		struct tally_place place = {from->topic, from->partition, from->offset, from->asked};
		if (!e)
			continue;
		bool first_alert = tally_take(a->tally, e, &place);
		enum audit_table table = e->type == EVENT_TAG	  ? AUDIT_TAG_EVENT
					 : e->type == EVENT_STAGE ? AUDIT_STAGE_EVENT
								  : AUDIT_ALERT;
		struct str key = {e->type == EVENT_ALERT ? e->alert_id : e->id, sizeof e->id};
		bool fresh = audit_keys_add(&a->keys[table], hash_64(key));
		/* Who comes again after state.memory makes the same event again, for no new row. */
		if (e->type == EVENT_ALERT ? first_alert : fresh)
			out[count++] = a->items[i];
	}
	return count;
}

static int end_batch(struct audit *a, struct err *err)
{
	if (a->count == 0)
		return 0;
	arena_reset(&a->rows_arena);
	struct store_item *items = arena_alloc(&a->rows_arena, a->count * sizeof *items);
	if (a->any_erased && drop_erased(a, err) < 0)
		return -1;
	size_t count = tally_batch(a, items);
	rows_build(&a->rows, items, count, true, &a->rows_arena);
	if (compare_events(a, ROWS_TAG_EVENT, &tag_event, err) < 0 ||
	    compare_events(a, ROWS_STAGE_EVENT, &stage_event, err) < 0 ||
	    compare_events(a, ROWS_ALERT, &alert_first, err) < 0)
		return -1;
	a->count = 0;
	arena_reset(&a->arena);
	return 0;
}

int audit_take(struct audit *a, const struct audit_event *event, struct err *err)
{
	if (event->event->type != EVENT_TAG && event->event->type != EVENT_STAGE &&
	    event->event->type != EVENT_ALERT)
		return 0;
	if (audit_keys_has(&a->refused,
			   key_of_place(str_of(event->topic), event->partition, event->offset))) {
		a->counts.passed++;
		return 0;
	}
	a->items[a->count] = (struct store_item){.event = event->event,
						 .offset = event->offset,
						 .evidence_json = event->evidence_json};
	a->events[a->count++] = *event;
	return a->count < BATCH ? 0 : end_batch(a, err);
}

/* ---- customers ---- */

static void put_time(struct column *c, bool known, int64_t ms)
{
	if (known)
		column_number(c, ms);
	else
		column_null(c);
}

static void put_text(struct column *c, struct str text)
{
	if (text.len)
		column_str(c, text);
	else
		column_null(c);
}

/* As settled[] names them. */
static void put_row(struct column *c, const struct tally_row *r)
{
	switch (r->table) {
	case TALLY_TAG:
		column_str(c++, r->corpid);
		column_str(c++, r->subject);
		column_str(c++, r->group);
		column_str(c++, r->name);
		column_str(c++, r->wecom_id);
		column_list(c++, r->texts, r->text_count);
		put_time(c++, r->has_since, r->since_ms);
		put_time(c++, !r->here, r->removed_ms);
		break;
	case TALLY_STAGE:
		column_str(c++, r->corpid);
		column_str(c++, r->subject);
		column_str(c++, r->name);
		put_text(c++, r->stage);
		column_number(c++, r->since_ms);
		put_text(c++, r->previous);
		break;
	case TALLY_ALERT:
		column_uuid(c++, r->alert_id);
		column_number(c++, (int64_t)r->count);
		column_list(c++, r->texts, r->text_count);
		column_number(c++, r->recalled);
		put_time(c++, r->recalled, r->recalled_ms);
		column_number(c, (int64_t)r->sequence);
		return;
	case TALLY_TABLE_COUNT:
		UNREACHABLE("a row of no table");
	}
	column_str(c++, r->pack);
	column_str(c++, r->rule);
	column_str(c++, r->msgid);
	column_number(c, (int64_t)r->sequence);
}

static uint64_t key_of(const struct tally_row *r)
{
	const struct str parts[] = {r->corpid, r->subject, r->group, r->name};

	return audit_key(parts, ARRAY_LEN(parts));
}

static void begin_columns(struct audit *a)
{
	for (size_t i = 0; i < settled[a->settling].count; i++)
		column_begin(&a->columns[i], settled_types[a->settling][i]);
	a->settled_count = 0;
}

/* The server names rows that differ; an alert that is missing was told by its first event. */
static void compare_settled(struct audit *a)
{
	const struct layout *l = &settled[a->settling];
	OWNED(pg_result) *found = NULL;
	char why[160];

	if (a->failed || !a->settled_count)
		return;
	a->counts.rows += a->settling == TALLY_ALERT ? 0 : a->settled_count;
	if (compare(a, l, a->columns, &found, &a->fault) < 0) {
		a->failed = true;
		return;
	}
	for (int i = 0; i < pg_rows(found); i++) {
		const struct tally_row *r = a->settled[pg_i64(found, i, 0) - 1];
		bool lost = pg_text(found, i, 2).data[0];
		if (!r->place.asked || (lost && a->settling == TALLY_ALERT))
			continue;
		say_columns(why, pg_text(found, i, 3));
		report(a, l->table, lost, !lost,
		       lost ? "the row that its newest event leaves is missing" : why,
		       r->place.topic, r->place.partition, r->place.offset,
		       (struct str){r->event_id, sizeof r->event_id});
	}
}

static void settle_row(void *context, const struct tally_row *row)
{
	struct audit *a = context;

	put_row(a->columns, row);
	a->settled[a->settled_count++] = row;
	if (row->table == TALLY_TAG)
		audit_keys_add(&a->keys[AUDIT_CUSTOMER_TAG], key_of(row));
	else if (row->table == TALLY_STAGE)
		audit_keys_add(&a->keys[AUDIT_CUSTOMER_STAGE], key_of(row));
	if (a->settled_count == BATCH) {
		compare_settled(a);
		begin_columns(a);
	}
}

int audit_settle(struct audit *a, struct err *err)
{
	if (end_batch(a, err) < 0)
		return -1;
	for (a->settling = 0; a->settling < TALLY_TABLE_COUNT; a->settling++) {
		begin_columns(a);
		tally_each(a->tally, a->settling, settle_row, a);
		compare_settled(a);
	}
	tally_free(a->tally);
	a->tally = tally_new();
	return a->failed ? pg_err(err, &a->fault, "comparing rows of customers") : 0;
}

/* ---- rows that nothing makes ---- */

static void report_unmade(void *context, const char *table, struct str id, struct str msgid)
{
	struct audit *a = context;
	char why[400];

	(void)snprintf(why, sizeof why, "no event on the topics makes it (message %.*s)",
		       (int)MIN(msgid.len, (size_t)MSGID_BYTES_MAX), msgid.data);
	report(a, table, false, false, why, NULL, -1, -1, id);
}

int audit_close(struct audit *a, struct err *err)
{
	struct pg_fault fault;

	for (enum audit_table t = 0; t < AUDIT_TABLE_COUNT; t++)
		if (audit_keys_check(&a->keys[t], t, a->pg, report_unmade, a, &fault) < 0)
			return pg_err(err, &fault, "looking for rows that nothing makes");
	pg_rollback(a->pg);
	return 0;
}
