/* state_lines.h - random conversations with everything that state holds, and a changelog to check it by.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#include "random.h"
#include "world.h"

static const char state_rules[] =
	"pack: p\n"
	"tags:\n"
	"  意向: {values: [高, 中, 低], exclusive: true, expires: 2d}\n"
	"  标记: {values: [甲, 乙]}\n"
	"ladders: {life: {stages: [一, 二, 三], lost: 失, labels: {一: etA}}}\n"
	"rules:\n"
	"  - {id: a, match: [苹果], then: [{tag: 高}, {stage: 一}]}\n"
	"  - {id: b, match: [香蕉], then: [{tag: 低}, {tag: 甲, expires: 1h}, {stage: 二}]}\n"
	"  - {id: c, match: [橘子], then: [{untag: 高}, {alert: {severity: low, category: c, group_for: 1d}}]}\n"
	"  - {id: d, match: [葡萄], window: {count: 2, within: 3d}, then: [{tag: 乙}, {alert: {severity: high, category: d}}]}\n"
	"  - {id: e, from: customer, match: [苹果, 西瓜], wait: {for: staff, over: 30m, ignore: [好的]}, then: {alert: {severity: high, category: e}}}\n"
	"  - {id: f, from: customer, wait: {for: customer, over: 9d}, then: [{stage: 失}, {untag: 中}]}\n"
	"  - {id: g, match: {near: {of: [桃子, 樱桃], messages: 3}}, then: [{tag: 中}, {stage: 三}]}\n"
	"  - {id: h, by: pair, match: [西瓜], window: {count: 2, per: week, distinct: words}, then: {stage: 一, back: true}}\n";

enum { LINES = 400, CUSTOMERS = 4 };

static inline void make_message(struct buf *out, int i, int64_t now_ms)
{
	static const char *const words[] = {"苹果", "香蕉", "橘子", "葡萄", "西瓜",
					    "桃子", "樱桃", "好的", "你好"};
	uint64_t kind = next_random(10);
	int id = next_random(12) ? i : i - (int)next_random(10); /* sometimes a second copy */
	char customer[40], staff[16];
	int64_t msgtime_ms = now_ms - (next_random(5) ? 0 : (int64_t)next_random(10LL * DAY_MS));

	(void)snprintf(customer, sizeof customer, "wmCUSTOMER%022d", (int)next_random(CUSTOMERS));
	(void)snprintf(staff, sizeof staff, "staff%d", (int)next_random(3));
	bool from_staff = next_random(3) == 0;
	buf_printf(out,
		   "{\"corpid\":\"ww1\",\"recv_ts\":%lld,\"message\":{\"msgid\":\"m%d\",\"action\":"
		   "\"%s\",\"from\":\"%s\",\"tolist\":[\"%s\"],\"roomid\":\"\",\"msgtime\":%lld,",
		   (long long)now_ms, id, kind == 0 ? "recall" : "send",
		   from_staff ? staff : customer, from_staff ? customer : staff,
		   (long long)msgtime_ms);
	if (kind == 0)
		buf_printf(out, "\"msgtype\":\"revoke\",\"revoke\":{\"pre_msgid\":\"m%d\"}}}",
			   i - 1 - (int)next_random(10));
	else
		buf_printf(out, "\"msgtype\":\"text\",\"text\":{\"content\":\"%s，%s\"}}}",
			   words[next_random(9)], words[next_random(9)]);
}

static inline void make_line(struct buf *out, int i, int64_t now_ms)
{
	uint64_t kind = next_random(40);

	buf_clear(out);
	if (kind == 0)
		buf_printf(out, "{\"corpid\":\"ww1\",\"clock\":%lld}", (long long)now_ms);
	else if (kind < 3)
		buf_printf(out,
			   "{\"corpid\":\"ww1\",\"control\":{\"id\":\"o%d\",\"external_userid\":"
			   "\"wmCUSTOMER%022d\",\"add\":[\"意向/中\"],\"remove\":[\"乙\"],\"ladder\":"
			   "\"life\",\"stage\":\"三\",\"erase\":%s,\"by\":\"x\",\"at\":%lld}}",
			   i, (int)next_random(CUSTOMERS), next_random(4) ? "false" : "true",
			   (long long)now_ms);
	else
		make_message(out, i, now_ms);
	memset(buf_room(out, RECORD_PADDING), 0, RECORD_PADDING);
}

/* ---- a changelog: the newest value of each key ---- */

struct entry {
	struct buf key, value;
	bool gone;
};

struct changelog {
	struct entry entries[128];
	size_t count;
};

static inline void changelog_put(void *context, struct str key, struct str value)
{
	struct changelog *log = context;
	size_t i = 0;

	while (i < log->count && !str_eq(buf_str(&log->entries[i].key), key))
		i++;
	cr_assert_lt(i, ARRAY_LEN(log->entries));
	struct entry *e = &log->entries[i];
	if (i == log->count) {
		log->count++;
		buf_put(&e->key, key);
	}
	buf_clear(&e->value);
	buf_put(&e->value, value);
	e->gone = !value.data;
}

static inline void changelog_fini(struct changelog *log)
{
	for (size_t i = 0; i < log->count; i++) {
		buf_fini(&log->entries[i].key);
		buf_fini(&log->entries[i].value);
	}
}

static inline int by_key(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return str_cmp(buf_str(&left->key), buf_str(&right->key));
}

static inline struct shard *restore(const struct changelog *log)
{
	struct shard *shard = world_shard();
	struct err err = {0};

	for (size_t i = 0; i < log->count; i++) {
		const struct entry *e = &log->entries[i];
		cr_assert_eq(shard_load(shard, buf_str(&e->key),
					e->gone ? (struct str){0} : buf_str(&e->value), &err),
			     0, "%s", err.text);
	}
	cr_assert_eq(shard_loaded(shard, &err), 0, "%s", err.text);
	return shard;
}

static inline void dump(struct shard *shard, struct changelog *log)
{
	shard_each(shard, changelog_put, log);
	qsort(log->entries, log->count, sizeof log->entries[0], by_key);
}

static inline void compare(struct shard *a, struct shard *b, uint64_t seed)
{
	struct changelog left = {0}, right = {0};

	dump(a, &left);
	dump(b, &right);
	cr_assert_eq(left.count, right.count, "seed %d", (int)seed);
	for (size_t i = 0; i < left.count; i++) {
		cr_assert(str_eq(buf_str(&left.entries[i].key), buf_str(&right.entries[i].key)));
		cr_assert(str_eq(buf_str(&left.entries[i].value), buf_str(&right.entries[i].value)),
			  "seed %d, %.*s", (int)seed, STR_ARG(buf_str(&left.entries[i].key)));
	}
	changelog_fini(&left);
	changelog_fini(&right);
}
