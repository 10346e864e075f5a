/* lint.c - compares words with each other, as they fold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/lint.h"

#include <ctype.h>

#include "base/buf.h"
#include "rules/names.h"
#include "rules/spelling.h"
#include "rules/vec.h"

/* A word where it stands, and as it folds. */
struct spot {
	struct str folded;
	const struct word *word;
	struct str file;
	enum word_mode mode;
	uint32_t source; /* which list it comes from; a word in a rule is a source of its own */
};

typedef VEC(struct spot) spots;

struct lint {
	const struct ruleset *set;
	struct findings *findings;
	struct arena arena; /* until the end */
	struct buf buf;
	bool *list_compared; /* by list: its words were compared with each other */
};

enum { SOURCE_OF_RULES = 1u << 31 }; /* from here on sources are words in rules */

#define WARN(l, spot, ...)                                                                         \
	findings_add((l)->findings, FINDING_WARNING, (spot)->file, (spot)->word->line,             \
		     (spot)->word->col, __VA_ARGS__)

static struct str folded(struct lint *l, enum fold_form form, struct str text)
{
	buf_clear(&l->buf);
	spelling_put(form, text, &l->buf);
	return arena_copy(&l->arena, buf_str(&l->buf));
}

static void add_spot(struct lint *l, spots *to, const struct cond *cond, const struct word *word,
		     struct str file, uint32_t source)
{
	struct str text = folded(l, cond->fold, word->text);

	if (text.len) /* nothing but separators under loose: compared as it stands nowhere */
		*VEC_ADD(&l->arena, to) = (struct spot){text, word, file, cond->mode, source};
}

/* ---- one list ---- */

static void check_single(struct lint *l, const struct word *word, struct str file, bool from_file)
{
	struct spot spot = {.word = word, .file = file};

	if (utf8_count(word->text) == 1)
		WARN(l, &spot, "«%.*s» is one character long and will hit often; write a longer word",
		     STR_ARG(word->text));
	static const char *const joints[] = {",", "，", "、", ";", "；", " ", "\t", "　"};
	for (size_t i = 0; from_file && i < ARRAY_LEN(joints); i++) {
		if (memmem(word->text.data, word->text.len, joints[i], strlen(joints[i]))) {
			WARN(l, &spot, "several words on one line? a line is one word, blanks and commas "
				       "are part of it; write one word a line");
			return;
		}
	}
}

/* Does `part` stand in `whole` at `at` as a word of its own would be found there? */
static bool found_at(const struct spot *part, struct str whole, size_t at)
{
	if (part->mode == MODE_CONTAINS)
		return true;
	unsigned char first = (unsigned char)part->folded.data[0];
	unsigned char last = (unsigned char)part->folded.data[part->folded.len - 1];
	unsigned char before = at ? (unsigned char)whole.data[at - 1] : ' ';
	size_t end = at + part->folded.len;
	unsigned char after = end < whole.len ? (unsigned char)whole.data[end] : ' ';

	return !(isalpha(first) && isalpha(before)) && !(isdigit(first) && isdigit(before)) &&
	       !(isalpha(last) && isalpha(after)) && !(isdigit(last) && isdigit(after));
}

/* The first of `all` (by `names`) that stands inside `whole` and is not `self`, or NULL. */
static const struct spot *find_inside(const spots *all, const struct names *names, size_t len_max,
				      struct str whole, const struct spot *self)
{
	for (size_t at = 0; at < whole.len; at += utf8_len((unsigned char)whole.data[at])) {
		size_t len = 0;
		while (at + len < whole.len) {
			len += utf8_len((unsigned char)whole.data[at + len]);
			uint32_t index;
			if (len > len_max)
				break;
			if (!names_find(names, (struct str){whole.data + at, len}, &index))
				continue;
			const struct spot *found = &all->items[index];
			if (found != self && found_at(found, whole, at))
				return found;
		}
	}
	return NULL;
}

