/* recall.c - a message is taken back, and with it what rested on it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

#include "base/hash.h"

enum undo_kind { UNDO_TAG, UNDO_STAGE, UNDO_ALERT }; /* in the order of events of a rule */

/* One thing that goes. */
struct undo {
	enum undo_kind kind;
	struct source source; /* of several that gave it, the first */
	uint32_t order;	      /* of that one */
	struct tag_change tag;
	const struct ladder *ladder;
	struct str from, to;
	struct alert_kind alert_kind;
	int64_t due_ms;
};

typedef LIST(struct undo) undos;

static struct undo *add_undo(struct turn *t, undos *list, enum undo_kind kind)
{
	struct undo *undo = LIST_ADD(list, t->arena);

	undo->kind = kind;
	undo->order = UINT32_MAX;
	return undo;
}

static void note_source(struct undo *undo, struct str pack, struct str rule, uint32_t order)
{
	if (order >= undo->order)
		return;
	undo->source = (struct source){pack, rule};
	undo->order = order;
}

static void undo_tags(struct turn *t, uint32_t told, undos *list)
{
	struct subject *s = t->subject;

	for (uint32_t i = 0; i < s->tags.count;) {
		struct tag_state *tag = &s->tags.items[i];
		const struct tag *known = lookup_tag(t->set, tag->group, tag->tag);
		struct undo undo = {.kind = UNDO_TAG, .order = UINT32_MAX};
		for (uint32_t k = 0; known && k < tag->proofs.count;) {
			const struct proof p = tag->proofs.items[k];
			if (p.told != told || p.keeps) {
				k++;
				continue;
			}
			note_source(&undo, p.pack, p.rule, p.order);
			LIST_REMOVE(&tag->proofs, k);
			t->changed = true;
		}
		if (tag->proofs.count) {
			i++;
			continue;
		}
		undo.tag = tag_take(t, i, known);
		*add_undo(t, list, UNDO_TAG) = undo;
	}
}

static void undo_stages(struct turn *t, uint32_t told, undos *list)
{
	struct subject *s = t->subject;

	for (uint32_t i = 0; i < s->ladders.count; i++) {
		struct ladder_state *state = &s->ladders.items[i];
		const struct ladder *ladder = lookup_ladder(t->set, state->ladder);
		const struct move *last = &state->moves.items[state->moves.count - 1];
		struct str from = last->stage;
		struct undo *undo = NULL;
		if (!ladder || lookup_stage(ladder, from) == STAGE_NONE)
			continue;
		/* The first move is where it stood before; a wait may have moved it twice. */
		for (; state->moves.count > 1 && last->told == told && !last->keeps; last--) {
			if (!undo)
				undo = add_undo(t, list, UNDO_STAGE);
			note_source(undo, last->pack, last->rule, last->order);
			state->moves.count--;
			t->changed = true;
		}
		if (!undo)
			continue;
		undo->ladder = ladder;
		undo->from = from;
		undo->to = last->stage;
	}
}

struct undoing {
	struct turn *turn;
	undos *list;
};

static void undo_alert(void *context, struct past_alert alert)
{
	const struct undoing *u = context;
	struct alert_kind kind = u->turn->subject->past.kinds.items[alert.kind];
	struct undo *undo = add_undo(u->turn, u->list, UNDO_ALERT);

	undo->alert_kind = kind;
	undo->due_ms = alert.due_ms;
	note_source(undo, kind.pack, kind.rule, alert.order);
}

static void undo_alerts(struct turn *t, uint64_t hash, int64_t forgotten_ms, undos *list)
{
	struct past *past = &t->subject->past;
	uint32_t before = list->count;

	past_each_alert(past, hash, forgotten_ms, undo_alert, &(struct undoing){t, list});
	if (list->count == before)
		return;
	past_drop_alerts(past, shard_arena(t->shard), hash);
	t->changed = true;
}

