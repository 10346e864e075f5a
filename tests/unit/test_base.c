/* test_base.c - the words that every file uses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bug.h"
#include "base/digest.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/findings.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/pages.h"
#include "base/utf8.h"
#include "base/zstd.h"

static void expect_buf(struct buf *b, const char *text)
{
	cr_expect(str_eq(buf_str(b), str_of(text)), "got '%.*s', want '%s'", (int)b->len, b->data,
		  text);
	buf_fini(b);
}

Test(str, numbers_take_all_or_nothing)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} rows[] = {
		{"0", true, 0},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"1x", false, 0},
		{" 1", false, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t value = 0;
		cr_expect_eq(str_to_u64(str_of(rows[i].text), &value), rows[i].ok, "%s", rows[i].text);
		cr_expect_eq(value, rows[i].value, "%s", rows[i].text);
	}
	int64_t minus;
	cr_expect(str_to_i64(STR("-42"), &minus) && minus == -42);
	cr_expect_not(str_to_i64(STR("9223372036854775808"), &minus));
}

Test(str, nearest_name_is_near_or_none)
{
	static const char *const names[] = {"match", "then", "examples", "workers"};
	cr_expect_str_eq(str_nearest(STR("mach"), names, 4), "match");
	cr_expect_str_eq(str_nearest(STR("Worker"), names, 4), "workers");
	cr_expect_null(str_nearest(STR("xyz"), names, 4));
	cr_expect_null(str_nearest(STR(""), names, 4));
}

Test(str, order_is_that_of_bytes)
{
	cr_expect_lt(str_cmp(STR("a"), STR("ab")), 0);
	cr_expect_lt(str_cmp(STR("Z"), STR("a")), 0);
	cr_expect_gt(str_cmp(STR("\xff"), STR("a")), 0);
	cr_expect_eq(str_cmp((struct str){0}, STR("")), 0);
}

Test(buf, what_is_no_utf8_becomes_a_sign_for_it)
{
	static const char *const rows[][2] = {
		{"", "\"\""},
		{"价 \"a\"", "\"价 \\\"a\\\"\""},
		{"n\xff.json", "\"n\xef\xbf\xbd.json\""},
		{"\xe4\xbb", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xed\xa0\x80\xc0x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = {0};
		buf_put_json_mended(&b, str_of(rows[i][0]));
		expect_buf(&b, rows[i][1]);
	}
}

/* The exit status of a process that does `end`, as waitpid() has it, and what it wrote. */
static int status_of(void (*end)(void), char *words, size_t room)
{
	int pipes[2], status;

	cr_assert_eq(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(pipes[1], STDERR_FILENO);
		(void)prctl(PR_SET_DUMPABLE, 0);
		bug_init();
		end();
		_exit(0);
	}
	close(pipes[1]);
	ssize_t got = read(pipes[0], words, room - 1);
	words[MAX(got, 0)] = '\0';
	close(pipes[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void wait_long(void)
{
	sleep(60);
}

static void be_killed(void)
{
	pid_t pid = getpid();

	if (fork() == 0) {
		kill(pid, SIGABRT);
		_exit(0);
	}
	wait_long();
}

Test(bug, an_abort_of_our_own_is_exit_status_70)
{
	char words[256];
	int status = status_of(abort, words, sizeof words);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == ERR_BUG, "%x", (unsigned)status);
	cr_expect(!strncmp(words, "chatmill: this is a bug of chatmill", 35), "%s", words);
	cr_expect_eq(strchr(words, '\n'), words + strlen(words) - 1, "one line");
	status = status_of(be_killed, words, sizeof words);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", (unsigned)status);
	cr_expect_str_empty(words);
}

Test(err, the_errno_knows_better_than_who_asks)
{
	static const struct {
		int number;
		enum err_kind kind, want;
	} rows[] = {
		{EACCES, ERR_NOINPUT, ERR_PERMISSION}, {EPERM, ERR_NOINPUT, ERR_PERMISSION},
		{EACCES, ERR_CONFIG, ERR_PERMISSION},  {ENOENT, ERR_NOINPUT, ERR_NOINPUT},
		{ENOENT, ERR_CONFIG, ERR_CONFIG},      {EPERM, ERR_OS, ERR_OS},
		{ENOSPC, ERR_CONFIG, ERR_OS},	       {EROFS, ERR_CONFIG, ERR_OS},
		{EIO, ERR_NOINPUT, ERR_OS},	       {EMFILE, ERR_NOINPUT, ERR_OS},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err;
		errno = rows[i].number;
		cr_expect_eq(err_errno(&err, rows[i].kind, "it cannot be opened"), -1);
		cr_expect_eq(err.kind, rows[i].want, "row %zu", i);
	}
}

Test(err, wrapping_keeps_the_kind_and_never_overflows)
{
	struct err err;
	char long_text[2000];

	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	cr_expect_eq(err_set(&err, ERR_CONFIG, "%s", long_text), -1);
	cr_expect_eq(strlen(err.text), sizeof err.text - 1);
	cr_expect_eq(err_wrap(&err, "in %s", "place"), -1);
	cr_expect_eq(err.kind, ERR_CONFIG);
	cr_expect(!strncmp(err.text, "in place: xxx", 13));
	cr_expect_eq(strlen(err.text), sizeof err.text - 1);
	(void)err_set(&err, ERR_NO, "b");
	(void)err_wrap(&err, "a");
	cr_expect_str_eq(err.text, "a: b");
}

/* ---- memory ---- */

static size_t resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	cr_assert(statm && fscanf(statm, "%lu %lu", &all, &resident) == 2);
	fclose(statm);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

enum { BLOCKS = 400, BLOCK_BYTES = 50000 };

/* A thread has a heap of its own. */
static void *fill_and_free(void *context)
{
	size_t *bytes = context;
	char *blocks[BLOCKS];

	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = memset(malloc(BLOCK_BYTES), 1, BLOCK_BYTES);
	bytes[0] = resident_bytes();
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	heap_give_back();
	bytes[1] = resident_bytes();
	return NULL;
}

Test(heap, of_a_thread_goes_back_to_its_end)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	cr_skip_test("a sanitizer stands in front of malloc()");
#endif
	size_t bytes[2];
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, fill_and_free, bytes), 0);
	pthread_join(thread, NULL);
	cr_assert_leq(bytes[1] + BLOCKS * BLOCK_BYTES / 10 * 9, bytes[0]);
}

