/* lint.h - what is allowed in rules but hardly meant: the warnings of `rules check`.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Duplicate words, one-character words, words that another one of the same rule makes superfluous,
 * several words on a line of a word file, allow words that contain no word, rules without examples.
 * Words are compared as they are searched (rules/reach.h): what is called superfluous can go without
 * the loss of a hit. Not all that could go is found. Thread: any.
 */
#pragma once

#include "base/findings.h"
#include "rules/ruleset.h"

void ruleset_lint(const struct ruleset *set, struct findings *findings);
