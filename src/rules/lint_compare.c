/* lint_compare.c - words that say nothing more than another one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/linting.h"
#include "rules/spelling.h"

enum { NO_SPOT = UINT32_MAX };

/* ---- words and their keys ---- */

/* The standard form with look-alike letters as in the loose one, and with its separators. */
static struct str key_of(struct lint *l, struct str text)
{
	struct spelled one;

	buf_clear(&l->buf);
	spelling_put(FORM_STANDARD, text, &l->buf);
	struct str standard = arena_copy(&l->scratch, buf_str(&l->buf));
	buf_clear(&l->buf);
	for (size_t i = 0, len; i < standard.len; i += len) {
		len = utf8_len((unsigned char)standard.data[i]);
		spelling_of_standard(FORM_LOOSE, utf8_get(standard.data + i), &one);
		buf_put(&l->buf, one.len ? (struct str){one.bytes, one.len}
					 : (struct str){standard.data + i, len});
	}
	struct str key = arena_copy(&l->arena, buf_str(&l->buf));
	arena_reset(&l->scratch);
	return key;
}

void lint_add_spot(struct lint *l, spots *to, const struct cond *cond, const struct word *word,
		   struct str file, uint32_t source)
{
	struct str key = key_of(l, word->text);

	if (key.len) /* else nothing is left of it, a finding of the engine */
		*VEC_ADD(&l->arena, to) = (struct spot){key, word, cond, file, source, NO_SPOT, NO_SPOT};
}

void lint_add_row(struct lint *l, spots *to, const struct cond *cond, uint32_t list,
		  const struct word_row *row)
{
	for (size_t i = 0; i < row->word_count; i++)
		lint_add_spot(l, to, cond, &row->words[i], row->file, list);
}

/* ---- words that say nothing more ---- */

/* May `spot` be taken out without a loss elsewhere? A list may be looked for without the other. */
static bool is_removable(const struct lint *l, const struct alternatives *a, const struct spot *spot)
{
	if (!a->across || spot->source >= SOURCE_OF_RULES)
		return true;
	return l->uses[spot->source].matches == 1 && !l->uses[spot->source].others;
}

/* Of a word in a list nothing is said a second time for each rule. */
static bool is_news(struct lint *l, const struct word *word)
{
	struct str key = {(const char *)&word, sizeof word};
	uint32_t known;

	if (name_table_find(&l->told, key, &known))
		return false;
	name_table_add(&l->told, &l->arena, arena_copy(&l->arena, key), 0);
	return true;
}

/* ---- emoticons ---- */

static size_t count_byte(struct str s, char byte)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += s.data[i] == byte;
	return count;
}

/* Whether `s` stands in `around` so that it splits no emoticon and is no mere emoticon: with all the
 * brackets of `around`, and something before or behind them. */
static bool keeps_emoticons(const struct sought *s, const struct sought *around)
{
	struct str own = s->standard, all = around->standard;

	return count_byte(own, '[') == count_byte(all, '[') && count_byte(own, ']') == count_byte(all, ']') &&
	       !(str_starts(own, STR("[")) && str_ends(own, STR("]")));
}

/* May a hit of `around` count while that of `word` inside it is dropped as one in an emoticon? Which names
 * are emoticons is not known here: all brackets are taken for some. */
static bool may_split_emoticon(const struct alternatives *a, const struct sought_word *word,
			       const struct sought_word *around)
{
	bool excluded = false;

	for (size_t i = 0; i < a->rule_count; i++)
		excluded |= a->rules[i]->filter.emoticons != INCLUDE;
	for (size_t k = 0; excluded && k < around->count; k++) {
		struct str all = around->items[k].standard;
		const char *open = memchr(all.data, '[', all.len);
		if (!open || !memchr(open, ']', (size_t)(all.data + all.len - open)))
			continue;
		for (size_t i = 0; i < word->count; i++)
			if (!keeps_emoticons(&word->items[i], &around->items[k]))
				return true;
	}
	return false;
}

/* ---- what is said ---- */

