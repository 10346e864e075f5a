/* hits.c - takes where words stand, checks what is around it, and finds the original. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/matcher.h"
#include "rules/spelling.h"

enum { AROUND_MAX = (SYMBOL_RUN_MAX + 1) * (GAP_MAX + 1) };

void hits_add(struct matcher *m, uint32_t group, const struct found *found)
{
	struct group_hits *hits = &m->groups[group];
	const struct group *g = &m->engine->groups[group];
	struct found *copy = arena_alloc(m->arena, sizeof *copy);

	*copy = *found;
	copy->next = NULL;
	__builtin_prefetch(&m->engine->word[found->word]);
	if (hits->scan != m->scan) {
		*hits = (struct group_hits){.scan = m->scan, .last = &hits->first};
		for (uint32_t i = 0; i < g->rule_count; i++) {
			uint32_t rule = g->rules[i];
			if (m->rule_scans[rule] == m->scan)
				continue;
			m->rule_scans[rule] = m->scan;
			m->touched[m->touched_count++] = rule;
		}
	}
	*hits->last = copy;
	hits->last = &copy->next;
	hits->count++;
}

/* ---- the way back to the original ---- */

uint32_t hits_source(const struct folded *f, uint32_t at)
{
	uint32_t low = 0, high = f->run_count; /* the run lies in [low, high) */

	if (!f->runs)
		return at;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (f->runs[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	const struct fold_run *run = &f->runs[low];
	if (!run->same)
		return run->from;
	while (((unsigned char)f->text.data[at] & 0xc0) == 0x80)
		at--;
	return run->from + (at - run->at);
}

/* A place among the code points that the original becomes in the standard form: ⑴ becomes (1), of
 * which the loose forms keep the middle. */
struct cursor {
	struct str original;
	enum fold_form form;
	uint32_t at; /* the character of the original; original.len behind the last */
	uint32_t codes[SPELLED_MAX];
	bool kept[SPELLED_MAX]; /* in the loose form */
	int count, index;
};

static uint32_t next_place(struct str original, uint32_t at)
{
	return at + utf8_len((unsigned char)original.data[at]);
}

static uint32_t place_before(struct str original, uint32_t at)
{
	do
		at--;
	while (((unsigned char)original.data[at] & 0xc0) == 0x80);
	return at;
}

static void cursor_load(struct cursor *c)
{
	struct spelled standard, one;

	c->count = 0;
	if (c->at >= c->original.len)
		return;
	spelling_of(FORM_STANDARD, utf8_get(c->original.data + c->at), &standard);
	for (unsigned i = 0; i < standard.len; i += utf8_len((unsigned char)standard.bytes[i])) {
		c->codes[c->count] = utf8_get(standard.bytes + i);
		spelling_of_standard(c->form, c->codes[c->count], &one);
		c->kept[c->count++] = one.len > 0;
	}
}

static bool cursor_next(struct cursor *c)
{
	while (++c->index >= c->count) {
		if (c->at >= c->original.len)
			return false;
		c->at = next_place(c->original, c->at);
		cursor_load(c);
		c->index = -1;
	}
	return true;
}

static bool cursor_back(struct cursor *c)
{
	while (--c->index < 0) {
		if (c->at == 0)
			return false;
		c->at = place_before(c->original, c->at);
		cursor_load(c);
		c->index = c->count;
	}
	return true;
}

/* Goes to the kept character that byte `at` of the folded text came from. */
static void cursor_init(struct cursor *c, const struct folded *f, struct str original,
			enum fold_form form, uint32_t at)
{
	int before = 0; /* kept ones of the same character of the original */

	*c = (struct cursor){.original = original, .form = form, .at = hits_source(f, at), .index = -1};
	for (uint32_t i = at; i > 0 && hits_source(f, i - 1) == c->at && f->runs; i--)
		before += ((unsigned char)f->text.data[i - 1] & 0xc0) != 0x80;
	cursor_load(c);
	do
		c->index++;
	while (c->index < c->count - 1 && !(c->kept[c->index] && before-- == 0));
}

/* ---- what is around a hit ---- */

/* What a letter or digit of the folded text is in the original: itself, or what looks like it. */
enum look { LOOK_REAL, LOOK_LETTER, LOOK_OTHER };

static enum look look_of(const struct matcher *m, const struct folded *f, uint32_t at, uint32_t *standard)
{
	struct cursor c;
	struct spelled one;

	cursor_init(&c, f, m->message->texts[m->text].content, m->form, at);
	uint32_t code = *standard = c.codes[c.index];
	if (code < 0x80 && edge_of((char)code) == edge_of(f->text.data[at]))
		return LOOK_REAL;
	spelling_of_standard(FORM_LOOSE, code, &one);
	return one.len == 1 && edge_of(one.bytes[0]) == EDGE_LETTER ? LOOK_LETTER : LOOK_OTHER;
}

/* Whether the look-alike `code` at an edge of a hit is what the word itself has there. */
static bool is_own(const struct posting *p, bool right, uint32_t code)
{
	struct str word = p->written;
	struct spelled one = {0};
	uint32_t at = right ? (uint32_t)word.len : 0;

	if (p->twins)
		return true;
	while (!one.len && (right ? at > 0 : at < word.len)) {
		at = right ? place_before(word, at) : at;
		spelling_of(FORM_STANDARD, utf8_get(word.data + at), &one);
		at = right ? at : next_place(word, at);
	}
	struct str own = {one.bytes, one.len};
	return own.len && utf8_get(own.data + (right ? place_before(own, one.len) : 0)) == code;
}

/* Whether the bytes at `inside`, an edge of a hit of `p`, and `outside`, neighbours in the folded text,
 * are of one kind. What only looks like a letter or digit touches its like and what is one, but none
 * that is one touches it; and where the word itself has a letter that only looks like one, nothing
 * touches it: so a loose form finds what the standard form does (`tel110`, `110一下`, café in cafés).
 * A letter that looks like a digit touches all letters, also those that look like none (`Hello`). */
static bool touches(const struct matcher *m, const struct folded *f, const struct posting *p,
		    uint32_t inside, uint32_t outside)
{
	bool right = outside > inside;
	enum edge edge = (enum edge)(right ? p->right : p->left), beside = edge_of(f->text.data[outside]);
	uint32_t code;

	if (beside == EDGE_NONE || (beside != edge && m->form != FORM_DIGITS))
		return false;
	if (f->gaps && f->gaps[MAX(inside, outside)] > 0)
		return false;
	if (m->form < FORM_LOOSE)
		return true;
	enum look look = look_of(m, f, inside, &code);
	if (beside != edge)
		return look == LOOK_LETTER;
	if (look != LOOK_REAL && m->form == FORM_LOOSE && is_own(p, right, code))
		return false;
	enum look other = look_of(m, f, outside, &code);
	return other == LOOK_REAL || other == look;
}

static bool gaps_fit(const struct folded *f, uint32_t from, uint32_t to, unsigned gap)
{
	if (!f->gaps)
		return true;
	for (uint32_t i = from + 1; i < to; i++)
		if (f->gaps[i] > gap)
			return false;
	return true;
}

/* ---- spellings with symbols ---- */

/* Separators of the original beside or inside a hit, as code points of the standard form. */
struct around {
	uint32_t codes[AROUND_MAX];
	uint32_t places[AROUND_MAX]; /* where each begins in the original */
	uint32_t count;
};

/* Collects from behind (before) the cursor up to the next kept character. */
static void collect(struct around *a, struct cursor *c, bool backward)
{
	a->count = 0;
	while (a->count < AROUND_MAX && (backward ? cursor_back(c) : cursor_next(c))) {
		if (c->kept[c->index])
			return;
		a->codes[a->count] = c->codes[c->index];
		a->places[a->count++] = c->at;
	}
}

/* Finds `run` in `a` with at most `gap` others before each (and, if `closed`, behind the last).
 * *end is the index of the last one of the run, as near as can be. */
static bool find_run(const struct around *a, const struct symbol_run *run, bool backward,
		     bool closed, unsigned gap, uint32_t *end)
{
	bool can[AROUND_MAX + 1] = {true}, next[AROUND_MAX + 1];

	for (uint32_t i = 0; i < run->count; i++) {
		uint32_t want = run->codes[backward ? run->count - 1 - i : i];
		memset(next, 0, sizeof next);
		for (uint32_t at = 0; at <= a->count; at++)
			for (uint32_t k = at; can[at] && k <= at + gap && k < a->count; k++)
				if (a->codes[k] == want)
					next[k + 1] = true;
		memcpy(can, next, sizeof can);
	}
	for (uint32_t at = 0; at <= a->count; at++) {
		if (!can[at] || (closed && a->count - at > gap))
			continue;
		*end = at - 1;
		return true;
	}
	return false;
}

/* Checks the symbols of a spelling in the original, and widens [*start, *end) to them. */
static bool symbols_stand(const struct matcher *m, const struct folded *f,
			  const struct posting *p, uint32_t from, uint32_t *start, uint32_t *end)
{
	struct str original = m->message->texts[m->text].content;
	const struct symbols *s = p->symbols;
	struct cursor cursor;
	struct around a;
	uint32_t last;

	cursor_init(&cursor, f, original, m->form, from);
	if (s->runs[0].count) {
		struct cursor back = cursor;
		collect(&a, &back, true);
		if (!find_run(&a, &s->runs[0], true, false, p->gap, &last))
			return false;
		*start = a.places[last];
	}
	for (uint32_t kept = 1; kept < s->kept; kept++) {
		collect(&a, &cursor, false);
		if (!find_run(&a, &s->runs[kept], false, true, p->gap, &last))
			return false;
	}
	if (!s->runs[s->kept].count)
		return true;
	collect(&a, &cursor, false);
	if (!find_run(&a, &s->runs[s->kept], false, false, p->gap, &last))
		return false;
	*end = next_place(original, a.places[last]);
	return true;
}

/* ---- words ---- */

static void take(struct matcher *m, const struct posting *p, uint32_t from, uint32_t to)
{
	const struct folded *f = &m->folded[m->form][m->text];
	struct str original = m->message->texts[m->text].content;
	struct found found = {
		.text = m->text,
		.from = from,
		.to = to,
		.word = p->word,
		.form = m->form,
		.posting = p,
	};

	if (p->left && from > 0 && touches(m, f, p, from, from - 1))
		return;
	if (p->right && to < f->text.len && touches(m, f, p, to - 1, to))
		return;
	found.start = hits_source(f, from);
	found.end = hits_source(f, to - 1);
	if (f->runs)
		found.end = next_place(original, found.end);
	else
		found.end++;
	if (p->symbols) {
		if (!symbols_stand(m, f, p, from, &found.start, &found.end))
			return;
	} else if (!gaps_fit(f, from, to, p->gap)) {
		return;
	}
	hits_add(m, p->group, &found);
}

static int on_word(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		   void *context)
{
	raw_hits_add(context, id, (uint32_t)to);
	return 0;
}

/* With 100,000 words the postings of a hit are in no cache: all are on their way before the first is
 * looked at. */
void hits_find_words(struct matcher *m)
{
	const struct word_index *index = &m->engine->words[m->form];
	struct str text = m->folded[m->form][m->text].text;
	struct raw_hits *raw = &m->raw;

	raw->count = 0;
	if (!text.len)
		return;
	if (index->trie)
		trie_scan(index->trie, text, raw);
	else if (hs_scan(index->database, text.data, (unsigned)text.len, 0, m->scratch, on_word, raw) !=
		 HS_SUCCESS)
		UNREACHABLE("Hyperscan gives up in the middle of a text");
	for (size_t i = 0; i < raw->count; i++)
		__builtin_prefetch(&index->first[raw->items[i].word]);
	for (size_t i = 0; i < raw->count; i++)
		__builtin_prefetch(&index->postings[index->first[raw->items[i].word]]);
	for (size_t i = 0; i < raw->count; i++) {
		const struct raw_hit *hit = &raw->items[i];
		for (uint32_t k = index->first[hit->word]; k < index->first[hit->word + 1]; k++)
			take(m, &index->postings[k], hit->to - index->postings[k].len, hit->to);
	}
}

uint32_t hits_own_start(const struct matcher *m)
{
	const struct folded *f = &m->folded[m->form][m->text];
	uint32_t own = m->message->texts[m->text].own_start;
	uint32_t low = 0, high = (uint32_t)f->text.len;

	if (!own || !f->runs)
		return own;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (hits_source(f, middle) < own)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- names ---- */

/* Walks through the characters of a text that are not dropped in a form. */
struct walk {
	enum fold_form form;
	struct str text;
	size_t at;
	struct spelled one; /* the current one */
	uint32_t code;
	uint32_t dropped; /* FOLD_INVISIBLE and FOLD_GAP of what was passed over */
	unsigned separators;
};

static bool walk_next(struct walk *w)
{
	while (w->at < w->text.len) {
		w->code = utf8_get(w->text.data + w->at);
		w->at += utf8_len((unsigned char)w->text.data[w->at]);
		spelling_of(w->form, w->code, &w->one);
		if (w->one.len)
			return true;
		w->separators += w->one.separators > 0;
		if (!w->one.separators)
			w->dropped |= FOLD_INVISIBLE;
	}
	return false;
}

/* What it took to bring one character of the text and one of the word together. What happened to
 * both alike was not needed, unless they are two characters with one simplified form. */
static uint32_t needed(uint32_t text_code, uint32_t text_names, uint32_t word_code,
		       uint32_t word_names)
{
	if (text_code == word_code)
		return 0;
	uint32_t different = text_names ^ word_names;
	return different ? different : text_names;
}

/* What it took to bring symbols of the text and of the spelling together. */
static uint32_t symbols_needed(struct str text, const struct symbols *symbols)
{
	uint32_t names = 0;

	for (size_t i = 0; i < text.len; i += utf8_len((unsigned char)text.data[i])) {
		struct spelled one;
		uint32_t code = utf8_get(text.data + i);
		spelling_of(FORM_STANDARD, code, &one);
		if (!one.names || !one.len || !spelling_is_separator(code))
			continue;
		for (uint32_t run = 0; run <= symbols->kept; run++)
			for (uint32_t k = 0; k < symbols->runs[run].count; k++)
				if (symbols->runs[run].codes[k] == utf8_get(one.bytes))
					names |= one.names;
	}
	return names;
}

uint32_t hits_folds(const struct matcher *m, const struct found *found)
{
	struct str original = m->message->texts[found->text].content;
	struct str text = {original.data + found->start, found->end - found->start};
	const struct posting *p = found->posting;

	if (found->form == FORM_NONE)
		return 0;
	if (!p)
		return found->folds;
	uint32_t names = p->alias ? FOLD_HOMOPHONE : 0;
	const struct folded *f = &m->folded[found->form][found->text];
	if (p->as_is && str_eq(text, (struct str){f->text.data + found->from, found->to - found->from}))
		return names;
	if (str_eq(text, p->written))
		return names;
	struct walk a = {.form = found->form, .text = text}, b = {found->form, p->written};
	while (walk_next(&a) && walk_next(&b)) {
		if (a.one.len == b.one.len) {
			names |= needed(a.code, a.one.names, b.code, b.one.names);
			continue;
		}
		/* Characters that expand differently (㎏ and kg): catch up, name all. */
		size_t a_len = a.one.len, b_len = b.one.len;
		names |= a.one.names | b.one.names;
		while (a_len != b_len) {
			struct walk *behind = a_len < b_len ? &a : &b;
			if (!walk_next(behind))
				return names | a.dropped;
			names |= behind->one.names;
			*(behind == &a ? &a_len : &b_len) += behind->one.len;
		}
	}
	while (walk_next(&a))
		names |= a.one.names;
	while (walk_next(&b))
		continue;
	names |= a.dropped;
	if (p->symbols)
		names |= symbols_needed(text, p->symbols);
	if (a.separators > b.separators)
		names |= FOLD_GAP;
	return names;
}
