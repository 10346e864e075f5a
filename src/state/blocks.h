/* blocks.h - packed subjects in slabs, written one behind the other, and moved together.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A block is never changed: a subject that changed gets a new one at the end of the newest slab,
 * and its old one is dead. When more than a fifth of all bytes are dead, the blocks that live in
 * the deadest slabs are moved to the end too (blocks_tidy()), and the slabs are used again. So
 * memory stays within a quarter above what lives, whatever sizes come and go; free lists by size
 * class kept up to twice of it when customers grew. Nothing is taken from the system once there are
 * slabs enough; of those that stay empty all but an eighth give their memory back. Who has time moves
 * more together (blocks_squeeze()). Running out of memory ends the program, as in base/arena.h.
 *
 * Private to state/. Thread: belongs to a shard, and so to one worker.
 */
#pragma once

#include "base/str.h"

struct block { /* in a slab, aligned to 4 */
	uint32_t owner; /* whose it is: the slot; or BLOCK_GUEST */
	uint32_t id_len, packed_len;
	char bytes[]; /* id, packed form */
};

/* A block that lies elsewhere, of someone who may not stay: dropping it does nothing. */
#define BLOCK_GUEST (UINT32_MAX - 1)

struct slab {
	char *data;
	uint32_t size, dead;
	uint32_t used; /* 0: holds no memory */
	uint32_t next; /* of an empty one: the next in its list + 1; 0: the last */
};

struct blocks {
	struct slab *slabs;
	uint32_t count, cap;
	struct region { /* what slabs were cut from */
		char *data;
		size_t bytes;
	} *regions;
	uint32_t region_count, region_cap;
	uint32_t newest; /* that is written to */
	uint32_t spare, blank; /* lists of empty slabs, with and without memory: + 1; 0: none */
	uint32_t spare_count;
	size_t live_bytes, dead_bytes;
	size_t held_bytes; /* in slabs with memory */
};

void blocks_fini(struct blocks *b); /* a zeroed struct is ready for use */

/* A new block; lives until it is dropped, at its address until blocks_tidy(). */
struct block *blocks_add(struct blocks *b, uint32_t owner, struct str id, struct str packed);
/* Its bytes stay readable until blocks_tidy(). */
void blocks_drop(struct blocks *b, struct block *block);
/* Moves blocks together if too much is dead; tells `moved` the new address of each. */
void blocks_tidy(struct blocks *b, void (*moved)(void *context, struct block *block),
		 void *context);
/* The same until no more than a 32nd of what lives is dead, in steps: moves the blocks of so many slabs
 * at most. False when there is no more to do; empty slabs hold no memory then. */
bool blocks_squeeze(struct blocks *b, uint32_t slabs,
		    void (*moved)(void *context, struct block *block), void *context);
