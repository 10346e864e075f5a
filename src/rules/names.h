/* names.h - a table from names to numbers, and the nearest of its names.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Lives in an arena; names are not copied. Thread: one, while rules are loaded.
 */
#pragma once

#include "base/arena.h"

struct names {
	struct name_slot {
		struct str name; /* data NULL: free */
		uint32_t value;
	} *slots;
	size_t count, slot_count;
};

/* True and the value of `name`, if it is there. */
bool names_find(const struct names *n, struct str name, uint32_t *value);
/* Adds a name that is not there yet. */
void names_add(struct names *n, struct arena *arena, struct str name, uint32_t value);
/* The name nearest to `name`, or NULL if none is near. NUL-terminated. */
const char *names_nearest(const struct names *n, struct arena *arena, struct str name);
