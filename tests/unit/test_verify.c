/* test_verify.c - what the ledger of `verify` tells of events that are lost, doubled, changed, moved. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "store/tally.h"
#include "verify/difference.h"
#include "verify/ledger.h"
#include "verify/order.h"

/* ---- what is reported, as text ---- */

struct told {
	char text[2000];
};

static void tell(void *context, const struct discrepancy *d)
{
	struct told *t = context;
	size_t len = strlen(t->text);

	(void)snprintf(t->text + len, sizeof t->text - len, "%s %c@%lld<%lld;",
		       discrepancy_name(d->kind), d->id.data[35], (long long)d->offset,
		       (long long)d->source_offset);
}

/* Event `name` (one character) with a value. */
static struct sheet sheet_of(char name, const char *value, char id[36])
{
	memcpy(id, "00000000-0000-5000-8000-00000000000", 35);
	id[35] = name;
	struct sheet sheet = {.key = STR("ww1/x"), .value = str_of(value), .id = {id, 36}};
	sheet.headers[sheet.header_count++] = (struct kafka_header){"ce_time", STR("now")};
	return sheet;
}

static enum ledger_answer expect(struct ledger *l, struct ledger_stream *s, char name,
				 struct ledger_source source)
{
	char id[36];
	struct sheet sheet = sheet_of(name, "{\"a\":1}", id);
	struct ledger_meeting meeting;

	return ledger_expect(l, s, &source, &sheet, &meeting);
}

static void found(struct ledger *l, struct ledger_stream *s, const char *names)
{
	struct ledger_meeting meeting;
	char id[36];

	for (int64_t i = 0; names[i]; i++) {
		struct sheet sheet = sheet_of(names[i], "{\"a\":1}", id);
		(void)ledger_found(l, s, i, &sheet, &meeting);
	}
}

/* Both sides, one wholly before the other or in turn: what is told must be the same. */
static void check(const char *derived, const char *topic, const char *want)
{
	for (int way = 0; way < 3; way++) {
		struct told told = {""};
		struct ledger_settings settings = {tell, &told};
		struct ledger_stream s = {.topic = "t", .from_offset = -1, .until_offset = INT64_MAX};
		struct ledger *l;
		struct err err;
		cr_assert(ledger_new(&l, &settings, &err) == 0);
		if (way == 0)
			found(l, &s, topic);
		for (int64_t i = 0; derived[i]; i++) {
			expect(l, &s, derived[i], (struct ledger_source){.offset = 100 + i});
			if (way == 1 && !derived[i + 1])
				found(l, &s, topic);
			if (way == 2 && i == 1)
				found(l, &s, topic);
		}
		/* As the second reading does. */
		for (int64_t i = 0; topic[i]; i++) {
			char id[36];
			struct sheet sheet = sheet_of(topic[i], "", id);
			ledger_seen_again(l, &s, i, sheet.id);
		}
		ledger_end_stream(l, &s);
		ledger_close(l);
		cr_expect_str_eq(told.text, want, "%s / %s, way %d: %s", derived, topic, way, told.text);
		cr_expect_eq(ledger_expected(l) + ledger_surplus(l), 0);
		ledger_free(l);
	}
}

Test(ledger, the_same_is_told_whatever_comes_first)
{
	check("abcdef", "abcdef", "");
	check("abcdef", "abdef", "lost c@-1<102;");
	check("abcdef", "abccdef", "doubled c@3<-1;");
	check("abcdef", "abcdefX", "unexpected X@6<-1;");
	check("abcdef", "Xabcdef", "unexpected X@0<-1;");
	check("abcdef", "bcdefa", "out_of_order a@5<100;");
	check("abcdef", "fabcde", "out_of_order a@1<100;");
	check("abcdef", "acbdef", "out_of_order b@2<101;");
	check("abcdef", "acdefX", "lost b@-1<101;unexpected X@5<-1;");
	check("abab", "abab", ""); /* a message that came again after state.memory */
	check("abab", "aba", "lost b@-1<103;");
}

