/* past.c - walks the row of messages and alerts, adds to it, and writes it anew without some. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/past.h"

#include "state/number.h"

enum { TAG_MESSAGE, TAG_AGAIN, TAG_ALERT };

struct item {
	uint64_t tag;
	uint64_t hash; /* of the message, or of that the alert rests on */
	int64_t time_ms;
	struct past_alert alert;
};

/* Where a walk is: the item it came to, and what is left. */
struct walk {
	struct str hashes, rest;
	int64_t first_ms;
	struct item item;
};

static struct walk walk_of(const struct past *p)
{
	return (struct walk){.hashes = p->hashes, .rest = p->items, .first_ms = p->first_ms};
}

static bool next(struct walk *w)
{
	struct item *item = &w->item;
	uint64_t distance, order, due;

	if (!number_get(&w->rest, &item->tag))
		return false;
	if (item->tag < TAG_ALERT) {
		struct str *from = item->tag == TAG_MESSAGE ? &w->hashes : &w->rest;
		if (from->len < 8)
			return false;
		item->hash = number_get_64(from->data);
		*from = str_from(*from, 8);
		if (!number_get(&w->rest, &distance))
			return false;
		item->time_ms = number_time(distance, w->first_ms);
		return true;
	}
	if (!number_get(&w->rest, &order) || !number_get(&w->rest, &due))
		return false;
	item->alert = (struct past_alert){(uint32_t)(item->tag - TAG_ALERT), (uint32_t)order,
					  (int64_t)due};
	return true;
}

/* Whether the row of hashes has this one. Most have none, so eight at a time are asked whether half of
 * one is equal: SSE2, which every x86-64 has, compares no more than 32 bits. */
static bool has(struct str hashes, uint64_t hash)
{
	typedef uint32_t halves4 __attribute__((vector_size(16)));
	typedef uint64_t words2 __attribute__((vector_size(16)));
	union {
		char bytes[16];
		halves4 halves;
	} want;
	halves4 eight[4];
	size_t at = 0;

	number_put_64(want.bytes, hash);
	number_put_64(want.bytes + 8, hash);
	for (; at + sizeof eight <= hashes.len; at += sizeof eight) {
		memcpy(eight, hashes.data + at, sizeof eight);
		words2 equal = (words2)((eight[0] == want.halves) | (eight[1] == want.halves) |
					(eight[2] == want.halves) | (eight[3] == want.halves));
		for (size_t i = 0; UNLIKELY(equal[0] | equal[1]) && i < sizeof eight; i += 8)
			if (memcmp(hashes.data + at + i, want.bytes, 8) == 0)
				return true;
	}
	for (; at + 8 <= hashes.len; at += 8)
		if (memcmp(hashes.data + at, want.bytes, 8) == 0)
			return true;
	return false;
}

bool past_find(const struct past *p, uint64_t hash, int64_t *time_ms)
{
	bool found = false;

	if (LIKELY(!has(p->hashes, hash)))
		return false;
	for (struct walk w = walk_of(p); next(&w);)
		if (w.item.hash == hash && w.item.tag == TAG_MESSAGE) {
			*time_ms = found ? MAX(*time_ms, w.item.time_ms) : w.item.time_ms;
			found = true;
		}
	return found;
}

void past_each_alert(const struct past *p, uint64_t hash, int64_t after_ms,
		     void (*visit)(void *context, struct past_alert alert), void *context)
{
	for (struct walk w = walk_of(p); next(&w);)
		if (w.item.tag >= TAG_ALERT && w.item.hash == hash &&
		    w.item.time_ms > after_ms && w.item.alert.kind < p->kinds.count)
			visit(context, w.item.alert);
}

uint32_t past_alert_count(const struct past *p)
{
	uint32_t count = 0;

	for (struct walk w = walk_of(p); next(&w);)
		count += w.item.tag >= TAG_ALERT;
	return count;
}

/* ---- adding ---- */

/* Room for `bytes` more at the end of a row, in the arena. */
static char *room(struct str *row, size_t *cap, struct arena *arena, size_t bytes)
{
	if (*cap < row->len + bytes) {
		*cap = row->len + row->len / 2 + 16 + bytes; /* most rows are short */
		char *grown = arena_alloc(arena, *cap);
		if (row->len)
			memcpy(grown, row->data, row->len);
		row->data = grown;
	}
	return (char *)(uintptr_t)row->data + row->len;
}

