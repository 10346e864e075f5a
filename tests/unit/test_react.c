/* test_react.c - conversations in, events out: what sections 3 and 4 of RULES.md promise. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

/* A story is one line a record, «DAYS[:HH:MM] WHO TEXT», and what comes of it, one line an event.
 *	c           the customer, speaking to the staff s (c>t: to t)
 *	s, t        staff, speaking to c
 *	d, r        another customer and a robot, speaking to c
 *	g           c in a room with s and t
 *	recall N    the sender takes back record N (from 1)
 *	again N     record N comes a second time
 *	as N TEXT   with the msgid of record N
 *	publish     what stands behind ==== in the rules judges from here on
 *	clock       a clock record
 *	control X   X are fields of a control record for c
 *	agree, disagree  by c
 *	yuan N      a red packet of staff s
 * Expected: «TYPE RULE/CAUSE …», time of day left out. */
struct story {
	const char *name, *rules, *records, *events;
};

static void put_person(struct buf *out, char who)
{
	if (who == 'c' || who == 'd')
		buf_printf(out, "wmCUSTOMER000000000000000000000%d", who == 'c' ? 1 : 2);
	else if (who == 'r')
		buf_put(out, STR("wbROBOT00000000000000000"));
	else
		buf_printf(out, "staff-%c", who);
}

static void put_message(struct buf *out, int number, int64_t at_ms, const char *who,
			const char *text)
{
	char from = who[0] == 'g' ? 'c' : who[0];
	char to = who[1] == '>' ? who[2] : from == 'c' ? 's' : 'c';
	bool recall = !strncmp(text, "recall ", 7), yuan = !strncmp(text, "yuan ", 5);
	bool agree = !strcmp(text, "agree"), disagree = !strcmp(text, "disagree");
	buf_printf(out, "{\"corpid\":\"w\",\"message\":{\"msgid\":\"m%d\",\"action\":\"%s\",\"from\":\"",
		   number, recall ? "recall" : "send");
	put_person(out, from);
	buf_put(out, STR("\",\"tolist\":[\""));
	put_person(out, to);
	if (who[0] == 'g')
		buf_put(out, STR("\",\"staff-t"));
	buf_printf(out, "\"],\"roomid\":\"%s\",\"msgtime\":%lld,", who[0] == 'g' ? "wrROOM" : "",
		   (long long)at_ms);
	if (recall)
		buf_printf(out, "\"msgtype\":\"revoke\",\"revoke\":{\"pre_msgid\":\"m%s\"}}}", text + 7);
	else if (yuan)
		buf_printf(out, "\"msgtype\":\"external_redpacket\",\"redpacket\":{\"totalamount\":%s00}}}",
			   text + 5);
	else if (agree || disagree)
		buf_printf(out, "\"msgtype\":\"%s\",\"%s\":{\"userid\":\"wmCUSTOMER0000000000000000000001\"}}}",
			   text, text);
	else
		buf_printf(out, "\"msgtype\":\"text\",\"text\":{\"content\":\"%s\"}}}", text);
}

/* Record `number` of the story as JSON. */
static void put_record(struct buf *out, const struct story *story, int number, const char *line)
{
	char who[16], text[256] = "";
	int days, hours = 0, minutes = 0, used = 0;

	buf_clear(out);
	if (sscanf(line, "%d:%d:%d %n", &days, &hours, &minutes, &used) < 3 || !used)
		cr_assert_eq(sscanf(line, "%d %n", &days, &used), 1, "%s: %s", story->name, line);
	int64_t at_ms = START_MS + (int64_t)days * DAY_MS + (int64_t)hours * HOUR_MS +
			(int64_t)minutes * MINUTE_MS;
	int fields = sscanf(line + used, "%15s %255[^\n]", who, text);
	cr_assert(fields == 2 || !strcmp(who, "clock"), "%s: %s", story->name, line);
	used = 0;
	const char *rest = sscanf(text, "as %d %n", &number, &used) == 1 ? text + used : text;
	if (!strcmp(who, "clock"))
		buf_printf(out, "{\"corpid\":\"w\",\"clock\":%lld}", (long long)at_ms);
	else if (!strcmp(who, "control"))
		buf_printf(out,
			   "{\"corpid\":\"w\",\"control\":{\"id\":\"o%d\",\"external_userid\":"
			   "\"wmCUSTOMER0000000000000000000001\",\"by\":\"x\",\"at\":%lld,%s}}",
			   number, (long long)at_ms, rest);
	else
		put_message(out, number, at_ms, who, rest);
	memset(buf_room(out, RECORD_PADDING), 0, RECORD_PADDING);
}

