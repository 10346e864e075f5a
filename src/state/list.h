/* list.h - a list that grows inside an arena.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure. Thread: as the arena.
 */
#pragma once

#include "base/arena.h"

#define LIST(type)                                                                                 \
	struct {                                                                                   \
		type *items;                                                                       \
		uint32_t count, cap;                                                               \
	}
/* A pointer to a new zeroed item at the end. */
#define LIST_ADD(list, arena)                                                                      \
	((list)->items = list_room((list)->items, sizeof *(list)->items, (list)->count,            \
				   &(list)->cap, arena),                                           \
	 &(list)->items[(list)->count++])
/* Takes out item `at`; the others keep their order. */
#define LIST_REMOVE(list, at) list_remove((list)->items, sizeof *(list)->items, &(list)->count, at)

void *list_room(void *items, size_t item_bytes, uint32_t count, uint32_t *cap, struct arena *arena);
void list_remove(void *items, size_t item_bytes, uint32_t *count, uint32_t at);