Test(ledger, a_message_that_is_half_there_is_torn)
{
	struct told told = {""};
	struct ledger_settings settings = {tell, &told};
	struct ledger_stream s = {.topic = "t", .from_offset = -1, .until_offset = INT64_MAX};
	OWNED(ledger) *l = NULL;
	struct err err;

	cr_assert(ledger_new(&l, &settings, &err) == 0);
	for (int64_t message = 0; message < 2; message++) {
		struct ledger_group *g = ledger_group_new();
		struct ledger_source source = {.offset = message, .group = g};
		expect(l, &s, message ? 'c' : 'a', source);
		expect(l, &s, message ? 'd' : 'b', source);
		ledger_group_release(g);
	}
	found(l, &s, "a");
	ledger_end_stream(l, &s);
	ledger_close(l);
	cr_expect_str_eq(told.text, "torn b@-1<0;lost c@-1<1;lost d@-1<1;");
}

Test(ledger, what_run_has_not_taken_and_what_retention_took_is_not_lost)
{
	struct told told = {""};
	struct ledger_settings settings = {tell, &told};
	struct ledger_stream s = {
		.topic = "t", .from_offset = -1, .until_offset = INT64_MAX, .begins_late = true};
	OWNED(ledger) *l = NULL;
	struct err err;

	cr_assert(ledger_new(&l, &settings, &err) == 0);
	found(l, &s, "cd");
	cr_expect_eq(expect(l, &s, 'a', (struct ledger_source){.offset = 1}), LEDGER_PASSED);
	cr_expect_eq(expect(l, &s, 'b', (struct ledger_source){.offset = 2}), LEDGER_PASSED);
	cr_expect_eq(expect(l, &s, 'c', (struct ledger_source){.offset = 3}), LEDGER_MET);
	cr_expect_eq(expect(l, &s, 'x', (struct ledger_source){.offset = 4}), LEDGER_WAITS);
	cr_expect_eq(expect(l, &s, 'd', (struct ledger_source){.offset = 5, .ahead = true}), LEDGER_MET);
	cr_expect_eq(expect(l, &s, 'e', (struct ledger_source){.offset = 6, .optional = true}),
		     LEDGER_WAITS);
	ledger_end_stream(l, &s);
	ledger_close(l);
	cr_expect_str_eq(told.text, "torn d@1<5;lost x@-1<4;");
	cr_expect_eq(ledger_counts(l).passed, 2);
	cr_expect_eq(ledger_counts(l).not_yet, 1);
	cr_expect_eq(ledger_counts(l).met, 2);
}

Test(ledger, only_the_range_is_told)
{
	struct told told = {""};
	struct ledger_settings settings = {tell, &told};
	struct ledger_stream s = {.topic = "t", .from_offset = -1, .until_offset = INT64_MAX};
	OWNED(ledger) *l = NULL;
	struct err err;

	cr_assert(ledger_new(&l, &settings, &err) == 0);
	for (int i = 0; i < 6; i++) /* a, b before; c, d in; e, f behind */
		expect(l, &s, (char)('a' + i),
		       (struct ledger_source){.offset = i, .side = i < 2 ? -1 : i > 3});
	found(l, &s, "XaYcZe"); /* b, d and f are lost; X and Z stand outside and inside */
	ledger_end_stream(l, &s);
	ledger_close(l);
	cr_expect_str_eq(told.text, "lost d@-1<3;unexpected Y@2<-1;unexpected Z@4<-1;");
}

/* ---- differences ---- */

