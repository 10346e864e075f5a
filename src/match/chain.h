/* chain.h - which hits in one text stand near enough to each other. Only for match/.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A chain takes one hit of each part, by start (then end). Its neighbours are near if no hit begins
 * more than `chars` behind the farthest end of those before it: a hit that lies inside another does
 * not shorten what that one reaches. Pure. Thread: any.
 */
#pragma once

#include "base/arena.h"

/* A hit as a part of a `near`, in code points of its text. */
struct place {
	uint32_t part; /* below `parts` */
	uint32_t start, end;
	bool taken; /* set by chain_mark() */
};

/* Marks the places (sorted by start, then end) that stand in some chain of all `parts` (2 to
 * NEAR_TEXT_PARTS_MAX); if `ordered`, the chain has the parts in their order. Time: places times
 * 2^parts; memory, of the arena: a few bytes a place. */
void chain_mark(struct place *places, size_t count, unsigned parts, uint32_t chars, bool ordered,
		struct arena *arena);
