/* test_state.c - transactions, restarts and the changelog give the state of a calm replay. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "state/codec.h"
#include "state_lines.h"

/* ---- two ways through the same lines ---- */

struct run {
	const struct rulebook *book;
	struct pipeline *p;
	struct shard *shard;
	struct changelog log;
	struct buf out; /* all events, in order */
	int rollbacks, restarts, parts, remembered;
};

/* Commits what the batch holds: events and changes go out together. */
static void commit(struct run *r, int64_t next_offset)
{
	const struct encode_settings settings = {.source = STR("/t"), .evidence = EVIDENCE_FULL};
	const struct pipeline_batch *batch = pipeline_batch(r->p);
	size_t count;

	shard_set_next_offset(r->shard, next_offset);
	const struct shard_change *changes = shard_changes(r->shard, &count);
	for (size_t i = 0; i < count; i++)
		changelog_put(&r->log, changes[i].key, changes[i].value);
	for (size_t i = 0; i < batch->events.count; i++) {
		encode_structured(&r->out, &batch->events.items[i], &settings);
		buf_putc(&r->out, '\n');
	}
	shard_commit(r->shard);
	pipeline_clear(r->p);
}

static enum pipeline_step take(struct run *r, const struct buf *line)
{
	struct record record = {.value = buf_str(line), .time_ms = START_MS};

	return pipeline_take(r->p, r->shard, r->book, &record);
}

static void run_calm(struct run *r, const struct buf *lines)
{
	r->p = world_pipeline(r->book, 0);
	r->shard = world_shard();
	for (int i = 0; i < LINES; i++) {
		shard_begin(r->shard);
		cr_assert_eq(take(r, &lines[i]), PIPELINE_DONE);
		commit(r, i + 1);
	}
}

/* What is read from the packed forms alone is what the unpacked subjects say. Returns how many
 * times a message was remembered. */
static int check_looks(struct shard *shard, int line)
{
	int remembered = 0;

	shard_begin(shard);
	for (int c = 0; c < CUSTOMERS; c++) {
		char customer[40], msgid[16];
		struct shard_glance packed, live;
		(void)snprintf(customer, sizeof customer, "wmCUSTOMER%022d", c);
		bool known = shard_look(shard, STR("ww1"), str_of(customer), &packed);
		const struct subject *s = shard_find(shard, STR("ww1"), str_of(customer));
		cr_assert_eq(known, s != NULL);
		if (!s)
			continue;
		cr_assert(!packed.subject);
		cr_assert(shard_look(shard, STR("ww1"), str_of(customer), &live));
		cr_assert_eq(live.subject, s);
		cr_assert_eq(packed.erased_ms, s->erased_ms);
		cr_assert_eq(packed.awaits, s->waits.count || s->nears.count);
		cr_assert_eq(packed.awaits, live.awaits);
		for (int i = MAX(line - 40, 0); i <= line; i++) {
			(void)snprintf(msgid, sizeof msgid, "m%d", i);
			uint64_t hash = hash_64(str_of(msgid));
			bool there = shard_remembers(shard, &live, STR("ww1"), hash);
			cr_assert_eq(shard_remembers(shard, &packed, STR("ww1"), hash), there);
			remembered += there;
		}
	}
	shard_rollback(shard);
	return remembered;
}

/* Batches of any size; some are undone and done again, what falls due comes in parts, and now and
 * then the process dies and another one restores the state. */
static void run_rough(struct run *r, const struct buf *lines)
{
	r->p = world_pipeline(r->book, 1 + next_random(3));
	r->shard = world_shard();
	for (int at = 0; at < LINES;) {
		int end = at + 1 + (int)next_random(20), i = at;
		bool undo = next_random(3) == 0;
		shard_begin(r->shard);
		for (; i < MIN(end, LINES); i++)
			if (take(r, &lines[i]) == PIPELINE_MORE) {
				r->parts++;
				break;
			}
		if (undo) {
			r->rollbacks++;
			shard_rollback(r->shard);
			pipeline_clear(r->p);
			continue;
		}
		commit(r, i);
		at = i;
		r->remembered += check_looks(r->shard, i);
		if (next_random(10) == 0) {
			r->restarts++;
			shard_free(r->shard);
			r->shard = restore(&r->log);
			cr_assert_eq(shard_next_offset(r->shard), at);
		}
	}
}

