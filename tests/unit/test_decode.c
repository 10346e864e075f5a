/* test_decode.c - what golden files cannot show of decode: lifetimes, limits, marks, batches. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/utf8.h"
#include "decode/decode.h"
#include "decode/json.h"
#include "decode/emoticons.c" /* for its table */
#include "decode/marks.h"

static struct decoder *decoder;
static struct arena arena;

static void setup(void)
{
	struct decode_settings settings = {.corpid = STR("ww1")};
	struct err err;
	cr_assert(decoder_new(&decoder, &settings, &err) == 0);
}

static void teardown(void)
{
	decoder_free(decoder);
	arena_fini(&arena);
}

TestSuite(decode, .init = setup, .fini = teardown);

/* A record whose bytes end where its own memory ends: a sanitizer sees what reads further than
 * RECORD_PADDING. The padding holds what would go on with a number, a string, a key. */
static struct record record_of(struct str text)
{
	char *value = malloc(text.len + RECORD_PADDING);
	memcpy(value, text.data, text.len);
	memset(value + text.len, '7', RECORD_PADDING);
	return (struct record){.value = {value, text.len}, .time_ms = 5000, .partition = 0};
}

/* The message lives in the text until the next call. */
static enum decode_result decode_text(const char *text, struct message *out)
{
	static char *last;
	struct record record = record_of(str_of(text));

	free(last);
	last = (char *)record.value.data;
	return decode(decoder, directory_empty(), &record, &arena, out);
}

static void expect_result(const char *text, enum decode_result want)
{
	struct message m;
	enum decode_result got = decode_text(text, &m);
	cr_expect(got == want, "%.60s: got %s, want %s", text, decode_result_name(got),
		  decode_result_name(want));
}

Test(decode, results_have_the_names_of_the_contract)
{
	static const char *const want[] = {"bad_json",	 "bad_utf8",   "too_big",   "too_deep",
					    "no_msgid",	 "no_sender",  "bad_field", "encrypted",
					    "decrypt_failed", "no_corp", "misrouted", "batch"};
	for (int i = 0; i < (int)ARRAY_LEN(want); i++) {
		enum decode_result result = (enum decode_result)(DECODE_BAD_JSON + i);
		cr_expect_str_eq(decode_result_name(result), want[i]);
		cr_expect(strlen(decode_result_detail(result)) > 10);
	}
	cr_expect(DECODE_BAD_JSON + ARRAY_LEN(want) == DECODE_RESULT_COUNT);
}

Test(decode, messages_of_a_batch_live_together)
{
	/* One decoder, many records: what an earlier one said must not change. */
	enum { COUNT = 500 };
	static struct message messages[COUNT];
	static struct record records[COUNT];

	for (int i = 0; i < COUNT; i++) {
		char text[1000];
		snprintf(text, sizeof text,
			 "{\"msgid\":\"m%d\",\"action\":\"send\",\"from\":\"f%d\",\"tolist\":[\"t%d\"],"
			 "\"msgtime\":1700000000,\"msgtype\":\"mixed\",\"mixed\":{\"item\":[{\"type\":"
			 "\"text\",\"content\":\"{\\\"content\\\":\\\"text \\u4e2d %d [\\u5fae\\u7b11]\\\"}"
			 "\"},{\"type\":\"text\",\"content\":\"{\\\"content\\\":\\\"second\\\\n%d\\\"}\"}]}}",
			 i, i, i, i, i);
		records[i] = record_of(str_of(text));
		cr_assert(decode(decoder, directory_empty(), &records[i], &arena, &messages[i]) ==
			  DECODE_DONE);
	}
	for (int i = 0; i < COUNT; i++) {
		struct message *m = &messages[i];
		char want[100];
		snprintf(want, sizeof want, "text 中 %d [微笑]", i);
		cr_assert(m->text_count == 2);
		cr_expect(str_eq(m->texts[0].content, str_of(want)));
		cr_expect(str_eq(m->texts[0].path, STR("mixed.item[0].content.content")));
		cr_expect(m->texts[0].span_count == 1);
		snprintf(want, sizeof want, "second\n%d", i);
		cr_expect(str_eq(m->texts[1].content, str_of(want)));
		snprintf(want, sizeof want, "m%d", i);
		cr_expect(str_eq(m->msgid, str_of(want)));
		cr_expect(str_eq(m->tolist[0], str_from(str_of(want), 1)) == false);
		cr_expect(m->tolist[0].data[0] == 't' && m->userid_count == 2);
	}
	for (int i = 0; i < COUNT; i++)
		free((char *)records[i].value.data);
}

