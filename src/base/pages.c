/* pages.c - mmap(), mremap() and munmap(). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"

#include <sys/mman.h>

#include "base/heap.h"

static void *need(void *memory, size_t bytes)
{
	if (memory == MAP_FAILED)
		heap_none(bytes);
	return memory;
}

static void *map(size_t bytes)
{
	return need(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		    bytes);
}

void *pages_grown(void *memory, size_t old_bytes, size_t bytes)
{
	return memory ? need(mremap(memory, old_bytes, bytes, MREMAP_MAYMOVE), bytes) : map(bytes);
}

void *pages_aligned(size_t alignment, size_t bytes)
{
	char *memory = map(bytes + alignment);
	size_t before = -(uintptr_t)memory & (alignment - 1);

	pages_free(memory, before);
	pages_free(memory + before + bytes, alignment - before);
	return memory + before;
}

void pages_free(void *memory, size_t bytes)
{
	if (memory && bytes)
		(void)munmap(memory, bytes); /* fails for no memory of ours */
}