static void run_fini(struct run *r)
{
	pipeline_free(r->p);
	shard_free(r->shard);
	changelog_fini(&r->log);
	buf_fini(&r->out);
}

Test(state, any_batches_rollbacks_and_restarts_equal_a_calm_replay)
{
	static struct buf lines[LINES];
	struct rulebook *book = world_rules(state_rules);
	int rollbacks = 0, restarts = 0, parts = 0, remembered = 0;

	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct run calm = {.book = book}, rough = {.book = book};
		int64_t now_ms = START_MS;
		random_state = seed;
		for (int i = 0; i < LINES; i++) {
			now_ms += (int64_t)next_random(seed % 3 ? 4LL * HOUR_MS : 3LL * DAY_MS);
			make_line(&lines[i], i, now_ms);
		}
		run_calm(&calm, lines);
		run_rough(&rough, lines);
		cr_assert(str_eq(buf_str(&calm.out), buf_str(&rough.out)), "seed %d", (int)seed);
		cr_assert_gt(calm.out.len, 50000);
		compare(calm.shard, rough.shard, seed);
		struct shard *again = restore(&rough.log);
		compare(again, rough.shard, seed);
		while (shard_settle(again, 2))
			;
		compare(again, rough.shard, seed);
		shard_free(again);
		rollbacks += rough.rollbacks;
		restarts += rough.restarts;
		parts += rough.parts;
		remembered += rough.remembered;
		run_fini(&calm);
		run_fini(&rough);
	}
	cr_assert_gt(remembered, 100);
	cr_assert(rollbacks > 50 && restarts > 20 && parts > 50, "%d %d %d", rollbacks, restarts,
		  parts);
	for (int i = 0; i < LINES; i++)
		buf_fini(&lines[i]);
	rulebook_free(book);
}

/* ---- what a changelog must not hold ---- */

Test(state, refuses_what_it_does_not_know)
{
	const struct str key = STR("ww1/wmA");
	struct buf value = {0}, scratch = {0};
	struct codec_names names = {0};
	struct subject subject = {.is_customer = true, .touched_ms = START_MS};
	struct shard *shard = world_shard();
	struct err err = {0};

	codec_put_subject(&value, key, &subject, &scratch, &names);
	cr_assert_eq(shard_load(shard, key, buf_str(&value), &err), 0);
	cr_assert_eq(shard_stats(shard).subjects, 1);

	err.kind = ERR_NONE;
	cr_assert_lt(shard_load(shard, STR("ww1/wmB"), buf_str(&value), &err), 0);
	cr_assert_eq(err.kind, ERR_CONFIG); /* a value under another key */
	for (size_t i = 0; i < value.len; i++) {
		err.kind = ERR_NONE;
		value.data[i] ^= 0x10;
		cr_assert_lt(shard_load(shard, key, buf_str(&value), &err), 0);
		cr_assert_eq(err.kind, ERR_CONFIG);
		value.data[i] ^= 0x10;
	}
	for (size_t len = 0; len < value.len; len++) {
		err.kind = ERR_NONE;
		cr_assert_lt(shard_load(shard, key, (struct str){value.data, len}, &err), 0);
		cr_assert_eq(err.kind, ERR_CONFIG);
	}
	err.kind = ERR_NONE;
	cr_assert_lt(shard_load(shard, STR("no-slash"), buf_str(&value), &err), 0);
	cr_assert_eq(err.kind, ERR_CONFIG);
	cr_assert_eq(shard_stats(shard).subjects, 1);

	err.kind = ERR_NONE;
	cr_assert_lt(shard_loaded(shard, &err), 0, "subjects without a marker");
	cr_assert_eq(err.kind, ERR_CONFIG);
	cr_assert_eq(shard_load(shard, key, (struct str){0}, &err), 0); /* a tombstone */
	cr_assert_eq(shard_stats(shard).subjects, 0);
	shard_free(shard);
	buf_fini(&value);
	buf_fini(&scratch);
	free(names.items);
}

/* Broken bodies under a right checksum: nothing is read past its end, whatever it says, and nothing
 * that one of them gave can be committed. */
