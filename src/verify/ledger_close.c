/* ledger_close.c - what never met, told by its place. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/ledger_parts.h"

#include "base/heap.h"

static int by_place(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
	int topic = strcmp(x->stream->topic, y->stream->topic);

	if (topic)
		return topic;
	if (x->stream->partition != y->stream->partition)
		return x->stream->partition < y->stream->partition ? -1 : 1;
	if (x->stream->source_partition != y->stream->source_partition)
		return x->stream->source_partition < y->stream->source_partition ? -1 : 1;
	if (x->found != y->found)
		return x->found - y->found;
	if (x->found)
		return (x->offset > y->offset) - (x->offset < y->offset);
	return (x->number > y->number) - (x->number < y->number);
}

static void report_expected(struct ledger *l, const struct entry *e)
{
	const struct ledger_group *g = e->source.group;
	char why[120];

	if (e->source.optional) {
		l->counts.not_yet++;
		return;
	}
	if (e->source.side)
		return;
	if (g && g->met) {
		(void)snprintf(why, sizeof why,
			       "%u of the %u events that the message makes are there, not this one",
			       g->met, g->expected);
		ledger_report(l, DISCREPANCY_TORN, e->stream, -1, e->id, e->source.offset, why);
		return;
	}
	ledger_report(l, DISCREPANCY_LOST, e->stream, -1, e->id, e->source.offset,
	       "derived from the archive, and not on the topic");
}

static void report_found(const struct ledger *l, const struct entry *e)
{
	const struct ledger_stream *s = e->stream;
	char why[120];

	if (e->offset < s->from_offset || e->offset > s->until_offset)
		return;
	if (e->twin >= 0) {
		(void)snprintf(why, sizeof why, "the same event stands at offset %lld",
			       (long long)e->twin);
		ledger_report(l, DISCREPANCY_DOUBLED, s, e->offset, e->id, -1, why);
		return;
	}
	ledger_report(l, DISCREPANCY_UNEXPECTED, s, e->offset, e->id, -1,
	       "no record of the archive makes it by the rules that held");
}

void ledger_close(struct ledger *l)
{
	size_t count = l->expected + l->surplus, n = 0;
	struct entry **all = heap_zeroed(count + 1, sizeof(struct entry *));

	for (size_t i = 0; i <= l->mask; i++)
		for (; l->buckets[i]; l->buckets[i] = l->buckets[i]->next)
			all[n++] = l->buckets[i];
	assert(n == count);
	qsort(all, count, sizeof *all, by_place);
	for (size_t i = 0; i < count; i++) {
		if (all[i]->found)
			report_found(l, all[i]);
		else
			report_expected(l, all[i]);
	}
	for (size_t i = 0; i < count; i++)
		ledger_drop(l, all[i]);
	free(all);
}
