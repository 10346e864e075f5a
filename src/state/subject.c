/* subject.c - looks into a subject, says what falls due, and drops what no longer matters. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/subject.h"

bool subject_remembers(const struct subject *s, uint64_t msgid_hash, int64_t clock_ms,
		       int64_t memory_ms)
{
	int64_t time_ms;

	return past_find(&s->past, msgid_hash, &time_ms) && time_ms + memory_ms > clock_ms;
}

struct tag_state *subject_tag(const struct subject *s, struct str group, struct str tag)
{
	for (uint32_t i = 0; i < s->tags.count; i++)
		if (str_eq(s->tags.items[i].tag, tag) && str_eq(s->tags.items[i].group, group))
			return &s->tags.items[i];
	return NULL;
}

struct ladder_state *subject_ladder(const struct subject *s, struct str ladder)
{
	for (uint32_t i = 0; i < s->ladders.count; i++)
		if (str_eq(s->ladders.items[i].ladder, ladder))
			return &s->ladders.items[i];
	return NULL;
}

struct str subject_stage(const struct subject *s, struct str ladder)
{
	const struct ladder_state *l = subject_ladder(s, ladder);

	return l ? l->moves.items[l->moves.count - 1].stage : (struct str){0};
}

const struct proof *tag_newest(const struct subject *s, const struct tag_state *tag)
{
	const struct proof *newest = NULL;
	int64_t newest_ms = 0;

	for (uint32_t i = 0; i < tag->proofs.count; i++) {
		const struct proof *p = &tag->proofs.items[i];
		int64_t time_ms = s->told.items[p->told].time_ms;
		if (!newest || time_ms >= newest_ms) {
			newest = p;
			newest_ms = time_ms;
		}
	}
	return newest;
}

/* ---- what falls due ---- */

/* Compares "group/tag" with "group/tag" as bytes without joining them. */
static int target_cmp(const struct tag_state *a, const struct tag_state *b)
{
	char left[2 * MSGID_BYTES_MAX + 1], right[2 * MSGID_BYTES_MAX + 1];
	const struct tag_state *tags[] = {a, b};
	char *texts[] = {left, right};
	struct str joined[2];

	for (int i = 0; i < 2; i++) {
		size_t group = MIN(tags[i]->group.len, (size_t)MSGID_BYTES_MAX);
		size_t tag = MIN(tags[i]->tag.len, (size_t)MSGID_BYTES_MAX);
		memcpy(texts[i], tags[i]->group.data, group);
		texts[i][group] = '/';
		memcpy(texts[i] + group + 1, tags[i]->tag.data, tag);
		joined[i] = (struct str){texts[i], group + 1 + tag};
	}
	return str_cmp(joined[0], joined[1]);
}

struct due_key {
	struct due due;
	struct str pack, rule, where;
	const struct tag_state *tag; /* of an expiry */
};

static bool earlier(const struct due_key *a, const struct due_key *b)
{
	int order;

	if (b->due.kind == DUE_NONE)
		return true;
	if (a->due.due_ms != b->due.due_ms)
		return a->due.due_ms < b->due.due_ms;
	if ((order = str_cmp(a->pack, b->pack)) || (order = str_cmp(a->rule, b->rule)))
		return order < 0;
	if (a->tag && b->tag)
		return target_cmp(a->tag, b->tag) < 0;
	/* Only an expiry has a target; the empty one of a wait or a grouping is before it. */
	if (a->tag || b->tag)
		return !a->tag;
	if ((order = str_cmp(a->where, b->where)))
		return order < 0;
	return a->due.kind < b->due.kind;
}

static void consider(struct due_key *best, struct due_key candidate)
{
	if (earlier(&candidate, best))
		*best = candidate;
}

/* Does it hold a tag, stage, wait, grouping, or a word on consent or erasure? */
static bool subject_holds(const struct subject *s)
{
	if (s->tags.count || s->waits.count || s->groupings.count || s->disagreed || s->erased_ms)
		return true;
	for (uint32_t i = 0; i < s->ladders.count; i++) {
		const struct ladder_state *l = &s->ladders.items[i];
		if (l->moves.items[l->moves.count - 1].stage.len)
			return true;
	}
	return false;
}

