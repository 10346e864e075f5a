/* codec_get.c - reads a subject, field by field, in the order that codec.h tells. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/codec.h"
#include "state/codec_flags.h"
#include "state/number.h"

struct reader {
	struct str in;
	struct names *names;  /* of the shard; NULL: no names are read */
	struct str *table;    /* of the packed form, kept already; NULL: its names are numbers */
	uint64_t table_count;
	struct arena *arena;
	int64_t base_ms;
	bool bad;
};

static uint64_t get(struct reader *r)
{
	uint64_t n = 0;

	/* Most numbers are small. */
	if (LIKELY(r->in.len && (unsigned char)r->in.data[0] < 0x80)) {
		n = (unsigned char)r->in.data[0];
		r->in.data++;
		r->in.len--;
		return n;
	}
	if (!number_get(&r->in, &n))
		r->bad = true;
	return n;
}

static int64_t get_time(struct reader *r)
{
	return number_time(get(r), r->base_ms);
}

static struct str get_text(struct reader *r)
{
	struct str text = {0};

	if (!codec_get_text(&r->in, &text))
		r->bad = true;
	return text;
}

static struct str get_name(struct reader *r)
{
	uint64_t n = get(r);

	if (n >= (r->table ? r->table_count : r->names->count)) {
		r->bad = true;
		return (struct str){0};
	}
	return r->table ? r->table[n] : names_text(r->names, (uint32_t)n);
}

/* The count of a list. An item has at least one byte, so that a wrong count cannot ask for more
 * memory than the value is long. */
static uint32_t get_count(struct reader *r)
{
	uint64_t n = r->in.len ? get(r) : 0;

	if (n > r->in.len)
		r->bad = true;
	return r->bad ? 0 : (uint32_t)n;
}

/* Makes room for the items of a list, and one more, so that a first addition needs no copy. */
#define GET_LIST(r, list)                                                                          \
	((list)->count = get_count(r), (list)->cap = (list)->count ? (list)->count + 1 : 0,        \
	 (list)->items = (list)->cap                                                               \
				 ? arena_zalloc((r)->arena, (list)->cap * sizeof *(list)->items)   \
				 : NULL)

static enum severity get_severity(struct reader *r)
{
	uint64_t severity = get(r);

	r->bad |= severity > SEVERITY_CRITICAL;
	return (enum severity)severity;
}

/* The rows and their times; the kinds come behind. */
static struct past get_past_items(struct reader *r)
{
	struct past p = {0};

	if (r->in.len)
		p.items = get_text(r);
	if (p.items.len) {
		p.hashes = get_text(r);
		p.first_ms = get_time(r);
		p.oldest_ms = get_time(r);
	}
	return p;
}

static void get_past(struct reader *r, struct past *p)
{
	*p = get_past_items(r);
	GET_LIST(r, &p->kinds);
	for (uint32_t i = 0; i < p->kinds.count && !r->bad; i++) {
		struct alert_kind *kind = &p->kinds.items[i];
		kind->pack = get_name(r);
		kind->rule = get_name(r);
		kind->category = get_name(r);
		kind->title = get_name(r);
		kind->severity = get_severity(r);
	}
}

static void get_tolds(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->told);
	for (uint32_t i = 0; i < s->told.count && !r->bad; i++) {
		struct told *t = &s->told.items[i];
		t->msgid = get_text(r);
		t->time_ms = get_time(r);
		t->from = get_name(r);
		t->roomid = get_name(r);
		t->userid_count = get_count(r);
		t->userids = ARENA_ARRAY(r->arena, struct str, t->userid_count);
		for (uint32_t k = 0; k < t->userid_count; k++)
			t->userids[k] = get_name(r);
		uint64_t who = get(r);
		t->role = (enum role)(who / 4);
		t->chat = (enum chat)(who % 4);
		r->bad |= who / 4 > ROLE_ROBOT || who % 4 > CHAT_INTERNAL;
	}
}

static uint32_t get_told(struct reader *r, const struct subject *s)
{
	uint64_t told = get(r);

	if (told >= s->told.count)
		r->bad = true;
	return r->bad ? 0 : (uint32_t)told;
}

