/* blocks.c - slabs with a number at their start, so that a block finds its slab. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/blocks.h"

#include <sys/mman.h>

#include "base/heap.h"
#include "base/pages.h"

enum {
	SLAB_BYTES = 64 * 1024, /* aligned to it; a larger block has a slab of its own */
	SLAB_HEAD = 16,		/* its number */
	OWNER_DEAD = UINT32_MAX,
};

void blocks_fini(struct blocks *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->slabs[i].size > SLAB_BYTES)
			pages_free(b->slabs[i].data, b->slabs[i].size);
	for (uint32_t i = 0; i < b->region_count; i++)
		pages_free(b->regions[i].data, b->regions[i].bytes);
	free(b->regions);
	free(b->slabs);
	*b = (struct blocks){0};
}

static size_t block_bytes(const struct block *block)
{
	return (sizeof *block + block->id_len + block->packed_len + 3) & ~(size_t)3;
}

static struct slab *slab_of(struct blocks *b, const struct block *block)
{
	const char *start = (const char *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
	uint32_t number;

	memcpy(&number, start, sizeof number);
	return &b->slabs[number];
}

/* Puts a slab into a free place of the list; returns its number. */
static uint32_t slab_add(struct blocks *b, char *data, size_t size)
{
	uint32_t number = b->count;

	if (size > SLAB_BYTES) /* only these leave places behind */
		for (number = 0; number < b->count && b->slabs[number].data;)
			number++;
	if (number == b->cap) {
		b->cap = MAX(b->cap * 2, 16u);
		b->slabs = heap_grown(b->slabs, b->cap * sizeof *b->slabs);
	}
	b->count = MAX(b->count, number + 1);
	memcpy(data, &number, sizeof number);
	b->slabs[number] = (struct slab){.data = data, .size = (uint32_t)size};
	return number;
}

/* ---- empty slabs ---- */

static void push(struct blocks *b, uint32_t *list, uint32_t number)
{
	b->slabs[number].next = *list;
	*list = number + 1;
}

static uint32_t pop(struct blocks *b, uint32_t *list)
{
	uint32_t number = *list - 1;

	*list = b->slabs[number].next;
	return number;
}

/* As many slabs as there are, so that they are few areas of memory, and at most 4 MiB. */
static void more_slabs(struct blocks *b)
{
	uint32_t count = MIN(MAX(b->count, 1u), 64u);

	if (b->region_count == b->region_cap) {
		b->region_cap = MAX(b->region_cap * 2, 16u);
		b->regions = heap_grown(b->regions, b->region_cap * sizeof *b->regions);
	}
	size_t bytes = (size_t)count * SLAB_BYTES;
	char *data = pages_aligned(SLAB_BYTES, bytes);
	b->regions[b->region_count++] = (struct region){data, bytes};
	for (uint32_t i = count; i-- > 0;)
		push(b, &b->blank, slab_add(b, data + (size_t)i * SLAB_BYTES, SLAB_BYTES));
}

/* The number of a slab with room. */
static uint32_t next_slab(struct blocks *b, size_t bytes)
{
	size_t size = (bytes + SLAB_HEAD + SLAB_BYTES - 1) & ~(size_t)(SLAB_BYTES - 1);

	if (size > SLAB_BYTES)
		return slab_add(b, pages_aligned(SLAB_BYTES, size), size);
	if (b->spare) {
		b->spare_count--;
		return pop(b, &b->spare);
	}
	if (!b->blank)
		more_slabs(b);
	return pop(b, &b->blank);
}

/* Its memory goes back; its addresses stay ours. */
static void give_back(struct blocks *b, uint32_t number)
{
	struct slab *slab = &b->slabs[number];

	(void)madvise(slab->data, slab->size, MADV_DONTNEED); /* or it stays held, at worst */
	slab->used = 0;
	b->held_bytes -= slab->size;
	push(b, &b->blank, number);
}

struct block *blocks_add(struct blocks *b, uint32_t owner, struct str id, struct str packed)
{
	struct block head = {owner, (uint32_t)id.len, (uint32_t)packed.len};
	size_t bytes = block_bytes(&head);

