/* huge.c - asks the system for huge pages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/huge.h"

#include <string.h>
#include <sys/mman.h>

#include "base/heap.h"

enum { PAGE_BYTES = 2 * 1024 * 1024, BYTES_MIN = 1024 * 1024 };

static bool is_huge(size_t bytes)
{
	return bytes >= BYTES_MIN && bytes <= SIZE_MAX - PAGE_BYTES;
}

size_t huge_size(size_t bytes)
{
	return is_huge(bytes) ? (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES : bytes;
}

void *huge_alloc(size_t bytes)
{
	if (!is_huge(bytes))
		return heap_grown(NULL, bytes);
	size_t whole = huge_size(bytes);
	void *memory = aligned_alloc(PAGE_BYTES, whole);
	if (!memory)
		heap_none(whole);
	(void)madvise(memory, whole, MADV_HUGEPAGE); /* without them it is memory as well */
	return memory;
}

void *huge_zeroed(size_t bytes)
{
	return memset(huge_alloc(bytes), 0, bytes);
}
