/* vec.h - an array that grows inside an arena.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	VEC(struct rule) rules = {0};
 *	*VEC_ADD(arena, &rules) = (struct rule){…};
 *
 * Adding moves the items: keep indexes, not pointers, while it grows.
 *
 * Thread: that of the arena.
 */
#pragma once

#include "base/arena.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t count, cap;                                                                 \
	}

static inline void *vec_grow(struct arena *arena, const void *items, size_t count, size_t *cap,
			     size_t size)
{
	*cap = *cap ? *cap * 2 : 8;
	void *bigger = arena_zalloc(arena, *cap * size);
	if (count)
		memcpy(bigger, items, count * size);
	return bigger;
}

/* A zeroed item at the end. */
#define VEC_ADD(arena, vec)                                                                        \
	({                                                                                         \
		__typeof__(vec) vec_ = (vec);                                                      \
		if (vec_->count == vec_->cap)                                                      \
			vec_->items = vec_grow(arena, vec_->items, vec_->count, &vec_->cap,        \
					       sizeof *vec_->items);                               \
		&vec_->items[vec_->count++];                                                       \
	})
