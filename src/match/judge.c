/* judge.c - whether a rule's condition holds, and which hits made it hold. */
/* SPDX-License-Identifier: Apache-2.0 */

/* Hits stand on one stack, m->picks. judge() leaves the hits of a condition that holds on top of
 * it, and nothing of one that does not. All children are judged, also when the outcome is clear:
 * each contributes its hits, and parts of `near` over messages are noted wherever they stand. */
#include "match/matcher.h"

#include "base/heap.h"
#include "base/utf8.h"
#include "match/chain.h"

/* ---- order ---- */

static int compare(const struct found *a, const struct found *b)
{
	if (a->text != b->text)
		return a->text < b->text ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return 0;
}

static void insertion_sort(struct pick *picks, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct pick pick = picks[i];
		size_t at = i;
		for (; at > 0 && compare(picks[at - 1].found, pick.found) > 0; at--)
			picks[at] = picks[at - 1];
		picks[at] = pick;
	}
}

/* Stable. qsort() of glibc allocates. */
void picks_sort(struct pick *picks, size_t count, struct arena *arena)
{
	enum { RUN = 16 };
	for (size_t at = 0; at < count; at += RUN)
		insertion_sort(picks + at, MIN(count - at, (size_t)RUN));
	if (count <= RUN)
		return;
	struct arena_mark mark = arena_mark(arena);
	struct pick *from = picks, *to = arena_alloc(arena, count * sizeof *to);
	for (size_t width = RUN; width < count; width *= 2) {
		for (size_t low = 0; low < count; low += 2 * width) {
			size_t middle = MIN(low + width, count), high = MIN(low + 2 * width, count);
			size_t a = low, b = middle;
			for (size_t i = low; i < high; i++) {
				bool left = a < middle &&
					    (b == high || compare(from[a].found, from[b].found) <= 0);
				to[i] = left ? from[a++] : from[b++];
			}
		}
		struct pick *other = from;
		from = to;
		to = other;
	}
	if (from != picks)
		memcpy(picks, from, count * sizeof *picks);
	arena_release(arena, mark);
}

/* ---- allow words ---- */

/* Sorts the hits of a rule's allow words, once for all rules of a pack that share them. */
static void gather_excuses(struct matcher *m, const struct engine_rule *rule)
{
	size_t count = 0;

	for (uint32_t i = 0; i < rule->allow_count; i++)
		if (m->groups[rule->allow[i]].scan == m->scan)
			count += m->groups[rule->allow[i]].count;
	m->excuses = arena_alloc(m->arena, count * sizeof *m->excuses);
	m->excused_to = arena_alloc(m->arena, count * sizeof *m->excused_to);
	m->excuse_count = 0;
	m->excuses_of = rule->allow;
	for (uint32_t i = 0; i < rule->allow_count; i++) {
		const struct group_hits *hits = &m->groups[rule->allow[i]];
		if (hits->scan != m->scan)
			continue;
		for (const struct found *f = hits->first; f; f = f->next)
			m->excuses[m->excuse_count++] = (struct pick){f, 0};
	}
	picks_sort(m->excuses, count, m->arena);
	for (size_t i = 0; i < count; i++) {
		const struct found *f = m->excuses[i].found;
		bool same = i > 0 && m->excuses[i - 1].found->text == f->text;
		m->excused_to[i] = same ? MAX(m->excused_to[i - 1], f->end) : f->end;
	}
}

/* Whether some allow word holds all of the hit: of those that begin no later, the one that reaches
 * farthest decides. */
static bool is_excused(struct matcher *m, const struct engine_rule *rule, const struct found *found)
{
	if (!rule->allow_count)
		return false;
	if (m->excuses_of != rule->allow)
		gather_excuses(m, rule);
	size_t low = 0, high = m->excuse_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct found *f = m->excuses[middle].found;
		if (f->text < found->text || (f->text == found->text && f->start <= found->start))
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && m->excuses[low - 1].found->text == found->text &&
	       m->excused_to[low - 1] >= found->end;
}