static void put_tags(struct buf *out, char sign, const struct tag_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, " %c%.*s", sign, STR_ARG(changes[i].tag));
		for (size_t k = 0; k < changes[i].userid_count; k++)
			buf_printf(out, "%c%.*s", k ? ',' : '@',
				   (int)changes[i].userids[k].len - 6, changes[i].userids[k].data + 6);
	}
}

static void put_event(struct buf *out, const struct event *e)
{
	static const char *const types[] = {"tag", "stage", "alert", "hit", "erase"};
	static const char *const causes[] = {"rule", "staff", "expiry", "recall", "manual", "group"};
	int64_t minutes = (e->time_ms - START_MS) / MINUTE_MS;

	if (e->type == EVENT_HIT)
		return;
	buf_printf(out, "%lld:%02lld:%02lld %s %.*s/%s %.*s", (long long)(minutes / 1440),
		   (long long)(minutes / 60 % 24), (long long)(minutes % 60), types[e->type],
		   STR_ARG(e->rule), causes[e->cause], STR_ARG(e->msgid));
	if (e->type == EVENT_STAGE)
		buf_printf(out, " %.*s>%.*s", STR_ARG(e->from_stage), STR_ARG(e->to_stage));
	else
		put_tags(out, '+', e->add, e->add_count);
	if (e->type == EVENT_TAG)
		put_tags(out, '-', e->remove, e->remove_count);
	if (e->type == EVENT_ALERT && (e->count > 1 || e->recalled))
		buf_printf(out, " %llu%s", (unsigned long long)e->count, e->recalled ? " recalled" : "");
	buf_putc(out, '\n');
}

static struct str line_of(const char *text, int number)
{
	for (; number > 1; number--)
		text = strchr(text, '\n') + 1;
	return (struct str){text, strcspn(text, "\n")};
}

/* The rules before ==== or, `later`, behind it. */
static struct rulebook *book_of(const struct story *story, bool later, struct consent_rule *consent)
{
	const char *end = strstr(story->rules, "====\n");
	char rules[2048];

	cr_assert(end || !later, "%s", story->name);
	(void)snprintf(rules, sizeof rules, "%s", later ? end + 5 : story->rules);
	if (end && !later)
		rules[end - story->rules] = '\0';
	struct rulebook *book = world_rules(rules);
	book->set->consents = consent;
	book->set->consent_count = 1;
	return book;
}

