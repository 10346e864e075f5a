/* heap.c - allocations that succeed or end the program. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

static void *need(void *memory, size_t bytes)
{
	if (!memory) {
		fprintf(stderr, "out of memory (%zu bytes)\n", bytes);
		exit(75); /* EX_TEMPFAIL */
	}
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
