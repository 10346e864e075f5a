/* match.h - finds which rules hold for a message, and every place that made them hold.
 * SPDX-License-Identifier: Apache-2.0
 *
 * An engine is everything compiled from a ruleset for searching (Hyperscan's databases, tries of
 * words, where each pattern belongs): immutable, shared by all workers. A matcher is the working
 * memory of one worker (scratch, room for hits) and holds no rules: each scan names the engine.
 *
 * Thread: any for an engine; a matcher belongs to one worker.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/findings.h"
#include "model.h"
#include "rules/ruleset.h"

struct engine;
struct matcher;

/* Compiles `set`, which must outlive the engine. Patterns that Hyperscan refuses, or that are too
 * dear, become findings with the place of the rule. `cache_dir` (NULL: none) keeps compiled
 * databases between runs, keyed by patterns, library and processor. */
MUST_CHECK int engine_new(struct engine **out, const struct ruleset *set, const char *cache_dir,
			  struct findings *findings, struct err *err);
void engine_free(struct engine *e); /* NULL is fine */
/* Memory of its databases and tries. */
size_t engine_bytes(const struct engine *e);
DEFINE_OWNED(engine);

/* The forms (bit 1 << enum fold_form) that messages must be folded into for this engine. */
unsigned engine_forms(const struct engine *e);

MUST_CHECK int matcher_new(struct matcher **out, struct err *err);
void matcher_free(struct matcher *m); /* NULL is fine */
DEFINE_OWNED(matcher);

/* Makes room for `engine`. Needed once for each engine before it is used. */
MUST_CHECK int matcher_fit(struct matcher *m, const struct engine *engine, struct err *err);

/* Finds all rules of the engine's set that hold for `message`. folded[form][i] is text i of the
 * message in that form (only the forms of engine_forms() are looked at). `open` are the parts of
 * near-over-messages conditions that earlier messages left open. The result lives in `arena`.
 * Hot path: runs once for each message, allocates nothing, cannot fail. */
struct matches matcher_scan(struct matcher *m, const struct engine *engine,
			    const struct message *message,
			    const struct folded *const folded[FORM_COUNT],
			    const struct near_part *open, size_t open_count, struct arena *arena);

/* Version of the linked Hyperscan. Static. */
const char *match_library_version(void);