Test(state, survives_nonsense_bodies)
{
	const struct str key = STR("ww1/wmA");
	struct err err;
	int broken = 0;

	random_state = 7;
	for (int i = 0; i < 20000; i++) {
		char body[64];
		struct buf value = {0};
		size_t len = next_random(sizeof body);
		for (size_t k = 0; k < len; k++)
			body[k] = (char)(next_random(3) ? next_random(4) : next_random(256));
		codec_put_value(&value, key, (struct str){body, len});
		struct shard *shard = world_shard();
		struct shard_glance glance;
		cr_assert_leq(shard_load(shard, (struct str){"\0pos", 4}, buf_str(&value), &err), 0);
		/* Either way is right: of most nonsense nothing is read when it is loaded. */
		if (shard_load(shard, key, buf_str(&value), &err) == 0) {
			cr_assert_eq(shard_check(shard, &err), 0);
			cr_assert_leq(shard_loaded(shard, &err), 0); /* without a marker */
			shard_begin(shard);
			if (shard_look(shard, STR("ww1"), STR("wmA"), &glance))
				(void)shard_remembers(shard, &glance, STR("ww1"), next_random(4));
			const struct subject *s = shard_find(shard, STR("ww1"), STR("wmA"));
			cr_assert(s && str_eq(s->id, STR("wmA")));
			(void)subject_remembers(s, next_random(4), START_MS, DAY_MS);
			shard_rollback(shard);
			int before = shard_check(shard, &err);
			(void)shard_settle(shard, 10);
			cr_assert_eq(shard_check(shard, &err), before);
			broken += before < 0;
		}
		shard_free(shard);
		buf_fini(&value);
	}
	cr_assert_gt(broken, 1000);
}

/* ---- the past ---- */

struct note {
	uint64_t hash;
	int64_t time_ms;
	bool message;
	struct past_alert alert; /* else */
	struct alert_kind kind;
};

struct notes {
	struct note items[400];
	size_t count;
};

static void collect(void *context, struct past_alert alert)
{
	struct notes *seen = context;

	cr_assert_lt(seen->count, ARRAY_LEN(seen->items));
	seen->items[seen->count++].alert = alert;
}

static void drop_notes(struct notes *n, uint64_t hash, int64_t until_ms, bool alerts_only)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->count; i++) {
		const struct note *note = &n->items[i];
		bool gone = hash ? note->hash == hash && !(alerts_only && note->message)
				 : note->time_ms <= until_ms;
		if (!gone)
			n->items[kept++] = *note;
	}
	n->count = kept;
}

static void check_past(const struct past *p, const struct notes *want, uint64_t hash)
{
	static struct notes got;
	int64_t time_ms = 0;
	size_t at = 0, alerts = 0, messages = 0;
	bool there = false;

	got.count = 0;
	past_each_alert(p, hash, INT64_MIN, collect, &got);
	for (size_t i = 0; i < want->count; i++) {
		const struct note *note = &want->items[i];
		messages += note->message;
		alerts += !note->message;
		if (note->hash != hash)
			continue;
		if (note->message) {
			cr_assert(past_find(p, hash, &time_ms));
			cr_assert_eq(time_ms, note->time_ms);
			there = true;
			continue;
		}
		cr_assert_lt(at, got.count);
		const struct past_alert *alert = &got.items[at++].alert;
		const struct alert_kind *kind = &p->kinds.items[alert->kind];
		cr_assert_eq(alert->order, note->alert.order);
		cr_assert_eq(alert->due_ms, note->alert.due_ms);
		cr_assert_eq(kind->rule.data, note->kind.rule.data);
		cr_assert_eq(kind->severity, note->kind.severity);
	}
	cr_assert_eq(at, got.count);
	cr_assert_eq(past_find(p, hash, &time_ms), there);
	cr_assert_eq(past_messages(p), messages);
	cr_assert_eq(past_alert_count(p), alerts);
}

/* A hash is found wherever it stands, and no other one that has a half of it. */
Test(state, a_message_is_found_by_its_whole_hash)
{
	struct arena arena = {0};
	struct past p = {0};
	int64_t time_ms;

	for (uint64_t n = 0; n < 40; n++) {
		uint64_t hash = n << 32 | (n * 7 + 1);
		past_add(&p, &arena, hash, START_MS + (int64_t)n);
		for (uint64_t i = 0; i <= n; i++) {
			cr_assert(past_find(&p, i << 32 | (i * 7 + 1), &time_ms));
			cr_assert_eq(time_ms, START_MS + (int64_t)i);
			cr_assert_not(past_find(&p, i << 32, &time_ms));
			cr_assert_not(past_find(&p, i * 7 + 1 + (1ull << 40), &time_ms));
		}
		cr_assert_not(past_find(&p, 7ull << 40, &time_ms));
	}
	arena_fini(&arena);
}

