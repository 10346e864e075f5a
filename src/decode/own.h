/* own.h - parts of decode.c with a file of their own: control records and batches.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Inside of decode/ only. Shapes: CONTRACT.md section 2 and E5 of WECOM.md section 5.
 *
 * Thread: as decode.h.
 */
#pragma once

#include "decode/decoder.h"

/* Sets what d holds about the record at hand. */
void decode_begin(struct decoder *d, const struct directory *directory, const struct record *record,
                  struct arena *arena, struct message *out);
/* Parses that record and collects the members of its object. */
enum decode_result decode_open(struct decoder *d, struct object *out);

/* Reads the value of `control` into d->out (msgid, subject, by, control); returns its `at`, 0 if
 * absent. Unknown keys are skipped: a newer writer may say more. */
int64_t control_read(struct decoder *d, const struct json *j, uint32_t node);