/* A window that nothing came into for `idle_ms` holds nobody: it is as good as empty. */
static int64_t idle_since_ms(const struct subject *s)
{
	int64_t since_ms = s->touched_ms;

	for (uint32_t i = 0; i < s->windows.count; i++) {
		const struct window_state *w = &s->windows.items[i];
		if (w->entries.count)
			since_ms = MAX(since_ms, w->entries.items[w->entries.count - 1].time_ms);
	}
	return since_ms;
}

struct due subject_due(const struct subject *s, int64_t idle_ms)
{
	struct due_key best = {0};

	for (uint32_t i = 0; i < s->tags.count; i++) {
		const struct tag_state *tag = &s->tags.items[i];
		const struct proof *p = tag_newest(s, tag);
		if (p->expires_ms)
			consider(&best, (struct due_key){
				{DUE_EXPIRY, s->told.items[p->told].time_ms + p->expires_ms, i},
				p->pack, p->rule, {0}, tag});
	}
	for (uint32_t i = 0; i < s->waits.count; i++) {
		const struct wait_state *w = &s->waits.items[i];
		consider(&best, (struct due_key){{DUE_WAIT, w->due_ms, i}, w->pack, w->rule,
						 w->where, NULL});
	}
	for (uint32_t i = 0; i < s->groupings.count; i++) {
		const struct grouping *g = &s->groupings.items[i];
		consider(&best, (struct due_key){{DUE_GROUPING, g->due_ms, i}, g->pack, g->rule,
						 g->pair, NULL});
	}
	if (best.due.kind == DUE_NONE && idle_ms && !subject_holds(s))
		best.due = (struct due){DUE_IDLE, idle_since_ms(s) + idle_ms, 0};
	if (best.due.kind == DUE_NONE)
		best.due.due_ms = INT64_MAX;
	return best.due;
}

struct due_time subject_due_time(const struct subject *s)
{
	struct due due = subject_due(s, 0);

	if (due.kind != DUE_NONE)
		return (struct due_time){DUE_AT, due.due_ms};
	if (subject_holds(s))
		return (struct due_time){.kind = DUE_NEVER};
	return (struct due_time){DUE_IDLE_SINCE, idle_since_ms(s)};
}

int64_t due_time_ms(struct due_time due, int64_t idle_ms)
{
	if (due.kind == DUE_AT)
		return due.ms;
	return due.kind == DUE_IDLE_SINCE && idle_ms ? due.ms + idle_ms : INT64_MAX;
}

/* ---- dropping ---- */

struct tidy {
	struct subject *s;
	int64_t forgotten_ms; /* messages of this time and older are beyond recall */
};

static bool recallable(const struct tidy *t, uint32_t told, bool keeps)
{
	return told != TOLD_NONE && !keeps && t->s->told.items[told].time_ms > t->forgotten_ms;
}

/* Of the proofs that no recall can reach only the newest matters. */
static void tidy_tag(const struct tidy *t, struct tag_state *tag)
{
	uint32_t kept = 0;
	int64_t best = -1;

	for (uint32_t i = 0; i < tag->proofs.count; i++) {
		const struct proof *p = &tag->proofs.items[i];
		if (!recallable(t, p->told, p->keeps) &&
		    (best < 0 || t->s->told.items[p->told].time_ms >=
					 t->s->told.items[tag->proofs.items[best].told].time_ms))
			best = i;
	}
	for (uint32_t i = 0; i < tag->proofs.count; i++) {
		const struct proof *p = &tag->proofs.items[i];
		if (i == best || recallable(t, p->told, p->keeps))
			tag->proofs.items[kept++] = *p;
	}
	tag->proofs.count = kept;
}

static void tidy_ladder(const struct tidy *t, struct ladder_state *ladder)
{
	uint32_t first = ladder->moves.count - 1;

	while (first > 0 && recallable(t, ladder->moves.items[first].told,
				       ladder->moves.items[first].keeps))
		first--;
	for (uint32_t i = 0; i < first; i++)
		LIST_REMOVE(&ladder->moves, 0);
	while (ladder->moves.count > LADDER_MOVES_MAX)
		LIST_REMOVE(&ladder->moves, 0);
	struct move *base = &ladder->moves.items[0];
	*base = (struct move){.stage = base->stage, .time_ms = base->time_ms, .told = TOLD_NONE};
}