Test(pages, grow_with_what_is_in_them)
{
	unsigned char *p = pages_grown(NULL, 0, 1000);
	size_t bytes = 1000;

	cr_assert_eq(p[0], 0);
	for (int round = 1; round < 12; round++) {
		memset(p, round, bytes);
		p = pages_grown(p, bytes, bytes * 2);
		cr_assert(p[0] == round && p[bytes - 1] == round && p[bytes] == 0);
		bytes *= 2;
	}
	pages_free(p, bytes);
	char *aligned = pages_aligned(65536, 131072);
	cr_assert_eq((uintptr_t)aligned % 65536, 0);
	memset(aligned, 1, 131072);
	pages_free(aligned, 131072);
}

Test(arena, keeps_its_chunks_over_a_reset)
{
	struct arena a = {0};
	for (int round = 0; round < 3; round++) {
		char *last = NULL;
		for (int i = 0; i < 1000; i++) {
			char *p = arena_alloc(&a, 1000);
			cr_assert_eq((uintptr_t)p % 16, 0);
			cr_assert_neq(p, last);
			memset(p, round, 1000);
			last = p;
		}
		void *big = arena_alloc(&a, 5 * 1024 * 1024);
		memset(big, 1, 5 * 1024 * 1024);
		static size_t total;
		if (round == 0)
			total = a.total_bytes;
		cr_expect_eq(a.total_bytes, total, "round %d allocated", round);
		arena_reset(&a);
	}
	struct str s = arena_printf(&a, "%s-%d", "a", 7);
	cr_expect(str_eq(s, STR("a-7")));
	arena_fini(&a);
}

