/* words.c - spells words out, folds them, and notes what must be checked around each. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/words.h"

#include "base/heap.h"
#include "rules/spelling.h"

void words_init(struct words *w, struct engine *e, struct findings *findings)
{
	*w = (struct words){.e = e, .findings = findings};
	w->lexicons = ARENA_ARRAY(&w->scratch, struct lexicon, e->set->pack_count);
}

void words_fini(struct words *w)
{
	for (int form = 0; form < FORM_COUNT; form++) {
		free(w->patterns[form]);
		free(w->drafts[form]);
	}
	map_fini(&w->numbers);
	free(w->texts);
	free(w->word);
	buf_fini(&w->buf);
	arena_fini(&w->scratch);
}

void words_use_pack(struct words *w, uint32_t pack)
{
	w->pack = pack;
	if (!w->lexicons[pack].items)
		w->lexicons[pack] = lexicon_make(&w->e->set->packs[pack], &w->scratch);
}

/* Room for `more` items behind `count`. */
static void expect(void *items, uint32_t count, uint32_t *cap, size_t more, size_t bytes)
{
	void **at = items;

	if (*cap - count >= more)
		return;
	*cap = (uint32_t)MAX(MAX((size_t)*cap * 2, (size_t)256), count + more);
	*at = heap_grown(*at, *cap * bytes);
}

void words_expect(struct words *w, const struct cond *cond, size_t more)
{
	enum fold_form form = cond->fold;

	map_expect(&w->numbers, more);
	expect(&w->texts, w->numbers.count, &w->text_cap, more, sizeof *w->texts);
	expect(&w->word, w->word_count, &w->word_cap, more, sizeof *w->word);
	expect(&w->patterns[form], w->pattern_count[form], &w->pattern_cap[form], more,
	       sizeof *w->patterns[form]);
	expect(&w->drafts[form], w->draft_count[form], &w->draft_cap[form], more,
	       sizeof *w->drafts[form]);
}

/* The number of `text` folded into `form`; `kind` is the form, or tells apart what is not searched
 * as it is folded. */
static uint32_t number_of(struct words *w, uint32_t kind, enum fold_form form, struct str text)
{
	bool is_new;

	buf_clear(&w->buf);
	buf_putc(&w->buf, (char)kind);
	spelling_put(form, text, &w->buf);
	uint32_t number = map_add(&w->numbers, buf_str(&w->buf), &w->scratch, &is_new);
	if (is_new) {
		expect(&w->texts, number, &w->text_cap, 1, sizeof *w->texts);
		w->texts[number] = (struct numbered){NO_INDEX, NO_INDEX, NO_INDEX, NO_INDEX};
	}
	return number;
}

uint32_t words_name(struct words *w, struct str text)
{
	expect(&w->word, w->word_count, &w->word_cap, 1, sizeof *w->word);
	w->word[w->word_count] = (struct engine_word){.text = text, .same = NO_INDEX};
	return w->word_count++;
}

static struct str folded(struct words *w, enum fold_form form, struct str text)
{
	buf_clear(&w->buf);
	spelling_put(form, text, &w->buf);
	return buf_str(&w->buf);
}

/* ---- one spelling ---- */

/* `number` is that of the folded spelling, `bytes` its text. */
static void add_draft(struct words *w, enum fold_form form, uint32_t number, struct str bytes,
		      const struct posting *posting)
{
	struct numbered *text = &w->texts[number];

	if (text->pattern == NO_INDEX) {
		expect(&w->patterns[form], w->pattern_count[form], &w->pattern_cap[form], 1,
		       sizeof *w->patterns[form]);
		text->pattern = w->pattern_count[form]++;
		w->patterns[form][text->pattern] = bytes;
	}
	expect(&w->drafts[form], w->draft_count[form], &w->draft_cap[form], 1,
	       sizeof *w->drafts[form]);
	w->drafts[form][w->draft_count[form]++] = (struct draft){*posting, text->pattern};
}

/* The separators before each kept character of a standard text. Returns false if a run is too
 * long. */
static bool find_symbols(struct words *w, struct str standard, struct symbols *out)
{
	size_t chars = utf8_count(standard);
	struct symbol_run *runs = ARENA_ARRAY(&w->e->arena, struct symbol_run, chars + 1);
	uint32_t *codes = ARENA_ARRAY(&w->e->arena, uint32_t, chars);
	uint32_t kept = 0;

	runs[0].codes = codes;
	for (size_t i = 0; i < standard.len; i += utf8_len((unsigned char)standard.data[i])) {
		uint32_t code = utf8_get(standard.data + i);
		struct spelled one;
		spelling_of_standard(FORM_LOOSE, code, &one);
		if (one.len) {
			runs[++kept].codes = codes;
			continue;
		}
		*codes++ = code;
		if (++runs[kept].count > SYMBOL_RUN_MAX)
			return false;
	}
	*out = (struct symbols){kept, runs};
	return true;
}

/* Where and how a spelling is searched under loose. Returns false after a finding. */
static bool place_loose(struct words *w, struct posting *p, enum fold_form *form,
			const struct word_place *place)
{
	*form = variant_form(FORM_LOOSE, p->written, &w->buf);
	if (*form == FORM_STANDARD || !variant_has_separators(p->written, &w->buf))
		return true;
	struct symbols *symbols = ARENA_NEW(&w->e->arena, struct symbols);
	if (!find_symbols(w, folded(w, FORM_STANDARD, p->written), symbols)) {
		findings_add(w->findings, FINDING_ERROR, place->file, place->line, place->col,
			     "more than %d separators in a row; write {word: …, fold: standard}",
			     SYMBOL_RUN_MAX);
		return false;
	}
	p->symbols = symbols;
	return true;
}

