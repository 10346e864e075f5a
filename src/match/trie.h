/* trie.h - finds the words of a large list in a text, character by character.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Hyperscan looks at pairs of bytes, of which Chinese in UTF-8 has few: with ten thousand words nearly
 * every place of a text has to be looked at more closely. Here places are pairs of characters, of which
 * there are millions. A bit for each pair that begins a word turns nearly all places away; the others
 * are followed through a trie whose arcs lie in one hash table. A node knows by 32 bits which
 * characters may follow, so that most walks end without another look into memory.
 *
 * In the worst case (哈哈哈… where a very long 哈哈哈… is looked for) a text takes time by its length times
 * that of the longest word, which has 256 bytes at most. Immutable once made. Thread: any.
 */
#pragma once

#include "base/heap.h"
#include "base/str.h"

/* What is found in a text: a word and the byte behind it. */
struct raw_hit {
	uint32_t word, to;
};
struct raw_hits {
	struct raw_hit *items; /* on the heap; whoever has the list frees them */
	size_t count, cap;
};

static inline void raw_hits_add(struct raw_hits *hits, uint32_t word, uint32_t to)
{
	if (UNLIKELY(hits->count == hits->cap)) {
		hits->cap = hits->cap ? hits->cap * 2 : 1024;
		hits->items = heap_grown(hits->items, hits->cap * sizeof *hits->items);
	}
	hits->items[hits->count++] = (struct raw_hit){word, to};
}

struct trie;

/* Words in valid UTF-8, none empty, each once; the i-th is reported as i. */
struct trie *trie_new(const struct str *words, uint32_t count);
void trie_free(struct trie *t); /* NULL is fine */
size_t trie_bytes(const struct trie *t); /* memory; of NULL: 0 */

/* Adds all places of all words to `hits`, in no order that counts. `text` is valid UTF-8, readable 4
 * bytes behind its end. */
void trie_scan(const struct trie *t, struct str text, struct raw_hits *hits);
