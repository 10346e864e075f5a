/* huge.h - memory in huge pages, for tables that are looked into all over.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A table of megabytes in pages of 4 KiB has more of them than the processor keeps translations for,
 * so that a look into it costs two misses; and each page costs a fault before it can be used. With
 * 2 MiB pages neither does. Thread: any.
 */
#pragma once

#include "base/base.h"

/* Memory for free(), not cleared. From 1 MiB on in huge pages where the system has any (transparent
 * huge pages: «always» or «madvise»), rounded up to whole ones. Running out of memory ends the program, as
 * in base/heap.h. */
void *huge_alloc(size_t bytes);
void *huge_zeroed(size_t bytes); /* the same, all zero */
/* How many bytes it gives to whom asks for so many. */
size_t huge_size(size_t bytes);