/* Of two messages with one id the newer is remembered, each has its own alerts, and the older is
 * forgotten alone. */
Test(state, an_id_that_was_used_again)
{
	static struct notes got;
	struct arena arena = {0};
	struct past p = {0};
	int64_t time_ms;

	past_kind(&p, &arena, (struct alert_kind){.pack = STR("p"), .rule = STR("a")});
	past_add(&p, &arena, 7, START_MS);
	past_add(&p, &arena, 8, START_MS + 5);
	past_add(&p, &arena, 7, START_MS + 9);
	past_add_alert(&p, &arena, 7, START_MS, (struct past_alert){.order = 1});
	past_add_alert(&p, &arena, 7, START_MS + 9, (struct past_alert){.order = 2});
	past_each_alert(&p, 7, START_MS, collect, &got);
	cr_assert_eq(got.count, 1);
	cr_assert_eq(got.items[0].alert.order, 2);
	past_forget_oldest(&p, &arena);
	cr_assert_eq(past_messages(&p), 2);
	cr_assert_eq(past_alert_count(&p), 1);
	cr_assert(past_find(&p, 7, &time_ms));
	cr_assert_eq(time_ms, START_MS + 9);
	arena_fini(&arena);
}

/* What the row of bytes says is what a plain list says, whatever is added and forgotten. */
Test(state, the_past_is_what_was_added_and_not_forgotten)
{
	static const char *const rules[] = {"a", "b", "c"};
	static struct notes want;
	struct arena arena = {0};
	struct past p = {0};
	int forgotten = 0;

	random_state = 3;
	for (int step = 0; step < 20000; step++) {
		/* A message has one time, and some come late. */
		uint64_t hash = (uint64_t)step + 1 + next_random(60);
		int64_t time_ms = START_MS + (int64_t)(hash * 1000 - hash % 3 * HOUR_MS), old_ms;
		struct note note = {.hash = hash, .time_ms = time_ms,
				    .alert = {.order = (uint32_t)step}};
		switch (want.count < 300 ? next_random(12) : 11) {
		case 0:
			past_drop_alerts(&p, &arena, hash);
			drop_notes(&want, hash, 0, true);
			break;
		case 1: /* as a transaction ends and another begins */
			p.hashes = arena_copy(&arena, p.hashes);
			p.items = arena_copy(&arena, p.items);
			p.hashes_cap = p.items_cap = 0;
			break;
		case 2: case 3: case 4: case 5:
			note.kind.rule = str_of(rules[next_random(3)]);
			note.kind.severity = (enum severity)next_random(3);
			note.alert.due_ms = next_random(2) ? time_ms : 0;
			note.alert.kind = past_kind(&p, &arena, note.kind);
			past_add_alert(&p, &arena, hash, note.time_ms, note.alert);
			want.items[want.count++] = note;
			break;
		case 11:
			past_forget(&p, &arena, START_MS + step * 1000LL - HOUR_MS);
			drop_notes(&want, 0, START_MS + step * 1000LL - HOUR_MS, false);
			forgotten++;
			break;
		case 10:
			if (past_messages(&p)) {
				uint64_t oldest = 0;
				for (size_t i = 0; i < want.count && !oldest; i++)
					if (want.items[i].message && want.items[i].time_ms == p.oldest_ms)
						oldest = want.items[i].hash;
				cr_assert(oldest);
				past_forget_oldest(&p, &arena);
				drop_notes(&want, oldest, 0, false);
			}
			break;
		default:
			note.message = true;
			if (past_find(&p, hash, &old_ms))
				break;
			past_add(&p, &arena, hash, time_ms);
			want.items[want.count++] = note;
		}
		cr_assert_leq(p.kinds.count, 9);
		check_past(&p, &want, hash);
	}
	cr_assert_gt(forgotten, 100);
	arena_fini(&arena);
}

/* ---- who is forgotten, and what else a transaction writes ---- */

