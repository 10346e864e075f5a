/* codec.c - writes and reads a subject, field by field, in the order that codec.h tells. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/codec.h"

#include "base/hash.h"
#include "state/blocks.h"

enum { FLAG_CUSTOMER = 1, FLAG_DISAGREED = 2, FLAG_CONSENT = 4, FLAG_ERASED = 8, FLAG_AWAITS = 16 };

uint64_t codec_checksum(struct str key, struct str body)
{
	/* An odd factor, so that a value under another key is found out. */
	return hash_64(body) + hash_64(key) * 0x9e3779b97f4a7c15u;
}

/* ---- numbers and texts ---- */

void codec_put_number(struct buf *out, uint64_t n)
{
	char *p = buf_room(out, 10);
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		p[len++] = (char)(n | 0x80);
	p[len++] = (char)n;
	out->len += len;
}

void codec_put_text(struct buf *out, struct str text)
{
	codec_put_number(out, text.len);
	buf_put(out, text);
}

bool codec_get_number(struct str *in, uint64_t *n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in->len && i < 10; i++) {
		unsigned char byte = (unsigned char)in->data[i];
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*in = str_from(*in, i + 1);
			*n = value;
			return true;
		}
	}
	return false;
}

bool codec_get_text(struct str *in, struct str *text)
{
	uint64_t len;

	if (!codec_get_number(in, &len) || len > in->len)
		return false;
	*text = (struct str){in->data, (size_t)len};
	*in = str_from(*in, (size_t)len);
	return true;
}

static uint64_t zigzag(int64_t n)
{
	return (uint64_t)n << 1 ^ (uint64_t)(n >> 63);
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

/* ---- writing ---- */

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
	/* Distances wrap around without harm: reading wraps back. */
	put(w, zigzag((int64_t)((uint64_t)ms - (uint64_t)w->base_ms)));
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
			t->items = blocks_system(t->items, t->cap * sizeof *t->items);
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

static void put_messages(struct writer *w, const struct subject *s)
{
	put(w, s->seen.count);
	for (uint32_t i = 0; i < s->seen.count; i++) {
		char bytes[8];
		for (int k = 0; k < 8; k++)
			bytes[k] = (char)(s->seen.items[i].hash >> (8 * k));
		buf_put(w->out, (struct str){bytes, 8});
		put_time(w, s->seen.items[i].time_ms);
	}
	end_list(w, s->seen.count);
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

static void put_alerts(struct writer *w, const struct subject *s)
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
	put(w, s->alerts.count);
	for (uint32_t i = 0; i < s->alerts.count; i++) {
		const struct alert_state *a = &s->alerts.items[i];
		put(w, a->told);
		put_name(w, a->pack);
		put_name(w, a->rule);
		put(w, (uint64_t)a->due_ms);
		put(w, a->order);
		put(w, (uint64_t)a->severity);
		put_name(w, a->category);
		put_name(w, a->title);
	}
	end_list(w, s->alerts.count);
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
			 (s->consent_ms ? FLAG_CONSENT : 0u) | (s->erased_ms ? FLAG_ERASED : 0u);

	if (!w->names && (s->waits.count || s->nears.count))
		flags |= FLAG_AWAITS;
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
	put_messages(w, s);
	put_tags(w, s);
	put_ladders(w, s);
	put_windows(w, s);
	put_waits(w, s);
	put_alerts(w, s);
	put_talk(w, s);
	w->out->len = w->used; /* lists that are empty at the end */
}

void codec_pack(struct buf *out, const struct subject *s)
{
	put_body(&(struct writer){.out = out}, s);
}

void codec_put_value(struct buf *out, struct str key, struct str body)
{
	uint64_t sum = codec_checksum(key, body);

	buf_putc(out, CODEC_VERSION);
	for (int k = 0; k < 8; k++)
		buf_putc(out, (char)(sum >> (8 * k)));
	buf_put(out, body);
}

void codec_put_subject(struct buf *out, struct str key, const struct subject *s,
		       struct buf *scratch, struct codec_names *names)
{
	struct writer w = {.out = scratch, .names = names};

	/* The names are known once the rest is written, so they are put together last. */
	names->count = 0;
	buf_clear(scratch);
	put_body(&w, s);
	size_t rest = scratch->len;
	codec_put_number(scratch, names->count);
	for (uint32_t i = 0; i < names->count; i++)
		codec_put_text(scratch, names->items[i]);
	size_t table = scratch->len - rest;
	buf_room(scratch, rest);
	buf_put(scratch, (struct str){scratch->data, rest});
	codec_put_value(out, key, (struct str){scratch->data + rest, table + rest});
}

/* ---- reading ---- */

struct reader {
	struct str in;
	const struct names *shard_names; /* packed form; NULL: `table` */
	struct str *table;		 /* of a changelog value, kept already */
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
	if (!codec_get_number(&r->in, &n))
		r->bad = true;
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
	return text;
}

static struct str get_name(struct reader *r)
{
	uint64_t n = get(r);

	if (r->shard_names)
		return names_text(r->shard_names, (uint32_t)n);
	if (n > r->table_count)
		r->bad = true;
	return n == 0 || r->bad ? (struct str){0} : r->table[n - 1];
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

enum codec_result codec_open(struct str key, struct str value, struct str *body)
{
	uint64_t sum = 0;

	if (value.len && value.data[0] != CODEC_VERSION)
		return CODEC_UNKNOWN_VERSION;
	if (value.len < CODEC_HEAD_BYTES)
		return CODEC_BAD_CHECKSUM;
	for (int k = 0; k < 8; k++)
		sum |= (uint64_t)(unsigned char)value.data[1 + k] << (8 * k);
	struct str rest = str_from(value, CODEC_HEAD_BYTES);
	if (sum != codec_checksum(key, rest))
		return CODEC_BAD_CHECKSUM;
	*body = rest;
	return CODEC_DONE;
}

enum codec_result codec_get_subject(struct str body, struct names *names, struct arena *arena,
				    struct subject *s)
{
	struct reader r = {.in = body, .arena = arena};

	r.table_count = get_count(&r);
	r.table = ARENA_ARRAY(arena, struct str, r.table_count);
	for (uint64_t i = 0; i < r.table_count && !r.bad; i++)
		r.table[i] = names_keep(names, get_text(&r));
	if (!r.bad)
		get_body(&r, s);
	return r.bad || r.in.len ? CODEC_BAD_BODY : CODEC_DONE;
}
