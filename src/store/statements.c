/* statements.c - how rows get into each table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/statements.h"

#define EVENT_TYPES(list)                                                                          \
	COLUMN_UUID, COLUMN_DAY, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TIME, COLUMN_TIME, COLUMN_I64,   \
	COLUMN_TEXT, COLUMN_BOOL, COLUMN_JSON, COLUMN_JSON, list, COLUMN_TEXT, COLUMN_TEXT,        \
	COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, \
	COLUMN_JSON
#define MESSAGE_TYPES                                                                              \
	COLUMN_TEXT, COLUMN_TEXT, COLUMN_DAY, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT,  \
	COLUMN_TEXT, COLUMN_TIME, COLUMN_TEXT, COLUMN_BYTES, COLUMN_I32
#define TAG_TYPES                                                                                  \
	COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TIME, \
	COLUMN_TIME, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_I64
#define EVENT_ARRAYS                                                                               \
	"$1::uuid[], $2::date[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], "   \
	"$7::int8[], $8::text[], $9::bool[], $10::jsonb[], $11::jsonb[], $12::text[], "            \
	"$13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], "           \
	"$19::text[], $20::text[], $21::text[], $22::jsonb[]"
#define EVENT_COLUMNS                                                                              \
	"event_id, day, corpid, external_userid, \"time\", msgtime, sequence, cause, late, "       \
	"\"add\", remove, userids, roomid, chat, sender, sender_role, msgid, pack, rule, "         \
	"ruleset, by, evidence"
#define EVENT_VALUES                                                                               \
	"event_id, day, corpid, external_userid, \"time\", msgtime, sequence, cause, late, "       \
	"\"add\", remove, userids::text[], roomid, chat, sender, sender_role, msgid, pack, "       \
	"rule, ruleset, by, evidence"

static const char tag_event[] =
	"INSERT INTO chatmill.tag_event (" EVENT_COLUMNS ") "
	"SELECT " EVENT_VALUES " FROM unnest(" EVENT_ARRAYS ") AS x(" EVENT_COLUMNS ") "
	"ORDER BY day, event_id ON CONFLICT (event_id, day) DO NOTHING";

/* Only rows that are new count, so that an event that comes twice counts once. */
static const char stage_event[] =
	"WITH new AS ("
	"INSERT INTO chatmill.stage_event (" EVENT_COLUMNS ", ladder, from_stage, to_stage) "
	"SELECT " EVENT_VALUES ", ladder, from_stage, to_stage "
	"FROM unnest(" EVENT_ARRAYS ", $23::text[], $24::text[], $25::text[]) "
	"AS x(" EVENT_COLUMNS ", ladder, from_stage, to_stage) "
	"ORDER BY day, event_id ON CONFLICT (event_id, day) DO NOTHING "
	"RETURNING corpid, ladder, from_stage, to_stage, (\"time\" AT TIME ZONE 'UTC')::date AS "
	"day) "
	"INSERT INTO chatmill.stage_day AS t (corpid, ladder, stage, day, shard, entered, exited) "
	"SELECT corpid, ladder, stage, day, $26::int4, sum(entered), sum(exited) FROM ("
	"SELECT corpid, ladder, to_stage AS stage, day, 1 AS entered, 0 AS exited FROM new "
	"WHERE to_stage IS NOT NULL UNION ALL "
	"SELECT corpid, ladder, from_stage, day, 0, 1 FROM new WHERE from_stage IS NOT NULL) m "
	"GROUP BY corpid, ladder, stage, day ORDER BY corpid, ladder, stage, day "
	"ON CONFLICT (corpid, ladder, stage, day, shard) DO UPDATE "
	"SET entered = t.entered + EXCLUDED.entered, exited = t.exited + EXCLUDED.exited";

#define TAG_COLUMNS                                                                                \
	"corpid, external_userid, \"group\", tag, wecom_id, userids, since, removed_at, pack, rule, " \
	"msgid, sequence"
#define TAG_ARRAYS                                                                                 \
	"$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], "                 \
	"$7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::int8[]"

/* A tag that is only removed has no `since` here: since when, and for whom, the row knows. */
static const char customer_tag[] =
	"INSERT INTO chatmill.customer_tag AS t (" TAG_COLUMNS ") "
	"SELECT corpid, external_userid, \"group\", tag, wecom_id, userids::text[], since, removed_at, "
	"pack, rule, msgid, sequence FROM unnest(" TAG_ARRAYS ") AS d(" TAG_COLUMNS ") "
	"ORDER BY corpid, external_userid, \"group\", tag "
	"ON CONFLICT (corpid, external_userid, \"group\", tag) DO UPDATE SET "
	"wecom_id = CASE EXCLUDED.wecom_id WHEN '' THEN t.wecom_id ELSE EXCLUDED.wecom_id END, "
	"userids = CASE WHEN EXCLUDED.since IS NULL THEN t.userids ELSE EXCLUDED.userids END, "
	"since = coalesce(EXCLUDED.since, t.since), removed_at = EXCLUDED.removed_at, "
	"pack = EXCLUDED.pack, rule = EXCLUDED.rule, msgid = EXCLUDED.msgid, "
	"sequence = EXCLUDED.sequence WHERE t.sequence < EXCLUDED.sequence";

