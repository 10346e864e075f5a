/* lint_allow.c - what allow words contain, and what they excuse. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/linting.h"

#include <ctype.h>

/* ---- words of allow ---- */

static void add_allow_word(struct lint *l, struct allow *allow, const struct word *word, struct str file,
			   uint32_t pack)
{
	allow->words[allow->word_count++] = (struct allow_word){
		.word = word, .file = file, .sought = lint_search(l, allow->cond, word->text, pack, &l->arena)};
}

/* A list is one, however many rules are excused by it. */
static bool is_same_allow(const struct cond *a, const struct cond *b)
{
	return a == b || (a->kind == COND_LIST && b->kind == COND_LIST && a->list == b->list);
}

/* The words of a condition of `allow`, made when they are first asked for. */
static struct allow *find_allow(struct lint *l, const struct cond *cond, uint32_t pack)
{
	for (size_t i = l->allows.count; i-- > 0;)
		if (is_same_allow(l->allows.items[i].cond, cond))
			return &l->allows.items[i];
	struct allow *allow = VEC_ADD(&l->arena, &l->allows);
	allow->cond = cond;
	size_t count = 1;
	const struct word_list *list = cond->kind == COND_LIST ? &l->set->lists[cond->list] : NULL;
	for (size_t r = 0; list && r < list->row_count; r++)
		count += list->rows[r].word_count;
	allow->words = ARENA_ARRAY(&l->arena, struct allow_word, count);
	if (cond->kind == COND_WORD)
		add_allow_word(l, allow, &cond->word, cond->file, pack);
	for (size_t r = 0; list && r < list->row_count; r++)
		for (size_t i = 0; i < list->rows[r].word_count; i++)
			add_allow_word(l, allow, &list->rows[r].words[i], list->rows[r].file, pack);
	return allow;
}

bool lint_may_be_excused(struct lint *l, const struct alternatives *a, const struct sought_word *word)
{
	for (size_t i = 0; i < a->rule_count; i++) {
		for (size_t k = 0; k < a->rules[i]->allow_count; k++) {
			struct allow *allow = find_allow(l, a->rules[i]->allow[k], a->pack);
			for (size_t n = 0; n < allow->word_count; n++)
				if (sought_may_hold(&allow->words[n].sought, word, &l->scratch, &l->buf))
					return true;
		}
	}
	return false;
}

/* ---- what allow words contain ---- */

static void hold_spelling(struct lint *l, struct held *held, const struct sought *s)
{
	for (enum fold_form form = s->form; form == s->form || form <= l->allow_form; form++) {
		bool edged = form == s->form && form <= FORM_STANDARD && (s->left || s->right);
		struct name_table *names = edged ? &held->edged[form] : &held->open[form];
		struct str text = sought_in(s, form, &l->arena, &l->buf);
		uint32_t known;
		held->unsure[form] |= !text.len;
		held->len_max[form] = MAX(held->len_max[form], text.len);
		if (text.len && !name_table_find(names, text, &known))
			name_table_add(names, &l->arena, text, 0);
	}
}

static void hold_word(struct lint *l, struct held *held, const struct cond *cond, struct str text,
		      uint32_t pack)
{
	struct sought_word word = lint_search(l, cond, text, pack, &l->arena);

	for (size_t i = 0; i < word.count; i++)
		hold_spelling(l, held, &word.items[i]);
}

static const struct held *hold_list(struct lint *l, const struct cond *cond, uint32_t pack)
{
	const struct word_list *list = &l->set->lists[cond->list];
	struct held *held = l->uses[cond->list].held;

	if (held)
		return held;
	held = l->uses[cond->list].held = ARENA_NEW(&l->arena, struct held);
	for (size_t r = 0; r < list->row_count; r++)
		for (size_t i = 0; i < list->rows[r].word_count; i++)
			hold_word(l, held, cond, list->rows[r].words[i].text, pack);
	return held;
}

static bool touches(struct str whole, size_t at)
{
	char a = at && at < whole.len ? whole.data[at - 1] : ' ', b = at < whole.len ? whole.data[at] : ' ';

	return (isalpha((unsigned char)a) && isalpha((unsigned char)b)) ||
	       (isdigit((unsigned char)a) && isdigit((unsigned char)b));
}