static void take_json(struct pipeline *p, struct shard *shard, const struct rulebook *book,
		      struct buf *line, const char *json)
{
	struct record record = world_record(line, json);

	cr_assert_eq(pipeline_take(p, shard, book, &record), PIPELINE_DONE);
}

Test(state, who_holds_nothing_is_forgotten_after_idle_days)
{
	struct rulebook *book = world_rules(
		"pack: p\ntags: {t: {values: [a]}}\nrules:\n"
		"  - {id: a, match: [keep], then: {tag: a}}\n"
		"  - {id: w, match: [go], window: {count: 9, within: 7d}, then: {tag: a}}\n");
	static const char *const words[] = {"go", "keep"};
	struct pipeline *p = world_pipeline(book, 0);
	struct shard *shard = world_shard();
	struct buf line[4] = {0};
	char json[512];
	size_t count;

	shard_begin(shard);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(json, sizeof json,
			       "{\"corpid\":\"w\",\"recv_ts\":%lld,\"message\":{\"msgid\":\"m\",\"action\":"
			       "\"send\",\"from\":\"wmCUSTOMER000000000000000000000%d\",\"tolist\":[\"s\"],"
			       "\"msgtime\":%lld,\"msgtype\":\"text\",\"text\":{\"content\":\"%s\"}}}",
			       (long long)START_MS, i, (long long)START_MS, words[i]);
		take_json(p, shard, book, &line[i], json);
	}
	shard_commit(shard);
	pipeline_clear(p);
	cr_assert_eq(shard_stats(shard).subjects, 2);

	for (int days = 399; days <= 400; days++) {
		shard_begin(shard);
		int64_t clock_ms = START_MS + (int64_t)days * DAY_MS;
		(void)snprintf(json, sizeof json,
			       "{\"corpid\":\"w\",\"recv_ts\":%lld,\"clock\":%lld}",
			       (long long)clock_ms, (long long)clock_ms);
		take_json(p, shard, book, &line[2], json);
		const struct shard_change *changes = shard_changes(shard, &count);
		cr_assert_eq(count, days < 400 ? 1 : 2); /* the marker is always the last */
		cr_assert(str_eq(changes[count - 1].key, (struct str){"\0pos", 4}));
		if (days == 400) {
			cr_assert(str_ends(changes[0].key, STR("0000")));
			cr_assert_null(changes[0].value.data);
		}
		shard_commit(shard);
		pipeline_clear(p);
	}
	cr_assert_eq(shard_stats(shard).subjects, 1); /* the one with the tag */
	pipeline_free(p);
	shard_free(shard);
	for (size_t i = 0; i < ARRAY_LEN(line); i++)
		buf_fini(&line[i]);
	rulebook_free(book);
}

Test(state, a_switch_of_rules_is_a_key_of_its_own)
{
	struct shard *shard = world_shard(), *again = world_shard();
	struct err err = {0};
	size_t count;

	shard_begin(shard);
	(void)shard_changes(shard, &count);
	cr_assert_eq(count, 0, "nothing changed");
	shard_set_ruleset(shard, STR("sha256:one"), 41);
	shard_rollback(shard);
	cr_assert_eq(shard_ruleset(shard).len, 0);

	shard_begin(shard);
	shard_set_ruleset(shard, STR("sha256:two"), 0x0102);
	shard_set_next_offset(shard, 0x0103);
	shard_set_clock_ms(shard, STR("ww1"), START_MS);
	const struct shard_change *changes = shard_changes(shard, &count);
	cr_assert_eq(count, 2);
	cr_assert(str_eq(changes[0].key, (struct str){"\0rul\0\0\0\0\0\0\1\2", 12}));
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(shard_load(again, changes[i].key, changes[i].value, &err), 0, "%s",
			     err.text);
	shard_commit(shard);
	cr_assert_eq(shard_loaded(again, &err), 0);
	cr_assert(str_eq(shard_ruleset(again), STR("sha256:two")));
	cr_assert_eq(shard_next_offset(again), 0x0103);
	cr_assert_eq(shard_clock_ms(again, STR("ww1")), START_MS);
	cr_assert_eq(shard_clock_ms(again, STR("ww2")), 0);
	shard_free(shard);
	shard_free(again);
}

/* ---- how much it is ---- */

