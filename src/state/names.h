/* names.h - strings that occur again and again, each kept once: tags, stages, rules, staff.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A name has a small number, so that a packed subject holds one or two bytes for it. Names are
 * never given back: there are as many as the rules and the company have, not as many as
 * customers. Numbers mean nothing outside of this process (codec.h writes the text).
 *
 * Thread: belongs to a shard, and so to one worker.
 */
#pragma once

#include "base/str.h"

struct names {
	struct str *items; /* by number; [0] is the empty name */
	uint32_t count, cap;
	uint32_t *table; /* open addressing; 0: free */
	uint32_t table_size;
	char *chunk, *chunk_end;
	char **chunks;
	uint32_t chunk_count, chunk_cap;
	size_t bytes; /* memory held */
};

void names_init(struct names *n);
void names_fini(struct names *n);

/* The kept copy of `text`, for as long as `n` lives. The empty text gives the empty str. */
struct str names_keep(struct names *n, struct str text);

/* The number of a kept name, and back. Only for what names_keep() returned. */
uint32_t names_number(struct str name);
struct str names_text(const struct names *n, uint32_t number);
