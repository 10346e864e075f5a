/* compile.h - the databases of an engine, and findings for what cannot be compiled.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any, one for each engine that is made.
 */
#pragma once

#include "match/regex.h"

/* A regex on its way. */
struct draft_regex {
	struct str pattern; /* folded */
	bool caseless;
	enum start_sight start;
	uint32_t group;
	struct str file;
	int line, col;
};

struct draft_regexes {
	struct draft_regex *items[FORM_COUNT];
	uint32_t count[FORM_COUNT], cap[FORM_COUNT];
};

void regexes_add(struct draft_regexes *r, enum fold_form form, const struct draft_regex *regex);
void regexes_fini(struct draft_regexes *r);

struct words; /* words.h */

/* Compiles all words (their patterns are in `words`) and regexes of `e` and says which forms it needs.
 * A regex that is refused becomes a finding. */
MUST_CHECK int compile(struct engine *e, const struct words *words,
		       const struct draft_regexes *regexes, const char *cache_dir,
		       struct findings *findings, struct err *err);