/* Staff join those of the row (o) if the customer has the tag; else the tag begins here. The fence
 * keeps everybody else from these rows, so that o is still true when the row is written. */
static const char customer_staff[] =
	"INSERT INTO chatmill.customer_tag AS t (" TAG_COLUMNS ") "
	"SELECT d.corpid, d.external_userid, d.\"group\", d.tag, "
	"coalesce(nullif(d.wecom_id, ''), o.wecom_id, ''), "
	"CASE WHEN o.corpid IS NOT NULL AND o.removed_at IS NULL "
	"THEN (o.userids || ARRAY(SELECT u FROM unnest(d.userids::text[]) u "
	"WHERE u <> ALL (o.userids)))[1:64] ELSE d.userids::text[] END, "
	"CASE WHEN o.corpid IS NOT NULL AND o.removed_at IS NULL THEN o.since ELSE d.since END, "
	"d.removed_at, d.pack, d.rule, d.msgid, d.sequence "
	"FROM unnest(" TAG_ARRAYS ") AS d(" TAG_COLUMNS ") "
	"LEFT JOIN chatmill.customer_tag o ON o.corpid = d.corpid AND o.external_userid = "
	"d.external_userid AND o.\"group\" = d.\"group\" AND o.tag = d.tag "
	"ORDER BY d.corpid, d.external_userid, d.\"group\", d.tag "
	"ON CONFLICT (corpid, external_userid, \"group\", tag) DO UPDATE SET "
	"wecom_id = EXCLUDED.wecom_id, userids = EXCLUDED.userids, since = EXCLUDED.since, "
	"removed_at = EXCLUDED.removed_at, pack = EXCLUDED.pack, rule = EXCLUDED.rule, "
	"msgid = EXCLUDED.msgid, sequence = EXCLUDED.sequence WHERE t.sequence < EXCLUDED.sequence";

static const char customer_stage[] =
	"INSERT INTO chatmill.customer_stage AS t (corpid, external_userid, ladder, stage, since, "
	"previous, pack, rule, msgid, sequence) "
	"SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], "
	"$6::text[], $7::text[], $8::text[], $9::text[], $10::int8[]) "
	"AS d(corpid, external_userid, ladder) ORDER BY d.corpid, d.external_userid, d.ladder "
	"ON CONFLICT (corpid, external_userid, ladder) DO UPDATE SET "
	"stage = EXCLUDED.stage, since = EXCLUDED.since, previous = EXCLUDED.previous, "
	"pack = EXCLUDED.pack, rule = EXCLUDED.rule, msgid = EXCLUDED.msgid, "
	"sequence = EXCLUDED.sequence WHERE t.sequence < EXCLUDED.sequence";

/* Status, note and who reviewed are not ours: they are never named here. */
static const char alert[] =
	"WITH d AS MATERIALIZED (SELECT x.*, o.alert_id IS NULL AS fresh, "
	/* An alert is counted where its first event stands, whichever event of it comes now. */
	"coalesce(o.msgtime, x.msgtime) AS counted, coalesce(o.staff::text, x.staff) AS of_staff, "
	"coalesce(o.severity, x.severity) AS of_severity, "
	"x.recalled AND NOT coalesce(o.recalled, false) AS newly_recalled "
	"FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], "
	"$7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], "
	"$13::timestamptz[], $14::timestamptz[], $15::text[], $16::text[], $17::text[], "
	"$18::text[], "
	"$19::jsonb[], $20::int8[], $21::text[], $22::bool[], $23::timestamptz[], $24::int8[]) "
	"AS x(alert_id, corpid, subject, customer, room, staff, severity, category, title, pack, "
	"rule, "
	"ruleset, \"time\", msgtime, chat, sender, sender_role, msgid, evidence, count, msgids, "
	"recalled, recalled_at, sequence) LEFT JOIN chatmill.alert o ON o.alert_id = x.alert_id), "
	"up AS (INSERT INTO chatmill.alert AS t (alert_id, corpid, subject, customer, room, staff, "
	"severity, category, title, pack, rule, ruleset, \"time\", msgtime, chat, sender, "
	"sender_role, "
	"msgid, evidence, count, msgids, recalled, recalled_at, sequence) "
	"SELECT alert_id, corpid, subject, customer, room, staff::text[], severity, category, "
	"title, "
	"pack, rule, ruleset, \"time\", msgtime, chat, sender, sender_role, msgid, evidence, "
	"count, "
	"msgids::text[], recalled, recalled_at, sequence FROM d ORDER BY alert_id "
	"ON CONFLICT (alert_id) DO UPDATE SET count = greatest(t.count, EXCLUDED.count), "
	"msgids = CASE WHEN EXCLUDED.count > t.count THEN EXCLUDED.msgids ELSE t.msgids END, "
	"recalled = t.recalled OR EXCLUDED.recalled, "
	"recalled_at = coalesce(t.recalled_at, EXCLUDED.recalled_at), sequence = EXCLUDED.sequence "
	"WHERE t.sequence < EXCLUDED.sequence) "
	"INSERT INTO chatmill.alert_week AS t (corpid, week, staff, shard, alerts, severe, recalled) "
	"SELECT d.corpid, date_trunc('week', d.counted AT TIME ZONE 'UTC')::date, s.staff, $25::int4, "
	"count(*) FILTER (WHERE d.fresh), "
	"count(*) FILTER (WHERE d.fresh AND d.of_severity IN ('high', 'critical')), "
	"count(*) FILTER (WHERE d.newly_recalled) "
	"FROM d CROSS JOIN LATERAL (SELECT DISTINCT unnest(CASE WHEN d.of_staff = '{}' THEN '{\"\"}' "
	"ELSE d.of_staff END::text[]) AS staff) s WHERE d.fresh OR d.newly_recalled "
	"GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 "
	"ON CONFLICT (corpid, week, staff, shard) DO UPDATE SET alerts = t.alerts + EXCLUDED.alerts, "
	"severe = t.severe + EXCLUDED.severe, recalled = t.recalled + EXCLUDED.recalled";

