/* pool.c - free lists over slabs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/pool.h"

enum {
	STEP = 16,
	FINE_MAX = 1024,	  /* up to here classes are STEP apart */
	SLAB_BYTES = 256 * 1024, /* at most a quarter of it is lost at its end */
};

struct pool_block {
	struct pool_block *next;
};

void *pool_system(void *old, size_t bytes)
{
	void *p = realloc(old, bytes);
	if (!p) {
		fprintf(stderr, "out of memory (%zu bytes)\n", bytes);
		exit(71); /* EX_OSERR, as in base/arena.c */
	}
	return p;
}

/* The class of a size, and the size of its blocks. */
static size_t class_of(size_t bytes, size_t *block_bytes)
{
	if (bytes <= FINE_MAX) {
		size_t class = (MAX(bytes, (size_t)1) - 1) / STEP;
		*block_bytes = (class + 1) * STEP;
		return class;
	}
	size_t class = FINE_MAX / STEP;
	size_t size = FINE_MAX;
	for (;; class++) {
		size = (size + size / 4 + STEP - 1) & ~(size_t)(STEP - 1);
		if (bytes <= size)
			break;
	}
	*block_bytes = size;
	return class;
}

void pool_fini(struct pool *p)
{
	for (size_t i = 0; i < p->slab_count; i++)
		free(p->slabs[i]);
	free(p->slabs);
	*p = (struct pool){0};
}

static void *carve(struct pool *p, size_t bytes)
{
	if ((size_t)(p->end - p->at) < bytes) {
		size_t slab = MAX((size_t)SLAB_BYTES, bytes);
		if (p->slab_count == p->slab_cap) {
			p->slab_cap = MAX(p->slab_cap * 2, (size_t)64);
			p->slabs = pool_system(p->slabs, p->slab_cap * sizeof *p->slabs);
		}
		p->at = pool_system(NULL, slab);
		p->end = p->at + slab;
		p->slabs[p->slab_count++] = p->at;
		p->held_bytes += slab;
	}
	void *block = p->at;
	p->at += bytes;
	return block;
}

void *pool_take(struct pool *p, size_t bytes)
{
	size_t block_bytes;

	if (bytes > POOL_BLOCK_MAX) {
		p->used_bytes += bytes;
		p->held_bytes += bytes;
		return pool_system(NULL, bytes);
	}
	size_t class = class_of(bytes, &block_bytes);
	assert(class < POOL_CLASSES);
	p->used_bytes += block_bytes;
	struct pool_block *block = p->free[class];
	if (!block)
		return carve(p, block_bytes);
	p->free[class] = block->next;
	return block;
}

void pool_give(struct pool *p, void *block, size_t bytes)
{
	size_t block_bytes;

	if (!block)
		return;
	if (bytes > POOL_BLOCK_MAX) {
		p->used_bytes -= bytes;
		p->held_bytes -= bytes;
		free(block);
		return;
	}
	size_t class = class_of(bytes, &block_bytes);
	struct pool_block *free_block = block;
	p->used_bytes -= block_bytes;
	free_block->next = p->free[class];
	p->free[class] = free_block;
}
