/* codec_put.c - writes a subject, field by field, in the order that codec.h tells. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"
#include "state/codec.h"
#include "state/codec_flags.h"
#include "state/number.h"

struct writer {
	struct buf *out;
	struct codec_names *names; /* NULL: numbers of the shard */
	int64_t base_ms;
	size_t used; /* length of `out` behind the last list that is not empty */
};

static void put(struct writer *w, uint64_t n)
{
	/* Most numbers are small. */
	if (LIKELY(n < 0x80))
		buf_putc(w->out, (char)n);
	else
		codec_put_number(w->out, n);
}

static void put_time(struct writer *w, int64_t ms)
{
	put(w, number_distance(ms, w->base_ms));
}

static void put_name(struct writer *w, struct str name)
{
	struct codec_names *t = w->names;
	uint32_t i = 0;

	if (!t) {
		put(w, names_number(name));
		return;
	}
	if (!name.len) {
		put(w, 0);
		return;
	}
	while (i < t->count && t->items[i].data != name.data)
		i++;
	if (i == t->count) {
		if (t->count == t->cap) {
			t->cap = MAX(t->cap * 2, 64u);
			t->items = heap_grown(t->items, t->cap * sizeof *t->items);
		}
		t->items[t->count++] = name;
	}
	put(w, i + 1);
}

static void put_names(struct writer *w, const struct str *items, uint32_t count)
{
	put(w, count);
	for (uint32_t i = 0; i < count; i++)
		put_name(w, items[i]);
}

static void end_list(struct writer *w, uint32_t count)
{
	if (count)
		w->used = w->out->len;
}

static void put_past(struct writer *w, const struct past *p)
{
	codec_put_text(w->out, p->items);
	if (p->items.len) {
		codec_put_text(w->out, p->hashes);
		put_time(w, p->first_ms);
		put_time(w, p->oldest_ms);
		w->used = w->out->len;
	}
	put(w, p->kinds.count);
	for (uint32_t i = 0; i < p->kinds.count; i++) {
		const struct alert_kind *kind = &p->kinds.items[i];
		put_name(w, kind->pack);
		put_name(w, kind->rule);
		put_name(w, kind->category);
		put_name(w, kind->title);
		put(w, (uint64_t)kind->severity);
	}
	end_list(w, p->kinds.count);
}

static void put_told(struct writer *w, const struct subject *s)
{
	put(w, s->told.count);
	for (uint32_t i = 0; i < s->told.count; i++) {
		const struct told *t = &s->told.items[i];
		codec_put_text(w->out, t->msgid);
		put_time(w, t->time_ms);
		put_name(w, t->from);
		put_name(w, t->roomid);
		put_names(w, t->userids, t->userid_count);
		put(w, (unsigned)t->role * 4u + (unsigned)t->chat);
	}
	end_list(w, s->told.count);
}

static void put_tags(struct writer *w, const struct subject *s)
{
	put(w, s->tags.count);
	for (uint32_t i = 0; i < s->tags.count; i++) {
		const struct tag_state *t = &s->tags.items[i];
		put_name(w, t->group);
		put_name(w, t->tag);
		put_names(w, t->staff.items, t->staff.count);
		put(w, t->proofs.count);
		for (uint32_t k = 0; k < t->proofs.count; k++) {
			const struct proof *p = &t->proofs.items[k];
			put(w, p->told);
			put_name(w, p->pack);
			put_name(w, p->rule);
			put(w, (uint64_t)p->expires_ms);
			put(w, (uint64_t)p->order * 2 + p->keeps);
		}
	}
	end_list(w, s->tags.count);
	put(w, s->changes.count);
	for (uint32_t i = 0; i < s->changes.count; i++) {
		put_name(w, s->changes.items[i].group);
		put_time(w, s->changes.items[i].time_ms);
	}
	end_list(w, s->changes.count);
}

static void put_ladders(struct writer *w, const struct subject *s)
{
	put(w, s->ladders.count);
	for (uint32_t i = 0; i < s->ladders.count; i++) {
		const struct ladder_state *l = &s->ladders.items[i];
		put_name(w, l->ladder);
		put(w, l->moves.count);
		for (uint32_t k = 0; k < l->moves.count; k++) {
			const struct move *m = &l->moves.items[k];
			put_name(w, m->stage);
			put_time(w, m->time_ms);
			put(w, (uint64_t)(uint32_t)(m->told + 1));
			if (m->told == TOLD_NONE)
				continue;
			put_name(w, m->pack);
			put_name(w, m->rule);
			put(w, (uint64_t)m->order * 2 + m->keeps);
		}
	}
	end_list(w, s->ladders.count);
}

static void put_windows(struct writer *w, const struct subject *s)
{
	put(w, s->windows.count);
	for (uint32_t i = 0; i < s->windows.count; i++) {
		const struct window_state *window = &s->windows.items[i];
		put_name(w, window->pack);
		put_name(w, window->rule);
		put_name(w, window->pair);
		put(w, window->entries.count);
		for (uint32_t k = 0; k < window->entries.count; k++) {
			put_time(w, window->entries.items[k].time_ms);
			put(w, (uint64_t)window->entries.items[k].amount_fen);
			put_name(w, window->entries.items[k].word);
		}
	}
	end_list(w, s->windows.count);
}

