/* texts.h - collects every string of a message that a person would read, with its path.
 * SPDX-License-Identifier: Apache-2.0
 *
 * WECOM.md section 6. Decisions where it is silent:
 * - Records inside records have no limit of their own: all text of a record is searched, for a
 *   limit would be a way around. Deeper than JSON_DEPTH_MAX and JSON_LEVEL_MAX the record is a
 *   dead letter.
 * - `content` of an item is JSON in a string; an object in its place is read alike, and a string
 *   that holds no JSON object is a text itself.
 * - A known type whose body is missing, and an unknown one without a member of its own name, has
 *   all objects and arrays at the top of its message searched generically.
 * - Generically, the key of an array counts for its elements, without regard to case ("fileId");
 *   `content` beside a `type` is read as that of an item, for so does WeCom write nested things.
 * - Empty strings are no texts.
 *
 * Thread: as decode.h.
 */
#pragma once

#include "decode/decoder.h"
#include "decode/types.h"

/* Reads the body of `message` into d->out: texts, only_closing, fileext, amount_fen and
 * NOTE_UNKNOWN_TYPE. `type` may be NULL. */
void texts_read(struct decoder *d, const struct object *message, const struct type *type);
