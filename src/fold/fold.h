/* fold.h - brings the spellings of a text together; keeps the way back to the original.
 * SPDX-License-Identifier: Apache-2.0
 *
 * RULES.md section 2 defines the forms; what happens to one character, and its name, stands in
 * rules/spelling.h. Pure. Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "model.h"

/* Folds valid UTF-8 into `form`. When nothing changes the result is the text itself (runs
 * NULL), so `text` must be readable 16 bytes before and 64 after; otherwise the result lives in
 * `arena`, with that room around it. */
struct folded fold(enum fold_form form, struct str text, struct arena *arena);
