/* rows.c - events as columns of PostgreSQL. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rows.h"

#include <endian.h>

#include "base/fault.h"
#include "store/archive.h"
#include "store/statements.h"
#include "store/store.h"

static const struct str chats[] = {CHAT_NAMES(STR)};
static const struct str roles[] = {ROLE_NAMES(STR)};
static const struct str causes[] = {CAUSE_NAMES(STR)};
static const struct str severities[] = {SEVERITY_NAMES(STR)};

void rows_fini(struct rows *r)
{
	for (int t = 0; t < ROWS_TABLE_COUNT; t++)
		for (int i = 0; i < ROWS_COLUMNS_MAX; i++)
			column_fini(&r->columns[t][i]);
	for (int t = 0; t < ROWS_COPIED; t++)
		column_fini(&r->lines[t]);
	buf_fini(&r->scratch);
}

/* Hands the fields of a row out one after the other, so that the code below reads like the list
 * of columns in statements.c: to a column each, or into the one buffer of COPY's rows. */
struct row {
	struct column *next;
	const enum column_type *types; /* of a row of COPY; NULL: columns */
};

static struct column *field(struct row *row)
{
	if (!row->types)
		return row->next++;
	row->next->type = *row->types++;
	return row->next;
}

static void uuid(struct row *row, const char id[UUID_LEN])
{
	column_uuid(field(row), id);
}

static void text(struct row *row, struct str value)
{
	column_str(field(row), value);
}

static void text_or_null(struct row *row, struct str value)
{
	if (value.len)
		column_str(field(row), value);
	else
		column_null(field(row));
}

static void number(struct row *row, int64_t value)
{
	column_number(field(row), value);
}

static void time_or_null(struct row *row, bool known, int64_t ms)
{
	if (known)
		column_number(field(row), ms);
	else
		column_null(field(row));
}

static void list(struct row *row, const struct str *items, size_t count)
{
	column_list(field(row), items, count);
}

static void json(struct row *row, struct str value)
{
	column_str(field(row), value.len ? value : STR("[]"));
}

/* jsonb has no NUL: as in the archive's texts, U+FFFD stands for it (6 bytes for 6). A backslash
 * that is itself escaped begins no escape. */
static void evidence(struct row *row, struct buf *scratch, struct str value)
{
	static const struct str nul = STR("\\u0000");

	if (value.len == 0 || !memmem(value.data, value.len, nul.data, nul.len)) {
		json(row, value);
		return;
	}
	buf_clear(scratch);
	buf_put(scratch, value);
	for (size_t i = 0; i + 1 < scratch->len; i++) {
		if (scratch->data[i] != '\\')
			continue;
		if (str_starts((struct str){scratch->data + i, scratch->len - i}, nul))
			memcpy(scratch->data + i, "\\ufffd", nul.len);
		i++;
	}
	json(row, buf_str(scratch));
}

static void put_changes(struct row *row, struct buf *out, const struct tag_change *changes,
			size_t count)
{
	buf_clear(out);
	buf_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		const struct tag_change *c = &changes[i];
		buf_put(out, i ? STR(",{\"group\":") : STR("{\"group\":"));
		buf_put_json(out, c->group);
		buf_put(out, STR(",\"tag\":"));
		buf_put_json(out, c->tag);
		if (c->wecom_id.len) {
			buf_put(out, STR(",\"wecom_id\":"));
			buf_put_json(out, c->wecom_id);
		}
		for (size_t k = 0; k < c->userid_count; k++) {
			buf_put(out, k ? STR(",") : STR(",\"userids\":["));
			buf_put_json(out, c->userids[k]);
		}
		buf_put(out, c->userid_count ? STR("]}") : STR("}"));
	}
	buf_putc(out, ']');
	json(row, buf_str(out));
}

static struct row begin_row(struct rows *r, enum rows_table table, bool careful)
{
	uint16_t fields = htobe16((uint16_t)statements[table].column_count);

	if (careful)
		return (struct row){r->columns[table], NULL};
	/* Every field adds to the count of the buffer; only «any at all» is asked of it. */
	buf_put(&r->lines[table].data, (struct str){(char *)&fields, sizeof fields});
	return (struct row){&r->lines[table], statements[table].copy_columns};
}

