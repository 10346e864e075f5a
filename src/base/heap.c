/* heap.c - allocations that succeed or end the program. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <malloc.h>

void heap_none(size_t bytes)
{
	fprintf(stderr, "out of memory (%zu bytes)\n", bytes);
	exit(75); /* EX_TEMPFAIL */
}

static void *need(void *memory, size_t bytes)
{
	if (!memory)
		heap_none(bytes);
	return memory;
}

void *heap_zeroed(size_t count, size_t bytes)
{
	return need(calloc(MAX(count, (size_t)1), bytes), count * bytes);
}

void *heap_grown(void *memory, size_t bytes)
{
	return need(realloc(memory, MAX(bytes, (size_t)1)), bytes);
}

/* malloc_trim() gives back what is free inside of each thread's heap but not at its end (glibc 2.36:
 * mtrim() leaves the top of all arenas but the first), where all ends up that a busy time took and
 * freed. So the end is taken and all of it but the last piece freed: then it lies inside. */
void heap_give_back(void)
{
	enum { PIECES = 640, PIECE_BYTES = 100 * 1024 }; /* a heap has 64 MiB; larger ones are mapped */
	void *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = malloc(PIECE_BYTES);
	for (size_t i = 0; i < PIECES - 1; i++)
		free(pieces[i]);
	(void)malloc_trim(0);
	free(pieces[PIECES - 1]);
}