Test(state, a_customer_who_never_stops_stays_small)
{
	enum { MANY = 4000 };
	struct rulebook *book = world_rules(
		"pack: p\ntags: {t: {values: [a, b]}}\nladders: {l: {stages: [x, y]}}\nrules:\n"
		"  - {id: a, from: customer, then: [{tag: a, expires: 1d}, {stage: x}, {alert: {severity: low, category: c}}]}\n"
		"  - {id: b, from: customer, then: [{tag: a}, {stage: y, back: true}]}\n");
	struct pipeline *p = world_pipeline(book, 0);
	struct shard *shard = world_shard();
	struct buf line = {0};
	char json[512];

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(json, sizeof json,
			       "{\"corpid\":\"w\",\"message\":{\"msgid\":\"%d\",\"action\":\"send\","
			       "\"from\":\"wmCUSTOMER0000000000000000000001\",\"tolist\":[\"s\"],"
			       "\"msgtime\":%lld,\"msgtype\":\"text\",\"text\":{\"content\":\"x\"}}}",
			       i, (long long)START_MS + i);
		struct record record = world_record(&line, json);
		record.time_ms = START_MS + i;
		shard_begin(shard);
		cr_assert_eq(pipeline_take(p, shard, book, &record), PIPELINE_DONE);
		shard_commit(shard);
		pipeline_clear(p);
	}
	shard_begin(shard);
	const struct subject *s =
		shard_find(shard, STR("w"), STR("wmCUSTOMER0000000000000000000001"));
	cr_assert_eq(past_messages(&s->past), SUBJECT_SEEN_MAX);
	cr_assert_leq(s->told.count, SUBJECT_SEEN_MAX + 1);
	cr_assert_leq(s->tags.items[0].proofs.count, 2 * SUBJECT_SEEN_MAX + 2);
	cr_assert_leq(past_alert_count(&s->past), SUBJECT_SEEN_MAX);
	cr_assert_eq(s->past.kinds.count, 1);
	cr_assert_leq(s->ladders.items[0].moves.count, LADDER_MOVES_MAX);
	cr_assert_gt(pipeline_react_counts(p).memory_full, 0);
	shard_commit(shard);
	pipeline_free(p);
	shard_free(shard);
	buf_fini(&line);
	rulebook_free(book);
}

Test(state, a_customer_is_at_most_500_bytes)
{
	enum { MANY = 20000 };
	struct rulebook *book = world_rules(
		"pack: sales\n"
		"tags: {意向: {values: [高意向, 低意向], exclusive: true, expires: 30d},\n"
		"  行业: {values: [教育, 医疗]}, 标记: {values: [问价, 竞品]}}\n"
		"ladders: {life: {stages: [兴趣, 资料, 评估]}}\n"
		"rules:\n"
		"  - {id: ask-price, match: [多少钱], window: {count: 3, within: 7d},\n"
		"     then: {alert: {severity: low, category: price}}}\n"
		"  - {id: ask-again, match: [多少钱], window: {count: 5, per: month},\n"
		"     then: {alert: {severity: low, category: price}}}\n"
		"  - {id: interest, match: [多少钱], then: [{tag: 高意向}, {tag: 问价}, {stage: 兴趣}]}\n"
		"  - {id: school, match: [培训班], then: [{tag: 教育}]}\n");
	struct pipeline *p = world_pipeline(book, 0);
	struct shard *shard = world_shard();
	struct buf line = {0};
	char json[1024];

	shard_begin(shard);
	for (int i = 0; i < 2 * MANY; i++) {
		(void)snprintf(
			json, sizeof json,
			"{\"corpid\":\"ww1234567890abcdef\",\"message\":{\"msgid\":\"%019d_%lld_external\","
			"\"action\":\"send\",\"from\":\"wmCUSTOMER%022d\",\"tolist\":[\"staff%d\"],"
			"\"roomid\":\"\",\"msgtime\":%lld,\"msgtype\":\"text\",\"text\":{\"content\":"
			"\"%s\"}}}",
			i, (long long)START_MS + i * 1000LL, i % MANY, i % 300,
			(long long)START_MS + i * 1000LL,
			i < MANY ? "多少钱" : "这个培训班多少钱");
		struct record record = world_record(&line, json);
		cr_assert_eq(pipeline_take(p, shard, book, &record), PIPELINE_DONE);
		if (i % 500 == 0) {
			shard_commit(shard);
			pipeline_clear(p);
			shard_begin(shard);
		}
	}
	const struct subject *one =
		shard_find(shard, STR("ww1234567890abcdef"), STR("wmCUSTOMER0000000000000000000007"));
	cr_assert(one && one->tags.count == 3 && one->ladders.count == 1 &&
		  one->windows.count == 2 && past_messages(&one->past) == 2);
	shard_commit(shard);
	struct shard_stats stats = shard_stats(shard);
	printf("%llu customers, %llu bytes each\n", (unsigned long long)stats.subjects,
	       (unsigned long long)(stats.bytes / stats.subjects));
	cr_assert_eq(stats.subjects, MANY);
	cr_assert_leq(stats.bytes / stats.subjects, 500);
	pipeline_free(p);
	shard_free(shard);
	buf_fini(&line);
	rulebook_free(book);
}

