/* test_encode.c - events as the outside sees them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "send/encode.h"

static const struct encode_settings masked = {.source = STR("/chatmill/default")};

static struct event tag_event(void)
{
	static const struct str staff[] = {STR("zhangsan")};
	static const struct tag_change add[] = {{STR("意向"), STR("高意向"), STR("et1"), NULL, 0}};
	static const struct evidence evidence[] = {{STR("text.content"), 6, 15, 2, 5, STR("多少钱"),
						    STR("多少钱"), 0, false}};
	struct event e = {
		.type = EVENT_TAG,
		.time_ms = 1700000000123,
		.sequence = 1700000000123000000,
		.corpid = STR("ww1"),
		.subject = STR("wmCUSTOMER0000000000000000000001"),
		.external_userid = STR("wmCUSTOMER0000000000000000000001"),
		.userids = staff,
		.userid_count = 1,
		.from = STR("wmCUSTOMER0000000000000000000001"),
		.msgid = STR("m1"),
		.msgtime_ms = 1700000000123,
		.pack = STR("sales"),
		.rule = STR("ask-price"),
		.ruleset = STR("sha256:00"),
		.add = add,
		.add_count = 1,
		.evidence = evidence,
		.evidence_count = 1,
	};
	memcpy(e.id, "01234567-89ab-5def-8123-456789abcdef", sizeof e.id);
	return e;
}

static void expect(struct buf *got, const char *want)
{
	cr_expect(str_eq(buf_str(got), str_of(want)), "got  %.*s\nwant %s", (int)got->len, got->data,
		  want);
	buf_clear(got);
}

Test(encode, tag_event_is_the_example_of_the_contract)
{
	struct buf out = {0};
	struct event e = tag_event();

	encode_structured(&out, &e, &masked);
	expect(&out,
	       "{\"specversion\":\"1.0\",\"id\":\"01234567-89ab-5def-8123-456789abcdef\","
	       "\"source\":\"/chatmill/default\",\"type\":\"chatmill.tag.v1\","
	       "\"time\":\"2023-11-14T22:13:20.123Z\","
	       "\"subject\":\"ww1/wmCUSTOMER0000000000000000000001\","
	       "\"sequence\":\"01700000000123000000\",\"datacontenttype\":\"application/json\","
	       "\"data\":{\"corpid\":\"ww1\","
	       "\"external_userid\":\"wmCUSTOMER0000000000000000000001\","
	       "\"userids\":[\"zhangsan\"],\"roomid\":\"\",\"chat\":\"single\","
	       "\"from\":\"wmCUSTOMER0000000000000000000001\",\"from_role\":\"customer\","
	       "\"msgid\":\"m1\",\"msgtime\":1700000000123,\"late\":false,\"pack\":\"sales\","
	       "\"rule\":\"ask-price\",\"ruleset\":\"sha256:00\",\"cause\":\"rule\","
	       "\"add\":[{\"group\":\"意向\",\"tag\":\"高意向\",\"wecom_id\":\"et1\"}],"
	       "\"remove\":[],\"evidence\":[{\"field\":\"text.content\",\"start\":6,\"end\":15,"
	       "\"char_start\":2,\"char_end\":5,\"text\":\"多少钱\",\"word\":\"多少钱\","
	       "\"folds\":[],\"forwarded\":false}]}}");
	buf_fini(&out);
}

Test(encode, headers_of_binary_mode)
{
	static const char *const want[][2] = {
		{"ce_specversion", "1.0"},
		{"ce_id", "01234567-89ab-5def-8123-456789abcdef"},
		{"ce_source", "/chatmill/default"},
		{"ce_type", "chatmill.tag.v1"},
		{"ce_time", "2023-11-14T22:13:20.123Z"},
		{"ce_subject", "ww1/wmCUSTOMER0000000000000000000001"},
		{"ce_sequence", "01700000000123000000"},
		{"content-type", "application/json"},
	};
	struct buf scratch = {0};
	struct event e = tag_event();
	struct kafka_header got[ENCODE_HEADERS_MAX];

	cr_assert_eq(encode_headers(&scratch, &e, &masked, got), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		cr_expect_str_eq(got[i].name, want[i][0]);
		cr_expect(str_eq(got[i].value, str_of(want[i][1])), "%s", want[i][0]);
	}
	e.sequence = 0; /* of hit and erase events none is promised */
	cr_expect_eq(encode_headers(&scratch, &e, &masked, got), ARRAY_LEN(want) - 1);
	buf_fini(&scratch);
}

