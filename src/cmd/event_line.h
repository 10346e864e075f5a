/* event_line.h - an event as a line for a person.
 * SPDX-License-Identifier: Apache-2.0
 *
 * TIME TYPE CORP/SUBJECT PACK/RULE (CAUSE) what «words that were hit»; of texts what plain.h lets
 * through. The cause is named where it is not the rule itself. Thread: any; pure.
 */
#pragma once

#include "base/buf.h"
#include "model.h"

/* Appends the line with its newline. */
void event_line(struct buf *out, const struct event *event);
