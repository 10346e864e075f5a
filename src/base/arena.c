/* arena.c - a list of chunks and a pointer that moves through them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/huge.h"

#include <stdarg.h>

enum { CHUNK_BYTES = 256 * 1024 }; /* a batch of a few hundred messages fits into one */

struct arena_chunk {
	struct arena_chunk *next;
	size_t bytes;
	_Alignas(16) char data[];
};

static void enter(struct arena *a, struct arena_chunk *chunk)
{
	a->current = chunk;
	a->at = chunk->data;
	a->end = chunk->data + chunk->bytes;
}

void arena_fini(struct arena *a)
{
	for (struct arena_chunk *chunk = a->first, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	*a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
	if (a->total_bytes > ARENA_KEPT_BYTES)
		arena_fini(a);
	if (a->first)
		enter(a, a->first);
}

void arena_release(struct arena *a, struct arena_mark mark)
{
	if (mark.current) {
		a->current = mark.current;
		a->at = mark.at;
		a->end = mark.end;
	} else {
		arena_reset(a);
	}
}

void *arena_alloc_slow(struct arena *a, size_t bytes)
{
	/* A kept chunk that is too small is passed over until the next reset. */
	while (a->current && a->current->next) {
		enter(a, a->current->next);
		if ((size_t)(a->end - a->at) >= bytes)
			return arena_alloc(a, bytes);
	}
	size_t size = huge_size(sizeof(struct arena_chunk) + MAX((size_t)CHUNK_BYTES, bytes));
	struct arena_chunk *chunk = huge_alloc(size);
	chunk->next = NULL;
	chunk->bytes = size - sizeof *chunk;
	a->total_bytes += size;
	if (a->current)
		a->current->next = chunk;
	else
		a->first = chunk;
	enter(a, chunk);
	return arena_alloc(a, bytes);
}

struct str arena_copy(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, s.len + 1);
	if (s.len)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	return (struct str){copy, s.len};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args, again;

	va_start(args, fmt);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	assert(len >= 0);
	char *text = arena_alloc(a, (size_t)len + 1);
	(void)vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	return (struct str){text, (size_t)len};
}
