/* show.c - writes the parts of a subject that people ask for. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/show.h"

static void key(struct buf *out, const char *name)
{
	/* The first field of an object has no comma before it. */
	if (out->len && out->data[out->len - 1] != '{')
		buf_putc(out, ',');
	buf_printf(out, "\"%s\":", name);
}

static void text(struct buf *out, const char *name, struct str value)
{
	key(out, name);
	buf_put_json(out, value);
}

static void moment(struct buf *out, const char *name, int64_t ms)
{
	key(out, name);
	buf_putc(out, '"');
	buf_put_time(out, ms);
	buf_putc(out, '"');
}

static void number(struct buf *out, const char *name, uint64_t n)
{
	key(out, name);
	buf_put_u64(out, n);
}

static void flag(struct buf *out, const char *name, bool yes)
{
	key(out, name);
	buf_put(out, str_of(yes ? "true" : "false"));
}

static void texts(struct buf *out, const char *name, const struct str *items, uint32_t count)
{
	key(out, name);
	buf_putc(out, '[');
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buf_putc(out, ',');
		buf_put_json(out, items[i]);
	}
	buf_putc(out, ']');
}

static void item(struct buf *out, uint32_t index)
{
	buf_put(out, index ? STR(",{") : STR("{"));
}

static void source(struct buf *out, struct str pack, struct str rule)
{
	text(out, "pack", pack);
	text(out, "rule", rule);
}

static void put_tags(struct buf *out, const struct subject *s)
{
	key(out, "tags");
	buf_putc(out, '[');
	for (uint32_t i = 0; i < s->tags.count; i++) {
		const struct tag_state *t = &s->tags.items[i];
		const struct proof *newest = tag_newest(s, t);
		const struct told *m = &s->told.items[newest->told];
		item(out, i);
		text(out, "group", t->group);
		text(out, "tag", t->tag);
		texts(out, "userids", t->staff.items, t->staff.count);
		source(out, newest->pack, newest->rule);
		text(out, "msgid", m->msgid);
		moment(out, "msgtime", m->time_ms);
		if (newest->expires_ms)
			moment(out, "expires", m->time_ms + newest->expires_ms);
		number(out, "evidence", t->proofs.count);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_stages(struct buf *out, const struct subject *s)
{
	key(out, "stages");
	buf_putc(out, '[');
	for (uint32_t i = 0; i < s->ladders.count; i++) {
		const struct ladder_state *l = &s->ladders.items[i];
		const struct move *last = &l->moves.items[l->moves.count - 1];
		item(out, i);
		text(out, "ladder", l->ladder);
		key(out, "stage");
		if (last->stage.len)
			buf_put_json(out, last->stage);
		else
			buf_put(out, STR("null"));
		moment(out, "since", last->time_ms);
		number(out, "recallable", l->moves.count - 1);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_windows(struct buf *out, const struct subject *s)
{
	key(out, "windows");
	buf_putc(out, '[');
	for (uint32_t i = 0; i < s->windows.count; i++) {
		const struct window_state *w = &s->windows.items[i];
		item(out, i);
		source(out, w->pack, w->rule);
		text(out, "pair", w->pair);
		number(out, "matches", w->entries.count);
		if (w->entries.count)
			moment(out, "newest", w->entries.items[w->entries.count - 1].time_ms);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_timers(struct buf *out, const struct subject *s)
{
	key(out, "waits");
	buf_putc(out, '[');
	for (uint32_t i = 0; i < s->waits.count; i++) {
		const struct wait_state *w = &s->waits.items[i];
		item(out, i);
		source(out, w->pack, w->rule);
		text(out, "where", w->where);
		text(out, "msgid", s->told.items[w->told].msgid);
		moment(out, "due", w->due_ms);
		buf_putc(out, '}');
	}
	buf_put(out, STR("],\"groupings\":["));
	for (uint32_t i = 0; i < s->groupings.count; i++) {
		const struct grouping *g = &s->groupings.items[i];
		item(out, i);
		source(out, g->pack, g->rule);
		text(out, "pair", g->pair);
		number(out, "count", g->count);
		moment(out, "due", g->due_ms);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

void subject_show(struct buf *out, const struct subject *s)
{
	buf_putc(out, '{');
	text(out, "corpid", s->corpid);
	text(out, "subject", s->id);
	flag(out, "customer", s->is_customer);
	number(out, "sequence", s->sequence);
	moment(out, "touched", s->touched_ms);
	if (s->consent_ms) {
		flag(out, "disagreed", s->disagreed);
		moment(out, "consent", s->consent_ms);
	}
	if (s->erased_ms)
		moment(out, "erased", s->erased_ms);
	put_tags(out, s);
	put_stages(out, s);
	put_windows(out, s);
	put_timers(out, s);
	number(out, "alerts", s->alerts.count);
	number(out, "near", s->nears.count);
	number(out, "remembered", s->seen.count);
	buf_putc(out, '}');
}
