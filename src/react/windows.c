/* windows.c - counts, sums and distinct words over a span of time.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A rule fires when this match takes the measure of the other matches in the window (what the
 * newest match leaves in it) from below the threshold to the threshold or more. So only as many
 * of the newest matches are kept as decide that: more of them would change no answer.
 */
#include "react/turn.h"

#include "rules/zone.h"

struct reach {
	const struct rule *rule;
	const struct zone *zone;
	int64_t newest_ms;
};

static bool same_calendar_span(const struct reach *reach, int64_t ms)
{
	struct zone_time a = zone_local(reach->zone, reach->newest_ms);
	struct zone_time b = zone_local(reach->zone, ms);

	switch (reach->rule->window.kind) {
	case WINDOW_DAY:
		return a.day == b.day;
	case WINDOW_WEEK:
		return a.week == b.week;
	case WINDOW_MONTH:
		return a.month == b.month;
	case WINDOW_NONE:
	case WINDOW_SLIDING:
		break;
	}
	UNREACHABLE("a window that is no calendar window");
}

static bool within(const struct reach *reach, int64_t ms)
{
	if (reach->rule->window.kind == WINDOW_SLIDING)
		return ms > reach->newest_ms - reach->rule->window.within_ms;
	return same_calendar_span(reach, ms);
}

static int64_t newest_ms(const struct window_state *w)
{
	return w->entries.count ? w->entries.items[w->entries.count - 1].time_ms : INT64_MIN;
}

/* Makes room by giving up the window that has been quiet for longest. */
static void evict(struct turn *t)
{
	struct subject *s = t->subject;
	uint32_t oldest = 0;

	for (uint32_t i = 1; i < s->windows.count; i++)
		if (newest_ms(&s->windows.items[i]) < newest_ms(&s->windows.items[oldest]))
			oldest = i;
	LIST_REMOVE(&s->windows, oldest);
	t->reactor->counts.windows_full++;
}

static struct window_state *get_window(struct turn *t, const struct rule *rule)
{
	struct subject *s = t->subject;
	struct str pair = rule->by_pair ? t->pair : (struct str){0};

	for (uint32_t i = 0; i < s->windows.count; i++) {
		struct window_state *w = &s->windows.items[i];
		if (str_eq(w->rule, rule->id) && str_eq(w->pack, rule->pack) &&
		    str_eq(w->pair, pair))
			return w;
	}
	if (s->windows.count >= SUBJECT_WINDOWS_MAX)
		evict(t);
	struct window_state *w = LIST_ADD(&s->windows, shard_arena(t->shard));
	w->pack = shard_name(t->shard, rule->pack);
	w->rule = shard_name(t->shard, rule->id);
	w->pair = shard_name(t->shard, pair);
	return w;
}

/* Entries stay by time; of equal times the last to come is last. */
static void insert(struct turn *t, struct window_state *w, struct window_entry entry)
{
	uint32_t at = w->entries.count;

	(void)LIST_ADD(&w->entries, shard_arena(t->shard));
	for (; at > 0 && w->entries.items[at - 1].time_ms > entry.time_ms; at--)
		w->entries.items[at] = w->entries.items[at - 1];
	w->entries.items[at] = entry;
}

/* Of a word only its newest match counts. */
static void insert_word(struct turn *t, struct window_state *w, struct str word)
{
	int64_t time_ms = t->msgtime_ms;

	for (uint32_t i = 0; i < w->entries.count; i++)
		if (str_eq(w->entries.items[i].word, word)) {
			time_ms = MAX(time_ms, w->entries.items[i].time_ms);
			LIST_REMOVE(&w->entries, i);
			break;
		}
	insert(t, w, (struct window_entry){time_ms, 0, shard_name(t->shard, word)});
}

static int64_t measure(const struct window *window, const struct window_state *w)
{
	int64_t sum = 0;

	if (!window->sum_amount)
		return w->entries.count;
	for (uint32_t i = 0; i < w->entries.count; i++)
		sum += w->entries.items[i].amount_fen;
	return sum;
}

/* Drops the oldest entries as long as the newer ones reach the threshold by themselves. */
static void trim(struct turn *t, const struct window *window, struct window_state *w)
{
	while (w->entries.count > 1) {
		int64_t first = window->sum_amount ? w->entries.items[0].amount_fen : 1;
		if (measure(window, w) - first < window->threshold)
			break;
		LIST_REMOVE(&w->entries, 0);
	}
	while (window->sum_amount && w->entries.count > WINDOW_ENTRIES_MAX) {
		w->entries.items[1].amount_fen += w->entries.items[0].amount_fen;
		LIST_REMOVE(&w->entries, 0);
		t->reactor->counts.windows_full++;
	}
}

bool window_take(struct turn *t, const struct rule *rule, const struct message *message,
		 const struct match *match)
{
	const struct window *window = &rule->window;
	struct window_state *w = get_window(t, rule);
	struct reach reach = {rule, t->set->packs[rule->pack_index].zone,
			    MAX(newest_ms(w), t->msgtime_ms)};

	for (uint32_t i = w->entries.count; i-- > 0;)
		if (!within(&reach, w->entries.items[i].time_ms))
			LIST_REMOVE(&w->entries, i);
	t->changed = true;
	if (!within(&reach, t->msgtime_ms))
		return false;
	int64_t before = measure(window, w);
	if (window->distinct_words)
		for (size_t i = 0; i < match->hit_count; i++)
			insert_word(t, w, match->hits[i].word);
	else
		insert(t, w, (struct window_entry){t->msgtime_ms, MAX(message->amount_fen, 0), {0}});
	bool fires = before < window->threshold && measure(window, w) >= window->threshold;
	trim(t, window, w);
	return fires;
}
