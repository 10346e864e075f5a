/* plain.h - texts and names for a person's terminal: one line, no tricks; texts of messages masked.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What people write may hold escape sequences and characters that turn the line around; a terminal
 * would obey them. Thread: any; pure.
 */
#pragma once

#include "base/buf.h"

/* Appends bytes [from, to) of `text` (valid UTF-8, whole characters): runs of 7 and more digits
 * as `*` (also where only a part of the run lies in it), control characters as a blank, and
 * characters that change the direction of writing not at all. */
void plain_text(struct buf *out, struct str text, size_t from, size_t to);

/* The same of a name or an id, without the mask. */
void plain_name(struct buf *out, struct str name);

/* A text to be looked at closely: what plain_name() leaves out or blanks is written as in JSON: \n, \t,
 * \u001b, \u202e. */
void plain_shown(struct buf *out, struct str text);
