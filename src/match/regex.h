/* regex.h - regexes of the rules under folding. Only for match/.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A regex is searched in the folded text, so what it says literally is folded too: `微信號？` means
 * `微信号\?`. Case is Hyperscan's business (HS_FLAG_CASELESS). A character of a class that folding
 * changes could never match and is an error; a range whose ends stay is widened by what folding
 * makes of its inside, so that [一-龥] and [A-Z] mean what they say.
 *
 * Thread: any; a search as matcher.h.
 */
#pragma once

#include "base/arena.h"
#include "match/matcher.h"

/* Of one regex in one text: RULES.md section 1. The bytes are those searched again behind hits; a text
 * of less than 64 KiB does not come to so many. */
enum { REGEX_HITS_MAX = 1000, REGEX_AGAIN_BYTES_MAX = 64 << 20 };

/* Whether the place where a text begins makes a difference to a regex. */
enum start_sight {
	START_UNSEEN,
	START_WORD, /* by \b alone: only to a match that begins there */
	START_SEEN,
};

struct regex {
	hs_database_t *database;
	unsigned max_width;
	enum start_sight start;
	uint32_t group;
};

/* Writes `pattern` for text in `form`. Returns false and what is wrong, and what to write
 * instead, in `why`. */
bool regex_fold(enum fold_form form, struct str pattern, struct buf *out, char why[200]);

/* START_SEEN also where it is too hard to say: such a regex is searched more often than need be. */
enum start_sight regex_start_sight(struct str pattern);

/* Searches all regexes in text m->text of form m->form. */
void regex_find_all(struct matcher *m);
