/* trie.c - pairs of characters, and what may follow them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/trie.h"

#include "base/huge.h"
#include "base/utf8.h"

/* An arc and the node it leads to, which is named by its place in the table. The first arc of a word
 * goes from its first character to the second; a word of one character is an arc from nowhere. */
struct arc {
	uint64_t key;  /* key_of(); 0: no arc */
	uint32_t word; /* that ends here, + 1; 0: none */
	uint32_t next; /* next_bit() of all that follow */
};

#define FROM_CHAR 0x80000000u
#define FROM_NOWHERE 0xffffffffu
enum { PAIR_BITS = 32, CANDIDATES = 64 };

struct trie {
	struct arc *arcs; /* open addressing, by hash_of() */
	uint64_t *firsts; /* PAIR_BITS and more for each word; set at the hash of its first arc */
	uint32_t arc_mask;
	unsigned arc_shift, first_shift; /* from a hash to a place, to a bit */
	bool has_singles; /* words of one character */
};

/* `from`: a place; FROM_CHAR | letter; FROM_NOWHERE. */
static inline uint64_t key_of(uint32_t from, uint32_t letter)
{
	return (uint64_t)from << 32 | letter;
}

/* By its upper bits (Fibonacci hashing, Knuth, The Art of Computer Programming 3, 6.4). */
static inline uint64_t hash_of(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15u;
}

static inline uint32_t next_bit(uint32_t letter)
{
	return 1u << (letter * 0x9e3779b1u >> 27);
}

/* The arc, or the free place where it would be. */
static inline struct arc *find(const struct trie *t, uint64_t key)
{
	uint32_t at = (uint32_t)(hash_of(key) >> t->arc_shift);

	while (t->arcs[at].key && t->arcs[at].key != key)
		at = (at + 1) & t->arc_mask;
	return &t->arcs[at];
}

/* The character at `p` of a text with room behind it, as arcs name it; *len is its length in bytes. */
static inline uint32_t letter_at(const char *p, unsigned *len)
{
	uint32_t four;

	memcpy(&four, p, 4); /* little endian, as all of decode/ */
	if (LIKELY((four & 0xf0) == 0xe0)) { /* three bytes: nearly all that is not ASCII */
		*len = 3;
		return ((four & 0x0f) << 12 | (four >> 2 & 0xfc0) | (four >> 16 & 0x3f)) + 1;
	}
	*len = utf8_len((unsigned char)*p);
	return utf8_get(p) + 1;
}

/* ---- making ---- */

static unsigned log2_above(uint64_t count)
{
	unsigned bits = 6;

	while (1ull << bits < count)
		bits++;
	return bits;
}

static struct arc *arc_to(struct trie *t, uint32_t from, uint32_t letter)
{
	uint64_t key = key_of(from, letter), first = hash_of(key) >> t->first_shift;
	struct arc *arc = find(t, key);

	if (arc->key)
		return arc;
	*arc = (struct arc){.key = key};
	if (from >= FROM_CHAR)
		t->firsts[first / 64] |= 1ull << (first % 64);
	else
		t->arcs[from].next |= next_bit(letter);
	return arc;
}

static void add(struct trie *t, struct str word, uint32_t number)
{
	uint32_t from = utf8_get(word.data) + 1;
	size_t at = utf8_len((unsigned char)word.data[0]);
	struct arc *arc = NULL;

	if (at == word.len) {
		arc = arc_to(t, FROM_NOWHERE, from);
		t->has_singles = true;
	}
	from |= FROM_CHAR;
	for (; at < word.len; at += utf8_len((unsigned char)word.data[at])) {
		arc = arc_to(t, from, utf8_get(word.data + at) + 1);
		from = (uint32_t)(arc - t->arcs);
	}
	arc->word = number + 1;
}

struct trie *trie_new(const struct str *words, uint32_t count)
{
	struct trie *t = heap_zeroed(1, sizeof *t);
	uint64_t arcs = 0;

