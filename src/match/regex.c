/* regex.c - finds the hits of regexes: leftmost, then longest, not overlapping. */
/* SPDX-License-Identifier: Apache-2.0 */

/* Hyperscan reports every end, each with the leftmost start from which it is reached. The hit is
 * the smallest start with its greatest end; then the rest is a text of its own. It is searched
 * again, unless what was reported about it is what a search of it would report: that is so when
 * no report straddles the end of the hit and the regex cannot see where its text begins. (A regex
 * with \b sees it only in a match that begins there: behind the hit no word may go on, and no
 * report begin.) Without this a long text of short hits would be searched a thousand times. */
#include "match/regex.h"

#include <limits.h>

#include "base/heap.h"
#include "rules/spelling.h"

struct search {
	struct matcher *m;
	const struct regex *regex;
	uint32_t base;	/* where the searched text begins in the folded text */
	uint32_t first, last; /* the best so far */
	bool any;
};

static void keep_report(struct matcher *m, uint32_t from, uint32_t to)
{
	if (m->report_count == m->report_cap) {
		m->report_cap = m->report_cap ? m->report_cap * 2 : 256;
		m->reports = heap_grown(m->reports, m->report_cap * sizeof *m->reports);
	}
	m->reports[m->report_count++] = (struct report){from, to};
}

static void consider(struct search *s, uint32_t from, uint32_t to)
{
	if (!s->any || from < s->first || (from == s->first && to > s->last)) {
		s->first = from;
		s->last = to;
		s->any = true;
	}
}

static int on_report(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		     void *context)
{
	struct search *s = context;
	uint32_t start = s->base + (uint32_t)from, end = s->base + (uint32_t)to;

	if (from == to)
		return 0;
	if (s->regex->max_width == UINT_MAX) {
		keep_report(s->m, start, end);
		consider(s, start, end);
		return 0;
	}
	/* Ends come in order: beyond the width of the first hit there is nothing more to know. */
	if (s->any && end - s->first > s->regex->max_width)
		return 1;
	consider(s, start, end);
	return 0;
}

static void scan(const struct matcher *m, hs_database_t *database, struct str text,
		 match_event_handler on_event, void *context)
{
	hs_error_t code = hs_scan(database, text.data, (unsigned)text.len, 0, m->scratch, on_event, context);
	if (code != HS_SUCCESS && code != HS_SCAN_TERMINATED)
		UNREACHABLE("Hyperscan gives up in the middle of a text");
}

static bool is_word_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The next hit among the reports of the last search, in `text` behind `at`. Returns false if they
 * cannot tell. */
static bool next_report(struct search *s, struct str text, uint32_t at)
{
	enum start_sight start = s->regex->start;

	if (s->regex->max_width != UINT_MAX || start == START_SEEN)
		return false;
	if (start == START_WORD && at < text.len && is_word_char(text.data[at]))
		return false;
	s->any = false;
	for (size_t i = 0; i < s->m->report_count; i++) {
		const struct report *r = &s->m->reports[i];
		if (r->to <= at)
			continue;
		if (r->from < at || (r->from == at && start == START_WORD))
			return false;
		consider(s, r->from, r->to);
	}
	return true;
}

static void add_hit(struct matcher *m, uint32_t group, uint32_t from, uint32_t to)
{
	const struct folded *f = &m->folded[m->form][m->text];
	struct str original = m->message->texts[m->text].content;
	struct found found = {
		.text = m->text,
		.from = from,
		.to = to,
		.word = m->engine->groups[group].word,
		.form = m->form,
	};
	found.start = hits_source(f, from);
	found.end = hits_source(f, to - 1);
	/* A class of bytes cannot split characters: the regex is compiled for UTF-8. */
	while (found.end > 0 && ((unsigned char)original.data[found.end] & 0xc0) == 0x80)
		found.end--;
	found.end += utf8_len((unsigned char)original.data[found.end]);
	found.folds = spelling_names_of(m->form, (struct str){original.data + found.start,
							      found.end - found.start});
	hits_add(m, group, &found);
}

/* Finds the hits of one regex in [from, to) of the folded text. */
static void find_in(struct matcher *m, const struct regex *regex, uint32_t from, uint32_t to)
{
	struct str text = m->folded[m->form][m->text].text;
	struct search s = {.m = m, .regex = regex};

	m->report_count = 0;
	bool known = false;
	size_t again_bytes = 0;
	for (unsigned hits = 0; from < to && hits < REGEX_HITS_MAX; hits++) {
		if (!known) {
			/* A search for hits of limited length ends behind the next one. */
			if (hits && regex->max_width == UINT_MAX)
				again_bytes += to - from;
			if (again_bytes > REGEX_AGAIN_BYTES_MAX)
				return;
			m->report_count = 0;
			s.any = false;
			s.base = from;
			scan(m, regex->database, (struct str){text.data + from, to - from}, on_report, &s);
		}
		if (!s.any)
			return;
		add_hit(m, regex->group, s.first, s.last);
		from = s.last;
		known = next_report(&s, text, from);
	}
}

static int on_candidate(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
			void *context)
{
	struct matcher *m = context;
	m->candidates[m->candidate_count++] = id;
	return 0;
}

/* A quotation and the answer to it are searched apart. */
static void find_part(struct matcher *m, uint32_t from, uint32_t to)
{
	const struct regex_index *index = &m->engine->regexes[m->form];
	struct str text = m->folded[m->form][m->text].text;

	if (from == to)
		return;
	m->candidate_count = 0;
	if (index->filter)
		scan(m, index->filter, (struct str){text.data + from, to - from}, on_candidate, m);
	else
		for (uint32_t i = 0; i < index->count; i++)
			m->candidates[m->candidate_count++] = i;
	/* find_in() uses neither the candidates nor, at the same time, the scratch of the filter. */
	for (uint32_t i = 0; i < m->candidate_count; i++)
		find_in(m, &index->regexes[m->candidates[i]], from, to);
}

void regex_find_all(struct matcher *m)
{
	uint32_t len = (uint32_t)m->folded[m->form][m->text].text.len;
	uint32_t own = hits_own_start(m);

	find_part(m, 0, own);
	find_part(m, own, len);
}
