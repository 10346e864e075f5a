/* headers.c - a list that grows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/headers.h"

#include "base/heap.h"

enum { ROOM_FIRST = 32 };

void kafka_headers_add(struct kafka_headers *h, const char *name, struct str value)
{
	if (h->count == h->room) {
		h->room = MAX(h->room * 2, (size_t)ROOM_FIRST);
		h->items = heap_grown(h->items, h->room * sizeof *h->items);
	}
	h->items[h->count++] = (struct kafka_header){name, value};
}

void kafka_headers_fini(struct kafka_headers *h)
{
	free(h->items);
	*h = (struct kafka_headers){0};
}

struct str kafka_headers_last(const struct kafka_headers *h, const char *name)
{
	struct str value = {0};

	for (size_t i = 0; i < h->count; i++)
		if (!strcmp(h->items[i].name, name))
			value = h->items[i].value;
	return value;
}