	if (!b->count || !b->slabs[b->newest].data ||
	    b->slabs[b->newest].size - b->slabs[b->newest].used < bytes)
		b->newest = next_slab(b, bytes);
	struct slab *slab = &b->slabs[b->newest];
	if (slab->used == 0) {
		memcpy(slab->data, &b->newest, sizeof b->newest);
		slab->used = SLAB_HEAD;
		b->held_bytes += slab->size;
	}
	struct block *block = (struct block *)(slab->data + slab->used);
	slab->used += (uint32_t)bytes;
	b->live_bytes += bytes;
	*block = head;
	memcpy(block->bytes, id.data, id.len);
	if (packed.len)
		memcpy(block->bytes + id.len, packed.data, packed.len);
	return block;
}

void blocks_drop(struct blocks *b, struct block *block)
{
	size_t bytes = block_bytes(block);

	if (block->owner == BLOCK_GUEST)
		return;
	slab_of(b, block)->dead += (uint32_t)bytes;
	b->dead_bytes += bytes;
	b->live_bytes -= bytes;
	block->owner = OWNER_DEAD;
}

/* The slab in which most is dead, but the one that is written to. */
static uint32_t deadest(const struct blocks *b)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < b->count; i++)
		if (i != b->newest && b->slabs[i].dead &&
		    (best == UINT32_MAX || b->slabs[i].dead > b->slabs[best].dead))
			best = i;
	return best;
}

static void empty(struct blocks *b, uint32_t number, void (*moved)(void *, struct block *),
		  void *context)
{
	struct slab slab = b->slabs[number]; /* b->slabs may move */

	for (size_t at = SLAB_HEAD; at < slab.used;) {
		struct block *old = (struct block *)(slab.data + at);
		size_t bytes = block_bytes(old);
		at += bytes;
		if (old->owner == OWNER_DEAD)
			continue;
		b->live_bytes -= bytes;
		moved(context, blocks_add(b, old->owner, (struct str){old->bytes, old->id_len},
					  (struct str){old->bytes + old->id_len, old->packed_len}));
	}
	b->dead_bytes -= slab.dead;
	if (slab.size > SLAB_BYTES) { /* made for one block */
		b->held_bytes -= slab.size;
		pages_free(slab.data, slab.size);
		b->slabs[number] = (struct slab){0};
		return;
	}
	b->slabs[number].used = SLAB_HEAD;
	b->slabs[number].dead = 0;
	push(b, &b->spare, number);
	if (++b->spare_count > b->live_bytes / SLAB_BYTES / 8 + 2) {
		b->spare_count--;
		give_back(b, pop(b, &b->spare));
	}
}

/* Empties so many slabs at most, while more than that part of what lives is dead (two slabs of dead
 * bytes are nothing to bother with). True if there is more to do. */
static bool move_together(struct blocks *b, size_t part, uint32_t slabs,
			  void (*moved)(void *context, struct block *block), void *context)
{
	for (; b->dead_bytes > b->live_bytes / part + 2 * SLAB_BYTES; slabs--) {
		uint32_t number = deadest(b);
		if (number == UINT32_MAX)
			return false;
		if (!slabs)
			return true;
		empty(b, number, moved, context);
	}
	return false;
}

void blocks_tidy(struct blocks *b, void (*moved)(void *context, struct block *block), void *context)
{
	(void)move_together(b, 4, UINT32_MAX, moved, context);
}

bool blocks_squeeze(struct blocks *b, uint32_t slabs,
		    void (*moved)(void *context, struct block *block), void *context)
{
	if (move_together(b, 32, slabs, moved, context))
		return true;
	for (; b->spare; b->spare_count--)
		give_back(b, pop(b, &b->spare));
	return false;
}
