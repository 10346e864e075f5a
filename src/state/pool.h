/* pool.h - small blocks of memory by size class, for packed subjects.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A block that is given back serves the next one of its class, so that a warm shard takes nothing
 * from the heap. Classes are 16 bytes apart up to 1 KiB and a quarter apart beyond; blocks over
 * POOL_BLOCK_MAX come from the heap. Running out of memory ends the program, as in base/arena.h.
 *
 * Thread: belongs to a shard, and so to one worker.
 */
#pragma once

#include "base/base.h"

enum { POOL_CLASSES = 96, POOL_BLOCK_MAX = 64 * 1024 };

struct pool_block;
struct pool {
	struct pool_block *free[POOL_CLASSES];
	char *at, *end; /* the unused part of the newest slab */
	void **slabs;
	size_t slab_count, slab_cap;
	size_t used_bytes; /* in blocks that are out, rounded to their class */
	size_t held_bytes; /* taken from the system */
};

void pool_fini(struct pool *p); /* a zeroed pool is ready for use */
void *pool_take(struct pool *p, size_t bytes);
/* `bytes` as in pool_take(). */
void pool_give(struct pool *p, void *block, size_t bytes);

/* realloc() that cannot fail. */
void *pool_system(void *old, size_t bytes);
