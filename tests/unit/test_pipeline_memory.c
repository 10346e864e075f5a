/* test_pipeline_memory.c - a warm batch allocates nothing on the heap for each message. */
/* SPDX-License-Identifier: Apache-2.0 */

/* A plain program, not Criterion: it counts every allocation of the process, those of the
 * libraries too, by standing in front of the C library's functions. */
#include <unistd.h>

#include "base/buf.h"
#include "pipeline.h"
#include "send/encode.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static uint64_t allocations;

void *malloc(size_t bytes)
{
	allocations++;
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	allocations++;
	return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
	allocations++;
	return __libc_realloc(memory, bytes);
}

enum { MESSAGES = 2000, CUSTOMERS = 50 };

static const char rules[] = "pack: memory\n"
			    "tags: {意向: {values: [高, 低], exclusive: true}}\n"
			    "ladders: {life: {stages: [兴趣, 购买], lost: 流失}}\n"
			    "rules:\n"
			    "  - {id: price, match: [多少钱, 怎么卖], then: [{tag: 高}, {stage: 兴趣}]}\n"
			    "  - {id: dear, match: [太贵了], then: [{tag: 低}, {alert: {severity: low, "
			    "category: 召回}}]}\n"
			    "  - {id: bought, match: {all: [发货, {none: [没有]}]}, then: {stage: 购买}}\n";

static struct rulebook *load(const char *folder)
{
	struct findings findings = {0};
	struct ruleset *set;
	struct rulebook *book;
	struct err err;
	char path[512];

	(void)snprintf(path, sizeof path, "%s/memory.yaml", folder);
	FILE *file = fopen(path, "w");
	assert(file);
	fputs(rules, file);
	fclose(file);
	if (ruleset_load(&set, folder, NULL, &findings, &err) < 0 ||
	    rulebook_new(&book, set, NULL, &findings, &err) < 0) {
		findings_print(&findings, stderr);
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	findings_fini(&findings);
	unlink(path);
	return book;
}

static void make_message(struct buf *out, int batch, int i, bool hits)
{
	static const char *const loud[] = {"这个多少錢?", "太贵了吧", "发货了吗"};
	static const char *const quiet[] = {"今天天气不错，我们去哪里吃饭呢？", "好的谢谢 OK",
					    "ＶＩＰ 客戶您好"};

	buf_clear(out);
	buf_printf(out,
		   "{\"corpid\":\"ww1\",\"seq\":%d,\"recv_ts\":%lld,\"message\":{\"msgid\":\"b%d-%d\","
		   "\"action\":\"send\",\"from\":\"wmCUSTOMER00000000000000000%05d\","
		   "\"tolist\":[\"zhangsan\"],\"roomid\":\"\",\"msgtime\":%lld,\"msgtype\":\"text\","
		   "\"text\":{\"content\":\"%s\"}}}",
		   i, 1700000000000LL + batch * 1000000LL + i, batch, i, i % CUSTOMERS,
		   1700000000000LL + batch * 1000000LL + i, (hits ? loud : quiet)[i % 3]);
	memset(buf_room(out, RECORD_PADDING), 0, RECORD_PADDING);
}

/* Runs a batch and returns the allocations in it. */
static uint64_t run(struct pipeline *p, struct shard *shard, const struct rulebook *book, int batch,
		    bool hits, size_t *events)
{
	static struct buf json[MESSAGES], out;
	const struct encode_settings settings = {.source = STR("/chatmill/test")};

	for (int i = 0; i < MESSAGES; i++)
		make_message(&json[i], batch, i, hits);
	uint64_t before = allocations;
	shard_begin(shard);
	for (int i = 0; i < MESSAGES; i++) {
		struct record record = {.value = buf_str(&json[i]), .time_ms = 1700000000000LL + i};
		enum pipeline_step step = pipeline_take(p, shard, book, &record);
		assert(step == PIPELINE_DONE);
	}
	const struct pipeline_batch *done = pipeline_batch(p);
	assert(done->dead_count == 0);
	*events = done->events.count;
	buf_clear(&out);
	for (size_t i = 0; i < done->events.count; i++)
		encode_data(&out, &done->events.items[i], &settings);
	size_t changes;
	(void)shard_changes(shard, &changes);
	shard_commit(shard);
	pipeline_clear(p);
	return allocations - before;
}

int main(void)
{
	char folder[] = "/tmp/chatmill-test-XXXXXX";
	struct pipeline_settings settings = {0};
	struct shard_settings shard_settings = {7 * 86400000LL, 400 * 86400000LL};
	struct pipeline *p;
	struct shard *shard;
	struct err err;
	size_t events;
	int failures = 0;

	if (!mkdtemp(folder))
		return 1;
	struct rulebook *book = load(folder);
	rmdir(folder);
	if (pipeline_new(&p, &settings, &err) < 0 || pipeline_fit(p, book, &err) < 0 ||
	    shard_new(&shard, 0, &shard_settings, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (int batch = 0; batch < 4; batch++) /* warm: arena, tables, subjects */
		run(p, shard, book, batch, batch % 2, &events);
	uint64_t quiet = run(p, shard, book, 4, false, &events);
	printf("%d messages that hit nothing: %llu allocations\n", MESSAGES,
	       (unsigned long long)quiet);
	failures += quiet != 0;
	/* Each of these is remembered in its customer's state, which must grow now and then, but
	 * not once for each message. */
	uint64_t loud = run(p, shard, book, 5, true, &events);
	printf("%d messages that hit, %zu events: %llu allocations\n", MESSAGES, events,
	       (unsigned long long)loud);
	failures += loud > MESSAGES / 10 || events == 0;
	pipeline_free(p);
	shard_free(shard);
	rulebook_free(book);
	return failures != 0;
}