/* ---- hits that count ---- */

static void push(struct matcher *m, struct pick pick)
{
	if (m->pick_count == m->pick_cap) {
		m->pick_cap = m->pick_cap ? m->pick_cap * 2 : 1024;
		m->picks = heap_grown(m->picks, m->pick_cap * sizeof *m->picks);
	}
	m->picks[m->pick_count++] = pick;
}

/* Puts the hits of `group` that count for `rule` on m->picks. Returns how many. */
static size_t judge_pick(struct matcher *m, uint32_t rule, uint32_t group, uint32_t leaf)
{
	const struct group_hits *hits = &m->groups[group];
	const struct engine_rule *bound = &m->engine->rules[rule];
	const struct filter *filter = &m->engine->set->rules[rule].filter;
	size_t before = m->pick_count;

	if (hits->scan != m->scan)
		return 0;
	for (const struct found *f = hits->first; f; f = f->next) {
		const struct text *text = &m->message->texts[f->text];
		if (filter_place(filter, text, f) && !is_excused(m, bound, f))
			push(m, (struct pick){f, leaf});
	}
	return m->pick_count - before;
}

/* ---- near ---- */

/* Counts code points from hit to hit; picks are sorted by text and start. */
static void count_chars(const struct matcher *m, const struct pick *picks, struct place *places,
			size_t count)
{
	uint32_t at = 0, chars = 0;

	for (size_t i = 0; i < count; i++) {
		const struct found *f = picks[i].found;
		const char *text = m->message->texts[f->text].content.data;
		if (i == 0 || picks[i - 1].found->text != f->text)
			at = 0, chars = 0;
		chars += (uint32_t)utf8_count((struct str){text + at, f->start - at});
		at = f->start;
		places[i].start = chars;
		places[i].end =
			chars + (uint32_t)utf8_count((struct str){text + f->start, f->end - f->start});
	}
}

static bool judge(struct matcher *m, uint32_t rule, const struct node *n);

/* Judges the parts; their hits stand on the stack behind each other, part i up to ends[i].
 * Returns the parts that have any. */
static uint64_t judge_parts(struct matcher *m, uint32_t rule, const struct node *n,
			    size_t ends[NEAR_PARTS_MAX])
{
	uint64_t parts = 0;

	for (uint32_t i = 0; i < n->child_count; i++) {
		size_t before = m->pick_count;
		if (judge(m, rule, &n->children[i]) && m->pick_count > before)
			parts |= 1ull << i;
		ends[i] = m->pick_count;
	}
	return parts;
}

static bool near_in_text(struct matcher *m, const struct node *n, size_t mark,
			 const size_t ends[NEAR_PARTS_MAX])
{
	size_t count = m->pick_count - mark;
	struct arena_mark before = arena_mark(m->arena); /* hits by the ten thousand, rule after rule */
	struct pick *sorted = arena_alloc(m->arena, count * sizeof *sorted);
	struct place *places = arena_zalloc(m->arena, count * sizeof *places);

	memcpy(sorted, m->picks + mark, count * sizeof *sorted);
	/* The part rides in `leaf` through the sort; the leaf is found again by its place. */
	for (size_t i = 0, part = 0; i < count; i++) {
		while (mark + i >= ends[part])
			part++;
		sorted[i].leaf = (uint32_t)(part << 24 | MIN(sorted[i].leaf, 0xffffffu));
	}
	picks_sort(sorted, count, m->arena);
	for (size_t i = 0; i < count; i++) {
		places[i].part = sorted[i].leaf >> 24;
		sorted[i].leaf &= 0xffffff;
	}
	count_chars(m, sorted, places, count);
	m->pick_count = mark;
	for (size_t first = 0, end; first < count; first = end) {
		for (end = first; end < count; end++)
			if (sorted[end].found->text != sorted[first].found->text)
				break;
		chain_mark(places + first, end - first, n->child_count, (uint32_t)n->cond->near_chars,
			   n->cond->ordered, m->arena);
		for (size_t i = first; i < end; i++)
			if (places[i].taken)
				push(m, sorted[i]);
	}
	arena_release(m->arena, before);
	return m->pick_count > mark;
}