#define MESSAGE_COLUMNS                                                                            \
	"corpid, msgid, day, conversation, external_userid, sender, role, type, msgtime, text, raw, " \
	"dictionary"
static const char message[] =
	"INSERT INTO chatmill.message (" MESSAGE_COLUMNS ") SELECT * FROM unnest($1::text[], $2::text[], "
	"$3::date[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], "
	"$10::text[], $11::bytea[], $12::int4[]) AS d(" MESSAGE_COLUMNS ") "
	"ORDER BY d.day, d.msgid, d.corpid ON CONFLICT (corpid, msgid, day) DO NOTHING";

static const char stage_day[] =
	"INSERT INTO chatmill.stage_day AS t (corpid, ladder, stage, day, entered, exited, shard) "
	"SELECT *, $7::int4 FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::int8[], "
	"$6::int8[]) AS d(corpid, ladder, stage, day) ORDER BY d.corpid, d.ladder, d.stage, d.day "
	"ON CONFLICT (corpid, ladder, stage, day, shard) DO UPDATE "
	"SET entered = t.entered + EXCLUDED.entered, exited = t.exited + EXCLUDED.exited";

const struct statement statements[ROWS_TABLE_COUNT] = {
	[ROWS_TAG_EVENT] = {
		.point = "sink_tag_event",
		.sql = tag_event,
		.column_count = 22,
		.columns = {EVENT_TYPES(COLUMN_TEXT)},
		.copy = "COPY chatmill.tag_event (" EVENT_COLUMNS ") FROM STDIN (FORMAT binary)",
		.copy_columns = {EVENT_TYPES(COLUMN_LIST)},
	},
	[ROWS_STAGE_EVENT] = {
		.point = "sink_stage_event",
		.sql = stage_event,
		.counts = true,
		.column_count = 25,
		.columns = {EVENT_TYPES(COLUMN_TEXT), COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT},
		.copy = "COPY chatmill.stage_event (" EVENT_COLUMNS ", ladder, from_stage, to_stage) "
			"FROM STDIN (FORMAT binary)",
		.copy_columns = {EVENT_TYPES(COLUMN_LIST), COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT},
	},
	[ROWS_MESSAGE] = {
		.point = "sink_message",
		.sql = message,
		.column_count = 12,
		.columns = {MESSAGE_TYPES},
		.copy = "COPY chatmill.message (" MESSAGE_COLUMNS ") FROM STDIN (FORMAT binary)",
		.copy_columns = {MESSAGE_TYPES},
	},
	[ROWS_CUSTOMER_TAG] = {
		.point = "sink_customer_tag",
		.sql = customer_tag,
		.column_count = 12,
		.columns = {TAG_TYPES},
	},
	[ROWS_CUSTOMER_STAFF] = {
		.point = "sink_customer_staff",
		.sql = customer_staff,
		.column_count = 12,
		.columns = {TAG_TYPES},
	},
	[ROWS_CUSTOMER_STAGE] = {
		.point = "sink_customer_stage",
		.sql = customer_stage,
		.column_count = 10,
		.columns = {COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TIME, COLUMN_TEXT,
			    COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_I64},
	},
	[ROWS_ALERT] = {
		.point = "sink_alert",
		.sql = alert,
		.counts = true,
		.column_count = 24,
		.columns = {COLUMN_UUID, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT,
			    COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT,
			    COLUMN_TIME, COLUMN_TIME, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT,
			    COLUMN_JSON, COLUMN_I64, COLUMN_TEXT, COLUMN_BOOL, COLUMN_TIME, COLUMN_I64},
	},
	[ROWS_STAGE_DAY] = {
		.point = "sink_stage_day",
		.sql = stage_day,
		.counts = true,
		.column_count = 6,
		.columns = {COLUMN_TEXT, COLUMN_TEXT, COLUMN_TEXT, COLUMN_DAY, COLUMN_I64, COLUMN_I64},
	},
};