static void tell(const struct story *story, enum consent consent)
{
	struct consent_rule consents[] = {{{0}, consent}};
	struct rulebook *book = book_of(story, false, consents), *old = NULL;
	struct pipeline *p = world_pipeline(book, 0);
	struct shard *shard = world_shard();
	struct buf json[128] = {0}, out = {0}; /* records live as long as the batch */
	struct err err;

	shard_begin(shard);
	int number = 1;
	for (const char *at = story->records; *at; number++) {
		struct str line = line_of(at, 1);
		char text[300];
		int again = 0;
		(void)snprintf(text, sizeof text, "%.*s", STR_ARG(line));
		if (sscanf(text, "again %d", &again) == 1) {
			struct str first = line_of(story->records, again);
			(void)snprintf(text, sizeof text, "%.*s", STR_ARG(first));
		}
		at += line.len + (at[line.len] == '\n');
		if (!strcmp(text, "publish")) {
			cr_assert_null(old, "%s", story->name);
			old = book;
			book = book_of(story, true, consents);
			cr_assert_eq(pipeline_fit(p, book, &err), 0);
			continue;
		}
		cr_assert_lt((size_t)number, ARRAY_LEN(json));
		put_record(&json[number], story, again ? again : number, text);
		/* Nothing here comes from the future: no clock is held back. */
		struct record record = {.value = buf_str(&json[number]), .time_ms = START_MS + 1000LL * DAY_MS};
		cr_assert_eq(pipeline_take(p, shard, book, &record), PIPELINE_DONE);
	}
	const struct pipeline_batch *batch = pipeline_batch(p);
	cr_assert_eq(batch->dead_count, 0, "%s", story->name);
	for (size_t i = 0; i < batch->events.count; i++)
		put_event(&out, &batch->events.items[i]);
	buf_putc(&out, '\0');
	cr_assert_str_eq(out.data, story->events, "%s:\n%s", story->name, out.data);
	shard_commit(shard);
	shard_free(shard);
	pipeline_free(p);
	rulebook_free(book);
	if (old)
		rulebook_free(old);
	for (size_t i = 0; i < ARRAY_LEN(json); i++)
		buf_fini(&json[i]);
	buf_fini(&out);
}

#define PACK "pack: p\n" \
	"tags:\n" \
	"  g: {values: [A, B], exclusive: true}\n" \
	"  h: {values: [X, Y]}\n" \
	"ladders: {life: {stages: [一, 二, 三], lost: 失}}\n" \
	"rules:\n"

