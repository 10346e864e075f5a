/* matcher.c - one message: search its texts, judge the rules that were touched, list their hits. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/matcher.h"

#include "match/regex.h"

int matcher_new(struct matcher **out, struct err *err)
{
	struct matcher *m = calloc(1, sizeof *m);
	if (!m)
		return err_set(err, ERR_OS, "matcher: out of memory");
	*out = m;
	return 0;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	hs_free_scratch(m->scratch);
	free(m->groups);
	free(m->rule_scans);
	free(m->touched);
	free(m->picks);
	free(m->raw.items);
	free(m->reports);
	free(m->candidates);
	buf_fini(&m->buf);
	free(m);
}

static int grow(void **items, size_t old_count, size_t count, size_t bytes)
{
	char *more = realloc(*items, count * bytes);
	if (!more)
		return -1;
	memset(more + old_count * bytes, 0, (count - old_count) * bytes);
	*items = more;
	return 0;
}

static int fit_scratch(struct matcher *m, const hs_database_t *database, struct err *err)
{
	if (database && hs_alloc_scratch(database, &m->scratch) != HS_SUCCESS)
		return err_set(err, ERR_OS, "matcher: Hyperscan finds no scratch memory");
	return 0;
}

int matcher_fit(struct matcher *m, const struct engine *e, struct err *err)
{
	uint32_t regexes = 0;

	for (int form = 0; form < FORM_COUNT; form++) {
		const struct regex_index *index = &e->regexes[form];
		if (fit_scratch(m, e->words[form].database, err) < 0 ||
		    fit_scratch(m, index->filter, err) < 0)
			return -1;
		for (uint32_t i = 0; i < index->count; i++)
			if (fit_scratch(m, index->regexes[i].database, err) < 0)
				return -1;
		regexes = MAX(regexes, index->count);
	}
	if (m->candidate_cap < regexes) {
		if (grow((void **)&m->candidates, m->candidate_cap, regexes, sizeof *m->candidates) < 0)
			return err_set(err, ERR_OS, "matcher: out of memory");
		m->candidate_cap = regexes;
	}
	if (m->group_cap < e->group_count) {
		if (grow((void **)&m->groups, m->group_cap, e->group_count, sizeof *m->groups) < 0)
			return err_set(err, ERR_OS, "matcher: out of memory");
		m->group_cap = e->group_count;
	}
	if (m->rule_cap < e->rule_count) {
		if (grow((void **)&m->rule_scans, m->rule_cap, e->rule_count,
			 sizeof *m->rule_scans) < 0 ||
		    grow((void **)&m->touched, m->rule_cap, e->rule_count, sizeof *m->touched) < 0)
			return err_set(err, ERR_OS, "matcher: out of memory");
		m->rule_cap = e->rule_count;
	}
	return 0;
}

/* ---- hits of a rule that holds ---- */

/* Of two hits of one word at one place: the word as first written, found with the fewest folds. */
static void merge(const struct matcher *m, struct hit *into, struct pick *kept, struct pick more)
{
	uint32_t folds = hits_folds(m, more.found);
	bool earlier = more.leaf < kept->leaf ||
		       (more.leaf == kept->leaf && more.found->word < kept->found->word);
	bool same = more.found->word == kept->found->word;

	if (!same && !earlier)
		return;
	if (!same || __builtin_popcount(folds) < __builtin_popcount(into->folds))
		into->folds = folds;
	if (!earlier)
		return;
	*kept = more;
	into->word = m->engine->word[more.found->word].text;
}

static bool is_same_word(const struct engine *e, const struct found *a, const struct found *b)
{
	const struct engine_word *x = &e->word[a->word], *y = &e->word[b->word];
	return (x->same == y->same && x->same != NO_INDEX) || str_eq(x->text, y->text);
}

static void sort_by_word(struct hit *hits, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct hit hit = hits[i];
		size_t at = i;
		for (; at > 0 && str_cmp(hits[at - 1].word, hit.word) > 0; at--)
			hits[at] = hits[at - 1];
		hits[at] = hit;
	}
}

/* Turns the picks of one place into hits, each word once. Returns how many. */
static size_t list_place(struct matcher *m, struct pick *picks, size_t count, struct hit *hits)
{
	struct pick *kept = picks; /* the picks behind the hits; never ahead of the reading */
	size_t made = 0;

	for (size_t i = 0; i < count; i++) {
		struct pick pick = picks[i];
		size_t known = 0;
		while (known < made && !is_same_word(m->engine, kept[known].found, pick.found))
			known++;
		if (known < made) {
			merge(m, &hits[known], &kept[known], pick);
			continue;
		}
		hits[made] = (struct hit){
			.text = pick.found->text,
			.start = pick.found->start,
			.end = pick.found->end,
			.folds = hits_folds(m, pick.found),
			.word = m->engine->word[pick.found->word].text,
		};
		kept[made++] = pick;
	}
	sort_by_word(hits, made);
	return made;
}

