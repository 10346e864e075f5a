/* test_decode_event.c - what send/encode writes, decode_event() reads back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "decode/event.h"
#include "send/encode.h"

static const struct encode_settings full = {STR("/chatmill/default"), EVIDENCE_FULL};
static const char uuid[] = "01234567-89ab-5def-8123-456789abcdef";

static struct arena arena;
static struct event_reader *reader;

static void setup(void)
{
	struct err err;
	cr_assert(event_reader_new(&reader, &err) == 0);
}

static void teardown(void)
{
	event_reader_free(reader);
	arena_fini(&arena);
}

TestSuite(event, .init = setup, .fini = teardown);

static struct record record_of(struct str text)
{
	char *value = arena_alloc(&arena, text.len + RECORD_PADDING);
	memcpy(value, text.data, text.len);
	return (struct record){.value = {value, text.len}, .time_ms = 1};
}

/* Writes `e` as Kafka has it and reads it back. */
static struct event_row back(const struct event *e)
{
	struct buf data = {0}, scratch = {0}, again = {0};
	struct kafka_header written[ENCODE_HEADERS_MAX];
	struct event_header headers[ENCODE_HEADERS_MAX];
	struct event_row row;

	encode_data(&data, e, &full);
	size_t count = encode_headers(&scratch, e, &full, written);
	for (size_t i = 0; i < count; i++)
		headers[i] = (struct event_header){
			str_of(written[i].name), arena_copy(&arena, written[i].value)};
	struct record record = record_of(buf_str(&data));
	enum decode_result result = decode_event(reader, &record, headers, count, &arena, &row);
	cr_assert(result == DECODE_DONE, "%s: %.*s", decode_result_name(result), (int)data.len, data.data);

	/* What was read says the same in all its fields. */
	encode_data(&again, &row.event, &full);
	cr_expect(str_eq(buf_str(&data), buf_str(&again)), "%.*s\n%.*s", (int)data.len, data.data,
		  (int)again.len, again.data);
	cr_expect(row.event.type == e->type && row.event.sequence == e->sequence);
	cr_expect(row.event.time_ms == e->time_ms);
	cr_expect(memcmp(row.event.id, e->id, sizeof e->id) == 0);
	cr_expect(str_eq(row.event.subject, e->subject));
	cr_expect(str_eq(row.source, STR("/chatmill/default")));
	buf_fini(&data);
	buf_fini(&scratch);
	buf_fini(&again);
	return row;
}

static struct event base_event(enum event_type type)
{
	static const struct str staff[] = {STR("zhangsan"), STR("li\"si")};
	static const struct tag_change add[] = {{STR("意向"), STR("高意向"), STR("et1"), NULL, 0},
						{STR("g"), STR("t"), {0}, staff, 2}};
	static const struct tag_change remove[] = {{STR("意向"), STR("低意向"), {0}, NULL, 0}};
	static const struct evidence evidence[] = {
		{STR("text.content"), 6, 15, 2, 5, STR("多少钱"), STR("多少钱"), 0, false},
		{STR("mixed.item[0].content.content"), 0, 4, 0, 4, STR("\\\"\n\x01"), STR("w"),
		 FOLD_CASE | FOLD_GAP, true}};
	struct event e = {
		.type = type,
		.cause = CAUSE_STAFF,
		.time_ms = 1700000000123,
		.sequence = 1700000000123000000,
		.corpid = STR("ww/1"),
		.subject = STR("wr/ROOM"),
		.external_userid = STR("wmCUSTOMER0000000000000000000001"),
		.userids = staff,
		.userid_count = 2,
		.roomid = STR("wr/ROOM"),
		.chat = CHAT_GROUP,
		.from = STR("zhangsan"),
		.from_role = ROLE_STAFF,
		.msgid = STR("m1"),
		.msgtime_ms = 1700000000123,
		.late = true,
		.pack = STR("sales"),
		.rule = STR("ask-price"),
		.ruleset = STR("sha256:00"),
		.by = STR("me"),
		.add = add,
		.add_count = 2,
		.remove = remove,
		.remove_count = 1,
		.evidence = evidence,
		.evidence_count = 2,
		.truncated = true,
	};
	memcpy(e.id, uuid, sizeof e.id);
	return e;
}

