/* audit_settle.c - the rows that the events of customers and alerts should have left. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_parts.h"

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
	if (audit_compare(a, l, a->columns, &found, &a->fault) < 0) {
		a->failed = true;
		return;
	}
	for (int i = 0; i < pg_rows(found); i++) {
		const struct tally_row *r = a->settled[pg_i64(found, i, 0) - 1];
		bool lost = pg_text(found, i, 2).data[0];
		if (!r->place.asked || (lost && a->settling == TALLY_ALERT))
			continue;
		audit_say_columns(why, pg_text(found, i, 3));
		audit_report(a, &(struct audit_row){
					.table = l->table,
					.reason = lost ? "the row that its newest event leaves is missing"
						       : why,
					.is_lost = lost,
					.is_changed = !lost,
					.topic = r->place.topic,
					.partition = r->place.partition,
					.offset = r->place.offset,
					.id = {r->event_id, sizeof r->event_id},
				});
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
	if (a->settled_count == AUDIT_BATCH) {
		compare_settled(a);
		begin_columns(a);
	}
}

int audit_compare_tally(struct audit *a, struct pg_fault *fault)
{
	for (a->settling = 0; a->settling < TALLY_TABLE_COUNT; a->settling++) {
		begin_columns(a);
		tally_each(a->tally, a->settling, settle_row, a);
		compare_settled(a);
	}
	if (a->failed)
		*fault = a->fault;
	return a->failed ? -1 : 0;
}