bool subject_drop_lapsed(struct subject *s, int64_t clock_ms)
{
	bool dropped = false;

	for (uint32_t i = s->nears.count; i-- > 0;) {
		struct near_state *near = &s->nears.items[i];
		for (uint32_t k = near->sightings.count; k-- > 0;)
			if (near->sightings.items[k].time_ms + NEAR_LAPSE_MS <= clock_ms) {
				LIST_REMOVE(&near->sightings, k);
				dropped = true;
			}
		if (near->sightings.count == 0)
			LIST_REMOVE(&s->nears, i);
	}
	return dropped;
}

/* Visits every reference to a told message. */
static void each_told(struct subject *s, void (*visit)(uint32_t *told, uint32_t *map), uint32_t *map)
{
	for (uint32_t i = 0; i < s->tags.count; i++)
		for (uint32_t k = 0; k < s->tags.items[i].proofs.count; k++)
			visit(&s->tags.items[i].proofs.items[k].told, map);
	for (uint32_t i = 0; i < s->ladders.count; i++)
		for (uint32_t k = 0; k < s->ladders.items[i].moves.count; k++)
			visit(&s->ladders.items[i].moves.items[k].told, map);
	for (uint32_t i = 0; i < s->waits.count; i++)
		visit(&s->waits.items[i].told, map);
	for (uint32_t i = 0; i < s->groupings.count; i++)
		visit(&s->groupings.items[i].newest, map);
}

static void mark(uint32_t *told, uint32_t *map)
{
	if (*told != TOLD_NONE)
		map[*told] = 1;
}

static void renumber(uint32_t *told, uint32_t *map)
{
	if (*told != TOLD_NONE)
		*told = map[*told];
}

static void tidy_told(struct subject *s)
{
	uint32_t map[2048], kept = 0;
	uint32_t count = s->told.count;

	if (count > ARRAY_LEN(map))
		return; /* what is kept too long does no harm */
	memset(map, 0, count * sizeof *map);
	each_told(s, mark, map);
	for (uint32_t i = 0; i < count; i++)
		if (map[i]) {
			s->told.items[kept] = s->told.items[i];
			map[i] = kept++;
		}
	s->told.count = kept;
	if (kept < count)
		each_told(s, renumber, map);
}

/* Messages that are past it are taken out together, when the first of them is so much older. */
static bool is_worth_it(const struct past *past, int64_t forgotten_ms, int64_t memory_ms)
{
	return past->oldest_ms <= forgotten_ms - memory_ms / 16 ||
	       (past_messages(past) >= SUBJECT_SEEN_MAX && past->oldest_ms <= forgotten_ms);
}

void subject_tidy(struct subject *s, struct arena *arena, int64_t clock_ms, int64_t memory_ms)
{
	struct tidy t = {s, clock_ms - memory_ms};

	if (s->past.items.len && is_worth_it(&s->past, t.forgotten_ms, memory_ms))
		past_forget(&s->past, arena, t.forgotten_ms);
	/* Where as many messages are remembered as there may be, older ones have given way: no
	 * recall finds them, so that what rests on them need not be kept apart either. */
	if (past_messages(&s->past) >= SUBJECT_SEEN_MAX)
		t.forgotten_ms = MAX(t.forgotten_ms, s->past.oldest_ms - 1);
	for (uint32_t i = 0; i < s->tags.count; i++)
		tidy_tag(&t, &s->tags.items[i]);
	for (uint32_t i = s->ladders.count; i-- > 0;) {
		struct ladder_state *ladder = &s->ladders.items[i];
		tidy_ladder(&t, ladder);
		const struct move *base = &ladder->moves.items[0];
		if (ladder->moves.count == 1 && !base->stage.len && !base->time_ms)
			LIST_REMOVE(&s->ladders, i);
	}
	(void)subject_drop_lapsed(s, clock_ms); /* it is written anyway */
	tidy_told(s);
}
