/* linting.h - what the warnings about rules share while they are looked for. Private to rules/.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	lint.c          what is done with lists, single words, one rule after the other
 *	lint_compare.c  words of which one is enough
 *	lint_allow.c    allow words: what they contain, and what they excuse
 *	reach.c         how a word is searched, and whether it hits wherever another does
 *
 * Thread: one for each set of rules that is looked at.
 */
#pragma once

#include "base/utf8.h"
#include "rules/lint.h"
#include "rules/name_table.h"
#include "rules/reach.h"
#include "rules/vec.h"

/* A word where it stands. */
struct spot {
	struct str key; /* words that are worth a comparison have one in the other */
	const struct word *word;
	const struct cond *cond; /* how it is searched */
	struct str file;
	uint32_t source; /* which list it comes from; a word in a rule is a source of its own */
	uint32_t next, last; /* of the same key; last: at the first of them */
};

enum { SOURCE_OF_RULES = 1u << 31 }; /* from here on sources are words in rules */

typedef VEC(struct spot) spots;

/* What is done with a list, over all rules. */
struct list_use {
	struct cond cond; /* how its words are searched */
	uint32_t matches; /* places in conditions */
	bool others;	  /* in allow, ignore or except, or near: it counts how long a word is */
	VEC(const struct rule *) rules; /* that match by it */
	struct held *held; /* its words, once an allow word is looked at */
};

/* Words, to find those that stand in another one: in texts of each form. */
struct held {
	struct name_table open[FORM_COUNT];
	struct name_table edged[FORM_COUNT]; /* their edges must not be touched */
	size_t len_max[FORM_COUNT];
	bool unsure[FORM_COUNT]; /* of one nothing is left in that form */
};

/* The words below one condition of `allow`, shared by all rules of a pack. */
struct allow_word {
	const struct word *word;
	struct str file;
	struct sought_word sought;
	bool contains;
};
struct allow {
	const struct cond *cond;
	struct allow_word *words;
	size_t word_count;
};

struct lint {
	const struct ruleset *set;
	struct findings *findings;
	struct arena arena; /* until the end */
	struct arena scratch; /* of one comparison */
	struct buf buf;
	struct lexicon *lexicons; /* by pack; items NULL until it is used */
	struct list_use *uses; /* by list */
	struct name_table told; /* addresses of words that are called superfluous */
	VEC(struct allow) allows;
	enum fold_form allow_form; /* the widest in which an allow word is searched */
};

/* Words that are compared with each other, and what follows from one being enough. */
struct alternatives {
	spots spots;
	uint32_t pack;
	bool across; /* sources: words of one list were compared already */
	bool equal_only; /* a longer word does something that a shorter one does not */
	const struct rule *const *rules; /* that look for them */
	size_t rule_count;
	struct name_table names; /* key -> its first spot */
	size_t len_max;
};

#define LINT_WARN(l, file, word, ...)                                                              \
	findings_add((l)->findings, FINDING_WARNING, file, (word)->line, (word)->col, __VA_ARGS__)

/* How a word is searched in rules of `pack`; lives in `arena`. */
struct sought_word lint_search(struct lint *l, const struct cond *cond, struct str text, uint32_t pack,
			       struct arena *arena);

/* lint_compare.c: a word, or the words of a list's row, as `cond` searches them. */
void lint_add_spot(struct lint *l, spots *to, const struct cond *cond, const struct word *word,
		   struct str file, uint32_t source);
void lint_add_row(struct lint *l, spots *to, const struct cond *cond, uint32_t list,
		  const struct word_row *row);
/* Warns about those that another makes superfluous. */
void lint_compare(struct lint *l, struct alternatives *a);

/* lint_allow.c: warns about allow words that excuse nothing. */
void lint_allow(struct lint *l);
/* Can a hit of `word` be excused in one of the rules? A longer word that reaches out of the allow word
 * is not excused there. */
bool lint_may_be_excused(struct lint *l, const struct alternatives *a, const struct sought_word *word);
