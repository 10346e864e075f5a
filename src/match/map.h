/* map.h - numbers different byte strings: 0, 1, 2 … in the order they come.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For compiling only. Keys are borrowed. Thread: any, one at a time.
 */
#pragma once

#include "base/str.h"

struct map {
	struct str *keys; /* by number */
	uint32_t *slots;  /* number + 1; 0: free */
	uint64_t *hashes; /* by number */
	uint32_t count, key_cap, slot_count;
};

void map_fini(struct map *m); /* a zeroed map is ready for use */

/* The number of `key`, or UINT32_MAX. */
uint32_t map_find(const struct map *m, struct str key);

/* The number of `key`; *is_new says that it had none. The bytes must outlive the map. */
uint32_t map_add(struct map *m, struct str key, bool *is_new);
