/* variants.c - replaces parts of a word by their other spellings, in all combinations. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/variants.h"

#include "rules/spelling.h"

enum { STEPS_MAX = 100 * 1000 }; /* a spelling that holds its own word goes round for ever */

struct search {
	struct variants *v;
	const struct lexicon *lexicon;
	struct arena *arena;
	struct str word; /* standard form */
	struct buf made; /* the spelling up to here */
	unsigned steps;
	bool full;
};

static struct str folded_copy(struct str text, struct buf *buf, struct arena *arena)
{
	buf_clear(buf);
	spelling_put(FORM_STANDARD, text, buf);
	return arena_copy(arena, buf_str(buf));
}

static void fold_alias(struct alias *to, const struct alias *from, struct buf *buf,
		       struct arena *arena)
{
	struct str *spellings = ARENA_ARRAY(arena, struct str, from->spellings.count);

	for (size_t i = 0; i < from->spellings.count; i++)
		spellings[i] = folded_copy(from->spellings.items[i], buf, arena);
	to->word = folded_copy(from->word, buf, arena);
	to->spellings = (struct strs){spellings, from->spellings.count};
}

struct lexicon lexicon_make(const struct pack *pack, struct arena *arena)
{
	size_t count = spelling_homophone_count + pack->alias_count;
	struct alias *items = ARENA_ARRAY(arena, struct alias, count);
	struct buf buf = {0};

	for (size_t i = 0; i < spelling_homophone_count; i++)
		fold_alias(&items[i], &spelling_homophones[i], &buf, arena);
	for (size_t i = 0; i < pack->alias_count; i++)
		fold_alias(&items[spelling_homophone_count + i], &pack->aliases[i], &buf, arena);
	buf_fini(&buf);
	return (struct lexicon){items, count};
}

static void add(struct search *s)
{
	struct str made = buf_str(&s->made);

	if (str_eq(made, s->word) || made.len == 0)
		return;
	for (size_t i = 1; i < s->v->count; i++)
		if (str_eq(s->v->items[i], made))
			return;
	if (s->v->count == VARIANTS_MAX + 1) {
		s->full = true;
		return;
	}
	s->v->items[s->v->count++] = arena_copy(s->arena, made);
}

static void search_from(struct search *s, size_t at)
{
	size_t len = s->made.len;

	if (++s->steps > STEPS_MAX)
		s->full = true;
	if (s->full)
		return;
	if (at == s->word.len) {
		add(s);
		return;
	}
	unsigned step = utf8_len((unsigned char)s->word.data[at]);
	buf_put(&s->made, (struct str){s->word.data + at, step});
	search_from(s, at + step);
	s->made.len = len;
	for (size_t i = 0; i < s->lexicon->count; i++) {
		const struct alias *alias = &s->lexicon->items[i];
		if (!alias->word.len || !str_starts(str_from(s->word, at), alias->word))
			continue;
		for (size_t k = 0; k < alias->spellings.count; k++) {
			buf_put(&s->made, alias->spellings.items[k]);
			search_from(s, at + alias->word.len);
			s->made.len = len;
		}
	}
}

static bool holds_any(const struct lexicon *lexicon, struct str word)
{
	for (size_t i = 0; i < lexicon->count; i++) {
		struct str key = lexicon->items[i].word;
		if (key.len && key.len <= word.len && memmem(word.data, word.len, key.data, key.len))
			return true;
	}
	return false;
}

bool variants_find(struct variants *v, struct str word, const struct lexicon *lexicon,
		   struct arena *arena)
{
	struct buf standard = {0};
	struct search s = {.v = v, .lexicon = lexicon, .arena = arena};

	v->items[0] = word;
	v->count = 1;
	spelling_put(FORM_STANDARD, word, &standard);
	s.word = buf_str(&standard);
	if (s.word.len && holds_any(lexicon, s.word))
		search_from(&s, 0);
	buf_fini(&standard);
	buf_fini(&s.made);
	return !s.full;
}

/* ---- how one is searched ---- */

static struct str put_standard(struct str text, struct buf *buf)
{
	buf_clear(buf);
	spelling_put(FORM_STANDARD, text, buf);
	return buf_str(buf);
}

bool variant_has_separators(struct str text, struct buf *buf)
{
	struct str standard = put_standard(text, buf);

	for (size_t i = 0; i < standard.len; i += utf8_len((unsigned char)standard.data[i]))
		if (spelling_is_separator(utf8_get(standard.data + i)))
			return true;
	return false;
}

static bool all_digits(struct str standard)
{
	bool any = false;

	for (size_t i = 0; i < standard.len; i += utf8_len((unsigned char)standard.data[i])) {
		uint32_t code = utf8_get(standard.data + i);
		if (code >= '0' && code <= '9')
			any = true;
		else if (!spelling_is_separator(code))
			return false;
	}
	return any;
}

enum fold_form variant_form(enum fold_form fold, struct str spelling, struct buf *buf)
{
	if (fold != FORM_LOOSE)
		return fold;
	buf_clear(buf);
	spelling_put(FORM_LOOSE, spelling, buf);
	size_t others = utf8_count(buf_str(buf));
	if (others < 2 && variant_has_separators(spelling, buf))
		return FORM_STANDARD;
	return all_digits(put_standard(spelling, buf)) ? FORM_DIGITS : FORM_LOOSE;
}
