/* codec_get.c - reads a subject, field by field, in the order that codec.h tells. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/codec.h"
#include "state/codec_flags.h"

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

struct reader {
	struct str in;
	const struct names *shard_names; /* packed form; NULL: `table` */
	struct str *table;		 /* of a changelog value, kept already */
	uint64_t table_count;
	struct arena *arena;
	struct buf *packed; /* the packed form is put together on the way; NULL: it is not */
	size_t flags_at;    /* in it */
	int64_t base_ms;
	bool bad;
};

/* A number that is the same in a value and in the packed form. */

static uint64_t get(struct reader *r)
{
	uint64_t n = 0;

	/* Most numbers are small. */
	if (LIKELY(r->in.len && (unsigned char)r->in.data[0] < 0x80)) {
		n = (unsigned char)r->in.data[0];
		r->in.data++;
		r->in.len--;
		if (r->packed)
			buf_putc(r->packed, (char)n);
		return n;
	}
	if (!codec_get_number(&r->in, &n))
		r->bad = true;
	if (r->packed)
		codec_put_number(r->packed, n);
	return n;
}

static int64_t get_time(struct reader *r)
{
	return (int64_t)((uint64_t)unzigzag(get(r)) + (uint64_t)r->base_ms);
}

static struct str get_text(struct reader *r)
{
	struct str text = {0};

	if (!codec_get_text(&r->in, &text))
		r->bad = true;
	if (r->packed)
		codec_put_text(r->packed, text);
	return text;
}

/* A name of a value, which has another number in the packed form. */
static struct str get_table_name(struct reader *r)
{
	struct buf *packed = r->packed;
	struct str name = {0};

	r->packed = NULL;
	uint64_t n = get(r);
	r->packed = packed;
	if (n > r->table_count)
		r->bad = true;
	if (n && !r->bad)
		name = r->table[n - 1];
	if (packed)
		codec_put_number(packed, names_number(name));
	return name;
}

static struct str get_name(struct reader *r)
{
	return r->shard_names ? names_text(r->shard_names, (uint32_t)get(r)) : get_table_name(r);
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

static void get_messages(struct reader *r, struct subject *s)
{
	GET_LIST(r, &s->seen);
	for (uint32_t i = 0; i < s->seen.count && !r->bad; i++) {
		if (r->in.len < 8) {
			r->bad = true;
			return;
		}
		for (int k = 0; k < 8; k++)
			s->seen.items[i].hash |= (uint64_t)(unsigned char)r->in.data[k] << (8 * k);
		if (r->packed)
			buf_put(r->packed, (struct str){r->in.data, 8});
		r->in = str_from(r->in, 8);
		s->seen.items[i].time_ms = get_time(r);
	}
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

static enum severity get_severity(struct reader *r)
{
	uint64_t severity = get(r);

	r->bad |= severity > SEVERITY_CRITICAL;
	return (enum severity)severity;
}

static void get_alerts(struct reader *r, struct subject *s)
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
	GET_LIST(r, &s->alerts);
	for (uint32_t i = 0; i < s->alerts.count && !r->bad; i++) {
		struct alert_state *a = &s->alerts.items[i];
		a->told = get_told(r, s);
		a->pack = get_name(r);
		a->rule = get_name(r);
		a->due_ms = (int64_t)get(r);
		a->order = (uint32_t)get(r);
		a->severity = get_severity(r);
		a->category = get_name(r);
		a->title = get_name(r);
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
	r->flags_at = r->packed ? r->packed->len : 0;
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

	r->bad |= h.flags > (r->shard_names ? FLAGS_PACKED : FLAGS_VALUE);
	s->touched_ms = h.touched_ms;
	s->is_customer = h.flags & FLAG_CUSTOMER;
	s->disagreed = h.flags & FLAG_DISAGREED;
	s->consent_ms = h.consent_ms;
	s->erased_ms = h.erased_ms;
	s->sequence = h.sequence;
	get_messages(r, s);
	get_tags(r, s);
	get_ladders(r, s);
	get_windows(r, s);
	get_waits(r, s);
	get_alerts(r, s);
	get_talk(r, s);
}

void codec_unpack(struct str packed, const struct names *names, struct arena *arena,
		  struct subject *s)
{
	struct reader r = {.in = packed, .shard_names = names, .arena = arena};

	get_body(&r, s);
	assert(!r.bad && r.in.len == 0); /* we packed it ourselves */
}

void codec_look(struct str packed, int64_t *erased_ms, bool *awaits)
{
	struct reader r = {.in = packed};
	struct head head = get_head(&r);

	*erased_ms = head.erased_ms;
	*awaits = head.flags & FLAG_AWAITS;
}

bool codec_remembers(struct str packed, uint64_t msgid_hash, int64_t clock_ms, int64_t memory_ms)
{
	struct reader r = {.in = packed};

	(void)get_head(&r);
	uint32_t count = get_count(&r);
	const unsigned char *p = (const unsigned char *)r.in.data;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = 0;
		for (int k = 0; k < 8; k++)
			hash |= (uint64_t)p[k] << (8 * k);
		p += 8;
		if (UNLIKELY(hash == msgid_hash)) {
			r.in = str_from(r.in, (size_t)((const char *)p - r.in.data));
			return get_time(&r) + memory_ms > clock_ms;
		}
		while (*p++ & 0x80) /* past the time */
			;
	}
	return false;
}

enum codec_result codec_get_subject(struct str body, struct names *names, struct arena *arena,
				    struct subject *s, struct buf *packed)
{
	struct reader r = {.in = body, .arena = arena};

	r.table_count = get_count(&r);
	r.table = ARENA_ARRAY(arena, struct str, r.table_count);
	for (uint64_t i = 0; i < r.table_count && !r.bad; i++)
		r.table[i] = names_keep(names, get_text(&r));
	r.packed = packed;
	if (!r.bad)
		get_body(&r, s);
	if (r.bad || r.in.len)
		return CODEC_BAD_BODY;
	if (s->waits.count || s->nears.count) /* flags are one byte: get_body() knows no other */
		packed->data[r.flags_at] |= FLAG_AWAITS;
	return CODEC_DONE;
}
