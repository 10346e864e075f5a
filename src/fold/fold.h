/* fold.h - brings the spellings of a text together; keeps the way back to the original.
 * SPDX-License-Identifier: Apache-2.0
 *
 * RULES.md section 2 defines the forms. The tables are made at build time from utf8proc and
 * OpenCC (fold/make_tables.*). Pure. Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "model.h"

/* Folds valid UTF-8 into `form`. When nothing changes the result is the text itself (source
 * NULL), so `text` must be readable 16 bytes before and 64 after; otherwise the result lives in
 * `arena`, with that room around it. */
struct folded fold(enum fold_form form, struct str text, struct arena *arena);

/* Which folds (FOLD_* bits) the original bytes [start, end) of `original` needed in `form`. */
uint32_t fold_names(enum fold_form form, struct str original, uint32_t start, uint32_t end);

/* Version of the tables and of the folding itself: part of every rule set's digest. */
struct str fold_version(void);
