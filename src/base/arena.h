/* arena.h - memory of one batch: given out piece by piece, taken back all at once.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Chunks are kept over a reset, so that a warm batch allocates nothing; what a flood took beyond
 * ARENA_KEPT_BYTES goes back. Running out of memory ends the program (base/heap.h).
 * Thread: an arena belongs to one worker.
 */
#pragma once

#include "base/str.h"

struct arena_chunk;

enum { ARENA_KEPT_BYTES = 64 * 1024 * 1024 }; /* several times what a busy batch takes */

struct arena {
	struct arena_chunk *first, *current;
	char *at, *end;	    /* the free part of `current` */
	size_t total_bytes; /* memory held, for metrics */
};

void arena_fini(struct arena *a); /* a zeroed arena is ready for use */
/* Ends everything handed out. */
void arena_reset(struct arena *a);

/* Where an arena stands: what is handed out from here on ends with the release. */
struct arena_mark {
	struct arena_chunk *current;
	char *at, *end;
};
static inline struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){a->current, a->at, a->end};
}
void arena_release(struct arena *a, struct arena_mark mark);

void *arena_alloc_slow(struct arena *a, size_t bytes);

/* Uninitialised memory, aligned to 16, until the next reset. Never NULL. */
static inline void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t rounded = (bytes + !bytes + 15) & ~(size_t)15; /* of 0 bytes too an address */
	if (UNLIKELY((size_t)(a->end - a->at) < rounded))
		return arena_alloc_slow(a, rounded);
	void *p = a->at;
	a->at += rounded;
	return p;
}

/* Takes back all but the first `bytes` of the memory handed out last, which begins at `p`. */
static inline void arena_shrink(struct arena *a, void *p, size_t bytes)
{
	char *end = (char *)p + ((bytes + 15) & ~(size_t)15);
	assert(end <= a->at);
	a->at = end;
}

static inline void *arena_zalloc(struct arena *a, size_t bytes)
{
	return memset(arena_alloc(a, bytes), 0, bytes);
}

#define ARENA_NEW(arena, type) ((type *)arena_zalloc(arena, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc(arena, sizeof(type) * (size_t)(count)))

/* A copy with a NUL behind it that is not counted. */
struct str arena_copy(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