/* Does a word stand in `whole`, a text of `form`? With `edges` it is known what stands beside it. */
static bool holds(const struct held *held, enum fold_form form, struct str whole, bool edges)
{
	for (size_t at = 0; at < whole.len; at += utf8_len((unsigned char)whole.data[at])) {
		size_t len = 0;
		while (at + len < whole.len) {
			len += utf8_len((unsigned char)whole.data[at + len]);
			struct str piece = {whole.data + at, len};
			uint32_t found;
			if (len > held->len_max[form])
				break;
			if (name_table_find(&held->open[form], piece, &found))
				return true;
			bool free = !edges || (!touches(whole, at) && !touches(whole, at + len));
			if (free && name_table_find(&held->edged[form], piece, &found))
				return true;
		}
	}
	return held->unsure[form];
}

static bool is_held(struct lint *l, const struct held *held, const struct sought_word *around)
{
	for (size_t i = 0; i < around->count; i++) {
		const struct sought *s = &around->items[i];
		for (enum fold_form form = s->form; form < FORM_COUNT; form++) {
			if (!held->len_max[form] && !held->unsure[form])
				continue;
			arena_reset(&l->scratch);
			struct str whole = sought_in(s, form, &l->scratch, &l->buf);
			if (holds(held, form, whole, form == s->form && form <= FORM_STANDARD))
				return true;
		}
	}
	return !around->count;
}

static void mark_contains(struct lint *l, const struct rule *rule, const struct held *held)
{
	for (size_t k = 0; k < rule->allow_count; k++) {
		struct allow *allow = find_allow(l, rule->allow[k], rule->pack_index);
		for (size_t i = 0; i < allow->word_count; i++)
			if (!allow->words[i].contains)
				allow->words[i].contains = !held || is_held(l, held, &allow->words[i].sought);
	}
}

/* Holds the words of a condition; those of lists are looked at by themselves. */
static void hold_words(struct lint *l, const struct rule *rule, const struct cond *cond, struct held *held)
{
	if (cond->kind == COND_REGEX || cond->kind == COND_IS)
		mark_contains(l, rule, NULL); /* what they hit is not known here */
	if (cond->kind == COND_WORD)
		hold_word(l, held, cond, cond->word.text, rule->pack_index);
	if (cond->kind == COND_LIST)
		mark_contains(l, rule, hold_list(l, cond, rule->pack_index));
	for (size_t i = 0; i < cond->child_count; i++)
		hold_words(l, rule, cond->children[i], held);
}

static void make_allows(struct lint *l)
{
	for (size_t i = 0; i < l->set->rule_count; i++)
		for (size_t k = 0; k < l->set->rules[i].allow_count; k++)
			(void)find_allow(l, l->set->rules[i].allow[k], l->set->rules[i].pack_index);
	for (size_t i = 0; i < l->allows.count; i++)
		for (size_t k = 0; k < l->allows.items[i].word_count; k++)
			for (size_t n = 0; n < l->allows.items[i].words[k].sought.count; n++)
				l->allow_form = MAX(l->allow_form,
						    l->allows.items[i].words[k].sought.items[n].form);
}

void lint_allow(struct lint *l)
{
	make_allows(l);
	for (size_t i = 0; i < l->set->rule_count; i++) {
		const struct rule *rule = &l->set->rules[i];
		struct held held = {0};
		if (!rule->allow_count || !rule->match)
			continue;
		hold_words(l, rule, rule->match, &held);
		mark_contains(l, rule, &held);
	}
	for (size_t i = 0; i < l->allows.count; i++) {
		for (size_t k = 0; k < l->allows.items[i].word_count; k++) {
			const struct allow_word *word = &l->allows.items[i].words[k];
			if (!word->contains)
				LINT_WARN(l, word->file, word->word,
					  "allow word «%.*s» contains no word of a rule and excuses nothing; "
					  "write the whole phrase that holds the word", STR_ARG(word->word->text));
		}
	}
}
