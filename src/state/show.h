/* show.h - a subject as JSON, for people (`state show`).
 * SPDX-License-Identifier: Apache-2.0
 *
 * One object, without a newline: corpid, subject, customer, sequence, touched, disagreed, erased
 * (if so), tags, stages, windows, waits, groupings, alerts, near, remembered. Times are RFC 3339.
 * It holds ids and names, no message text (the state has none). For carrying state elsewhere there
 * is shard_each(): what stands here is not all of it.
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/buf.h"
#include "state/subject.h"

/* Appends to `out`. */
void subject_show(struct buf *out, const struct subject *s);