Test(decode, texts_are_readable_on_both_sides)
{
	/* In place, escaped, inside JSON in a string, and so near the beginning that it is copied. */
	static const char *const lines[] = {
		"{\"text\":{\"content\":\"near\"},\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"text\"}",
		"{\"x\":[\"near\"],\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"x\"}",
		"{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"text\",\"text\":{\"content\":\"\\u0041\"}}",
		"{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"mixed\",\"mixed\":{\"item\":[{\"type\":"
		"\"text\",\"content\":\"{\\\"content\\\":\\\"x\\\"}\"}]}}",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct record record = record_of(str_of(lines[i]));
		struct message m;
		cr_assert(decode(decoder, directory_empty(), &record, &arena, &m) == DECODE_DONE);
		cr_assert(m.text_count == 1, "line %zu", i);
		struct str content = m.texts[0].content;
		volatile unsigned sum = 0; /* a sanitizer objects if this is nobody's memory */
		for (const char *p = content.data - 16; p < content.data + content.len + 64; p++)
			sum += (unsigned char)*p;
		free((char *)record.value.data);
	}
}

Test(decode, a_key_that_is_read_is_there_once)
{
#define HEAD "{\"msgid\":\"m\",\"action\":\"send\",\"from\":\"a\",\"tolist\":[\"b\"],\"msgtime\":1700000000,"
#define NOTE(item) HEAD "\"msgtype\":\"note\",\"note\":{\"item\":[{" item "}]}}"
#define FOO(members) HEAD "\"msgtype\":\"foo\"," members "}"
#define INNER "{\\\"content\\\":\\\"x\\\"}"
#define MESSAGE "\"message\":" HEAD "\"msgtype\":\"text\",\"text\":{\"content\":\"x\"}}}"
#define PUSH "\"content\":\"{\\\"msgid\\\":\\\"m\\\",\\\"from\\\":\\\"a\\\",\\\"msgtime\\\":1,\\\"msgtype\\\":\\\"text\\\"}\"}"
	static const char *const twice[] = {
		NOTE("\"type\":\"text\",\"type\":\"image\",\"content\":\"" INNER "\""),
		NOTE("\"type\":\"image\",\"type\":\"text\",\"content\":\"" INNER "\""),
		NOTE("\"appid\":{\"t\":\"x\"},\"appid\":{\"t\":\"y\"}"),
		NOTE("\"appid\":\"x\",\"appid\":{\"t\":\"y\"}"),
		NOTE("\"title\":\"x\",\"title\":\"x\""),
		FOO("\"foo\":{\"t\":\"x\"},\"foo\":{\"t\":\"y\"}"),
		FOO("\"foo\":null,\"foo\":{\"t\":\"y\"}"),
		FOO("\"bar\":{\"t\":\"x\"},\"bar\":{\"t\":\"y\"}"),
		FOO("\"bar\":{\"t\":\"x\"},\"bar\":1"),
		"{\"decrypt_error\":\"boo\",\"decrypt_error\":\"\"," MESSAGE,
		"{\"decrypt_error\":\"\",\"decrypt_error\":\"boo\"," MESSAGE,
		"{\"type\":1,\"type\":101," PUSH, "{\"type\":101,\"type\":1," PUSH,
	};
	static const char *const fine[] = {
		NOTE("\"type\":\"text\",\"content\":\"" INNER "\",\"appid\":\"x\",\"appid\":\"y\""),
		FOO("\"foo\":{\"t\":\"x\"},\"bar\":{\"t\":\"x\"},\"bar\":{\"t\":\"y\"}"),
		FOO("\"bar\":{\"t\":\"x\"},\"baz\":1,\"baz\":2"),
		"{\"decrypt_error\":\"\"," MESSAGE, "{\"type\":101," PUSH,
		"{\"x\":1,\"x\":2,\"type\":1,\"type\":2," MESSAGE,
	};
	for (size_t i = 0; i < ARRAY_LEN(twice); i++)
		expect_result(twice[i], DECODE_BAD_FIELD);
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		expect_result(fine[i], DECODE_DONE);
}

