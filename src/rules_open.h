/* rules_open.h - rules from a folder, for whoever judges by them at once.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: that of the command; takes as long as compiling the rules.
 */
#pragma once

#include "rulebook.h"

/* Loads and compiles the folder `dir` with the directory file `staff` (or NULL); findings go to
 * standard error (errors only, not warnings: those are for `rules check`). ERR_DATA for rules
 * that are wrong. `cache_dir` (or NULL) as in match.h. */
MUST_CHECK int rules_open(struct rulebook **out, const char *dir, const char *staff,
			  const char *cache_dir, struct err *err);

/* The same with all that a rule set may be made of. */
MUST_CHECK int rules_open_from(struct rulebook **out, const struct ruleset_inputs *in,
			       const char *cache_dir, struct err *err);