static void put_event(struct rows *r, enum rows_table table, const struct store_item *item,
		      bool careful)
{
	const struct event *e = item->event;
	struct row row = begin_row(r, table, careful);

	uuid(&row, e->id);
	number(&row, e->msgtime_ms); /* day */
	text(&row, e->corpid);
	text(&row, e->external_userid);
	number(&row, e->time_ms);
	number(&row, e->msgtime_ms);
	number(&row, (int64_t)e->sequence);
	text(&row, causes[e->cause]);
	number(&row, e->late);
	put_changes(&row, &r->scratch, e->add, e->add_count);
	put_changes(&row, &r->scratch, e->remove, e->remove_count);
	list(&row, e->userids, e->userid_count);
	text(&row, e->roomid);
	text(&row, chats[e->chat]);
	text(&row, e->from);
	text(&row, roles[e->from_role]);
	text(&row, e->msgid);
	text(&row, e->pack);
	text(&row, e->rule);
	text(&row, e->ruleset);
	text(&row, e->by);
	evidence(&row, &r->scratch, item->evidence_json);
	if (table == ROWS_STAGE_EVENT) {
		text(&row, e->ladder);
		text_or_null(&row, e->from_stage);
		text_or_null(&row, e->to_stage);
	}
}

static struct str customer_of(const struct message *m)
{
	return m->subject_is_customer ? m->subject : (struct str){"", 0};
}

static void put_message(struct rows *r, const struct store_item *item, bool careful,
			struct arena *arena)
{
	const struct message *m = item->message;
	struct row row = begin_row(r, ROWS_MESSAGE, careful);

	text(&row, m->corpid);
	text(&row, m->msgid);
	number(&row, m->msgtime_ms); /* day */
	text(&row, archive_conversation(m, arena));
	text(&row, customer_of(m));
	text(&row, m->from);
	text(&row, roles[m->from_role]);
	text(&row, m->msgtype);
	number(&row, m->msgtime_ms);
	text(&row, archive_text(m, arena));
	int32_t dictionary = archive_pack(r->archive, item, &r->scratch);
	text(&row, buf_str(&r->scratch)); /* bytes */
	number(&row, dictionary);
}

static void put_tag(struct rows *r, const struct tag_row *t)
{
	/* A row that is neither reset nor only removed depends on what the table holds. */
	bool joins = !t->reset && t->has_since;
	struct row row = {r->columns[joins ? ROWS_CUSTOMER_STAFF : ROWS_CUSTOMER_TAG], NULL};

	text(&row, t->corpid);
	text(&row, t->external_userid);
	text(&row, t->group);
	text(&row, t->tag);
	text(&row, t->wecom_id);
	list(&row, t->userids, t->userid_count);
	time_or_null(&row, t->has_since, t->since_ms);
	time_or_null(&row, t->removed, t->removed_ms);
	text(&row, t->pack);
	text(&row, t->rule);
	text(&row, t->msgid);
	number(&row, (int64_t)t->sequence);
}

static void put_stage(struct rows *r, const struct stage_row *s)
{
	const struct event *e = s->last;
	struct row row = {r->columns[ROWS_CUSTOMER_STAGE], NULL};

	text(&row, e->corpid);
	text(&row, e->external_userid);
	text(&row, e->ladder);
	text_or_null(&row, e->to_stage);
	number(&row, e->time_ms);
	text_or_null(&row, e->from_stage);
	text(&row, e->pack);
	text(&row, e->rule);
	text(&row, e->msgid);
	number(&row, (int64_t)e->sequence);
}

static void put_alert(struct rows *r, const struct alert_row *a)
{
	const struct event *e = a->first;
	struct row row = {r->columns[ROWS_ALERT], NULL};

	uuid(&row, e->alert_id);
	text(&row, e->corpid);
	text(&row, e->subject);
	text(&row, e->external_userid);
	text(&row, e->roomid);
	list(&row, e->userids, e->userid_count);
	text(&row, severities[e->severity]);
	text(&row, e->category);
	text(&row, e->title);
	text(&row, e->pack);
	text(&row, e->rule);
	text(&row, e->ruleset);
	number(&row, e->time_ms);
	number(&row, e->msgtime_ms);
	text(&row, chats[e->chat]);
	text(&row, e->from);
	text(&row, roles[e->from_role]);
	text(&row, e->msgid);
	evidence(&row, &r->scratch, a->evidence_json);
	number(&row, (int64_t)a->count);
	list(&row, a->msgids, a->msgid_count);
	number(&row, a->recalled);
	time_or_null(&row, a->recalled, a->recalled_ms);
	number(&row, (int64_t)a->sequence);
}

static void put_day(struct rows *r, const struct day_row *d)
{
	struct row row = {r->columns[ROWS_STAGE_DAY], NULL};

	text(&row, d->corpid);
	text(&row, d->ladder);
	text(&row, d->stage);
	number(&row, d->time_ms);
	number(&row, d->entered);
	number(&row, d->exited);
}