Test(decode, what_a_note_forwards_is_forwarded)
{
	static const char *const contents[] = {
		"{\"title\":\"x\",\"item\":[{\"type\":\"ChatRecordText\",\"content\":\"" INNER "\"}]}",
		"\"{\\\"title\\\":\\\"x\\\",\\\"item\\\":[]}\"", "[\"x\"]",
	};
	for (size_t i = 0; i < ARRAY_LEN(contents); i++)
		for (int forwarded = 0; forwarded < 2; forwarded++) {
			char text[1000];
			struct message m;
			(void)snprintf(text, sizeof text, NOTE("\"type\":\"%s\",\"content\":%s},{\"t\":\"own\""),
				       forwarded ? "chatrecord" : "link", contents[i]);
			cr_assert_eq(decode_text(text, &m), DECODE_DONE, "%s", text);
			cr_assert_geq(m.text_count, 2, "%s", text);
			for (size_t k = 0; k < m.text_count; k++)
				cr_expect_eq(m.texts[k].forwarded, forwarded && k < m.text_count - 1, "%s", text);
		}
}

Test(decode, size_has_a_limit)
{
	struct message m;
	size_t len = RECORD_BYTES_MAX;
	char *text = malloc(len + 2);
	const char *head = "{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"text\",\"text\":{\"content\":\"";

	memset(text, 'x', len + 1);
	memcpy(text, head, strlen(head));
	memcpy(text + len - 3, "\"}}", 4);
	cr_expect(decode_text(text, &m) == DECODE_DONE);
	cr_expect(m.texts[0].content.len == len - 3 - strlen(head));
	memcpy(text + len - 3, "x\"}}", 5);
	cr_expect(decode_text(text, &m) == DECODE_TOO_BIG);
	free(text);
}

Test(decode, depth_has_a_limit_and_no_stack)
{
	struct decode_settings settings = {.corpid = STR("ww1"), .record_bytes_max = 4000000};
	struct decoder *large;
	struct err err;
	struct message m;
	static const int depths[] = {64, 65, 1000, 1000000};

	cr_assert(decoder_new(&large, &settings, &err) == 0);
	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		size_t depth = (size_t)depths[i] - 1;
		char *text = malloc(2 * depth + 200), *p = text;
		p += sprintf(p, "{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"x\",\"y\":");
		p = (char *)memset(p, '[', depth) + depth;
		p = (char *)memset(p, ']', depth) + depth;
		*p++ = '}';
		struct record record = record_of((struct str){text, (size_t)(p - text)});
		enum decode_result got = decode(large, directory_empty(), &record, &arena, &m);
		cr_expect(got == (i == 0 ? DECODE_DONE : DECODE_TOO_DEEP), "depth %d: %s", depths[i],
			  decode_result_name(got));
		free((char *)record.value.data);
		free(text);
	}
	decoder_free(large);
}