static const struct story stories[] = {
	{"a window fires when the count reaches its threshold, and again after it fell below",
	 PACK "- {id: w, match: [price], window: {count: 3, within: 7d}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c price\n1 c price\n2 c price\n3 c price\n12 c price\n13 c price\n14 c price",
	 "2:00:00 alert w/rule m3\n14:00:00 alert w/rule m7\n"},
	{"a late match counts in its place, one that drops out itself does nothing",
	 PACK "- {id: w, match: [price], window: {count: 2, within: 2d}, then: {alert: {severity: low, category: c}}}\n",
	 "5 c price\n1 c price\n4 c price\n3 c price",
	 "4:00:00 alert w/rule m3\n"},
	{"sums count red packets",
	 PACK "- {id: w, from: staff, types: external_redpacket, window: {sum: amount, at_least: 500, within: 7d}, then: {alert: {severity: low, category: c}}}\n",
	 "0 s yuan 200\n1 s yuan 299\n2 s yuan 1\n3 s yuan 900",
	 "2:00:00 alert w/rule m3\n"},
	{"distinct words count once each",
	 PACK "- {id: w, match: [foo, bar], window: {count: 2, within: 9d, distinct: words}, then: {tag: X}}\n",
	 "0 c foo\n1 c foo\n2 c bar\n3 c foo bar",
	 "2:00:00 tag w/rule m3 +X\n"},
	{"a message that a guard turns away counts in no window",
	 PACK "- {id: t, match: [start], then: {tag: X}}\n"
	      "- {id: w, match: [price], if: {tag: X}, window: {count: 2, within: 9d}, then: {tag: Y}}\n",
	 "0 c price\n1 c start\n2 c price\n3 c price",
	 "1:00:00 tag t/rule m2 +X\n3:00:00 tag w/rule m4 +Y\n"},
	{"guards see the state before the message",
	 PACK "- {id: a, match: [go], then: {tag: X}}\n"
	      "- {id: b, match: [go], if: {tag: X}, then: {tag: Y}}\n",
	 "0 c go\n1 c go",
	 "0:00:00 tag a/rule m1 +X\n1:00:00 tag b/rule m2 +Y\n"},
	{"a ladder moves once: the farthest; at the first rule that asked for it",
	 PACK "- {id: a, match: [go], then: {stage: 一}}\n"
	      "- {id: b, match: [go], then: [{tag: X}, {stage: 三}]}\n"
	      "- {id: c, match: [go], then: [{tag: Y}, {stage: 三}]}\n"
	      "- {id: d, match: [go], then: {stage: 失}}\n",
	 "0 c go\n1 c go",
	 "0:00:00 tag b/rule m1 +X\n0:00:00 stage b/rule m1 >三\n0:00:00 tag c/rule m1 +Y\n"
	 "1:00:00 stage d/rule m2 三>失\n"},
	{"back only with back, after lost every stage is forward, an older message never moves",
	 PACK "- {id: a, match: [one], then: {stage: 一}}\n"
	      "- {id: b, match: [two], then: {stage: 二}}\n"
	      "- {id: d, match: [down], then: {stage: 一, back: true}}\n"
	      "- {id: l, match: [lost], then: {stage: 失}}\n",
	 "1 c two\n2 c one\n0 c lost\n1 c lost\n3 c one\n4 c two\n5 c down",
	 "1:00:00 stage b/rule m1 >二\n1:00:00 stage l/rule m4 二>失\n3:00:00 stage a/rule m5 失>一\n"
	 "4:00:00 stage b/rule m6 一>二\n5:00:00 stage d/rule m7 二>一\n"},
	{"a tag is announced once for each employee, and a removal names all",
	 PACK "- {id: a, match: [go], then: {tag: X}}\n- {id: u, match: [stop], then: {untag: X}}\n",
	 "0 c go\n1 c go\n2 c>t go\n3 s go\n4 g go\n5 c stop\n6 c stop",
	 "0:00:00 tag a/rule m1 +X\n2:00:00 tag a/staff m3 +X@t\n5:00:00 tag u/rule m6 -X@s,t\n"},
	{"an exclusive group swaps in one event; the first rule wins; an older message neither swaps nor adds",
	 PACK "- {id: a, match: [ay], then: {tag: A}}\n- {id: b, match: [bee], then: {tag: B}}\n",
	 "1 c bee\n2 c ay bee\n1:12:00 c bee\n3 c bee",
	 "1:00:00 tag b/rule m1 +B\n2:00:00 tag a/rule m2 +A -B@s\n3:00:00 tag b/rule m4 +B -A@s\n"},
	{"a tag expires after its newest evidence",
	 PACK "- {id: a, match: [go], then: {tag: X, expires: 3d}}\n",
	 "0 c go\n2 c go\n1 c go\n4 c hello\n6 clock",
	 "0:00:00 tag a/rule m1 +X\n5:00:00 tag a/expiry m2 -X@s\n"},
	{"what is due comes first, by time, then rule",
	 PACK "- {id: a, match: [go], then: {tag: X, expires: 3d}}\n"
	      "- {id: z, match: [go], then: {tag: Y, expires: 2d}}\n"
	      "- {id: b, match: [go], wait: {for: staff, over: 3d}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c go\n9 c go",
	 "0:00:00 tag a/rule m1 +X\n0:00:00 tag z/rule m1 +Y\n2:00:00 tag z/expiry m1 -Y@s\n"
	 "3:00:00 tag a/expiry m1 -X@s\n3:00:00 alert b/rule m1\n9:00:00 tag a/rule m2 +X\n"
	 "9:00:00 tag z/rule m2 +Y\n"},
	{"staff answers in time, too late, in another chat, with nothing but thanks",
	 PACK "- {id: w, from: customer, match: [help], wait: {for: staff, over: 10m, ignore: [ok]}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c help\n0:00:05 s hello\n1 c help\n1:00:11 s hello\n2 c help\n2:00:05 t hello\n2:00:06 s ok\n"
	 "3 c help ok\n3:00:01 c help\n3:00:10 c there?\n4 clock",
	 "1:00:10 alert w/rule m3\n2:00:10 alert w/rule m5\n3:00:10 alert w/rule m8\n"},
	{"only time within hours counts",
	 /* START is 06:13:20 in China. */
	 PACK "- {id: w, from: customer, match: [help], hours: '06:00-08:00', wait: {for: staff, over: 3h}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c help\n3 clock",
	 "1:01:00 alert w/rule m1\n"},
	{"silence moves to lost, also when staff moved the ladder since",
	 PACK "- {id: a, from: customer, wait: {for: customer, over: 30d}, then: {stage: 失}}\n"
	      "- {id: b, from: staff, match: [offer], then: {stage: 二}}\n",
	 "0 c hello\n1 s offer\n31 clock\n32 s offer\n33 c hello\n34 c hello\n63 s hello\n64 clock",
	 "1:00:00 stage b/rule m2 >二\n30:00:00 stage a/rule m1 二>失\n32:00:00 stage b/rule m4 失>二\n"
	 "64:00:00 stage a/rule m6 二>失\n"},
	{"a wait's guards are looked at again",
	 PACK "- {id: w, from: customer, match: [help], if: {no_tag: X}, wait: {for: staff, over: 1d}, then: {tag: Y}}\n"
	      "- {id: x, match: [done], then: {tag: X}}\n",
	 "0 c help\n0:01:00 c done\n2 clock",
	 "0:01:00 tag x/rule m2 +X\n"},
	{"alerts are grouped: the first at once, the others at the close",
	 PACK "- {id: a, match: [go], then: {alert: {severity: high, category: c, group_for: 10m}}}\n",
	 "0 c go\n0:00:03 c go\n0:00:02 c go\n0:00:09 c go\n0:00:11 c go\n1 clock",
	 "0:00:00 alert a/rule m1\n0:00:10 alert a/group m4 4\n0:00:11 alert a/rule m5\n"},
	{"near over messages: the same speaker, in the same chat, close enough",
	 PACK "- {id: n, match: {near: {of: [foo, bar], messages: 2}}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c foo\n0:00:01 s bar\n0:00:02 c>t bar\n0:00:03 c hi\n0:00:04 c bar\n0:00:05 c bar\n"
	 "0:00:06 c hi\n0:00:07 c hi\n0:00:08 c foo\n1:00:10 c bar",
	 "0:00:04 alert n/rule m5\n"},
	{"a near that has lapsed is advanced by no message, so that none is remembered for it",
	 PACK "- {id: n, match: {near: {of: [foo, bar], messages: 5}}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: a, match: [go], then: {tag: X}}\n",
	 "0 c foo\n0:23:00 c hi\n0:23:01 c as 2 go\n1:00:01 c hi\n1:00:02 c as 4 go",
	 "1:00:02 tag a/rule m4 +X\n"},
	{"open parts of a near that was written anew are no parts of the new one",
	 PACK "- {id: n, match: {near: {of: [foo, bar], messages: 5}}, then: {alert: {severity: low, category: c}}}\n"
	      "====\n"
	 PACK "- {id: n, match: {near: {of: [one, two], messages: 5}}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c foo\npublish\n0:00:01 c two\n0:00:02 c one",
	 "0:00:02 alert n/rule m4\n"},
	{"a near that lost a part hits again, one that was moved keeps its parts",
	 PACK "- {id: a, match: {near: {of: [foo, bar, baz], messages: 5}}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: b, match: {near: {of: [foo, bar], messages: 5}}, then: {alert: {severity: low, category: c}}}\n"
	      "====\n"
	 PACK "- {id: a, match: {near: {of: [foo, bar], messages: 5}}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: b, match: [{near: {of: [x, y], messages: 5}}, {near: {of: [foo, bar], messages: 5}}, {near: {of: [foo, bar], messages: 5}}],\n"
	      "   then: {alert: {severity: low, category: c}}}\n",
	 "0 c baz\n0 c foo\npublish\n0:00:01 c foo\n0:00:02 c bar",
	 "0:00:02 alert a/rule m5\n0:00:02 alert b/rule m5\n"},
	{"where nobody of staff is, the other one is the conversation: of near, of pairs, of waits",
	 PACK "- {id: n, from: customer, match: {near: {of: [foo, bar], messages: 5}}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: p, by: pair, match: [go], window: {count: 2, within: 9d}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: s, from: customer, match: [help], wait: {for: staff, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: z, match: [never], wait: {for: customer, over: 1h}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c>r foo\n0 c>d bar\n0:00:01 c>r bar\n"
	 "1 c>r go\n1 d go\n1 c>d go\n1:00:01 r go\n"
	 "2:00:09 c hi\n2:00:00 c>r help\n2:00:01 c>r help\n2:00:02 c>d help\n2:00:03 s here\n3 clock",
	 "0:00:01 alert n/rule m3\n1:00:01 alert p/rule m7\n2:01:00 alert s/rule m9\n"
	 "2:01:02 alert s/rule m11\n"},
	{"a wait ends with the publish of a rule that waits for the other role",
	 PACK "- {id: a, from: customer, match: [help], wait: {for: customer, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: b, from: customer, match: [help], wait: {for: staff, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: k, from: customer, match: [help], wait: {for: staff, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
	      "====\n"
	 PACK "- {id: a, from: customer, match: [help], wait: {for: staff, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: b, from: customer, match: [help], wait: {for: customer, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
	      "- {id: k, from: customer, match: [help], wait: {for: staff, over: 2h}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c help\npublish\n1 clock\n2 c>t help\n3 clock",
	 "0:01:00 alert k/rule m1\n2:01:00 alert a/rule m4\n2:01:00 alert b/rule m4\n2:02:00 alert k/rule m4\n"},
	{"a recall takes back what rested on the message",
	 PACK "- {id: a, match: [go], then: [{tag: X}, {tag: A}, {stage: 二}, {alert: {severity: low, category: c}}]}\n"
	      "- {id: b, match: [one], then: [{tag: B}, {stage: 一}]}\n",
	 "0 c one\n1 c go\n2 c recall 2\nagain 2\n2:00:01 c recall 2\n3 c one",
	 "0:00:00 tag b/rule m1 +B\n0:00:00 stage b/rule m1 >一\n1:00:00 tag a/rule m2 +X +A -B@s\n"
	 "1:00:00 stage a/rule m2 一>二\n1:00:00 alert a/rule m2\n2:00:00 tag a/recall m3 -X@s -A@s\n"
	 "2:00:00 stage a/recall m3 二>一\n2:00:00 alert a/recall m3 1 recalled\n"
	 "3:00:00 tag b/rule m6 +B\n"},
	{"a tag with other evidence stays, a move that was not the last stays",
	 PACK "- {id: a, match: [go], then: [{tag: X}, {stage: 一}]}\n- {id: b, match: [two], then: {stage: 二}}\n",
	 "0 c go\n1 c go\n2 c two\n3 c recall 1\n4 c recall 2\n5 c recall 3",
	 "0:00:00 tag a/rule m1 +X\n0:00:00 stage a/rule m1 >一\n2:00:00 stage b/rule m3 一>二\n"
	 "4:00:00 tag a/recall m5 -X@s\n5:00:00 stage b/recall m6 二>一\n"},
	{"keep_on_recall keeps, a recall after seven days finds nothing, waits end",
	 PACK "- {id: k, keep_on_recall: true, match: [keep], then: [{tag: X}, {stage: 一}, {alert: {severity: low, category: c}}]}\n"
	      "- {id: a, match: [go], then: {tag: Y}}\n"
	      "- {id: w, from: customer, match: [help], wait: {for: staff, over: 1d}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c keep\n0 c go\n0:01:00 c recall 1\n7 c recall 2\n8 c help\n8:01:00 c recall 5\n10 clock",
	 "0:00:00 tag k/rule m1 +X\n0:00:00 stage k/rule m1 >一\n0:00:00 alert k/rule m1\n"
	 "0:00:00 tag a/rule m2 +Y\n"},
	{"a recall leaves a wait that its rule keeps",
	 PACK "- {id: w, from: customer, keep_on_recall: true, match: [help], wait: {for: staff, over: 1h}, then: {alert: {severity: low, category: c}}}\n",
	 "0 c help\n0:00:01 c recall 1\n1 clock", "0:01:00 alert w/rule m1\n"},
	{"a word on consent is judged by who asks for it",
	 PACK "- {id: a, types: [disagree], then: {alert: {severity: low, category: c}}}\n"
	      "- {id: b, from: customer, then: {alert: {severity: low, category: c}}}\n",
	 "0 c disagree\n1 c hi", "0:00:00 alert a/rule m1\n1:00:00 alert b/rule m2\n"},
	{"the same message twice has one effect",
	 PACK "- {id: w, match: [go], window: {count: 2, within: 9d}, then: {tag: X}}\n",
	 "0 c go\nagain 1\n1 c go",
	 "1:00:00 tag w/rule m3 +X\n"},
	{"an id that is used again after seven days is a message of its own: remembered, and recalled alone",
	 PACK "- {id: a, match: [go], then: [{tag: X}, {alert: {severity: low, category: c}}]}\n"
	      "- {id: b, match: [go], then: {stage: 一}}\n"
	      "- {id: d, match: [two], then: [{tag: A}, {stage: 二}]}\n",
	 "0 c go\n7:05:00 c as 1 go two\nagain 2\n7:06:00 c recall 1\n7:07:00 c as 1 go\n",
	 "0:00:00 tag a/rule m1 +X\n0:00:00 alert a/rule m1\n0:00:00 stage b/rule m1 >一\n"
	 "7:05:00 alert a/rule m1\n7:05:00 tag d/rule m1 +A\n7:05:00 stage d/rule m1 一>二\n"
	 "7:06:00 alert a/recall m4 1 recalled\n7:06:00 tag d/recall m4 -A@s\n"
	 "7:06:00 stage d/recall m4 二>一\n"},
	{"an id of a control record that is used again after seven days is remembered again",
	 PACK "- {id: a, match: [go], then: {tag: X}}\n",
	 "0 control \"add\":[\"X\"]\n7:05:00 control as 1 \"add\":[\"Y\"],\"remove\":[\"X\"]\n"
	 "7:06:00 c go\nagain 2\n",
	 "0:00:00 tag /manual o1 +X\n7:05:00 tag /manual o1 +Y -X\n7:06:00 tag a/rule m3 +X\n"},
	{"control records: manual, back too, and refreshed without an event",
	 PACK "- {id: a, match: [go], then: [{tag: A}, {stage: 二}]}\n",
	 "1 c go\n0 control \"add\":[\"g/B\",\"X\",\"nobody\"],\"remove\":[],\"ladder\":\"life\",\"stage\":\"一\"\n"
	 "again 2\n2 control \"add\":[\"X\"]\n3 c go",
	 "1:00:00 tag a/rule m1 +A\n1:00:00 stage a/rule m1 >二\n0:00:00 tag /manual o2 +B +X -A@s\n"
	 "0:00:00 stage /manual o2 二>一\n3:00:00 tag a/rule m5 +A -B\n3:00:00 stage a/rule m5 一>二\n"},
	{"who is erased is gone, and what is older does nothing",
	 PACK "- {id: a, match: [go], then: {tag: X, expires: 9d}}\n",
	 "0 c go\n1 control \"erase\":true\n0:12:00 c go\n1 c go\n20 clock",
	 "0:00:00 tag a/rule m1 +X\n1:00:00 erase /manual o2\n1:00:00 tag a/rule m4 +X\n"
	 "10:00:00 tag a/expiry m4 -X@s\n"},
	{"shadow says nothing, and by pair counts each employee by itself",
	 PACK "- {id: s, mode: shadow, match: [go], then: {tag: X}}\n"
	      "- {id: w, by: pair, match: [go], window: {count: 2, within: 9d}, then: {tag: Y}}\n",
	 "0 c go\n1 c>t go\n2 c go",
	 "2:00:00 tag w/rule m3 +Y\n"},
};

