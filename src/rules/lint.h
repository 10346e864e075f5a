/* lint.h - what is allowed in rules but hardly meant: the warnings of `rules check`.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Duplicate words, one-character words, words that a shorter one of the same rule makes
 * superfluous, several words on a line of a word file, allow words that contain no word, rules
 * without examples. Words are compared as they fold (rules/spelling.h). Thread: any.
 */
#pragma once

#include "base/findings.h"
#include "rules/ruleset.h"

void ruleset_lint(const struct ruleset *set, struct findings *findings);
