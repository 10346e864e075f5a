/* map.h - numbers different byte strings: 0, 1, 2 … in the order they come.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For compiling only. Thread: any, one at a time.
 */
#pragma once

#include "base/arena.h"

struct map {
	struct str *keys;   /* by number */
	struct slot *slots; /* twice as many as there can be keys */
	uint32_t count, key_cap, slot_count;
};

void map_fini(struct map *m); /* a zeroed map is ready for use */

/* Makes room for so many more keys at once. */
void map_expect(struct map *m, size_t more);

/* The number of `key`, or UINT32_MAX. */
uint32_t map_find(const struct map *m, struct str key);

/* The number of `key`; *is_new says that it had none. It is copied to `arena` then, which must outlive
 * the map. */
uint32_t map_add(struct map *m, struct str key, struct arena *arena, bool *is_new);
