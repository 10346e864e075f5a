/* rulebook.h - a rule set ready to judge: the rules and the engine compiled from them.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Immutable and counted: workers that still judge by an older set keep it alive. Thread: any; the
 * count is atomic.
 */
#pragma once

#include "match/match.h"
#include "rules/load.h"

struct rulebook {
	_Atomic int refs;
	struct ruleset *set;
	struct engine *engine;
	bool near_over_messages; /* a condition spans messages: matching needs the state */
};

/* Takes over `set` (also on failure) and compiles it. `cache_dir` as in match.h. */
MUST_CHECK int rulebook_new(struct rulebook **out, struct ruleset *set, const char *cache_dir,
			    struct findings *findings, struct err *err);
struct rulebook *rulebook_ref(struct rulebook *book);
void rulebook_free(struct rulebook *book); /* drops one reference; NULL is fine */
/* Whether somebody beside the caller has a reference. */
bool rulebook_is_shared(const struct rulebook *book);
DEFINE_OWNED(rulebook);