Test(difference, names_fields_and_never_content)
{
	static const struct {
		const char *a, *b, *want;
	} rows[] = {
		{"{\"corpid\":\"a\",\"late\":true}", "{\"corpid\":\"a\",\"late\":false}",
		 "the value differs in late"},
		{"{\"corpid\":\"a\"}", "{\"corpid\":\"b\"}", "the value differs in corpid"},
		{"{\"add\":[{\"tag\":\"x\"}],\"count\":1}", "{\"add\":[{\"tag\":\"y\"}],\"count\":1}",
		 "the value differs in add"},
		{"{\"a\":\"\\\"b\\\":1\",\"c\":2}", "{\"a\":\"\\\"b\\\":1\",\"c\":3}",
		 "the value differs in c"},
		{"{\"a\":1}", "{\"a\":1}x", "the value differs in a"},
		{"", "{\"a\":1}", "the value differs"},
		{"{\"\xe5\xa4\x9a\":1}", "{\"\xe5\xa4\x9a\":2}", "the value differs"},
		{"not json", "nor this", "the value differs"},
	};
	char out[120];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		difference_in_object(out, sizeof out, str_of(rows[i].a), str_of(rows[i].b));
		cr_expect_str_eq(out, rows[i].want, "row %zu: %s", i, out);
	}
	difference_in_lines(out, sizeof out, STR("ce_id=1\nce_time=2\n"), STR("ce_id=1\nce_time=3\n"));
	cr_expect_str_eq(out, "header ce_time differs");
	difference_in_lines(out, sizeof out, STR("ce_id=1\nce_time=2\n"), STR("ce_id=1\n"));
	cr_expect_str_eq(out, "header ce_time differs");
}

/* ---- the tally ---- */

struct row_text {
	char text[400];
};

static void put_row(void *context, const struct tally_row *r)
{
	struct row_text *t = context;

	(void)snprintf(t->text, sizeof t->text, "%.*s %s since %lld removed %lld staff", STR_ARG(r->name),
		       r->here ? "here" : "gone", (long long)r->since_ms, (long long)r->removed_ms);
	for (size_t i = 0; i < r->text_count; i++) {
		size_t len = strlen(t->text);
		(void)snprintf(t->text + len, sizeof t->text - len, " %.*s", STR_ARG(r->texts[i]));
	}
}

Test(tally, a_tag_through_its_life)
{
	static const struct {
		enum cause cause;
		bool adds;
		const char *staff;
		uint64_t sequence;
		const char *want;
	} steps[] = {
		{CAUSE_RULE, true, "anna", 10, "high here since 10 removed 0 staff anna"},
		{CAUSE_STAFF, true, "bert", 20, "high here since 10 removed 0 staff anna bert"},
		{CAUSE_STAFF, true, "anna", 15, "high here since 10 removed 0 staff anna bert"},
		{CAUSE_EXPIRY, false, "anna", 30, "high gone since 10 removed 30 staff anna bert"},
		{CAUSE_STAFF, true, "cleo", 40, "high here since 40 removed 30 staff cleo"},
		{CAUSE_RULE, true, "anna", 50, "high here since 50 removed 30 staff anna"},
	};
	struct tally *t = tally_new();
	struct tally_place place = {.topic = "t"};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct str staff = str_of(steps[i].staff);
		struct tag_change change = {.group = STR("intent"), .tag = STR("high")};
		struct event e = {.type = EVENT_TAG, .cause = steps[i].cause, .corpid = STR("ww1"),
				  .external_userid = STR("wm1"), .subject = STR("wm1"), .msgid = STR("m"),
				  .userids = &staff, .userid_count = 1, .sequence = steps[i].sequence,
				  .time_ms = (int64_t)steps[i].sequence};
		struct row_text row = {""};
		e.id[0] = (char)('a' + i);
		*(steps[i].adds ? &e.add : &e.remove) = &change;
		*(steps[i].adds ? &e.add_count : &e.remove_count) = 1;
		cr_expect_not(tally_take(t, &e, &place));
		tally_each(t, TALLY_TAG, put_row, &row);
		cr_expect_str_eq(row.text, steps[i].want, "step %zu: %s", i, row.text);
	}
	tally_forget(t, STR("ww1"), STR("wm1"));
	struct row_text none = {""};
	tally_each(t, TALLY_TAG, put_row, &none);
	cr_expect_str_eq(none.text, "");
	tally_free(t);
}