static void add_message(struct past *p, struct arena *arena, uint64_t tag, uint64_t hash,
			int64_t time_ms)
{
	if (!p->items.len)
		p->first_ms = time_ms;
	char *start = room(&p->items, &p->items_cap, arena, 1 + 8 + NUMBER_BYTES_MAX), *at = start;
	*at++ = (char)tag;
	if (tag == TAG_MESSAGE) {
		number_put_64(room(&p->hashes, &p->hashes_cap, arena, 8), hash);
		p->hashes.len += 8;
	} else {
		number_put_64(at, hash);
		at += 8;
	}
	at = number_put(at, number_distance(time_ms, p->first_ms));
	p->items.len += (size_t)(at - start);
	p->last = hash;
	p->last_ms = time_ms;
}

void past_add(struct past *p, struct arena *arena, uint64_t hash, int64_t time_ms)
{
	p->oldest_ms = p->hashes.len ? MIN(p->oldest_ms, time_ms) : time_ms;
	add_message(p, arena, TAG_MESSAGE, hash, time_ms);
}

void past_add_alert(struct past *p, struct arena *arena, uint64_t hash, int64_t time_ms,
		    struct past_alert alert)
{
	if (!p->items_cap || p->last != hash || p->last_ms != time_ms)
		add_message(p, arena, TAG_AGAIN, hash, time_ms);
	char *start = room(&p->items, &p->items_cap, arena, 3 * NUMBER_BYTES_MAX);
	char *at = number_put(start, (uint64_t)alert.kind + TAG_ALERT);
	at = number_put(at, alert.order);
	at = number_put(at, (uint64_t)alert.due_ms);
	p->items.len += (size_t)(at - start);
}

uint32_t past_kind(struct past *p, struct arena *arena, struct alert_kind kind)
{
	uint32_t i = 0;

	for (; i < p->kinds.count; i++) {
		const struct alert_kind *k = &p->kinds.items[i];
		if (k->rule.data == kind.rule.data && k->pack.data == kind.pack.data &&
		    k->category.data == kind.category.data && k->title.data == kind.title.data &&
		    k->severity == kind.severity)
			return i;
	}
	*LIST_ADD(&p->kinds, arena) = kind;
	return i;
}

/* ---- written anew ---- */

struct gone { /* what is left out */
	bool (*is)(const struct gone *gone, const struct item *item);
	int64_t time_ms;
	uint64_t hash;
};

static void write_anew(struct past *p, struct arena *arena, struct gone gone)
{
	struct past anew = {0};

	for (struct walk w = walk_of(p); next(&w);) {
		const struct item *item = &w.item;
		if (gone.is(&gone, item))
			continue;
		if (item->tag == TAG_MESSAGE) {
			past_add(&anew, arena, item->hash, item->time_ms);
		} else if (item->tag >= TAG_ALERT && item->alert.kind < p->kinds.count) {
			struct past_alert alert = item->alert;
			alert.kind = past_kind(&anew, arena, p->kinds.items[alert.kind]);
			past_add_alert(&anew, arena, item->hash, item->time_ms, alert);
		}
	}
	*p = anew;
}

static bool is_old(const struct gone *gone, const struct item *item)
{
	return item->time_ms <= gone->time_ms;
}

void past_forget(struct past *p, struct arena *arena, int64_t time_ms)
{
	write_anew(p, arena, (struct gone){.is = is_old, .time_ms = time_ms});
}

static bool is_of(const struct gone *gone, const struct item *item)
{
	return item->hash == gone->hash && item->time_ms == gone->time_ms;
}

void past_forget_oldest(struct past *p, struct arena *arena)
{
	struct walk w = walk_of(p);
	bool found = false;

	while (!found && next(&w))
		found = w.item.tag == TAG_MESSAGE && w.item.time_ms == p->oldest_ms;
	write_anew(p, arena,
		   (struct gone){.is = is_of, .time_ms = w.item.time_ms, .hash = w.item.hash});
}

static bool is_alert_of(const struct gone *gone, const struct item *item)
{
	return item->tag >= TAG_ALERT && item->hash == gone->hash;
}

void past_drop_alerts(struct past *p, struct arena *arena, uint64_t hash)
{
	write_anew(p, arena, (struct gone){.is = is_alert_of, .hash = hash});
}
