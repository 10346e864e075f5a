/* turn.c - what a turn rests on, and the events it makes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

#include "base/digest.h"
#include "base/hash.h"
#include "base/utf8.h"

void turn_of_message(struct turn *t, const struct message *message)
{
	t->msgid = message->msgid;
	t->from = message->from;
	t->roomid = message->roomid;
	t->pair = message_pair(message);
	t->role = message->from_role;
	t->chat = message->chat;
	t->userids = message->userids;
	t->userid_count = (uint32_t)message->userid_count;
	t->msgtime_ms = message->msgtime_ms;
	t->due_ms = 0;
	t->at_ms = message->msgtime_ms;
	t->told = TOLD_NONE;
	t->order = 0;
}

static void take_order(void *context, struct past_alert alert)
{
	uint32_t *next = context;

	*next = MAX(*next, alert.order + 1);
}

/* One more than the order of all that rests on `told`. */
static uint32_t next_order(const struct subject *s, uint32_t told)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < s->tags.count; i++)
		for (uint32_t k = 0; k < s->tags.items[i].proofs.count; k++) {
			const struct proof *p = &s->tags.items[i].proofs.items[k];
			if (p->told == told)
				next = MAX(next, p->order + 1);
		}
	for (uint32_t i = 0; i < s->ladders.count; i++)
		for (uint32_t k = 0; k < s->ladders.items[i].moves.count; k++) {
			const struct move *m = &s->ladders.items[i].moves.items[k];
			if (m->told == told)
				next = MAX(next, m->order + 1);
		}
	past_each_alert(&s->past, hash_64(s->told.items[told].msgid), INT64_MIN, take_order, &next);
	return next;
}

void turn_of_told(struct turn *t, uint32_t told, int64_t due_ms)
{
	const struct subject *s = t->subject;
	const struct told *m = &s->told.items[told];

	/* Texts of the subject end with the transaction, events with the batch. */
	t->msgid = arena_copy(t->arena, m->msgid);
	t->from = m->from.len || m->role != ROLE_CUSTOMER ? m->from : s->id;
	t->roomid = m->roomid;
	t->role = m->role;
	t->chat = m->chat;
	t->userids = m->userids;
	t->userid_count = m->userid_count;
	t->msgtime_ms = m->time_ms;
	t->due_ms = due_ms;
	t->at_ms = due_ms;
	t->told = told;
	t->order = next_order(s, told);
}

uint32_t turn_told(struct turn *t)
{
	struct subject *s = t->subject;

	if (t->told != TOLD_NONE)
		return t->told;
	t->told = s->told.count;
	struct told *m = LIST_ADD(&s->told, shard_arena(t->shard));
	m->msgid = shard_text(t->shard, t->msgid);
	m->time_ms = t->msgtime_ms;
	/* A customer who speaks is the subject. */
	m->from = t->role == ROLE_CUSTOMER ? (struct str){0} : shard_name(t->shard, t->from);
	m->roomid = shard_name(t->shard, t->roomid);
	m->role = t->role;
	m->chat = t->chat;
	m->userid_count = t->userid_count;
	m->userids = ARENA_ARRAY(shard_arena(t->shard), struct str, t->userid_count);
	for (uint32_t i = 0; i < t->userid_count; i++)
		m->userids[i] = shard_name(t->shard, t->userids[i]);
	t->changed = true;
	return t->told;
}

void turn_remember(struct turn *t)
{
	struct subject *s = t->subject;
	uint64_t hash = hash_64(t->msgid);
	int64_t memory_ms = shard_settings(t->shard)->memory_ms;

	if (t->remembered || !t->msgid.len || t->msgtime_ms + memory_ms <= t->clock_ms)
		return;
	t->remembered = true;
	if (past_messages(&s->past) >= SUBJECT_SEEN_MAX) {
		past_forget_oldest(&s->past, shard_arena(t->shard));
		t->reactor->counts.memory_full++;
	}
	past_add(&s->past, shard_arena(t->shard), hash, t->msgtime_ms);
	t->changed = true;
}

void turn_end(struct turn *t)
{
	if (!t->changed)
		return;
	t->subject->is_customer = t->is_customer;
	shard_touched(t->shard, t->subject);
	t->changed = false;
}

struct str message_pair(const struct message *message)
{
	if (message->roomid.len)
		return message->roomid;
	if (message->userid_count)
		return message->userids[0];
	if (message->tolist_count && str_eq(message->from, message->subject))
		return message->tolist[0];
	return message->from;
}

/* ---- events ---- */

/* Adds a zeroed event to the batch; the array grows inside the arena. */
static struct event *events_add(struct events *events, struct arena *arena)
{
	if (events->count == events->cap) {
		size_t cap = MAX(events->cap * 2, (size_t)32);
		struct event *items = arena_alloc(arena, cap * sizeof *items);
		if (events->count)
			memcpy(items, events->items, events->count * sizeof *items);
		events->items = items;
		events->cap = cap;
	}
	struct event *event = &events->items[events->count++];
	memset(event, 0, sizeof *event);
	return event;
}