static void put_waits(struct writer *w, const struct subject *s)
{
	put(w, s->waits.count);
	for (uint32_t i = 0; i < s->waits.count; i++) {
		const struct wait_state *wait = &s->waits.items[i];
		put_name(w, wait->pack);
		put_name(w, wait->rule);
		put_name(w, wait->where);
		put(w, wait->told);
		put_time(w, wait->due_ms);
	}
	end_list(w, s->waits.count);
}

static void put_groupings(struct writer *w, const struct subject *s)
{
	put(w, s->groupings.count);
	for (uint32_t i = 0; i < s->groupings.count; i++) {
		const struct grouping *g = &s->groupings.items[i];
		put_name(w, g->pack);
		put_name(w, g->rule);
		put_name(w, g->pair);
		put_time(w, g->due_ms);
		put(w, (uint64_t)g->first_due_ms);
		codec_put_text(w->out, g->msgid);
		put(w, g->newest);
		put(w, g->count);
		put(w, g->msgids.count);
		for (uint32_t k = 0; k < g->msgids.count; k++)
			codec_put_text(w->out, g->msgids.items[k]);
		put(w, (uint64_t)g->severity);
		put_name(w, g->category);
		put_name(w, g->title);
	}
	end_list(w, s->groupings.count);
}

static void put_talk(struct writer *w, const struct subject *s)
{
	put(w, s->nears.count);
	for (uint32_t i = 0; i < s->nears.count; i++) {
		const struct near_state *n = &s->nears.items[i];
		put_name(w, n->pack);
		put_name(w, n->rule);
		put(w, n->node);
		put_name(w, n->speaker);
		put_name(w, n->where);
		put(w, n->counted);
		put(w, n->sightings.count);
		for (uint32_t k = 0; k < n->sightings.count; k++) {
			put(w, n->sightings.items[k].number);
			put(w, n->sightings.items[k].parts);
			put_time(w, n->sightings.items[k].time_ms);
		}
	}
	end_list(w, s->nears.count);
	put(w, s->spokes.count);
	for (uint32_t i = 0; i < s->spokes.count; i++) {
		put_name(w, s->spokes.items[i].who);
		put_time(w, s->spokes.items[i].time_ms);
	}
	end_list(w, s->spokes.count);
}

static void put_body(struct writer *w, const struct subject *s)
{
	unsigned flags = (s->is_customer ? FLAG_CUSTOMER : 0u) |
			 (s->disagreed ? FLAG_DISAGREED : 0u) |
			 (s->consent_ms ? FLAG_CONSENT : 0u) | (s->erased_ms ? FLAG_ERASED : 0u) |
			 (s->waits.count || s->nears.count ? FLAG_AWAITS : 0u);

	w->base_ms = 0;
	put_time(w, s->touched_ms);
	w->base_ms = s->touched_ms;
	put(w, flags);
	if (s->consent_ms)
		put_time(w, s->consent_ms);
	if (s->erased_ms)
		put_time(w, s->erased_ms);
	put(w, s->sequence);

	w->used = w->out->len;
	put_past(w, &s->past);
	put_told(w, s);
	put_tags(w, s);
	put_ladders(w, s);
	put_windows(w, s);
	put_waits(w, s);
	put_groupings(w, s);
	put_talk(w, s);
	w->out->len = w->used; /* lists that are empty at the end */
}

void codec_pack(struct buf *out, const struct subject *s)
{
	codec_put_number(out, 0); /* no table */
	put_body(&(struct writer){.out = out}, s);
}

static void put_due(struct buf *out, struct due_time due)
{
	codec_put_number(out, (uint64_t)due.kind);
	if (due.kind != DUE_NEVER)
		codec_put_number(out, number_distance(due.ms, 0));
}

void codec_put_subject(struct buf *out, struct str key, const struct subject *s,
		       struct buf *scratch, struct codec_names *names)
{
	struct writer w = {.out = scratch, .names = names};

	/* The names are known once the rest is written, so what precedes it is put together last. */
	names->count = 0;
	buf_clear(scratch);
	put_body(&w, s);
	size_t rest = scratch->len;
	codec_put_number(scratch, names->count);
	for (uint32_t i = 0; i < names->count; i++)
		codec_put_text(scratch, names->items[i]);
	size_t table = scratch->len - rest;
	put_due(scratch, subject_due_time(s));
	codec_put_number(scratch, table);
	size_t head = scratch->len - rest - table;
	buf_room(scratch, table + rest);
	buf_put(scratch, (struct str){scratch->data + rest, table});
	buf_put(scratch, (struct str){scratch->data, rest});
	codec_put_value(out, key, (struct str){scratch->data + rest + table, head + table + rest});
}
