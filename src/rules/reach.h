/* reach.h - whether a word hits wherever another one does.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A word is compared as match/ searches it (match/words.c, match/hits.c): each of its spellings by
 * itself, in its form, with the separators that may or must stand between its characters and what
 * must not touch its edges. What is said to cover does so in every text; a pair of words of which
 * nothing can be proved does not cover. Lives in the arena it was made in. Thread: any.
 */
#pragma once

#include "rules/variants.h"

/* One spelling, as it is searched. */
struct sought {
	enum fold_form form;
	struct str text;     /* in that form, what is looked for */
	struct str standard; /* the spelling in FORM_STANDARD, its separators too */
	unsigned gap;	     /* separators that may stand between characters, beside its own */
	char left, right;    /* 'a': no letter may touch this edge, '0': no digit, 0: all may */
};

struct sought_word {
	const struct sought *items;
	size_t count; /* 0: too many spellings, a finding of the engine */
};

/* How `text` is searched by `cond` (its fold, mode and gap). `buf` is for work. */
struct sought_word sought_word(const struct cond *cond, struct str text, const struct lexicon *lexicon,
			       struct arena *arena, struct buf *buf);

/* True if `word` has a hit inside each hit of `other`, in any text. */
bool sought_covers(const struct sought_word *word, const struct sought_word *other, struct arena *arena);

/* The spelling as it stands in texts of `form`, which is its own or a wider one; separators are gone
 * in the loose ones. */
struct str sought_in(const struct sought *s, enum fold_form form, struct arena *arena, struct buf *buf);

/* True unless it is sure that no hit of `word` can lie inside one of `around`. */
bool sought_may_hold(const struct sought_word *around, const struct sought_word *word,
		     struct arena *arena, struct buf *buf);
