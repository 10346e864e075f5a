/* waits.c - who has to speak next, and by when. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

#include "rules/hours.h"

static bool is_ignored(const struct turn *t, const struct rule *rule, const struct matches *matches)
{
	uint32_t index = (uint32_t)(rule - t->set->rules);

	for (size_t i = 0; i < matches->ignored_count; i++)
		if (matches->ignored[i] == index)
			return true;
	return false;
}

/* Notes the newest message of the customer (who empty) or of one staff. The customer's is always known;
 * of too many staff the one who has been silent for longest gives way. */
static void note_spoke(struct turn *t, struct str who)
{
	struct subject *s = t->subject;
	struct spoke *spokes = s->spokes.items;
	uint32_t staff = 0, oldest = 0;

	for (uint32_t i = 0; i < s->spokes.count; i++) {
		if (str_eq(spokes[i].who, who)) {
			spokes[i].time_ms = MAX(spokes[i].time_ms, t->msgtime_ms);
			return;
		}
		if (spokes[i].who.len && (!staff++ || spokes[i].time_ms < spokes[oldest].time_ms))
			oldest = i;
	}
	if (who.len && staff >= SUBJECT_SPOKE_MAX) {
		t->reactor->counts.speakers_full++;
		if (t->msgtime_ms < spokes[oldest].time_ms)
			return;
		LIST_REMOVE(&s->spokes, oldest);
	}
	*LIST_ADD(&s->spokes, shard_arena(t->shard)) =
		(struct spoke){shard_name(t->shard, who), t->msgtime_ms};
}

static void note_speech(struct turn *t)
{
	const struct lookup *l = &t->reactor->lookup;
	bool staff = t->role == ROLE_STAFF && t->chat == CHAT_SINGLE;

	if (!(staff ? l->staff_waits : t->role == ROLE_CUSTOMER && l->customer_waits))
		return;
	note_spoke(t, staff ? t->pair : (struct str){0});
	t->changed = true;
}

/* Where the answer has to come: empty if the customer may speak anywhere. */
static struct str where_of(const struct turn *t, const struct rule *rule)
{
	return rule->wait.for_role == ROLE_STAFF || rule->by_pair ? t->pair : (struct str){0};
}

bool wait_fits(const struct wait_state *w, const struct rule *rule)
{
	bool anywhere = rule->wait.for_role == ROLE_CUSTOMER && !rule->by_pair;

	return rule->wait.on && anywhere == (w->where.len == 0);
}

void waits_end(struct turn *t, const struct message *message, const struct matches *matches)
{
	struct subject *s = t->subject;

	if (message->kind != MESSAGE_CHAT || message->only_closing || !t->is_customer)
		return;
	note_speech(t);
	for (uint32_t i = s->waits.count; i-- > 0;) {
		const struct wait_state *w = &s->waits.items[i];
		const struct rule *rule = lookup_rule(&t->reactor->lookup, w->pack, w->rule);
		if (!rule || !wait_fits(w, rule) || rule->wait.for_role != t->role ||
		    s->told.items[w->told].time_ms > t->msgtime_ms ||
		    is_ignored(t, rule, matches))
			continue;
		if (t->role == ROLE_STAFF && (t->chat != CHAT_SINGLE || !str_eq(w->where, t->pair)))
			continue;
		LIST_REMOVE(&s->waits, i);
		t->changed = true;
		turn_remember(t);
	}
}

void wait_start(struct turn *t, const struct rule *rule, const struct message *message,
		const struct matches *matches)
{
	struct subject *s = t->subject;
	struct str where = where_of(t, rule);
	struct str who = rule->wait.for_role == ROLE_STAFF ? where : (struct str){0};

	if (t->chat != CHAT_SINGLE || !t->is_customer || message->only_closing ||
	    is_ignored(t, rule, matches))
		return;
	for (uint32_t i = 0; i < s->spokes.count; i++)
		if (str_eq(s->spokes.items[i].who, who) &&
		    s->spokes.items[i].time_ms > t->msgtime_ms)
			return;
	for (uint32_t i = 0; i < s->waits.count; i++) {
		const struct wait_state *w = &s->waits.items[i];
		if (str_eq(w->rule, rule->id) && str_eq(w->pack, rule->pack) &&
		    str_eq(w->where, where))
			return;
	}
	if (s->waits.count >= SUBJECT_TIMERS_MAX) {
		t->reactor->counts.timers_full++;
		return;
	}
	uint32_t told = turn_told(t);
	struct wait_state *w = LIST_ADD(&s->waits, shard_arena(t->shard));
	w->pack = shard_name(t->shard, rule->pack);
	w->rule = shard_name(t->shard, rule->id);
	w->where = shard_name(t->shard, where);
	w->told = told;
	w->due_ms = hours_due_ms(&rule->filter, t->set->packs[rule->pack_index].zone,
				 t->msgtime_ms, rule->wait.over_ms);
	t->changed = true;
}
