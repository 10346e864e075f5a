/* nears.c - parts of a `near … messages` that earlier messages of a speaker left open. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "react/turn.h"

struct talk { /* who speaks, and where */
	struct str speaker, where;
};

static struct talk talk_of(const struct message *m)
{
	struct str speaker = str_eq(m->from, m->subject) ? (struct str){0} : m->from;

	if (m->roomid.len || m->subject_is_customer)
		return (struct talk){speaker, message_pair(m)};
	return (struct talk){speaker, m->tolist_count ? m->tolist[0] : (struct str){0}};
}

static bool is_of(const struct near_state *n, struct talk talk)
{
	return str_eq(n->speaker, talk.speaker) && str_eq(n->where, talk.where);
}

/* The parts that count for message `number` of the speaker. */
static uint64_t open_parts(const struct near_state *n, const struct cond *cond, uint32_t number,
			   int64_t clock_ms)
{
	uint64_t parts = 0;

	for (uint32_t i = 0; i < n->sightings.count; i++) {
		const struct sighting *s = &n->sightings.items[i];
		if (number - s->number > (uint32_t)cond->near_messages ||
		    s->time_ms + NEAR_LAPSE_MS <= clock_ms)
			continue;
		parts |= s->parts;
	}
	return parts;
}

/* NULL: the rules no longer know it. */
static const struct cond *cond_of(const struct reactor *r, const struct near_state *n)
{
	const struct rule *rule = lookup_rule(&r->lookup, n->pack, n->rule);

	return rule ? lookup_near(rule, n->node) : NULL;
}

const struct near_part *react_open(struct reactor *r, struct shard *shard,
				   const struct ruleset *set, const struct message *message,
				   struct arena *arena, size_t *count)
{
	*count = 0;
	lookup_fit(&r->lookup, set);
	if (!r->lookup.nears || message->kind != MESSAGE_CHAT)
		return NULL;
	struct shard_glance known;
	if (!shard_look(shard, message->corpid, message->subject, &known) || !known.awaits)
		return NULL;
	const struct subject *s = shard_find(shard, message->corpid, message->subject);
	if (!s->nears.count)
		return NULL;
	int64_t clock_ms = shard_clock_ms(shard, message->corpid);
	struct talk talk = talk_of(message);
	struct near_part *open = ARENA_ARRAY(arena, struct near_part, s->nears.count);
	for (uint32_t i = 0; i < s->nears.count; i++) {
		const struct near_state *n = &s->nears.items[i];
		const struct rule *rule =
			is_of(n, talk) ? lookup_rule(&r->lookup, n->pack, n->rule) : NULL;
		const struct cond *cond = rule ? lookup_near(rule, n->node) : NULL;
		uint64_t parts = cond ? open_parts(n, cond, n->counted + 1, clock_ms) : 0;
		if (parts)
			open[(*count)++] = (struct near_part){(uint32_t)(rule - set->rules),
							      n->node, parts};
	}
	return open;
}

static struct near_state *get_near(struct turn *t, const struct rule *rule, uint32_t node,
				   struct talk talk)
{
	struct subject *s = t->subject;

	for (uint32_t i = 0; i < s->nears.count; i++) {
		struct near_state *n = &s->nears.items[i];
		if (n->node == node && is_of(n, talk) && str_eq(n->rule, rule->id) &&
		    str_eq(n->pack, rule->pack))
			return n;
	}
	if (s->nears.count >= SUBJECT_NEARS_MAX) {
		t->reactor->counts.nears_full++;
		LIST_REMOVE(&s->nears, 0);
	}
	struct near_state *n = LIST_ADD(&s->nears, shard_arena(t->shard));
	n->pack = shard_name(t->shard, rule->pack);
	n->rule = shard_name(t->shard, rule->id);
	n->node = node;
	n->speaker = shard_name(t->shard, talk.speaker);
	n->where = shard_name(t->shard, talk.where);
	n->counted = 1; /* this message */
	return n;
}

static bool matched(const struct matches *matches, uint32_t rule)
{
	for (size_t i = 0; i < matches->count; i++)
		if (matches->items[i].rule == rule)
			return true;
	return false;
}

static void take_part(struct turn *t, const struct near_part *seen, struct talk talk,
		      const struct matches *matches)
{
	const struct rule *rule = &t->set->rules[seen->rule];
	const struct cond *cond = lookup_near(rule, seen->node);
	struct near_state *n;

	if (!cond || !seen->parts)
		return;
	n = get_near(t, rule, seen->node, talk);
	uint64_t all = cond->child_count >= 64 ? UINT64_MAX
					       : ((uint64_t)1 << cond->child_count) - 1;
	uint64_t parts = seen->parts | open_parts(n, cond, n->counted, t->clock_ms);
	if (parts == all && matched(matches, seen->rule)) {
		n->sightings.count = 0; /* complete: its parts are spent */
		return;
	}
	/* As many as near_messages at most: nears_take() drops what is out of reach. */
	*LIST_ADD(&n->sightings, shard_arena(t->shard)) =
		(struct sighting){n->counted, seen->parts, t->msgtime_ms};
}

void nears_take(struct turn *t, const struct message *message, const struct matches *matches)
{
	struct subject *s = t->subject;
	struct talk talk = talk_of(message);
	bool advanced = false;

	if (message->kind != MESSAGE_CHAT || !(s->nears.count || matches->seen_count))
		return;
	t->changed |= subject_drop_lapsed(s, t->clock_ms);
	for (uint32_t i = 0; i < s->nears.count; i++)
		if (is_of(&s->nears.items[i], talk)) {
			s->nears.items[i].counted++;
			advanced |= cond_of(t->reactor, &s->nears.items[i]) != NULL;
		}
	for (size_t i = 0; i < matches->seen_count; i++) {
		take_part(t, &matches->seen[i], talk, matches);
		advanced = true;
	}
	/* What the next message of the speaker can no longer reach. */
	for (uint32_t i = s->nears.count; i-- > 0;) {
		struct near_state *n = &s->nears.items[i];
		const struct cond *cond = cond_of(t->reactor, n);
		for (uint32_t k = n->sightings.count; cond && k-- > 0;)
			if (n->counted + 1 - n->sightings.items[k].number >
			    (uint32_t)cond->near_messages)
				LIST_REMOVE(&n->sightings, k);
		if (!cond || n->sightings.count == 0) {
			LIST_REMOVE(&s->nears, i);
			t->changed = true;
		}
	}
	if (advanced) {
		t->changed = true;
		turn_remember(t);
	}
}
