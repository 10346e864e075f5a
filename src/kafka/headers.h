/* headers.h - the headers of a record, as they are read and as they are sent.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Kafka bounds the bytes of a record, not how many headers it has. A list keeps its room for the next
 * record. Names and values are borrowed. Thread: a list belongs to one thread.
 */
#pragma once

#include "base/str.h"

struct kafka_header {
	const char *name;
	struct str value; /* data NULL: a null value */
};

struct kafka_headers {
	struct kafka_header *items;
	size_t count, room;
};

/* Running out of memory ends the program (base/heap.h). */
void kafka_headers_add(struct kafka_headers *h, const char *name, struct str value);
void kafka_headers_fini(struct kafka_headers *h);

/* The value of the last one of the name: a record that was sent again may have more. Empty: none. */
struct str kafka_headers_last(const struct kafka_headers *h, const char *name);