static void get_tags(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->tags);
	for (uint32_t i = 0; i < s->tags.count && !r->bad; i++) {
		struct tag_state *t = &s->tags.items[i];
		t->group = get_name(r);
		t->tag = get_name(r);
		GET_LIST(r, &t->staff);
		for (uint32_t k = 0; k < t->staff.count; k++)
			t->staff.items[k] = get_name(r);
		GET_LIST(r, &t->proofs);
		r->bad |= t->proofs.count == 0;
		for (uint32_t k = 0; k < t->proofs.count; k++) {
			struct proof *p = &t->proofs.items[k];
			p->told = get_told(r, s);
			p->pack = get_name(r);
			p->rule = get_name(r);
			p->expires_ms = (int64_t)get(r);
			uint64_t order = get(r);
			p->order = (uint32_t)(order / 2);
			p->keeps = order % 2;
		}
	}
	GET_LIST(r, &s->changes);
	for (uint32_t i = 0; i < s->changes.count && !r->bad; i++) {
		s->changes.items[i].group = get_name(r);
		s->changes.items[i].time_ms = get_time(r);
	}
}

static void get_ladders(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->ladders);
	for (uint32_t i = 0; i < s->ladders.count && !r->bad; i++) {
		struct ladder_state *l = &s->ladders.items[i];
		l->ladder = get_name(r);
		GET_LIST(r, &l->moves);
		r->bad |= l->moves.count == 0;
		for (uint32_t k = 0; k < l->moves.count && !r->bad; k++) {
			struct move *m = &l->moves.items[k];
			m->stage = get_name(r);
			m->time_ms = get_time(r);
			uint64_t told = get(r);
			r->bad |= told > s->told.count;
			m->told = told ? (uint32_t)told - 1 : TOLD_NONE;
			if (!told)
				continue;
			m->pack = get_name(r);
			m->rule = get_name(r);
			uint64_t order = get(r);
			m->order = (uint32_t)(order / 2);
			m->keeps = order % 2;
		}
	}
}

static void get_windows(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->windows);
	for (uint32_t i = 0; i < s->windows.count && !r->bad; i++) {
		struct window_state *w = &s->windows.items[i];
		w->pack = get_name(r);
		w->rule = get_name(r);
		w->pair = get_name(r);
		GET_LIST(r, &w->entries);
		for (uint32_t k = 0; k < w->entries.count; k++) {
			w->entries.items[k].time_ms = get_time(r);
			w->entries.items[k].amount_fen = (int64_t)get(r);
			w->entries.items[k].word = get_name(r);
		}
	}
}

static void get_waits(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->waits);
	for (uint32_t i = 0; i < s->waits.count && !r->bad; i++) {
		struct wait_state *w = &s->waits.items[i];
		w->pack = get_name(r);
		w->rule = get_name(r);
		w->where = get_name(r);
		w->told = get_told(r, s);
		w->due_ms = get_time(r);
	}
}

static void get_groupings(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->groupings);
	for (uint32_t i = 0; i < s->groupings.count && !r->bad; i++) {
		struct grouping *g = &s->groupings.items[i];
		g->pack = get_name(r);
		g->rule = get_name(r);
		g->pair = get_name(r);
		g->due_ms = get_time(r);
		g->first_due_ms = (int64_t)get(r);
		g->msgid = get_text(r);
		g->newest = get_told(r, s);
		g->count = get(r);
		GET_LIST(r, &g->msgids);
		for (uint32_t k = 0; k < g->msgids.count; k++)
			g->msgids.items[k] = get_text(r);
		g->severity = get_severity(r);
		g->category = get_name(r);
		g->title = get_name(r);
	}
}

static void get_talk(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->nears);
	for (uint32_t i = 0; i < s->nears.count && !r->bad; i++) {
		struct near_state *n = &s->nears.items[i];
		n->pack = get_name(r);
		n->rule = get_name(r);
		n->node = (uint32_t)get(r);
		n->speaker = get_name(r);
		n->where = get_name(r);
		n->counted = (uint32_t)get(r);
		GET_LIST(r, &n->sightings);
		for (uint32_t k = 0; k < n->sightings.count; k++) {
			n->sightings.items[k].number = (uint32_t)get(r);
			n->sightings.items[k].parts = get(r);
			n->sightings.items[k].time_ms = get_time(r);
		}
	}
	GET_LIST(r, &s->spokes);
	for (uint32_t i = 0; i < s->spokes.count && !r->bad; i++) {
		s->spokes.items[i].who = get_name(r);
		s->spokes.items[i].time_ms = get_time(r);
	}
}