/* The head and the end of COPY's binary format (PostgreSQL's documentation of COPY). */
static const struct str copy_head = STR("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0");
static const struct str copy_end = STR("\377\377");

static void begin(struct rows *r)
{
	for (int t = 0; t < ROWS_TABLE_COUNT; t++)
		for (size_t i = 0; i < statements[t].column_count; i++)
			column_begin(&r->columns[t][i], statements[t].columns[i]);
	for (int t = 0; t < ROWS_COPIED; t++)
		column_line_begin(&r->lines[t]);
}

static int64_t day_of(const struct store_item *item)
{
	int64_t ms = item->event ? item->event->msgtime_ms : item->message->msgtime_ms;
	return ms / DAY_MS;
}

/* In the order of the primary key, which keeps index pages warm; and by months. */
static int by_day_and_id(const void *a, const void *b)
{
	const struct store_item *x = *(const struct store_item *const *)a;
	const struct store_item *y = *(const struct store_item *const *)b;

	if (!x->event != !y->event)
		return !x->event - !y->event;
	if (day_of(x) != day_of(y))
		return day_of(x) < day_of(y) ? -1 : 1;
	if (x->event)
		return memcmp(x->event->id, y->event->id, sizeof x->event->id);
	return str_cmp(x->message->msgid, y->message->msgid);
}

static void put_item(struct rows *r, const struct store_item *item, bool careful,
		     struct coalesced *c, struct arena *arena)
{
	if (item->message) {
		if (coalesce_first(c, item->message))
			put_message(r, item, careful, arena);
	} else if (item->event->type == EVENT_TAG) {
		put_event(r, ROWS_TAG_EVENT, item, careful);
	} else if (item->event->type == EVENT_STAGE) {
		put_event(r, ROWS_STAGE_EVENT, item, careful);
	}
}

static void put_items(struct rows *r, const struct store_item *items, size_t count, bool careful,
		      struct coalesced *c, struct arena *arena)
{
	const struct store_item **sorted = arena_alloc(arena, (count + 1) * sizeof *sorted);

	for (size_t i = 0; i < count; i++)
		sorted[i] = &items[i];
	qsort(sorted, count, sizeof *sorted, by_day_and_id);
	if (!careful)
		for (int t = 0; t < ROWS_COPIED; t++)
			buf_put(&r->lines[t].data, copy_head);
	for (size_t i = 0; i < count; i++)
		put_item(r, sorted[i], careful, c, arena);
	if (!careful)
		for (int t = 0; t < ROWS_COPIED; t++)
			buf_put(&r->lines[t].data, copy_end);
}

void rows_build(struct rows *r, const struct store_item *items, size_t count, bool careful,
		struct arena *arena)
{
	size_t changes = 1, rows;

	begin(r);
	for (size_t i = 0; i < count; i++)
		changes += items[i].event ? coalesce_changes(items[i].event) : 1;
	struct coalesced *c = coalesce_new(arena, changes);
	put_items(r, items, count, careful, c, arena);
	for (size_t i = 0; i < count; i++)
		if (items[i].event)
			coalesce_add(c, items[i].event, items[i].evidence_json);
	const struct tag_row *tags = coalesced_tags(c, &rows);
	for (size_t i = 0; i < rows; i++)
		put_tag(r, &tags[i]);
	const struct stage_row *stages = coalesced_stages(c, &rows);
	for (size_t i = 0; i < rows; i++)
		put_stage(r, &stages[i]);
	const struct alert_row *alerts = coalesced_alerts(c, &rows);
	for (size_t i = 0; i < rows; i++)
		put_alert(r, &alerts[i]);
	const struct day_row *days = coalesced_days(c, &rows);
	for (size_t i = 0; !careful && i < rows; i++)
		put_day(r, &days[i]);
}

int rows_write(struct rows *r, enum rows_table table, int32_t shard, struct pg *pg,
	       struct pg_fault *fault)
{
	const struct statement *s = &statements[table];
	struct pg_parameter parameters[ROWS_COLUMNS_MAX + 1];
	uint32_t big = htobe32((uint32_t)shard);
	size_t count = s->column_count;

	fault_point(s->point);
	if ((int)table < ROWS_COPIED && r->lines[table].count)
		return pg_copy(pg, s->copy, buf_str(&r->lines[table].data), fault);
	if (r->columns[table][0].count == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		assert(r->columns[table][i].count == r->columns[table][0].count);
		parameters[i] = column_parameter(&r->columns[table][i]);
	}
	if (s->counts)
		parameters[count++] = (struct pg_parameter){
			23, {(const char *)&big, sizeof big}
		};
	return pg_query(pg, s->sql, parameters, count, NULL, fault);
}