/* Of two words that hit alike the second goes, unless only the first can. */
static bool report_same(struct lint *l, const struct alternatives *a, const struct spot *spot,
			const struct spot *other)
{
	const struct spot *second = MAX(spot, other), *first = MIN(spot, other);
	const struct spot *gone = is_removable(l, a, second) ? second : first;

	if (spot != gone || !is_removable(l, a, spot))
		return false;
	if (is_news(l, spot->word))
		LINT_WARN(l, spot->file, spot->word, "duplicate word «%.*s»; the %s is at %.*s:%d",
			  STR_ARG(spot->word->text), spot == second ? "first" : "other",
			  STR_ARG(other->file), other->word->line);
	return true;
}

/* Says of `spot` what is true of it and `other`. False: nothing, or it is said of the other. */
static bool report(struct lint *l, const struct alternatives *a, const struct spot *spot,
		   const struct spot *other)
{
	struct sought_word word, by;
	bool same = str_eq(spot->key, other->key);

	if (a->across && spot->source == other->source)
		return false;
	/* Without asking: the same word again and again. */
	if (spot < other && spot->cond == other->cond && str_eq(spot->word->text, other->word->text))
		return false;
	if (!same && !is_removable(l, a, spot))
		return false;
	arena_reset(&l->scratch);
	word = lint_search(l, spot->cond, spot->word->text, a->pack, &l->scratch);
	by = lint_search(l, other->cond, other->word->text, a->pack, &l->scratch);
	if (!sought_covers(&by, &word, &l->scratch))
		return false;
	if (same && sought_covers(&word, &by, &l->scratch))
		return report_same(l, a, spot, other);
	if (a->equal_only || !is_removable(l, a, spot) || lint_may_be_excused(l, a, &by) ||
	    (!same && may_split_emoticon(a, &by, &word)))
		return false;
	if (is_news(l, spot->word))
		LINT_WARN(l, spot->file, spot->word,
			  "«%.*s» is superfluous: the %s «%.*s» (%.*s:%d) hits wherever it does",
			  STR_ARG(spot->word->text), same ? "wider" : "shorter", STR_ARG(other->word->text),
			  STR_ARG(other->file), other->word->line);
	return true;
}

/* Is anything said about `spot` and one of the words of a key? */
static bool check_key(struct lint *l, const struct alternatives *a, uint32_t first, const struct spot *spot)
{
	for (uint32_t i = first; i != NO_SPOT; i = a->spots.items[i].next)
		if (&a->spots.items[i] != spot && report(l, a, spot, &a->spots.items[i]))
			return true;
	return false;
}

static void check_spot(struct lint *l, const struct alternatives *a, const struct spot *spot)
{
	struct str whole = spot->key;
	uint32_t first;

	if (name_table_find(&a->names, whole, &first) && check_key(l, a, first, spot))
		return;
	for (size_t at = 0; !a->equal_only && at < whole.len; at += utf8_len((unsigned char)whole.data[at])) {
		size_t len = 0;
		while (at + len < whole.len) {
			len += utf8_len((unsigned char)whole.data[at + len]);
			if (len > a->len_max)
				break;
			if (len < whole.len &&
			    name_table_find(&a->names, (struct str){whole.data + at, len}, &first) &&
			    check_key(l, a, first, spot))
				return;
		}
	}
}

/* Alternatives of one rule, or the words of one list: duplicates and shadowed words. */
void lint_compare(struct lint *l, struct alternatives *a)
{
	bool sources = false; /* more than one */
	uint32_t first;

	for (uint32_t i = 0; i < a->spots.count; i++) {
		struct spot *spot = &a->spots.items[i];
		sources |= spot->source != a->spots.items[0].source;
		if (name_table_find(&a->names, spot->key, &first)) {
			struct spot *last = &a->spots.items[a->spots.items[first].last];
			/* One of a list stands for all that are written so in it. */
			if (a->across && last->source == spot->source)
				continue;
			last->next = i;
			a->spots.items[first].last = i;
			continue;
		}
		name_table_add(&a->names, &l->arena, spot->key, i);
		spot->last = i;
		a->len_max = MAX(a->len_max, spot->key.len);
	}
	for (uint32_t i = 0; (sources || !a->across) && i < a->spots.count; i++)
		check_spot(l, a, &a->spots.items[i]);
}