/* Alternatives of one rule, or the words of one list: duplicates and shadowed words. */
static void compare(struct lint *l, const spots *all, bool across_sources)
{
	struct names names = {0};
	size_t len_max = 0;
	uint32_t index;

	for (size_t i = 0; i < all->count; i++) {
		const struct spot *spot = &all->items[i], *first;
		if (!names_find(&names, spot->folded, &index)) {
			names_add(&names, &l->arena, spot->folded, (uint32_t)i);
			len_max = MAX(len_max, spot->folded.len);
			continue;
		}
		first = &all->items[index];
		if (!across_sources || first->source != spot->source)
			WARN(l, spot, "duplicate word «%.*s»; the first is at %.*s:%d",
			     STR_ARG(spot->word->text), STR_ARG(first->file), first->word->line);
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct spot *spot = &all->items[i];
		const struct spot *inside = find_inside(all, &names, len_max, spot->folded, spot);
		if (!inside || inside->folded.len == spot->folded.len)
			continue;
		if (!across_sources || inside->source != spot->source)
			WARN(l, spot, "«%.*s» is superfluous: the shorter «%.*s» (%.*s:%d) hits wherever "
				      "it does", STR_ARG(spot->word->text), STR_ARG(inside->word->text),
			     STR_ARG(inside->file), inside->word->line);
	}
}

static void add_row(struct lint *l, spots *to, const struct cond *cond, const struct word_row *row)
{
	for (size_t i = 0; i < row->word_count; i++)
		add_spot(l, to, cond, &row->words[i], row->file, cond->list);
}

/* The words of a list among themselves, once, however many rules use it. */
static void check_list(struct lint *l, const struct cond *cond)
{
	const struct word_list *list = &l->set->lists[cond->list];

	if (l->list_compared[cond->list])
		return;
	l->list_compared[cond->list] = true;
	for (size_t r = 0; r < list->row_count; r++) {
		spots words = {0};
		for (size_t i = 0; i < list->rows[r].word_count; i++)
			check_single(l, &list->rows[r].words[i], list->rows[r].file,
				     list->rows[r].from_word_file);
		add_row(l, &words, cond, &list->rows[r]);
		compare(l, &words, false);
	}
}

/* ---- one rule ---- */

/* The words among which any one is enough. Tables stand apart: each row means another tag. */
static void gather(struct lint *l, const struct cond *cond, spots *to)
{
	const struct word_list *list;

	switch (cond->kind) {
	case COND_WORD:
		check_single(l, &cond->word, cond->file, false);
		add_spot(l, to, cond, &cond->word, cond->file, SOURCE_OF_RULES + (uint32_t)to->count);
		return;
	case COND_LIST:
		check_list(l, cond);
		list = &l->set->lists[cond->list];
		for (size_t i = 0; !list->is_table && i < list->row_count; i++)
			add_row(l, to, cond, &list->rows[i]);
		return;
	case COND_ANY:
		for (size_t i = 0; i < cond->child_count; i++)
			gather(l, cond->children[i], to);
		return;
	case COND_ALL:
	case COND_NONE:
	case COND_NEAR:
	case COND_COUNT:
		/* Each child by itself; in `near` a longer word changes the distance, so that only
		 * equal ones could be called superfluous, and they are rare. */
		for (size_t i = 0; i < cond->child_count; i++) {
			spots own = {0};
			gather(l, cond->children[i], &own);
			if (cond->kind != COND_NEAR)
				compare(l, &own, true);
		}
		return;
	case COND_REGEX:
	case COND_IS:
		return;
	}
}

/* ---- allow ---- */

struct allow_word {
	struct str folded[FORM_COUNT];
	struct spot spot;
	bool contains;
};

/* The words below one condition of `allow`, shared by all rules of a pack. */
struct allow {
	const struct cond *cond;
	struct allow_word *words;
	size_t word_count;
};

struct rule_words {
	spots spots[FORM_COUNT];
	bool others; /* regexes or detectors: what they hit is not known here */
};

static void all_words(struct lint *l, const struct cond *cond, struct rule_words *out)
{
	const struct word_list *list;

	out->others |= cond->kind == COND_REGEX || cond->kind == COND_IS;
	if (cond->kind == COND_WORD)
		add_spot(l, &out->spots[cond->fold], cond, &cond->word, (struct str){0}, 0);
	if (cond->kind == COND_LIST) {
		list = &l->set->lists[cond->list];
		for (size_t i = 0; i < list->row_count; i++)
			add_row(l, &out->spots[cond->fold], cond, &list->rows[i]);
	}
	for (size_t i = 0; i < cond->child_count; i++)
		all_words(l, cond->children[i], out);
}

