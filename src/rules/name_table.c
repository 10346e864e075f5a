/* name_table.c - open addressing over XXH3. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/name_table.h"

#include "base/hash.h"

/* Beyond that many names a suggestion is not worth the time of comparing them. */
enum { COMPARED_MAX = 512 };

static struct name_slot *find_slot(const struct name_table *n, struct str name)
{
	size_t mask = n->slot_count - 1, at = (size_t)hash_64(name) & mask;

	while (n->slots[at].name.data && !str_eq(n->slots[at].name, name))
		at = (at + 1) & mask;
	return &n->slots[at];
}

bool name_table_find(const struct name_table *n, struct str name, uint32_t *value)
{
	if (!n->slot_count)
		return false;
	const struct name_slot *slot = find_slot(n, name);
	if (!slot->name.data)
		return false;
	*value = slot->value;
	return true;
}

void name_table_add(struct name_table *n, struct arena *arena, struct str name, uint32_t value)
{
	assert(name.data);
	if (n->count * 2 >= n->slot_count) {
		struct name_table old = *n;
		n->slot_count = MAX(old.slot_count * 2, (size_t)16);
		n->slots = ARENA_ARRAY(arena, struct name_slot, n->slot_count);
		for (size_t i = 0; i < old.slot_count; i++)
			if (old.slots[i].name.data)
				*find_slot(n, old.slots[i].name) = old.slots[i];
	}
	struct name_slot *slot = find_slot(n, name);
	assert(!slot->name.data);
	*slot = (struct name_slot){name, value};
	n->count++;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

const char *name_table_nearest(const struct name_table *n, struct arena *arena, struct str name)
{
	const char **all = ARENA_ARRAY(arena, const char *, MIN(n->count, (size_t)COMPARED_MAX) + 1);
	size_t count = 0;

	for (size_t i = 0; i < n->slot_count && count < COMPARED_MAX; i++)
		if (n->slots[i].name.data)
			all[count++] = arena_copy(arena, n->slots[i].name).data;
	/* Of two that are equally near the first in the alphabet is named, on every run. */
	if (count)
		qsort(all, count, sizeof *all, by_name);
	return str_nearest(name, all, count);
}
