/* name_table.h - a table from names to numbers, and the nearest of its names.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Lives in an arena; names are not copied. Thread: one, while rules are loaded.
 */
#pragma once

#include "base/arena.h"

struct name_table {
	struct name_slot {
		struct str name; /* data NULL: free */
		uint32_t value;
	} *slots;
	size_t count, slot_count;
};

/* True and the value of `name`, if it is there. */
bool name_table_find(const struct name_table *n, struct str name, uint32_t *value);
/* Adds a name that is not there yet. */
void name_table_add(struct name_table *n, struct arena *arena, struct str name, uint32_t value);
/* The name nearest to `name`, or NULL if none is near. NUL-terminated. */
const char *name_table_nearest(const struct name_table *n, struct arena *arena, struct str name);