/* What stands before the lists. */
struct head {
	int64_t touched_ms, consent_ms, erased_ms;
	uint64_t flags, sequence;
};

static struct head get_head(struct reader *r)
{
	struct head h = {.touched_ms = get_time(r)};

	r->base_ms = h.touched_ms;
	h.flags = get(r);
	if (h.flags & FLAG_CONSENT)
		h.consent_ms = get_time(r);
	if (h.flags & FLAG_ERASED)
		h.erased_ms = get_time(r);
	h.sequence = get(r);
	return h;
}

static void get_body(struct reader *r, struct subject *s)
{
	struct head h = get_head(r);

	r->bad |= h.flags > FLAGS_ALL;
	s->touched_ms = h.touched_ms;
	s->is_customer = h.flags & FLAG_CUSTOMER;
	s->disagreed = h.flags & FLAG_DISAGREED;
	s->consent_ms = h.consent_ms;
	s->erased_ms = h.erased_ms;
	s->sequence = h.sequence;
	get_past(r, &s->past);
	get_tolds(r, s);
	get_tags(r, s);
	get_ladders(r, s);
	get_windows(r, s);
	get_waits(r, s);
	get_groupings(r, s);
	get_talk(r, s);
}

/* What precedes a packed form: its own table of names, or none. */
static struct str get_table(struct reader *r)
{
	uint64_t bytes = get(r);
	struct str table = {r->in.data, (size_t)bytes};

	if (bytes > r->in.len || r->bad) {
		r->bad = true;
		return (struct str){0};
	}
	r->in = str_from(r->in, table.len);
	return table;
}

static void keep_table(struct reader *r, struct str table)
{
	struct reader names = {.in = table};
	uint64_t count = get_count(&names);

	r->table_count = count + 1; /* 0 is the empty name */
	r->table = ARENA_ARRAY(r->arena, struct str, r->table_count);
	r->table[0] = (struct str){0};
	for (uint64_t i = 0; i < count && !names.bad; i++)
		r->table[i + 1] = names_keep(r->names, get_text(&names));
	r->bad |= names.bad || names.in.len;
}

bool codec_unpack(struct str packed, struct names *names, struct arena *arena, struct subject *s)
{
	struct reader r = {.in = packed, .names = names, .arena = arena};
	struct str table = get_table(&r);

	if (table.len)
		keep_table(&r, table);
	if (!r.bad)
		get_body(&r, s);
	return !r.bad && r.in.len == 0;
}

bool codec_has_table(struct str packed)
{
	return packed.len && packed.data[0];
}

void codec_look(struct str packed, int64_t *erased_ms, bool *awaits)
{
	struct reader r = {.in = packed};

	(void)get_table(&r);
	struct head head = get_head(&r);
	*erased_ms = head.erased_ms;
	*awaits = head.flags & FLAG_AWAITS;
}

bool codec_remembers(struct str packed, uint64_t msgid_hash, int64_t clock_ms, int64_t memory_ms)
{
	struct reader r = {.in = packed};
	int64_t time_ms;

	(void)get_table(&r);
	(void)get_head(&r);
	struct past past = get_past_items(&r);
	return past_find(&past, msgid_hash, &time_ms) && time_ms + memory_ms > clock_ms;
}

enum codec_result codec_get_due(struct str body, struct due_time *due, struct str *packed)
{
	uint64_t kind, distance = 0;

	if (!number_get(&body, &kind) || kind > DUE_IDLE_SINCE ||
	    (kind != DUE_NEVER && !number_get(&body, &distance)) || !body.len)
		return CODEC_BAD_BODY;
	due->kind = (enum due_when)kind;
	due->ms = number_time(distance, 0);
	*packed = body;
	return CODEC_DONE;
}