Test(react, stories)
{
	for (size_t i = 0; i < ARRAY_LEN(stories); i++)
		tell(&stories[i], CONSENT_IGNORE);
}

/* However often a part comes in between, one that is near enough still counts. */
Test(react, a_near_reaches_as_far_as_it_says)
{
	static const int between[] = {1, 62, 63, 64, 98, 99, 100};

	for (size_t i = 0; i < ARRAY_LEN(between); i++) {
		struct buf records = {0};
		char expected[80] = "";
		buf_printf(&records, "0 c foo\n");
		for (int k = 0; k < between[i]; k++)
			buf_printf(&records, "0 c baz\n");
		buf_put(&records, (struct str){"0 c bar", sizeof "0 c bar"});
		if (between[i] < 100)
			(void)snprintf(expected, sizeof expected, "0:00:00 alert n/rule m%d\n", between[i] + 2);
		const struct story story = {
			"near over a hundred messages",
			PACK "- {id: n, match: {near: {of: [foo, baz, bar], messages: 100}}, then: {alert: {severity: low, category: c}}}\n",
			records.data, expected};
		tell(&story, CONSENT_IGNORE);
		buf_fini(&records);
	}
}

/* Of too many staff the one who has been silent for longest is forgotten, the customer never. */
Test(react, whose_newest_message_is_known)
{
	struct buf records = {0};
	static const char others[] = "abefhijklmnopqstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&(";

	cr_assert_eq(sizeof others - 1, 62);
	buf_printf(&records, "2 c hi\n3 A hi\n1 + hi\n");
	for (size_t i = 0; i < sizeof others - 1; i++)
		buf_printf(&records, "2 %c hi\n", others[i]);
	/* One more, older than all and so not taken; then one who is. */
	buf_printf(&records, "0 - hi\n4 * hi\n");
	buf_printf(&records, "2 c>A help\n1 s bye\n0:00:01 c>- help\n0:00:02 c>+ help\n1 c>a help\n5 clock");
	buf_putc(&records, '\0');
	const struct story story = {
		"too many staff",
		PACK "- {id: w, from: customer, match: [help], wait: {for: staff, over: 1h}, then: {alert: {severity: low, category: c}}}\n"
		     "- {id: z, from: staff, match: [bye], wait: {for: customer, over: 1h}, then: {alert: {severity: low, category: c}}}\n",
		records.data, "0:01:01 alert w/rule m70\n0:01:02 alert w/rule m71\n"};
	tell(&story, CONSENT_IGNORE);
	buf_fini(&records);
}

