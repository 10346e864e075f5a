/* order.c - places in a ring. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/order.h"

#include "base/heap.h"

enum { CAP_FIRST = 64 };

void order_fini(struct order *o)
{
	free(o->places);
}

static void grow(struct order *o)
{
	size_t cap = o->cap ? o->cap * 2 : CAP_FIRST;
	struct order_place *places = heap_zeroed(cap, sizeof *places);

	for (uint64_t i = o->first; i < o->next; i++)
		places[i % cap] = o->places[i % o->cap];
	free(o->places);
	o->places = places;
	o->cap = cap;
}

uint64_t order_take(struct order *o, const struct order_place *place)
{
	if (o->next - o->first == o->cap)
		grow(o);
	o->places[o->next % o->cap] = *place;
	return o->next++;
}

void order_fill(struct order *o, uint64_t at, const struct order_place *place)
{
	if (at >= o->first)
		o->places[at % o->cap] = *place;
}

void order_look(struct order *o, bool end, order_report report, void *context)
{
	for (; o->first < o->next; o->first++) {
		const struct order_place *place = &o->places[o->first % o->cap];
		if (!place->number && !end && o->next - o->first <= ORDER_PLACES_MAX)
			return;
		if (!place->number)
			continue;
		/* One event that moved is told once: what comes is compared with its place. */
		if (place->number < o->last.number && place->asked)
			report(context, place, &o->last);
		o->last = *place;
	}
}
