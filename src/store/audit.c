/* audit.c - one snapshot, compared by the server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_parts.h"

#include "base/hash.h"
#include "store/migrate.h"
#include "store/suspect.h"

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

/* ---- life ---- */

int audit_new(struct audit **out, const struct audit_settings *settings, struct err *err)
{
	OWNED(audit) *a = calloc(1, sizeof *a);

	if (!a || !(a->items = calloc(AUDIT_BATCH, sizeof *a->items)) ||
	    !(a->events = calloc(AUDIT_BATCH, sizeof *a->events)) ||
	    !(a->settled = calloc(AUDIT_BATCH, sizeof *a->settled)))
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
	struct pg_fault fault;
	OWNED(pg_result) *row = NULL;

	if (migrate_need(a->pg, err) < 0)
		return -1;
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

/* ---- events ---- */

/* Whether the month of an event was dropped (drop_months, docs/database.md). The sink makes a month
 * before it writes there; those beyond go to the default partition, of which drop_months takes what
 * is older too: of what is from before the first month nobody can tell. */
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
			  "SELECT d < '2010-01-01' OR d < now() + interval '1 month' AND "
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
	if (audit_compare(a, l, a->rows.columns[table], &found, &fault) < 0)
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
		audit_say_columns(why, pg_text(found, i, 3));
		audit_report(a, &(struct audit_row){
					.table = l->table,
					.reason = lost ? "the event left no row" : why,
					.is_lost = lost,
					.is_changed = !lost,
					.topic = e->topic,
					.partition = e->partition,
					.offset = e->offset,
					.id = {e->event->id, sizeof e->event->id},
				});
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

/* What the server could not even be asked for stands in sink_reject, or nowhere. */
static void report_unasked(struct audit *a, const struct audit_event *e)
{
	if (!e->asked)
		return;
	audit_report(a, &(struct audit_row){
				.table = e->event->type == EVENT_TAG     ? tag_event.table
					 : e->event->type == EVENT_STAGE ? stage_event.table
									 : alert_first.table,
				.reason = "no column can hold the event, and sink_reject lacks it",
				.is_lost = true,
				.topic = e->topic,
				.partition = e->partition,
				.offset = e->offset,
				.id = {e->event->id, sizeof e->event->id},
			});
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
		if (!store_can_ask(&a->items[i])) {
			report_unasked(a, from);
			continue;
		}
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
		a->counts.refused += event->asked;
		return 0;
	}
	a->items[a->count] = (struct store_item){.event = event->event,
						 .offset = event->offset,
						 .evidence_json = event->evidence_json};
	a->events[a->count++] = *event;
	return a->count < AUDIT_BATCH ? 0 : end_batch(a, err);
}

/* ---- customers ---- */

int audit_settle(struct audit *a, struct err *err)
{
	struct pg_fault fault;

	if (end_batch(a, err) < 0)
		return -1;
	if (audit_compare_tally(a, &fault) < 0)
		return pg_err(err, &fault, "comparing rows of customers");
	tally_free(a->tally);
	a->tally = tally_new();
	return 0;
}

/* ---- rows that nothing makes ---- */

static void report_unmade(void *context, const char *table, struct str id, struct str msgid)
{
	struct audit *a = context;
	char why[400];

	(void)snprintf(why, sizeof why, "no event on the topics makes it (message %.*s)",
		       (int)MIN(msgid.len, (size_t)MSGID_BYTES_MAX), msgid.data);
	audit_report(a, &(struct audit_row){
				.table = table, .reason = why, .partition = -1, .offset = -1, .id = id});
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