static const struct str types[] = {EVENT_CE_TYPES(STR)};
static const struct str causes[] = {CAUSE_NAMES(STR)};

/* CONTRACT.md section 3: type, corpid, subject, msgid, pack, rule, target, cause, joined by
 * U+001F, as UUID version 5. */
static void event_id(const struct turn *t, enum event_type type, struct str msgid,
		     struct source source, struct str target, int64_t due_ms, enum cause cause,
		     char out[UUID_LEN])
{
	char due[24] = "";
	int due_len = due_ms ? snprintf(due, sizeof due, "@%lld", (long long)due_ms) : 0;
	const struct str unit = STR("\x1f");
	struct str parts[] = {types[type], unit, t->subject->corpid, unit, t->subject->id, unit,
			      msgid, unit, source.pack, unit, source.rule, unit, target,
			      {due, (size_t)due_len}, unit, causes[cause]};

	digest_uuid5(parts, ARRAY_LEN(parts), out);
}

void alert_id(const struct turn *t, struct str msgid, struct source source, int64_t due_ms,
	      char out[UUID_LEN])
{
	event_id(t, EVENT_ALERT, msgid, source, (struct str){0}, due_ms, CAUSE_RULE, out);
}

/* The greater of the last one + 1 and the clock in ms * 10^6. */
static uint64_t next_sequence(struct turn *t)
{
	uint64_t clock = (uint64_t)t->clock_ms * 1000000;

	t->subject->sequence = MAX(t->subject->sequence + 1, clock);
	t->changed = true;
	return t->subject->sequence;
}

struct event *turn_event(struct turn *t, enum event_type type, enum cause cause,
			 struct source source, struct str target)
{
	struct event *e = events_add(t->events, t->arena);

	e->type = type;
	e->cause = cause;
	event_id(t, type, t->msgid, source, target, t->due_ms, cause, e->id);
	e->time_ms = t->at_ms;
	if (type != EVENT_HIT && type != EVENT_ERASE)
		e->sequence = next_sequence(t);
	e->corpid = t->subject->corpid;
	e->subject = arena_copy(t->arena, t->subject->id);
	e->external_userid = t->is_customer ? e->subject : (struct str){0};
	e->userids = t->userids;
	e->userid_count = t->userid_count;
	if (t->due_ms && t->userid_count) {
		struct str *userids = ARENA_ARRAY(t->arena, struct str, t->userid_count);
		memcpy(userids, t->userids, t->userid_count * sizeof *userids);
		e->userids = userids;
	}
	e->roomid = t->roomid;
	e->chat = t->chat;
	e->from = str_eq(t->from, t->subject->id) ? e->subject : t->from;
	e->from_role = t->role;
	e->msgid = t->msgid;
	e->msgtime_ms = t->msgtime_ms;
	e->late = t->msgtime_ms < t->clock_ms - LATE_MS;
	e->pack = source.pack;
	e->rule = source.rule;
	e->ruleset = str_of(t->set->digest);
	e->by = t->by;
	return e;
}

void turn_evidence(struct turn *t, const struct message *message, const struct match *match,
		   struct proof_texts *out)
{
	size_t count = MIN(match->hit_count, (size_t)EVIDENCE_MAX), listed = 0, room = EVIDENCE_BYTES_MAX;
	struct evidence *items;
	const struct hit *last = NULL;
	uint32_t last_chars = 0;

	if (out->made)
		return;
	items = ARENA_ARRAY(t->arena, struct evidence, count);
	for (; listed < count && room > 0; listed++) {
		const struct hit *hit = &match->hits[listed];
		const struct text *text = &message->texts[hit->text];
		/* Hits are by text and start: each goes on counting where the last began. */
		uint32_t from = last && last->text == hit->text ? last->start : 0;
		uint32_t chars = from ? last_chars : 0;
		chars += (uint32_t)utf8_count(
			(struct str){text->content.data + from, hit->start - from});
		struct str spelling = {text->content.data + hit->start, hit->end - hit->start};
		/* A regex may take in all of a long text: the last one that is listed ends where it must. */
		struct str shown = utf8_head(spelling, room);
		items[listed] = (struct evidence){
			.path = text->path,
			.start = hit->start,
			.end = hit->end,
			.char_start = chars,
			.char_end = chars + (uint32_t)utf8_count(spelling),
			.text = shown,
			.word = hit->word,
			.folds = hit->folds,
			.forwarded = text->forwarded,
		};
		last = hit;
		last_chars = chars;
		room = shown.len < spelling.len ? 0 : room - shown.len;
	}
	bool cut = listed && items[listed - 1].text.len < items[listed - 1].end - items[listed - 1].start;
	*out = (struct proof_texts){items, listed, cut || match->hit_count > listed, true};
}
