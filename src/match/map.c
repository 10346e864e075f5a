/* map.c - an open hash table beside a list. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/map.h"

#include "base/hash.h"

void map_fini(struct map *m)
{
	free(m->keys);
	free(m->slots);
	free(m->hashes);
	*m = (struct map){0};
}

static void *grown(void *old, size_t count, size_t bytes)
{
	void *more = realloc(old, count * bytes);
	if (!more) {
		fprintf(stderr, "out of memory (%zu bytes)\n", count * bytes);
		exit(75); /* as in arena.h */
	}
	return more;
}

static void place(struct map *m, uint32_t number)
{
	uint32_t at = (uint32_t)m->hashes[number] & (m->slot_count - 1);
	while (m->slots[at])
		at = (at + 1) & (m->slot_count - 1);
	m->slots[at] = number + 1;
}

static void grow(struct map *m)
{
	if (m->count == m->key_cap) {
		m->key_cap = m->key_cap ? m->key_cap * 2 : 64;
		m->keys = grown(m->keys, m->key_cap, sizeof *m->keys);
		m->hashes = grown(m->hashes, m->key_cap, sizeof *m->hashes);
	}
	if (m->slot_count >= m->key_cap * 2)
		return;
	m->slot_count = m->key_cap * 2;
	m->slots = grown(m->slots, m->slot_count, sizeof *m->slots);
	memset(m->slots, 0, m->slot_count * sizeof *m->slots);
	for (uint32_t i = 0; i < m->count; i++)
		place(m, i);
}

static uint32_t find(const struct map *m, struct str key, uint64_t hash)
{
	if (!m->slot_count)
		return UINT32_MAX;
	for (uint32_t at = (uint32_t)hash & (m->slot_count - 1); m->slots[at];
	     at = (at + 1) & (m->slot_count - 1)) {
		uint32_t number = m->slots[at] - 1;
		if (m->hashes[number] == hash && str_eq(m->keys[number], key))
			return number;
	}
	return UINT32_MAX;
}

uint32_t map_find(const struct map *m, struct str key)
{
	return find(m, key, hash_64(key));
}

uint32_t map_add(struct map *m, struct str key, bool *is_new)
{
	uint64_t hash = hash_64(key);
	uint32_t number = find(m, key, hash);

	*is_new = number == UINT32_MAX;
	if (!*is_new)
		return number;
	if (m->count == m->key_cap || m->slot_count < m->key_cap * 2)
		grow(m);
	number = m->count++;
	m->keys[number] = key;
	m->hashes[number] = hash;
	place(m, number);
	return number;
}