/* A record inside a record, each in a string of the one before, until the record is full. */
Test(decode, records_in_records_are_read_to_the_end)
{
	struct buf inner = {0}, outer = {0};
	struct message m;
	int depth = 0;

	buf_put(&inner, STR("{\"content\":\"\\u5fae\\u4fe1\"}")); /* 微信 */
	for (;;) {
		buf_clear(&outer);
		buf_printf(&outer, "{\"title\":\"t%d\",\"item\":[{\"type\":\"%s\",\"content\":", depth,
			   depth ? "chatrecord" : "ChatRecordText");
		buf_put_json(&outer, buf_str(&inner));
		buf_put(&outer, STR("}]}"));
		if (outer.len > 900000)
			break;
		struct buf swap = inner;
		inner = outer;
		outer = swap;
		depth++;
	}
	cr_expect(depth > 10, "only %d deep", depth);
	buf_clear(&outer);
	buf_put(&outer, STR("{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"chatrecord\",\"chatrecord\":"));
	buf_put(&outer, buf_str(&inner));
	buf_put(&outer, STR("}"));
	struct record record = record_of(buf_str(&outer));
	cr_assert(decode(decoder, directory_empty(), &record, &arena, &m) == DECODE_DONE);
	cr_assert(m.text_count == (size_t)depth + 1);
	const struct text *last = &m.texts[m.text_count - 1];
	cr_expect(str_eq(last->content, STR("微信")));
	cr_expect(last->forwarded && last->path.len <= 512);
	cr_expect(str_ends(last->path, STR("item[0].content.content")) || depth > 25);
	free((char *)record.value.data);
	buf_fini(&inner);
	buf_fini(&outer);
}

Test(decode, null_and_empty)
{
	struct message m;
	struct record null = {.time_ms = 1};
	cr_expect(decode(decoder, directory_empty(), &null, &arena, &m) == DECODE_NULL);
	expect_result("", DECODE_BAD_JSON);
	expect_result(" \n\t", DECODE_BAD_JSON);
	expect_result("\xef\xbb\xbf", DECODE_BAD_JSON);
	expect_result("\xef\xbb\xbf{}", DECODE_NO_MSGID);
	expect_result("nul", DECODE_BAD_JSON);
	expect_result("7", DECODE_BAD_JSON);
}

Test(decode, no_corp_without_a_setting)
{
	struct decode_settings settings = {0};
	struct decoder *bare;
	struct err err;
	struct message m;
	struct record record = record_of(
		STR("{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"text\",\"text\":{\"content\":\"x\"}}"));

	cr_assert(decoder_new(&bare, &settings, &err) == 0);
	cr_expect(decode(bare, directory_empty(), &record, &arena, &m) == DECODE_NO_CORP);
	free((char *)record.value.data);
	decoder_free(bare);
}

Test(decode, settings_have_limits)
{
	struct decode_settings settings = {.record_bytes_max = (size_t)1 << 40};
	struct decoder *none = NULL;
	struct err err;
	cr_expect(decoder_new(&none, &settings, &err) < 0 && err.kind == ERR_CONFIG);
	cr_expect_null(none);
}

Test(decode, time_of_a_record)
{
	struct message m;
	const char *text = "{\"msgid\":\"m\",\"from\":\"a\",\"msgtime\":1700000000,\"msgtype\":\"text\","
			   "\"text\":{\"content\":\"x\"}}";
	struct record record = record_of(str_of(text));

	cr_assert(decode(decoder, directory_empty(), &record, &arena, &m) == DECODE_DONE);
	cr_expect(m.recv_ms == 5000 && m.msgtime_ms == 1700000000000);
	record.partition = -1; /* in a file: its own time, for there is no other */
	cr_assert(decode(decoder, directory_empty(), &record, &arena, &m) == DECODE_DONE);
	cr_expect(m.recv_ms == 1700000000000 && m.notes == 0);
	free((char *)record.value.data);

	cr_assert(decode_text("{\"recv_ts\":1700000000456,\"message\":{\"msgid\":\"m\",\"from\":\"a\","
			      "\"msgtype\":\"voice\"}}", &m) == DECODE_DONE);
	cr_expect(m.msgtime_ms == 1700000000456 && m.notes == NOTE_NO_TIME);
	/* What RFC 3339 or a bigint of `sequence` cannot hold, in seconds too. */
	expect_result("{\"msgid\":\"m\",\"from\":\"a\",\"msgtime\":253402300800000,\"msgtype\":\"voice\"}",
		      DECODE_BAD_FIELD);
	expect_result("{\"recv_ts\":9214646400001,\"message\":{\"msgid\":\"m\",\"from\":\"a\","
		      "\"msgtype\":\"voice\"}}", DECODE_BAD_FIELD);
	expect_result("{\"recv_ts\":9214646401,\"message\":{\"msgid\":\"m\",\"from\":\"a\","
		      "\"msgtype\":\"voice\"}}", DECODE_BAD_FIELD);
	/* The state would take it up as a customer of corp "a". */
	expect_result("{\"corpid\":\"a/b\",\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"voice\"}",
		      DECODE_BAD_FIELD);
	/* Ids that no column can hold. */
	expect_result("{\"msgid\":\"m\\u0000\",\"from\":\"a\",\"msgtype\":\"voice\"}", DECODE_BAD_FIELD);
	expect_result("{\"msgid\":\"m\",\"from\":\"a\",\"tolist\":\"b,\\u0000\",\"msgtype\":\"voice\"}",
		      DECODE_BAD_FIELD);
	expect_result("{\"msgid\":\"m\",\"from\":\"a\",\"tolist\":[\"\\u0000b\"],\"msgtype\":\"voice\"}",
		      DECODE_BAD_FIELD);
}