	for (uint32_t i = 0; i < count; i++)
		arcs += MAX(utf8_count(words[i]) - 1, (size_t)1);
	unsigned arc_bits = log2_above(arcs + arcs / 2), first_bits = log2_above((uint64_t)count * PAIR_BITS);
	t->arcs = huge_zeroed(sizeof *t->arcs << arc_bits);
	t->firsts = huge_zeroed((size_t)1 << first_bits >> 3);
	t->arc_mask = (uint32_t)((1ull << arc_bits) - 1);
	t->arc_shift = 64 - arc_bits;
	t->first_shift = 64 - first_bits;
	for (uint32_t i = 0; i < count; i++)
		add(t, words[i], i);
	return t;
}

void trie_free(struct trie *t)
{
	if (!t)
		return;
	free(t->arcs);
	free(t->firsts);
	free(t);
}

size_t trie_bytes(const struct trie *t)
{
	if (!t)
		return 0;
	return sizeof *t + sizeof *t->arcs * ((size_t)t->arc_mask + 1) + ((size_t)1 << (64 - t->first_shift) >> 3);
}

/* ---- searching ---- */

/* Follows what begins at `from` with the arc of `key`, whose character ends before `to`. */
static void follow(const struct trie *t, struct str text, uint64_t key, size_t to, struct raw_hits *hits)
{
	const struct arc *arc = find(t, key);

	while (arc->key) {
		if (arc->word)
			raw_hits_add(hits, arc->word - 1, (uint32_t)to);
		if (!arc->next || to == text.len)
			return;
		unsigned len;
		uint32_t letter = letter_at(text.data + to, &len);
		if (!(arc->next & next_bit(letter)))
			return;
		arc = find(t, key_of((uint32_t)(arc - t->arcs), letter));
		to += len;
	}
}

/* A first arc that may be there, and the byte behind it. */
struct candidate {
	uint64_t key;
	size_t to;
};

static void follow_all(const struct trie *t, struct str text, const struct candidate *candidates,
		       size_t count, struct raw_hits *hits)
{
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(&t->arcs[hash_of(candidates[i].key) >> t->arc_shift]);
	for (size_t i = 0; i < count; i++)
		follow(t, text, candidates[i].key, candidates[i].to, hits);
}

/* Whether it is one is no jump, which nobody could foresee: what is none is overwritten by the next. */
static inline size_t consider(struct candidate *candidates, size_t count, const uint64_t *firsts,
			      unsigned shift, struct candidate c)
{
	uint64_t first = hash_of(c.key) >> shift;

	candidates[count] = c;
	return count + (firsts[first / 64] >> (first % 64) & 1);
}

static inline void scan(const struct trie *t, struct str text, bool singles, struct raw_hits *hits)
{
	const uint64_t *firsts = t->firsts;
	const unsigned shift = t->first_shift;
	struct candidate candidates[CANDIDATES];
	size_t count = 0;
	uint32_t before = FROM_NOWHERE - 1; /* the first character: no arc comes from there */

	for (size_t at = 0; at < text.len;) {
		unsigned len;
		uint32_t letter = letter_at(text.data + at, &len);
		at += len;
		count = consider(candidates, count, firsts, shift,
				 (struct candidate){key_of(before, letter), at});
		if (singles)
			count = consider(candidates, count, firsts, shift,
					 (struct candidate){key_of(FROM_NOWHERE, letter), at});
		before = letter | FROM_CHAR;
		if (UNLIKELY(count > CANDIDATES - 2)) {
			follow_all(t, text, candidates, count, hits);
			count = 0;
		}
	}
	follow_all(t, text, candidates, count, hits);
}

void trie_scan(const struct trie *t, struct str text, struct raw_hits *hits)
{
	if (t->has_singles)
		scan(t, text, true, hits);
	else
		scan(t, text, false, hits);
}
