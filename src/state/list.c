/* list.c - room in lists, and gaps closed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/list.h"

void *list_room(void *items, size_t item_bytes, uint32_t count, uint32_t *cap, struct arena *arena)
{
	if (count == *cap) {
		uint32_t more = MAX(*cap * 2, 1u); /* most lists have one item */
		void *grown = arena_alloc(arena, more * item_bytes);
		if (count)
			memcpy(grown, items, count * item_bytes);
		items = grown;
		*cap = more;
	}
	memset((char *)items + count * item_bytes, 0, item_bytes);
	return items;
}

void list_remove(void *items, size_t item_bytes, uint32_t *count, uint32_t at)
{
	assert(at < *count);
	char *p = (char *)items + at * item_bytes;
	memmove(p, p + item_bytes, (*count - at - 1) * item_bytes);
	(*count)--;
}