static uint64_t open_parts(const struct matcher *m, uint32_t rule, uint32_t near_index)
{
	for (size_t i = 0; i < m->open_count; i++)
		if (m->open[i].rule == rule && m->open[i].node == near_index)
			return m->open[i].parts;
	return 0;
}

static void note_seen(struct matcher *m, struct near_part part)
{
	if (m->seen_count == m->seen_cap) {
		size_t cap = m->seen_cap ? m->seen_cap * 2 : 16;
		struct near_part *seen = arena_alloc(m->arena, cap * sizeof *seen);
		if (m->seen_count)
			memcpy(seen, m->seen, m->seen_count * sizeof *seen);
		m->seen = seen;
		m->seen_cap = cap;
	}
	m->seen[m->seen_count++] = part;
}

static bool near_over_messages(struct matcher *m, uint32_t rule, const struct node *n,
			       uint64_t parts)
{
	uint64_t all = n->child_count == 64 ? UINT64_MAX : (1ull << n->child_count) - 1;
	uint64_t open = open_parts(m, rule, n->cond->near_index);

	if (!parts)
		return false;
	note_seen(m, (struct near_part){rule, n->cond->near_index, parts});
	return (parts | open) == all;
}

static bool judge_near(struct matcher *m, uint32_t rule, const struct node *n)
{
	size_t ends[NEAR_PARTS_MAX], mark = m->pick_count;
	uint64_t parts = judge_parts(m, rule, n, ends);
	bool holds;

	if (n->cond->near_chars < 0)
		holds = near_over_messages(m, rule, n, parts);
	else
		holds = parts == (1ull << n->child_count) - 1 && near_in_text(m, n, mark, ends);
	if (!holds)
		m->pick_count = mark;
	return holds;
}

/* ---- the others ---- */

static bool judge_count(struct matcher *m, uint32_t rule, const struct node *n)
{
	size_t mark = m->pick_count;
	uint32_t islands = 0, end = 0, text = NO_INDEX;

	for (uint32_t i = 0; i < n->child_count; i++)
		(void)judge(m, rule, &n->children[i]);
	picks_sort(m->picks + mark, m->pick_count - mark, m->arena);
	for (size_t i = mark; i < m->pick_count; i++) {
		const struct found *f = m->picks[i].found;
		if (f->text != text || f->start >= end) {
			islands++;
			end = 0;
		}
		text = f->text;
		end = MAX(end, f->end);
	}
	if (islands >= n->cond->at_least)
		return true;
	m->pick_count = mark;
	return false;
}

static bool judge(struct matcher *m, uint32_t rule, const struct node *n)
{
	size_t mark = m->pick_count;
	uint32_t holding = 0;

	switch (n->kind) {
	case COND_WORD:
	case COND_LIST:
	case COND_REGEX:
	case COND_IS:
		return judge_pick(m, rule, n->group, n->leaf) > 0;
	case COND_NEAR:
		return judge_near(m, rule, n);
	case COND_COUNT:
		return judge_count(m, rule, n);
	case COND_ANY:
	case COND_ALL:
	case COND_NONE:
		for (uint32_t i = 0; i < n->child_count; i++)
			holding += judge(m, rule, &n->children[i]);
		break;
	}
	bool holds = n->kind == COND_ANY   ? holding > 0
		     : n->kind == COND_ALL ? holding == n->child_count
					   : holding == 0;
	if (!holds || n->kind == COND_NONE)
		m->pick_count = mark;
	return holds;
}

bool judge_rule(struct matcher *m, uint32_t rule)
{
	const struct node *match = m->engine->rules[rule].match;

	m->pick_count = 0;
	if (!match)
		return filter_any_text(&m->engine->set->rules[rule].filter, m->message);
	return judge(m, rule, match);
}
