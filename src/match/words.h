/* words.h - from the words of the rules to patterns and postings, while an engine is made.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any, one for each engine that is made.
 */
#pragma once

#include "match/engine.h"
#include "match/map.h"
#include "rules/variants.h"

/* Where a word stands in the rules. */
struct word_place {
	struct str file;
	int line, col;
};

struct words {
	struct engine *e;
	struct findings *findings;
	struct arena scratch; /* until words_fini() */
	struct buf buf;
	struct map numbers; /* form and folded text -> number of the text */
	struct numbered {
		uint32_t group, row; /* that such a word was last added to; each is filled at once */
		uint32_t pattern;    /* of its form; NO_INDEX: none */
		uint32_t draft;	     /* of that word's own spelling under loose; NO_INDEX: none */
	} *texts;		     /* by number */
	uint32_t text_cap;
	struct str *patterns[FORM_COUNT]; /* the folded texts, in the order of their numbers */
	uint32_t pattern_count[FORM_COUNT], pattern_cap[FORM_COUNT];
	struct draft {
		struct posting posting;
		uint32_t pattern;
	} *drafts[FORM_COUNT];
	uint32_t draft_count[FORM_COUNT], draft_cap[FORM_COUNT];
	struct engine_word *word;
	uint32_t word_count, word_cap;
	struct lexicon *lexicons; /* by pack; items NULL until the pack is used */
	uint32_t pack;
};

void words_init(struct words *w, struct engine *e, struct findings *findings);
void words_fini(struct words *w);

/* The pack whose aliases count from now on. */
void words_use_pack(struct words *w, uint32_t pack);

/* So many words for `cond` will come: room for them at once. */
void words_expect(struct words *w, const struct cond *cond, size_t more);

/* Adds `text` as `cond` searches it to `group`. What cannot be searched becomes a finding. */
void words_add(struct words *w, uint32_t group, const struct cond *cond, struct str text,
	       uint32_t row, const struct word_place *place);

/* A word that only names something in evidence: a regex, a detector. */
uint32_t words_name(struct words *w, struct str text);

/* Hands patterns, postings and words to the engine. */
void words_keep(struct words *w);