Test(decode, a_long_list_is_cut_and_said)
{
	struct buf b = {0};
	struct message m;

	buf_put(&b, STR("{\"msgid\":\"m\",\"from\":\"a\",\"msgtype\":\"voice\",\"roomid\":\"wr\",\"tolist\":["));
	for (int i = 0; i < TOLIST_MAX + 5; i++)
		buf_printf(&b, "%s\"u%d\"", i ? "," : "", i);
	buf_put(&b, STR("]}\0"));
	cr_assert(decode_text(b.data, &m) == DECODE_DONE);
	cr_expect(m.tolist_count == TOLIST_MAX && m.notes & NOTE_CUT_LIST);
	cr_expect(m.userid_count == USERIDS_MAX);
	buf_fini(&b);
}

Test(decode, a_list_may_be_one_string)
{
	struct message m;
	cr_assert(decode_text("{\"msgid\":\"m\",\"from\":\"a\",\"tolist\":\"b, c|d,\",\"msgtype\":\"voice\"}",
			      &m) == DECODE_DONE);
	cr_assert(m.tolist_count == 3);
	cr_expect(str_eq(m.tolist[0], STR("b")) && str_eq(m.tolist[1], STR("c")) &&
		  str_eq(m.tolist[2], STR("d")));
}

Test(decode, ids_have_a_limit)
{
	char text[1000], id[300];
	memset(id, 'i', sizeof id);
	snprintf(text, sizeof text, "{\"msgid\":\"%.256s\",\"from\":\"a\",\"msgtype\":\"voice\"}", id);
	expect_result(text, DECODE_DONE);
	snprintf(text, sizeof text, "{\"msgid\":\"%.257s\",\"from\":\"a\",\"msgtype\":\"voice\"}", id);
	expect_result(text, DECODE_BAD_FIELD);
}

Test(decode, split)
{
	struct record batch = record_of(STR(
		"{\"errcode\":0,\"corp_id\":\"ww\\u0039\",\"chatdata\":[{\"seq\":1,\"msg\":{\"msgid\":\"m1\","
		"\"from\":\"a\",\"msgtype\":\"voice\"}},{\"corpid\":\"ww8\",\"msg\":{\"msgid\":\"m2\","
		"\"from\":\"a\",\"msgtype\":\"voice\"}},{},5,\"x\",{\"msgid\":\"m3\",\"encrypt_chat_msg\":\"e\"}]}"));
	static const struct {
		const char *corpid, *msgid;
		enum decode_result result;
	} want[] = {{"ww9", "m1", DECODE_DONE},	 {"ww8", "m2", DECODE_DONE}, {"", "", DECODE_NO_MSGID},
		    {"", "", DECODE_BAD_JSON},	 {"", "", DECODE_BAD_JSON},  {"", "", DECODE_ENCRYPTED}};
	struct record *items;
	size_t count;
	struct message m;

	batch.offset = 7;
	cr_assert(decode(decoder, directory_empty(), &batch, &arena, &m) == DECODE_BATCH);
	cr_assert(decode_split(decoder, &batch, &arena, &items, &count) == DECODE_DONE);
	free((char *)batch.value.data);
	cr_assert(count == ARRAY_LEN(want));
	for (size_t i = 0; i < count; i++) {
		enum decode_result got = decode(decoder, directory_empty(), &items[i], &arena, &m);
		cr_expect(got == want[i].result, "item %zu: %s", i, decode_result_name(got));
		cr_expect(items[i].offset == 7 && items[i].time_ms == 5000);
		if (got == DECODE_DONE)
			cr_expect(str_eq(m.corpid, str_of(want[i].corpid)) &&
				  str_eq(m.msgid, str_of(want[i].msgid)));
	}
}