Test(state, a_quiet_time_moves_together_and_changes_nothing)
{
	enum { MANY = 20000 };
	struct shard *shard = world_shard();
	size_t steps = 0;
	char id[40];

	for (int round = 0; round < 3; round++) {
		shard_begin(shard);
		shard_set_clock_ms(shard, STR("w"), START_MS);
		for (int i = 0; i < MANY; i++) {
			(void)snprintf(id, sizeof id, "wmCUSTOMER%022d", i);
			struct subject *s = shard_get(shard, STR("w"), str_of(id));
			s->sequence = (uint64_t)(i % 3 == round ? i : (int)s->sequence);
			if (i % 3 == round || round == 0)
				shard_touched(shard, s);
		}
		shard_commit(shard);
	}
	uint64_t before = shard_stats(shard).bytes;
	while (shard_squeeze(shard, 1))
		steps++;
	cr_assert_gt(steps, 1);
	cr_assert_lt(shard_stats(shard).bytes, before - before / 16);
	before = shard_stats(shard).bytes;
	cr_assert_not(shard_squeeze(shard, 100));
	cr_assert_eq(shard_stats(shard).bytes, before);
	shard_begin(shard);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof id, "wmCUSTOMER%022d", i);
		const struct subject *s = shard_find(shard, STR("w"), str_of(id));
		cr_assert(s && s->sequence == (uint64_t)i);
	}
	shard_rollback(shard);
	shard_free(shard);
}

/* Who comes, goes, is asked for before or not: found is who is there, and nobody else. */
Test(state, among_thousands_who_come_and_go_everybody_is_found)
{
	enum { MANY = 30000, ROUNDS = 40, CHANGES = 3000 };
	struct shard *shard = world_shard();
	static bool here[MANY], then[MANY];
	char key[48];
	const struct str odd[] = {STR(""), STR("/"), STR("nobody"), STR("x/y"), STR("w/")};

	for (int round = 0; round < ROUNDS; round++) {
		memcpy(then, here, sizeof then);
		shard_begin(shard);
		shard_set_clock_ms(shard, STR("w"), START_MS);
		for (int i = 0; i < CHANGES; i++) {
			unsigned who = next_random(MANY);
			(void)snprintf(key, sizeof key, "w/wmCUSTOMER%022u", who);
			struct str id = str_of(key + 2);
			shard_expect(shard, next_random(10) ? str_of(key) : odd[next_random(ARRAY_LEN(odd))]);
			struct subject *s = shard_find(shard, STR("w"), id);
			cr_assert_eq(s != NULL, here[who]);
			if (s && next_random(3) == 0)
				shard_forget(shard, s);
			else
				shard_touched(shard, shard_get(shard, STR("w"), id));
			here[who] = shard_find(shard, STR("w"), id) != NULL;
		}
		if (next_random(4) == 0) {
			shard_rollback(shard);
			memcpy(here, then, sizeof here);
		} else {
			shard_commit(shard);
		}
	}
	size_t count = 0;
	shard_begin(shard);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof key, "w/wmCUSTOMER%022d", i);
		cr_assert_eq(shard_find(shard, STR("w"), str_of(key + 2)) != NULL, here[i]);
		count += here[i];
	}
	shard_rollback(shard);
	cr_assert_gt(count, 10000); /* as many as shard_expect() looks at all for */
	cr_assert_eq(shard_stats(shard).subjects, count);
	shard_free(shard);
}