static void add_spelling(struct words *w, const struct cond *cond, struct posting *p,
			 const struct word_place *place)
{
	enum fold_form form = cond->fold;

	p->symbols = NULL;
	if (form == FORM_LOOSE && !place_loose(w, p, &form, place))
		return;
	uint32_t number = number_of(w, form, form, p->written);
	struct str bytes = str_from(w->numbers.keys[number], 1);
	if (!bytes.len) {
		findings_add(w->findings, FINDING_ERROR, place->file, place->line, place->col,
			     "nothing is left of the word after folding; write {word: …, fold: none}");
		return;
	}
	p->left = p->right = EDGE_NONE;
	if (cond->mode == MODE_EDGES) {
		bool open_left = p->symbols && p->symbols->runs[0].count;
		bool open_right = p->symbols && p->symbols->runs[p->symbols->kept].count;
		p->left = (uint8_t)(open_left ? EDGE_NONE : edge_of(bytes.data[0]));
		p->right = (uint8_t)(open_right ? EDGE_NONE : edge_of(bytes.data[bytes.len - 1]));
	}
	p->as_is = str_eq(bytes, p->written);
	if (bytes.len > UINT16_MAX) {
		findings_add(w->findings, FINDING_ERROR, place->file, place->line, place->col,
			     "the word grows beyond %d bytes by folding; shorten it", UINT16_MAX);
		return;
	}
	p->len = (uint16_t)bytes.len;
	add_draft(w, form, number, bytes, p);
}

/* ---- one word ---- */

/* The word stands for another that folds alike, too: what touches its edges is judged for both. */
static void note_twin(struct words *w, const struct numbered *first, struct str text)
{
	if (first->draft == NO_INDEX)
		return;
	struct posting *p = &w->drafts[FORM_LOOSE][first->draft].posting;
	struct str own = arena_copy(&w->scratch, folded(w, FORM_STANDARD, p->written));
	p->twins |= !str_eq(own, folded(w, FORM_STANDARD, text));
}

/* Words of a group that fold alike are one word: the first written stands for it. Separators of a
 * word are looked for, so that `+v` and `v` are two words. */
static bool is_first(struct words *w, uint32_t group, enum fold_form form, struct str text,
		     uint32_t row, uint32_t *same)
{
	bool separated = form == FORM_LOOSE && variant_has_separators(text, &w->buf);

	*same = separated ? number_of(w, FORM_COUNT, FORM_STANDARD, text)
			  : number_of(w, form, form, text);
	struct numbered *numbered = &w->texts[*same];
	if (numbered->group == group && numbered->row == row) {
		if (form == FORM_LOOSE)
			note_twin(w, numbered, text);
		return false;
	}
	numbered->group = group;
	numbered->row = row;
	numbered->draft = NO_INDEX;
	return true;
}

void words_add(struct words *w, uint32_t group, const struct cond *cond, struct str text,
	       uint32_t row, const struct word_place *place)
{
	struct variants variants;
	uint32_t same;

	variants.items[0] = text;
	variants.count = 1;
	if (!is_first(w, group, cond->fold, text, row, &same))
		return;
	if (cond->fold == FORM_LOOSE &&
	    !variants_find(&variants, text, &w->lexicons[w->pack], &w->e->arena)) {
		findings_add(w->findings, FINDING_ERROR, place->file, place->line, place->col,
			     "the word has more than %d spellings; shorten it, or its aliases",
			     VARIANTS_MAX);
		return;
	}
	uint32_t word = words_name(w, text);
	w->word[word].same = same;
	w->word[word].row = row;
	struct posting posting = {
		.group = group,
		.word = word,
		.gap = (uint8_t)(cond->gap == GAP_UNSET ? GAP_DEFAULT : cond->gap),
	};
	for (size_t i = 0; i < variants.count; i++) {
		posting.written = variants.items[i];
		posting.alias = i > 0;
		uint32_t before = w->draft_count[FORM_LOOSE];
		add_spelling(w, cond, &posting, place);
		if (i == 0 && w->draft_count[FORM_LOOSE] > before)
			w->texts[same].draft = before;
	}
}

/* ---- the end ---- */

static void keep_form(struct words *w, enum fold_form form)
{
	struct word_index *index = &w->e->words[form];
	struct arena *arena = &w->e->arena;
	uint32_t patterns = w->pattern_count[form], drafts = w->draft_count[form];

	if (!patterns)
		return;
	uint32_t *first = ARENA_ARRAY(arena, uint32_t, patterns + 1);
	index->postings = arena_alloc(arena, drafts * sizeof *index->postings);
	for (uint32_t i = 0; i < drafts; i++)
		first[w->drafts[form][i].pattern]++;
	for (uint32_t i = 0, at = 0; i <= patterns; i++) {
		uint32_t count = i < patterns ? first[i] : 0;
		first[i] = at;
		at += count;
	}
	/* Counting sort: `first` runs to the end of each pattern and is put back. */
	for (uint32_t i = 0; i < drafts; i++)
		index->postings[first[w->drafts[form][i].pattern]++] = w->drafts[form][i].posting;
	for (uint32_t i = patterns; i > 0; i--)
		first[i] = first[i - 1];
	first[0] = 0;
	index->first = first;
	index->pattern_count = patterns;
}

void words_keep(struct words *w)
{
	for (int form = 0; form < FORM_COUNT; form++)
		keep_form(w, (enum fold_form)form);
	w->e->word = arena_alloc(&w->e->arena, w->word_count * sizeof *w->word);
	w->e->word_count = w->word_count;
	if (w->word_count)
		memcpy(w->e->word, w->word, w->word_count * sizeof *w->word);
}