Test(encode, masking_hides_long_runs_of_digits_and_nothing_else)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"123456", "123456"},
		{"1234567", "*"},
		{"电话13812345678谢谢", "电话*谢谢"},
		{"１３８１２３４５６７８", "*"},
		{"138 1234 5678", "138 1234 5678"},
		{"a1234567b123456", "a*b123456"},
		{"*", "*"},
		{"138\u200b1234\u200b5678", "*"},
		{"a12\u200b34b", "a12\u200b34b"},
		{"电话١٣٨١٢٣٤٥٦٧٨", "电话*"},
		{"①②③④⑤⑥⑦❶", "*"},
		{"一二三四五六七八壹贰叁", "一二三四五六七八壹贰叁"},
		{"ⅰⅱⅲⅳⅴⅵⅶoooooool", "ⅰⅱⅲⅳⅴⅵⅶoooooool"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = {0}, twice = {0};
		encode_masked(&out, str_of(rows[i][0]));
		encode_masked(&twice, buf_str(&out));
		cr_expect(str_eq(buf_str(&out), buf_str(&twice)), "masking twice is masking once");
		expect(&out, rows[i][1]);
		buf_fini(&out);
		buf_fini(&twice);
	}
}

Test(encode, evidence_modes_folds_and_truncation)
{
	static const struct evidence evidence[] = {
		{STR("file.filename"), 0, 11, 0, 11, STR("13812345678"), STR("phone"),
		 FOLD_WIDTH | FOLD_GAP, true}};
	static const char *const texts[] = {"\"text\":\"*\",", "", "\"text\":\"13812345678\","};
	struct event e = tag_event();
	struct buf out = {0};

	e.evidence = evidence;
	e.truncated = true;
	for (int mode = 0; mode < 3; mode++) {
		struct encode_settings settings = {masked.source, (enum evidence_mode)mode};
		char want[512];
		encode_data(&out, &e, &settings);
		(void)snprintf(want, sizeof want,
			       "\"char_end\":11,%s\"word\":\"phone\",\"folds\":[\"width\",\"gap\"],"
			       "\"forwarded\":true}],\"truncated\":true}",
			       texts[mode]);
		buf_putc(&out, '\0');
		cr_expect(strstr(out.data, want), "%s\nnot in %s", want, out.data);
		buf_clear(&out);
	}
	buf_fini(&out);
}

Test(encode, stage_and_alert_have_their_fields)
{
	static const struct str msgids[] = {STR("m1"), STR("m2")};
	struct event e = tag_event();
	struct buf out = {0};

	e.type = EVENT_STAGE;
	e.ladder = STR("life");
	e.to_stage = STR("兴趣");
	encode_data(&out, &e, &masked);
	buf_putc(&out, '\0');
	cr_expect(strstr(out.data, "\"ladder\":\"life\",\"from_stage\":null,\"to_stage\":\"兴趣\","
				   "\"add\":[{"));
	buf_clear(&out);
	e.type = EVENT_ALERT;
	e.cause = CAUSE_GROUP;
	e.severity = SEVERITY_HIGH;
	e.category = STR("飞单");
	e.title = STR("私下交易");
	e.count = 2;
	e.msgids = msgids;
	e.msgid_count = 2;
	memcpy(e.alert_id, e.id, sizeof e.id);
	encode_data(&out, &e, &masked);
	buf_putc(&out, '\0');
	cr_expect(strstr(out.data,
			 "\"cause\":\"group\",\"severity\":\"high\",\"category\":\"飞单\","
			 "\"title\":\"私下交易\",\"count\":2,\"msgids\":[\"m1\",\"m2\"],"
			 "\"alert_id\":\"01234567-89ab-5def-8123-456789abcdef\",\"recalled\":false,"
			 "\"evidence\":["));
	buf_fini(&out);
}
