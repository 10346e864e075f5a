/* order.h - whether the events of a stream stand on their topic in the order in which they were made.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Looked at in the order of the topic, though events become known in another one: a place is taken
 * when an event is found, and filled when it is known which one it is. Places that stay unknown (what
 * nothing makes) are passed over at the end, or when more than ORDER_PLACES_MAX wait behind them.
 *
 * Thread: an order belongs to one thread.
 */
#pragma once

#include "base/digest.h"

enum { ORDER_PLACES_MAX = 65536 };

struct order_place {
	int64_t offset;	 /* on the topic */
	uint64_t number; /* the how-manieth of the stream; 0: not known yet */
	int64_t source_offset;
	bool asked; /* a difference is reported */
	char id[UUID_LEN];
};

struct order { /* a zeroed one is ready for use */
	struct order_place *places; /* a ring of `cap` */
	size_t cap;
	uint64_t first, next; /* places [first, next) wait; their numbers never come again */
	struct order_place last; /* looked at last; number 0: none */
};

void order_fini(struct order *o);

/* What is told of an event that stands behind one that was made later. */
typedef void (*order_report)(void *context, const struct order_place *place,
			     const struct order_place *before);

/* Takes a place; returns what order_fill() wants. */
uint64_t order_take(struct order *o, const struct order_place *place);
void order_fill(struct order *o, uint64_t at, const struct order_place *place);
/* Looks at what is known from the first place on; at everything with `end`. */
void order_look(struct order *o, bool end, order_report report, void *context);