Test(decode, every_emoticon_of_the_table_is_found)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cr_expect(emoticon_known(str_of(names[i])), "%s", names[i]);
		cr_expect(i == 0 || str_cmp(str_of(names[i - 1]), str_of(names[i])) < 0,
			  "%s is not in order", names[i]);
	}
	cr_expect(!emoticon_known(STR("加微信")) && !emoticon_known(STR("")));
}

/* ---- JSON by itself ---- */

static enum json_status parse(const char *text)
{
	struct json_parser *p = json_parser_new();
	struct record record = record_of(str_of(text));
	struct json j;
	enum json_status status = json_parse(p, 0, record.value, 64, &j);
	free((char *)record.value.data);
	json_parser_free(p);
	return status;
}

Test(json, grammar)
{
	static const char *const good[] = {
		"{}", "[]", " [ ] ", "[{}]", "[[],{}]", "0", "-0", "1", "\"\"", "true", "false", "null",
		"[0.5,1e5,1E-5,-0.0e+00,123456789012345678901234567890]", "{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":3}",
		"[\"\\u0000\\ud800\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\x7f\"]", "{\"\":\"\"}", "{\"a\":1,\"a\":2}",
		"[1 , 2\n,\t3\r]", "[12345678,123456789,1234567]",
	};
	static const char *const bad[] = {
		"", " ", "{", "}", "[", "]", "{]", "[}", "[,]", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
		"{a:1}", "{1:1}", "{\"a\" 1}", "[\"a]", "\"", "01", "[01]", "[1.]", "[.5]", "[1e]", "[1e+]", "[+1]",
		"[-]", "[1a]", "[12345678a]", "[tru]", "[truee]", "[nulL]", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u12g4\"]",
		"[\"\t\"]", "[1]]", "{}{}", "1 2", "[1]2", "\"a\"\"b\"", "[1\"a\"]", "[\"a\"1]", "[{}{}]", "{\"a\":1]",
		"[1,,2]", "{,}", ":", ",", "{\"a\"::1}", "{\"a\":1:2}", "[\"a\":1]", "{\"a\",\"b\"}", "[{]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		cr_expect(parse(good[i]) == JSON_OK, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect(parse(bad[i]) == JSON_BAD, "%s", bad[i]);
	cr_expect(parse("[\"\xff\"]") == JSON_BAD_UTF8);
	cr_expect(parse("[\"\xc0\x80\"]") == JSON_BAD_UTF8);
}

Test(json, numbers_are_exact)
{
	struct json_parser *p = json_parser_new();
	uint64_t seed = 1;

	for (int i = 0; i < 100000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
		uint64_t want = seed >> (seed >> 58), got = 0;
		char text[64 + RECORD_PADDING];
		int len = snprintf(text, sizeof text, "[%llu]", (unsigned long long)want);
		memset(text + len, '9', RECORD_PADDING);
		struct json j;
		cr_assert(json_parse(p, 0, (struct str){text, (size_t)len}, 64, &j) == JSON_OK);
		if (json_small(&j, 1, &got))
			cr_assert(got == want, "%llu", (unsigned long long)want);
		else
			cr_assert(want >= 1000000000000000, "%llu", (unsigned long long)want);
		cr_assert(str_to_u64(json_number(&j, 1), &got) && got == want);
	}
	json_parser_free(p);
}