Test(event, every_type_comes_back)
{
	static const struct str msgids[] = {STR("m0"), STR("m1")};

	for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
		struct event e = base_event((enum event_type)type);
		if (type == EVENT_HIT || type == EVENT_ERASE)
			e.sequence = 0;
		if (type == EVENT_STAGE) {
			e.ladder = STR("life");
			e.to_stage = STR("兴趣");
		}
		if (type == EVENT_ALERT) {
			e.severity = SEVERITY_CRITICAL;
			e.category = STR("c");
			e.title = STR("t");
			e.count = 2;
			e.msgids = msgids;
			e.msgid_count = 2;
			e.recalled = true;
			memcpy(e.alert_id, uuid, sizeof e.alert_id);
		}
		struct event_row row = back(&e);
		if (type == EVENT_TAG) {
			cr_expect(row.event.add_count == 2 && row.event.add[1].userid_count == 2);
			cr_expect(row.event.evidence[1].folds == (FOLD_CASE | FOLD_GAP));
			cr_expect(str_starts(row.evidence_json, STR("[{\"field\":\"text.content\"")));
			cr_expect(str_ends(row.evidence_json, STR("}]")));
		}
		if (type == EVENT_ERASE)
			cr_expect(row.evidence_json.len == 0);
	}
}

Test(event, what_is_none_is_refused)
{
	static const struct event_header good[] = {
		{STR("ce_id"), STR("01234567-89ab-5def-8123-456789abcdef")},
		{STR("ce_type"), STR("chatmill.tag.v1")},
		{STR("ce_time"), STR("2023-11-14T22:13:20.123Z")},
		{STR("ce_subject"), STR("w/s")},
	};
	static const struct {
		const char *data;
		int header; /* which is replaced; -1: none */
		const char *value;
		enum decode_result want;
	} rows[] = {
		{"{\"corpid\":\"w\",\"msgid\":\"m\"}", -1, "", DECODE_DONE},
		{"{\"corpid\":\"w\",\"msgid\":\"m\",\"new\":[{}]}", -1, "", DECODE_DONE},
		{"{\"corpid\":\"w\",\"msgid\":\"m\"", -1, "", DECODE_BAD_JSON},
		{"{\"corpid\":\"w\",\"msgid\":\"\xff\"}", -1, "", DECODE_BAD_UTF8},
		{"{\"corpid\":\"w\"}", -1, "", DECODE_NO_MSGID},
		{"{\"msgid\":\"m\"}", -1, "", DECODE_NO_CORP},
		{"{\"corpid\":\"v\",\"msgid\":\"m\"}", -1, "", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\",\"msgid\":\"m\"}", -1, "", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\",\"cause\":\"fate\"}", -1, "", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\",\"late\":1}", -1, "", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\",\"add\":[5]}", -1, "", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\"}", 0, "01234567", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\"}", 1, "chatmill.tag.v2", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\"}", 2, "2023-13-14T22:13:20.123Z", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\"}", 2, "yesterday", DECODE_BAD_FIELD},
		{"{\"corpid\":\"w\",\"msgid\":\"m\"}", 3, "w", DECODE_BAD_FIELD},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct event_header headers[ARRAY_LEN(good)];
		struct event_row row;
		memcpy(headers, good, sizeof good);
		if (rows[i].header >= 0)
			headers[rows[i].header].value = str_of(rows[i].value);
		struct record record = record_of(str_of(rows[i].data));
		enum decode_result got =
			decode_event(reader, &record, headers, ARRAY_LEN(headers), &arena, &row);
		cr_expect(got == rows[i].want, "row %zu: %s", i, decode_result_name(got));
	}
	struct record null = {.time_ms = 1};
	struct event_row row;
	cr_expect(decode_event(reader, &null, good, ARRAY_LEN(good), &arena, &row) == DECODE_NULL);
}