static void add_allow_word(struct lint *l, const struct word *word, struct str file,
			   struct allow_word *out)
{
	out->spot = (struct spot){.word = word, .file = file};
	for (int form = 0; form < FORM_COUNT; form++)
		out->folded[form] = folded(l, (enum fold_form)form, word->text);
}

static struct allow *find_allow(struct lint *l, void *vec, const struct cond *cond)
{
	VEC(struct allow) *allows = vec;

	for (size_t i = allows->count; i-- > 0;)
		if (allows->items[i].cond == cond)
			return &allows->items[i];
	struct allow *allow = VEC_ADD(&l->arena, allows);
	allow->cond = cond;
	size_t count = 1;
	const struct word_list *list = cond->kind == COND_LIST ? &l->set->lists[cond->list] : NULL;
	for (size_t r = 0; list && r < list->row_count; r++)
		count += list->rows[r].word_count;
	allow->words = ARENA_ARRAY(&l->arena, struct allow_word, count);
	if (cond->kind == COND_WORD)
		add_allow_word(l, &cond->word, cond->file, &allow->words[allow->word_count++]);
	for (size_t r = 0; list && r < list->row_count; r++)
		for (size_t i = 0; i < list->rows[r].word_count; i++)
			add_allow_word(l, &list->rows[r].words[i], list->rows[r].file,
				       &allow->words[allow->word_count++]);
	return allow;
}

static void mark_contains(struct allow *allow, const struct rule_words *words,
			  const struct names names[FORM_COUNT])
{
	for (size_t i = 0; i < allow->word_count; i++) {
		struct allow_word *word = &allow->words[i];
		for (int form = 0; form < FORM_COUNT && !word->contains; form++)
			word->contains = words->others ||
					 find_inside(&words->spots[form], &names[form], SIZE_MAX,
						     word->folded[form], NULL);
	}
}

static void check_allow(struct lint *l)
{
	VEC(struct allow) allows = {0};
	uint32_t index;

	for (size_t i = 0; i < l->set->rule_count; i++) {
		const struct rule *rule = &l->set->rules[i];
		struct rule_words words = {0};
		struct names names[FORM_COUNT] = {0};
		if (!rule->allow_count)
			continue;
		if (rule->match)
			all_words(l, rule->match, &words);
		for (int form = 0; form < FORM_COUNT; form++)
			for (size_t k = 0; k < words.spots[form].count; k++)
				if (!names_find(&names[form], words.spots[form].items[k].folded, &index))
					names_add(&names[form], &l->arena,
						  words.spots[form].items[k].folded, (uint32_t)k);
		for (size_t k = 0; k < rule->allow_count; k++)
			mark_contains(find_allow(l, &allows, rule->allow[k]), &words, names);
	}
	for (size_t i = 0; i < allows.count; i++)
		for (size_t k = 0; k < allows.items[i].word_count; k++)
			if (!allows.items[i].words[k].contains)
				WARN(l, &allows.items[i].words[k].spot,
				     "allow word «%.*s» contains no word of a rule and excuses nothing; "
				     "write the whole phrase that holds the word",
				     STR_ARG(allows.items[i].words[k].spot.word->text));
}

void ruleset_lint(const struct ruleset *set, struct findings *findings)
{
	struct lint l = {.set = set, .findings = findings};

	l.list_compared = ARENA_ARRAY(&l.arena, bool, set->list_count + 1);
	for (size_t i = 0; i < set->rule_count; i++) {
		const struct rule *rule = &set->rules[i];
		spots words = {0};
		if (rule->match) {
			gather(&l, rule->match, &words);
			compare(&l, &words, true);
		}
		if (!rule->example_count)
			findings_add(findings, FINDING_WARNING, rule->file, rule->line, rule->col,
				     "rule «%.*s» has no example; write examples: {hit: […], miss: […]}",
				     STR_ARG(rule->id));
	}
	/* A match that could not be read may hold the word that an allow word is for. */
	if (!findings->errors)
		check_allow(&l);
	buf_fini(&l.buf);
	arena_fini(&l.arena);
}
