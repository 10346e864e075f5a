/* test_trie.c - every word at every place, as comparing says, and as Hyperscan does. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "match/database.h"
#include "match/map.h"
#include "match/trie.h"
#include "random.h"

enum { WORDS_MAX = 6000, TEXT_MAX = 400 };

/* Characters of one to four bytes, few, so that words hold one another. */
static const uint32_t letters[] = {'a', 'b', 0, 0xe9, 0x3b1, 0x4e2d, 0x56fd, 0x54c8, 0xac00, 0x1f600, 0x20000};

static void put_random(struct buf *out, uint32_t chars, uint32_t letter_count)
{
	for (uint32_t i = 0; i < chars; i++) {
		uint32_t pick = (uint32_t)next_random(letter_count);
		char bytes[4];
		unsigned len = utf8_put(bytes, pick < ARRAY_LEN(letters) ? letters[pick] : 0x4e00 + pick);
		buf_put(out, (struct str){bytes, len});
	}
}

struct list {
	struct arena arena;
	struct map map;
};

static void list_make(struct list *l, uint32_t count, uint32_t chars_max, uint32_t letter_count)
{
	struct buf word = {0};
	bool is_new;

	*l = (struct list){0};
	for (uint32_t i = 0; i < count; i++) {
		buf_clear(&word);
		put_random(&word, 1 + next_random(chars_max), letter_count);
		(void)map_add(&l->map, buf_str(&word), &l->arena, &is_new);
	}
	buf_fini(&word);
}

static void list_fini(struct list *l)
{
	map_fini(&l->map);
	arena_fini(&l->arena);
}

static int by_place(const void *a, const void *b)
{
	const struct raw_hit *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return (x->word > y->word) - (x->word < y->word);
}

static void expect_same(struct raw_hits *got, struct raw_hits *want)
{
	cr_assert_eq(got->count, want->count, "%zu hits, %zu wanted", got->count, want->count);
	if (!got->count)
		return;
	qsort(got->items, got->count, sizeof *got->items, by_place);
	qsort(want->items, want->count, sizeof *want->items, by_place);
	cr_assert_eq(memcmp(got->items, want->items, got->count * sizeof *got->items), 0);
}

static struct str padded(struct arena *arena, struct str text)
{
	char *room = arena_alloc(arena, 16 + text.len + 64);

	memset(room, 'a', 16 + text.len + 64);
	if (text.len)
		memcpy(room + 16, text.data, text.len);
	return (struct str){room + 16, text.len};
}

/* ---- against comparing ---- */

static void compare(const struct list *l, struct str text, struct raw_hits *out)
{
	for (size_t at = 0; at < text.len; at += utf8_len((unsigned char)text.data[at]))
		for (uint32_t i = 0; i < l->map.count; i++) {
			struct str word = l->map.keys[i];
			if (word.len <= text.len - at && memcmp(text.data + at, word.data, word.len) == 0)
				raw_hits_add(out, i, (uint32_t)(at + word.len));
		}
}

Test(trie, finds_what_comparing_finds)
{
	struct raw_hits got = {0}, want = {0};
	struct buf text = {0};
	size_t hits = 0;

	for (int round = 0; round < 300; round++) {
		struct list l;
		struct arena arena = {0};
		/* Of some lists no word has one character, of some all have. */
		list_make(&l, 1 + next_random(200), 1 + (uint32_t)(round % 7), 2 + next_random(ARRAY_LEN(letters) - 1));
		struct trie *trie = trie_new(l.map.keys, l.map.count);
		for (int i = 0; i < 20; i++) {
			buf_clear(&text);
			put_random(&text, next_random(150), ARRAY_LEN(letters) + next_random(5));
			struct str padded_text = padded(&arena, buf_str(&text));
			got.count = want.count = 0;
			trie_scan(trie, padded_text, &got);
			compare(&l, padded_text, &want);
			hits += want.count;
			expect_same(&got, &want);
		}
		trie_free(trie);
		list_fini(&l);
		arena_fini(&arena);
	}
	cr_assert_gt(hits, 100000);
	buf_fini(&text);
	free(got.items);
	free(want.items);
}

/* ---- against Hyperscan ---- */

static int on_word(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	raw_hits_add(context, id, (uint32_t)to);
	return 0;
}

Test(trie, finds_what_hyperscan_finds)
{
	struct raw_hits got = {0}, want = {0};
	struct arena arena = {0};
	struct buf text = {0};
	struct list l;
	struct err err;
	hs_scratch_t *scratch = NULL;
	size_t hits = 0;

	list_make(&l, WORDS_MAX, 4, 300);
	struct job job = {.kind = JOB_WORDS, .patterns = l.map.keys, .count = l.map.count};
	cr_assert_eq(database_compile(&job, 1, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(hs_alloc_scratch(job.database, &scratch), HS_SUCCESS);
	struct trie *trie = trie_new(l.map.keys, l.map.count);
	for (int i = 0; i < 3000; i++) {
		buf_clear(&text);
		if (i % 10) /* some are floods of one word */
			put_random(&text, next_random(TEXT_MAX), 320);
		for (uint32_t n = i % 10 ? 0 : next_random(TEXT_MAX), w = next_random(l.map.count); n > 0; n--)
			buf_put(&text, l.map.keys[w]);
		arena_reset(&arena);
		struct str padded_text = padded(&arena, buf_str(&text));
		got.count = want.count = 0;
		trie_scan(trie, padded_text, &got);
		if (padded_text.len)
			cr_assert_eq(hs_scan(job.database, padded_text.data, (unsigned)padded_text.len, 0, scratch,
					     on_word, &want),
				     HS_SUCCESS);
		hits += want.count;
		expect_same(&got, &want);
	}
	cr_assert_gt(hits, 50000);
	trie_free(trie);
	hs_free_scratch(scratch);
	hs_free_database(job.database);
	list_fini(&l);
	arena_fini(&arena);
	buf_fini(&text);
	free(got.items);
	free(want.items);
}

Test(trie, says_what_it_holds)
{
	const struct str words[] = {STR("中国"), STR("中"), STR("ab")};
	struct trie *trie = trie_new(words, ARRAY_LEN(words));

	cr_assert_gt(trie_bytes(trie), 100);
	cr_assert_lt(trie_bytes(trie), 10000);
	cr_assert_eq(trie_bytes(NULL), 0);
	trie_free(trie);
	trie_free(NULL);
}