static void undo_waits(struct turn *t, uint32_t told)
{
	struct subject *s = t->subject;

	for (uint32_t i = s->waits.count; i-- > 0;) {
		const struct wait_state *w = &s->waits.items[i];
		const struct rule *rule = lookup_rule(&t->reactor->lookup, w->pack, w->rule);
		if (w->told != told || (rule && rule->keep_on_recall))
			continue;
		LIST_REMOVE(&s->waits, i);
		t->changed = true;
	}
}

/* ---- telling ---- */

static bool same_source(struct source a, struct source b)
{
	return str_eq(a.pack, b.pack) && str_eq(a.rule, b.rule);
}

static void tell_tags(struct turn *t, const undos *list, struct source source)
{
	tag_changes gone = {0};

	for (uint32_t i = 0; i < list->count; i++)
		if (list->items[i].kind == UNDO_TAG && same_source(list->items[i].source, source))
			*LIST_ADD(&gone, t->arena) = list->items[i].tag;
	if (!gone.count)
		return;
	struct event *e = turn_event(t, EVENT_TAG, CAUSE_RECALL, source, (struct str){0});
	e->remove = gone.items;
	e->remove_count = gone.count;
}

static void tell_alert(struct turn *t, const struct undo *undo, struct str pre_msgid)
{
	const struct alert_kind *kind = &undo->alert_kind;
	struct event *e =
		turn_event(t, EVENT_ALERT, CAUSE_RECALL, undo->source, (struct str){0});
	struct str *msgids = ARENA_NEW(t->arena, struct str);

	msgids[0] = pre_msgid;
	e->severity = kind->severity;
	e->category = kind->category;
	e->title = kind->title;
	e->count = 1;
	e->msgids = msgids;
	e->msgid_count = 1;
	e->recalled = true;
	alert_id(t, pre_msgid, undo->source, undo->due_ms, e->alert_id);
}

static int by_order(const void *a, const void *b)
{
	const struct undo *left = a, *right = b;

	return (left->order > right->order) - (left->order < right->order);
}

/* By rule, in the order in which the message gave cause to them; of a rule tag, stage, alert. */
static void tell(struct turn *t, undos *list, struct str pre_msgid)
{
	if (list->count)
		qsort(list->items, list->count, sizeof *list->items, by_order);
	for (uint32_t i = 0; i < list->count; i++) {
		struct source source = list->items[i].source;
		bool told = false;
		for (uint32_t k = 0; k < i; k++)
			told |= same_source(list->items[k].source, source);
		if (told)
			continue;
		tell_tags(t, list, source);
		for (uint32_t k = i; k < list->count; k++) {
			const struct undo *u = &list->items[k];
			if (u->kind == UNDO_STAGE && same_source(u->source, source))
				stage_event(t, u->ladder, u->from, u->to, source, CAUSE_RECALL,
					    NULL);
		}
		for (uint32_t k = i; k < list->count; k++)
			if (list->items[k].kind == UNDO_ALERT &&
			    same_source(list->items[k].source, source))
				tell_alert(t, &list->items[k], pre_msgid);
	}
}

void recall_apply(struct turn *t, struct str pre_msgid)
{
	struct subject *s = t->subject;
	undos list = {0};
	uint64_t hash = hash_64(pre_msgid);
	int64_t memory_ms = shard_settings(t->shard)->memory_ms;
	int64_t forgotten_ms = t->clock_ms - memory_ms;

	if (!subject_remembers(s, hash, t->clock_ms, memory_ms)) {
		t->reactor->counts.recalls_unknown++;
		return;
	}
	for (uint32_t told = 0; told < s->told.count; told++) {
		/* An older message may have had the same id, long ago. */
		if (!str_eq(s->told.items[told].msgid, pre_msgid) ||
		    s->told.items[told].time_ms <= forgotten_ms)
			continue;
		undo_tags(t, told, &list);
		undo_stages(t, told, &list);
		undo_waits(t, told);
	}
	undo_alerts(t, hash, forgotten_ms, &list);
	tell(t, &list, pre_msgid);
}