Test(arena, release_takes_back_and_a_flood_goes)
{
	struct arena a = {0};
	struct arena_mark empty = arena_mark(&a);

	memset(arena_alloc(&a, 1000), 1, 1000);
	arena_release(&a, empty);
	char *first = arena_alloc(&a, 1000);
	struct arena_mark mark = arena_mark(&a);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 10; i++)
			memset(arena_alloc(&a, 1024 * 1024), round, 1024 * 1024);
		arena_release(&a, mark);
	}
	cr_expect(a.total_bytes < (size_t)ARENA_KEPT_BYTES);
	char *second = arena_alloc(&a, 1000);
	cr_expect(second == first + 1008);
	arena_alloc(&a, ARENA_KEPT_BYTES);
	arena_reset(&a);
	cr_expect(a.total_bytes == 0);
	memset(arena_alloc(&a, 1000), 1, 1000);
	arena_fini(&a);
}

Test(buf, json_escapes_what_json_wants)
{
	struct buf b = {0};
	buf_put_json(&b, (struct str){"a\"\\\n\r\t\x01\0多\x7f", 12});
	expect_buf(&b, "\"a\\\"\\\\\\n\\r\\t\\u0001\\u0000多\x7f\"");
	buf_put_json(&b, (struct str){0});
	expect_buf(&b, "\"\"");
}

/* 16 bytes are looked at together, then 8, then the rest: each byte has to be seen at each of their
 * places, and none behind the text. */
Test(buf, json_escapes_at_every_place)
{
	enum { LEN_MAX = 35 };
	for (int c = 0; c < 0x80; c++)
		for (size_t len = 1; len <= LEN_MAX; len++)
			for (size_t at = 0; at < len; at++) {
				char text[LEN_MAX + 1], want[LEN_MAX + 10], escape[8];
				struct buf b = {0};
				memset(text, 'x', len);
				text[len] = '"';
				text[at] = (char)c;
				snprintf(escape, sizeof escape, c == '"' || c == '\\' ? "\\%c" : "%c", c);
				if (c < 0x20)
					snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
				if (c == '\n' || c == '\r' || c == '\t')
					snprintf(escape, sizeof escape, "\\%c",
						 c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
				snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, text, escape,
					 (int)(len - at - 1), text + at + 1);
				buf_put_json(&b, (struct str){text, len});
				expect_buf(&b, want);
			}
}

Test(buf, numbers_of_every_length)
{
	for (uint64_t n = 1; n < UINT64_MAX / 11; n *= 10)
		for (uint64_t more = 0; more < 10; more++) {
			char want[64];
			struct buf b = {0};
			snprintf(want, sizeof want, "%llu %09llu", (unsigned long long)(n * more + n - 1),
				 (unsigned long long)(n * more));
			buf_put_u64(&b, n * more + n - 1);
			buf_putc(&b, ' ');
			buf_put_u64_padded(&b, n * more, 9);
			expect_buf(&b, want);
		}
}

Test(buf, numbers_and_padding)
{
	struct buf b = {0};
	buf_put_u64(&b, UINT64_MAX);
	buf_putc(&b, ' ');
	buf_put_i64(&b, INT64_MIN);
	buf_putc(&b, ' ');
	buf_put_u64_padded(&b, 1700000000123000000, 20);
	expect_buf(&b, "18446744073709551615 -9223372036854775808 01700000000123000000");
}

Test(buf, times)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{1700000000123, "2023-11-14T22:13:20.123Z"}, {0, "1970-01-01T00:00:00.000Z"},
		{-1, "1969-12-31T23:59:59.999Z"},	     {951782400000, "2000-02-29T00:00:00.000Z"},
		{4102444800000, "2100-01-01T00:00:00.000Z"}, {1735689599999, "2024-12-31T23:59:59.999Z"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = {0};
		buf_put_time(&b, rows[i].ms);
		expect_buf(&b, rows[i].text);
	}
}

Test(buf, base64_of_rfc_4648)
{
	static const char *const rows[][2] = {{"", ""},		{"f", "Zg=="},	   {"fo", "Zm8="},
					      {"foo", "Zm9v"},	{"foob", "Zm9vYg=="},
					      {"\xff\xfe", "//4="}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = {0};
		buf_put_base64(&b, str_of(rows[i][0]));
		expect_buf(&b, rows[i][1]);
	}
}

