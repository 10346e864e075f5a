/* pages.h - memory straight from the system, for tables that grow large.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What grows by realloc() leaves its old places behind as holes in the heap, which stay resident as
 * long as anything lives behind them. These pages grow where they are or are moved without a copy
 * (mremap()), take memory only where they were written to, and are given back when they are freed.
 * Running out of memory ends the program, as in base/heap.h. Thread: any.
 */
#pragma once

#include "base/base.h"

/* `memory` (or NULL) of `old_bytes` with room for `bytes`, not 0; the old address is gone. What is new
 * is zero. */
void *pages_grown(void *memory, size_t old_bytes, size_t bytes);
/* Zeroed; at a multiple of `alignment`, a power of two of whole pages, as `bytes` is. */
void *pages_aligned(size_t alignment, size_t bytes);
/* `bytes` as it was made or grown. NULL is fine. */
void pages_free(void *memory, size_t bytes);
