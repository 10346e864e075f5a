/* map.c - an open hash table beside a list. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/map.h"

#include "base/hash.h"
#include "base/heap.h"
#include "base/huge.h"

struct slot {
	uint32_t number; /* + 1; 0: free */
	uint32_t hash;	 /* so that another key costs no look at its bytes */
};

void map_fini(struct map *m)
{
	free(m->keys);
	free(m->slots);
	*m = (struct map){0};
}

/* The slot of `key`, or the free one where it would go. */
static struct slot *find(const struct map *m, struct str key, uint32_t hash)
{
	uint32_t at = hash & (m->slot_count - 1);

	for (; m->slots[at].number; at = (at + 1) & (m->slot_count - 1))
		if (m->slots[at].hash == hash && str_eq(m->keys[m->slots[at].number - 1], key))
			break;
	return &m->slots[at];
}

/* `cap` is a power of two. */
static void resize(struct map *m, uint32_t cap)
{
	struct slot *old = m->slots;
	uint32_t old_count = m->slot_count;

	m->keys = heap_grown(m->keys, cap * sizeof *m->keys);
	m->key_cap = cap;
	m->slot_count = cap * 2;
	m->slots = huge_zeroed(m->slot_count * sizeof *m->slots);
	for (uint32_t i = 0; i < old_count; i++) {
		uint32_t at = old[i].hash & (m->slot_count - 1);
		if (!old[i].number)
			continue;
		while (m->slots[at].number)
			at = (at + 1) & (m->slot_count - 1);
		m->slots[at] = old[i];
	}
	free(old);
}

void map_expect(struct map *m, size_t more)
{
	uint32_t cap = m->key_cap ? m->key_cap : 64;

	while (cap < m->count + more)
		cap *= 2;
	if (cap > m->key_cap)
		resize(m, cap);
}

uint32_t map_find(const struct map *m, struct str key)
{
	/* Of an empty map, and of a key that is not there: 0 - 1. */
	return m->slot_count ? find(m, key, (uint32_t)hash_64(key))->number - 1 : UINT32_MAX;
}

uint32_t map_add(struct map *m, struct str key, struct arena *arena, bool *is_new)
{
	uint32_t hash = (uint32_t)hash_64(key);

	map_expect(m, 1);
	struct slot *slot = find(m, key, hash);
	*is_new = !slot->number;
	if (*is_new) {
		m->keys[m->count] = arena_copy(arena, key);
		*slot = (struct slot){++m->count, hash};
	}
	return slot->number - 1;
}