static const char consent_rules[] =
	PACK "- {id: a, match: [go], then: [{tag: X}, {stage: 一}, {alert: {severity: low, category: c}}]}\n"
	     "- {id: w, from: customer, match: [help], wait: {for: staff, over: 1h}, then: [{tag: Y}, {alert: {severity: low, category: c}}]}\n";
static const char consent_records[] =
	"0 c help\n0:00:01 c disagree\n1 c go\n0 c agree\n2 c recall 3\n3 c agree\n3:00:01 c go";

Test(react, a_customer_who_disagreed)
{
	const struct story ignore = {
		"consent: ignore", consent_rules, consent_records,
		"0:01:00 tag w/rule m1 +Y\n0:01:00 alert w/rule m1\n1:00:00 tag a/rule m3 +X\n"
		"1:00:00 stage a/rule m3 >一\n1:00:00 alert a/rule m3\n2:00:00 tag a/recall m5 -X@s\n"
		"2:00:00 stage a/recall m5 一>\n2:00:00 alert a/recall m5 1 recalled\n"
		"3:00:01 tag a/rule m7 +X\n3:00:01 stage a/rule m7 >一\n3:00:01 alert a/rule m7\n"};
	const struct story alert_only = {
		"consent: alert_only", consent_rules, consent_records,
		"0:01:00 alert w/rule m1\n1:00:00 alert a/rule m3\n2:00:00 alert a/recall m5 1 recalled\n"
		"3:00:01 tag a/rule m7 +X\n3:00:01 stage a/rule m7 >一\n3:00:01 alert a/rule m7\n"};
	const struct story drop = {
		"consent: drop", consent_rules, consent_records,
		"3:00:01 tag a/rule m7 +X\n3:00:01 stage a/rule m7 >一\n3:00:01 alert a/rule m7\n"};

	tell(&ignore, CONSENT_IGNORE);
	tell(&alert_only, CONSENT_ALERT_ONLY);
	tell(&drop, CONSENT_DROP);
}
