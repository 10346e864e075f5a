/* heap.h - memory of the heap that must be there.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For what grows in the middle of a batch: running out of memory ends the program there with exit
 * status 75 (try again), because nothing of the batch was committed and a restart reads it again.
 * What is made at the start says ERR_OS instead. The caller frees. Thread: any.
 */
#pragma once

#include "base/base.h"

/* Ends the program there: so many bytes could not be had. */
_Noreturn void heap_none(size_t bytes);
/* `count` things of `bytes` each, all zero. */
void *heap_zeroed(size_t count, size_t bytes);
/* `memory` (or NULL) with room for `bytes`; the old address is gone. */
void *heap_grown(void *memory, size_t bytes);

/* What was freed goes back to the system, that of the calling thread to its last byte. Takes
 * milliseconds; for quiet times. */
void heap_give_back(void);