static bool is_same_place(const struct found *a, const struct found *b)
{
	return a->text == b->text && a->start == b->start && a->end == b->end;
}

static void list_hits(struct matcher *m, struct match *match)
{
	struct hit *hits = arena_alloc(m->arena, m->pick_count * sizeof *hits);
	size_t count = 0;

	picks_sort(m->picks, m->pick_count, m->arena);
	for (size_t first = 0, end; first < m->pick_count; first = end) {
		for (end = first + 1; end < m->pick_count; end++)
			if (!is_same_place(m->picks[first].found, m->picks[end].found))
				break;
		count += list_place(m, m->picks + first, end - first, hits + count);
	}
	match->hits = hits;
	match->hit_count = (uint32_t)count;
}

/* ---- tag_from ---- */

static void sort_numbers(uint32_t *items, size_t count)
{
	for (size_t gap = count / 2; gap > 0; gap /= 2) {
		for (size_t i = gap; i < count; i++) {
			uint32_t item = items[i];
			size_t at = i;
			for (; at >= gap && items[at - gap] > item; at -= gap)
				items[at] = items[at - gap];
			items[at] = item;
		}
	}
}

/* The rows of the table whose words are among the hits that made the rule hold. */
static void list_rows(struct matcher *m, struct match *match)
{
	uint32_t group = m->engine->rules[match->rule].table_group;
	size_t picked = 0, count = 0;

	if (group == NO_INDEX)
		return;
	uint32_t *rows = arena_alloc(m->arena, m->pick_count * sizeof *rows);
	for (size_t i = 0; i < m->pick_count; i++) {
		const struct found *f = m->picks[i].found;
		if (f->posting && f->posting->group == group)
			rows[picked++] = m->engine->word[f->word].row;
	}
	sort_numbers(rows, picked);
	for (size_t i = 0; i < picked; i++)
		if (!count || rows[count - 1] != rows[i])
			rows[count++] = rows[i];
	match->table_rows = rows;
	match->table_row_count = (uint32_t)count;
}

/* ---- a message ---- */

static void search(struct matcher *m)
{
	const struct engine *e = m->engine;

	for (int form = 0; form < FORM_COUNT; form++) {
		if (!(e->forms >> form & 1))
			continue;
		m->form = (enum fold_form)form;
		for (uint32_t i = 0; i < m->message->text_count; i++) {
			m->text = i;
			if (e->words[form].pattern_count)
				hits_find_words(m);
			if (e->regexes[form].count)
				regex_find_all(m);
			if (e->detectors[form].count)
				detect_all(m);
		}
	}
}

/* Rules that hold without a hit are candidates of every message. */
static void touch_always(struct matcher *m)
{
	for (uint32_t i = 0; i < m->engine->always_count; i++) {
		uint32_t rule = m->engine->always[i];
		if (m->rule_scans[rule] == m->scan)
			continue;
		m->rule_scans[rule] = m->scan;
		m->touched[m->touched_count++] = rule;
	}
}

struct matches matcher_scan(struct matcher *m, const struct engine *engine,
			    const struct message *message,
			    const struct folded *const folded[FORM_COUNT],
			    const struct near_part *open, size_t open_count, struct arena *arena)
{
	struct matches matches = {0};

	m->scan++;
	m->engine = engine;
	m->message = message;
	m->folded = folded;
	m->open = open;
	m->open_count = open_count;
	m->arena = arena;
	m->zone = NULL;
	m->excuses_of = NULL;
	m->touched_count = 0;
	m->seen_count = m->seen_cap = 0;
	search(m);
	closing_find(m, &matches);
	touch_always(m);
	if (!m->touched_count)
		return matches;

	sort_numbers(m->touched, m->touched_count);
	struct match *items = arena_alloc(arena, m->touched_count * sizeof *items);
	for (uint32_t i = 0; i < m->touched_count; i++) {
		uint32_t rule = m->touched[i];
		if (!filter_message(m, &engine->set->rules[rule]) || !judge_rule(m, rule))
			continue;
		struct match *match = &items[matches.count++];
		*match = (struct match){.rule = rule};
		list_rows(m, match);
		list_hits(m, match); /* which orders the picks anew */
	}
	matches.items = items;
	matches.seen = m->seen;
	matches.seen_count = m->seen_count;
	return matches;
}
