/* variants.h - all the spellings under which a word is searched.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Under `loose` the homophones that chatmill ships and the aliases of the pack may stand in a word
 * in the place of what they spell, alone or several at once.
 *
 * Thread: any, one for each engine that is made.
 */
#pragma once

#include "base/buf.h"
#include "rules/ruleset.h"

/* RULES.md section 2; beside the word itself. */
enum { VARIANTS_MAX = 256 };

/* The homophones and the aliases of a pack, folded. Lives in the arena it was made in. */
struct lexicon {
	const struct alias *items;
	size_t count;
};
struct lexicon lexicon_make(const struct pack *pack, struct arena *arena);

struct variants {
	struct str items[VARIANTS_MAX + 1]; /* the first is the word as written */
	size_t count;
};

/* Finds the spellings of `word`, each once (by its standard form). They live in `arena`. Returns
 * false if there are too many. */
bool variants_find(struct variants *v, struct str word, const struct lexicon *lexicon,
		   struct arena *arena);

/* Whether something of `text` is no more there in the loose form: it is looked for otherwise. `buf` is
 * for work; so below. */
bool variant_has_separators(struct str text, struct buf *buf);

/* The form in which a spelling of a word under `fold` is searched. Under `loose`: the standard form for
 * what holds separators and fewer than two other characters, that of digits for nothing but digits. */
enum fold_form variant_form(enum fold_form fold, struct str spelling, struct buf *buf);
