/* alerts.c - an alert goes out at once, or is counted into the grouping of an earlier one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

#include "base/hash.h"

static struct grouping *find_grouping(const struct turn *t, const struct rule *rule, struct str pair)
{
	struct subject *s = t->subject;

	for (uint32_t i = 0; i < s->groupings.count; i++) {
		struct grouping *g = &s->groupings.items[i];
		if (str_eq(g->rule, rule->id) && str_eq(g->pack, rule->pack) &&
		    str_eq(g->pair, pair))
			return g;
	}
	return NULL;
}

static void count_in(struct turn *t, struct grouping *g)
{
	uint32_t told = turn_told(t);

	g->count++;
	if (g->msgids.count < MSGIDS_MAX)
		*LIST_ADD(&g->msgids, shard_arena(t->shard)) = shard_text(t->shard, t->msgid);
	if (t->msgtime_ms >= t->subject->told.items[g->newest].time_ms)
		g->newest = told;
	t->changed = true;
}

static void open_grouping(struct turn *t, const struct rule *rule, const struct effect *effect,
			  struct str pair)
{
	struct subject *s = t->subject;
	uint32_t told = turn_told(t);

	if (s->groupings.count >= SUBJECT_TIMERS_MAX) {
		t->reactor->counts.timers_full++;
		return;
	}
	struct grouping *g = LIST_ADD(&s->groupings, shard_arena(t->shard));
	*g = (struct grouping){
		.pack = shard_name(t->shard, rule->pack),
		.rule = shard_name(t->shard, rule->id),
		.pair = shard_name(t->shard, pair),
		.due_ms = t->msgtime_ms + effect->group_for_ms,
		.first_due_ms = t->due_ms,
		.msgid = shard_text(t->shard, t->msgid),
		.newest = told,
		.severity = effect->severity,
		.category = shard_name(t->shard, effect->category),
		.title = shard_name(t->shard, rule->title),
	};
	count_in(t, g);
}

void alert_fire(struct turn *t, const struct rule *rule, const struct effect *effect,
		const struct proof_texts *evidence)
{
	struct str pair = rule->by_pair ? t->pair : (struct str){0};

	if (effect->group_for_ms) {
		struct grouping *open = find_grouping(t, rule, pair);
		if (open) {
			count_in(t, open);
			return;
		}
		open_grouping(t, rule, effect, pair);
	}
	struct event *e = turn_event(t, EVENT_ALERT, CAUSE_RULE,
				     (struct source){rule->pack, rule->id}, (struct str){0});
	struct str *msgids = ARENA_NEW(t->arena, struct str);
	msgids[0] = t->msgid;
	e->severity = effect->severity;
	e->category = effect->category;
	e->title = rule->title;
	e->count = 1;
	e->msgids = msgids;
	e->msgid_count = 1;
	memcpy(e->alert_id, e->id, sizeof e->id);
	if (evidence) {
		e->evidence = evidence->items;
		e->evidence_count = evidence->count;
		e->truncated = evidence->truncated;
	}
	if (rule->keep_on_recall)
		return;
	struct alert_kind kind = {
		.pack = shard_name(t->shard, rule->pack),
		.rule = shard_name(t->shard, rule->id),
		.category = shard_name(t->shard, effect->category),
		.title = shard_name(t->shard, rule->title),
		.severity = effect->severity,
	};
	struct arena *arena = shard_arena(t->shard);
	struct past_alert alert = {past_kind(&t->subject->past, arena, kind), t->order++, t->due_ms};
	past_add_alert(&t->subject->past, arena, hash_64(t->msgid), t->msgtime_ms, alert);
	t->changed = true;
}

void grouping_close(struct turn *t, uint32_t index)
{
	struct grouping g = t->subject->groupings.items[index];
	struct source source = {g.pack, g.rule};

	LIST_REMOVE(&t->subject->groupings, index);
	t->changed = true;
	if (g.count < 2)
		return;
	turn_of_told(t, g.newest, g.due_ms);
	struct event *e = turn_event(t, EVENT_ALERT, CAUSE_GROUP, source, (struct str){0});
	struct str *msgids = ARENA_ARRAY(t->arena, struct str, g.msgids.count);
	for (uint32_t i = 0; i < g.msgids.count; i++)
		msgids[i] = arena_copy(t->arena, g.msgids.items[i]);
	e->severity = g.severity;
	e->category = g.category;
	e->title = g.title;
	e->count = g.count;
	e->msgids = msgids;
	e->msgid_count = g.msgids.count;
	alert_id(t, g.msgid, source, g.first_due_ms, e->alert_id);
}