Test(utf8, valid_and_invalid)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"", true},		   {"多少钱", true},	   {"\xf0\x9f\x98\x80", true},
		{"\xc0\x80", false},	   {"\xed\xa0\x80", false}, {"\xf4\x90\x80\x80", false},
		{"\xe5\xa4", false},	   {"\x80", false},	   {"a\xff", false},
		{"\xf4\x8f\xbf\xbf", true}, {"\xe0\x9f\xbf", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(utf8_valid(str_of(rows[i].text)), rows[i].ok, "row %zu", i);
	for (uint32_t code = 0; code < 0x110000; code += 7) {
		char out[4] = {0};
		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		unsigned len = utf8_put(out, code);
		cr_assert_eq(utf8_len((unsigned char)out[0]), len);
		cr_assert_eq(utf8_get(out), code);
	}
	cr_expect_eq(utf8_count(STR("a多😀")), 3);
}

/* Values of org.apache.kafka.common.utils.UtilsTest.testMurmur2. */
Test(hash, murmur2_is_that_of_java_clients)
{
	static const struct {
		const char *key;
		int32_t hash;
	} rows[] = {
		{"21", -973932308},	 {"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{"abc", 479470107},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq((int32_t)hash_murmur2(str_of(rows[i].key)), rows[i].hash, "%s",
			     rows[i].key);
}

/* As uuid.uuid5() of Python says of 300 a, 600 x, 400 b and a c: more than fits beside each other. */
Test(digest, uuid5_of_long_parts)
{
	char text[600], id[UUID_LEN];
	char a[300], b[400];
	memset(text, 'x', sizeof text);
	memset(a, 'a', sizeof a);
	memset(b, 'b', sizeof b);
	struct str parts[] = {{a, sizeof a}, {text, sizeof text}, {b, sizeof b}, {0}, STR("c")};
	digest_uuid5(parts, ARRAY_LEN(parts), id);
	cr_expect(memcmp(id, "65bb12c8-0d8e-540b-812f-03be5f800b17", UUID_LEN) == 0, "%.36s", id);
}

/* The id is uuid.uuid5(UUID('6ba7b812-9dad-11d1-80b4-00c04fd430c8'), 'a\x1fb') of Python. */
Test(digest, uuid5_and_sha256)
{
	char id[UUID_LEN];
	digest_uuid5((struct str[]){STR("a"), STR("\x1f"), STR("b")}, 3, id);
	struct buf got = {0};
	buf_put(&got, (struct str){id, sizeof id});
	expect_buf(&got, "ff85b9c8-8823-5aac-96d4-d31ac25200bd");
	char text[DIGEST_TEXT_LEN];
	digest_text(STR("abc"), text); /* FIPS 180-2 appendix B.1 */
	buf_put(&got, (struct str){text, sizeof text});
	expect_buf(&got, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	cr_expect(digest_is_text((struct str){text, sizeof text}));
	cr_expect_not(digest_is_text((struct str){text, sizeof text - 1}));
	text[10] = 'A';
	cr_expect_not(digest_is_text((struct str){text, sizeof text}));
	buf_fini(&got);
}

Test(zstd, round_trip_limits_and_cuts)
{
	struct buf packed = {0}, back = {0};
	struct err err;
	OWNED_MEM char *text = malloc(300000);

	for (size_t i = 0; i < 300000; i++)
		text[i] = (char)('a' + i % 17);
	struct str all = {text, 300000};
	zstd_compress(&packed, all, 3);
	zstd_compress(&packed, STR("more"), 3);
	cr_assert(zstd_is_frame(buf_str(&packed)));
	cr_assert_eq(zstd_decompress(&back, buf_str(&packed), 400000, &err), 0);
	cr_expect_eq(back.len, 300004);
	cr_expect(str_eq((struct str){back.data, 300000}, all));
	buf_clear(&back);
	cr_expect_eq(zstd_decompress(&back, buf_str(&packed), 100000, &err), -1);
	cr_expect_eq(err.kind, ERR_DATA);
	buf_clear(&back);
	cr_expect_eq(zstd_decompress(&back, (struct str){packed.data, packed.len - 3}, 400000, &err),
		     -1);
	cr_expect_eq(zstd_decompress(&back, STR("not zstd at all"), 400000, &err), -1);
	buf_fini(&packed);
	buf_fini(&back);
}

Test(findings, are_sorted_and_counted_past_the_limit)
{
	struct findings f = {0};
	char *printed = NULL;
	size_t len;

	findings_add(&f, FINDING_WARNING, STR("b.yaml"), 2, 1, "later");
	findings_add(&f, FINDING_ERROR, STR("a.yaml"), 3, 1, "third line of %s", "a");
	findings_add(&f, FINDING_ERROR, STR("a.yaml"), 0, 0, "whole file");
	FILE *out = open_memstream(&printed, &len);
	findings_print(&f, out);
	(void)fclose(out);
	cr_expect_str_eq(printed, "a.yaml: error: whole file\n"
				  "a.yaml:3:1: error: third line of a\n"
				  "b.yaml:2:1: warning: later\n");
	free(printed);
	for (int i = 0; i < FINDINGS_MAX; i++)
		findings_add(&f, FINDING_ERROR, STR("c.yaml"), i, 1, "x");
	cr_expect_eq(f.errors, FINDINGS_MAX + 2);
	cr_expect_eq(f.count, FINDINGS_MAX);
	findings_fini(&f);
}

Test(duration, units_from_long_to_short)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: none */
	} rows[] = {
		{"500ms", 500}, {"1h30m", 5400000}, {"2w", 1209600000}, {"0", 0},   {"7d", 604800000},
		{"", -1},	{"7", -1},	    {"30m1h", -1},	{"-1s", -1}, {"7 days", -1},
		{"1x", -1},	{"s", -1},	    {"999999999999w", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1;
		bool ok = duration_parse(str_of(rows[i].text), &ms);
		cr_expect(ok == (rows[i].ms >= 0) && ms == rows[i].ms, "%s", rows[i].text);
	}
}

/* Lines that log_write() writes while `say` runs, with standard error as systemd's journal. */
static void logged(void (*say)(void), char *out, size_t size)
{
	int pipes[2], before = dup(STDERR_FILENO);
	char stream[64];
	struct stat st;

	cr_assert(pipe(pipes) == 0 && fstat(pipes[1], &st) == 0);
	(void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(pipes[1], STDERR_FILENO);
	say();
	dup2(before, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	close(before);
	close(pipes[1]);
	ssize_t len = read(pipes[0], out, size - 1);
	cr_assert(len >= 0);
	out[len] = '\0';
	close(pipes[0]);
}

static void say_again(void)
{
	for (int i = 0; i < 3; i++)
		log_event(LOG_WARN, "same", LOG_NUM("n", 1));
	log_event(LOG_WARN, "same", LOG_NUM("n", 2));
	for (int i = 0; i < 2; i++)
		log_event(LOG_INFO, "news", LOG_TEXT("text", "x"));
	log_event(LOG_ERROR, "worse", LOG_NUM("n", 1));
}

Test(log, repeats_are_counted_and_systemd_gets_priorities)
{
	static const char *const wanted[] = {
		"\"level\":\"warn\",\"event\":\"same\",\"n\":1}",
		"\"level\":\"warn\",\"event\":\"same\",\"n\":2}",
		"\"level\":\"info\",\"event\":\"news\",\"text\":\"x\"}",
		"\"level\":\"info\",\"event\":\"news\",\"text\":\"x\"}",
		"\"level\":\"error\",\"event\":\"worse\",\"n\":1}",
	};
	static const char *const priorities[] = {"<4>{", "<4>{", "<6>{", "<6>{", "<3>{"};
	struct log_counts before = log_counts(), after;
	char text[4096], *rest = text;

	logged(say_again, text, sizeof text);
	after = log_counts();
	cr_expect_eq(after.repeated - before.repeated, 2);
	cr_expect_eq(after.lines[LOG_WARN] - before.lines[LOG_WARN], 4);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		char *line = strsep(&rest, "\n");
		cr_assert(line, "only %zu lines", i);
		cr_expect(!strncmp(line, priorities[i], 4), "%s", line);
		cr_expect(strstr(line, wanted[i]), "%s", line);
	}
	cr_expect_str_empty(rest);
}
