/* detect.h - phone numbers, addresses, ids. Only for match/; detect_all() is in matcher.h.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: as matcher.h.
 */
#pragma once

#include "match/matcher.h"

/* What evidence names: "phone". */
struct str detect_name(enum detector is);

/* Writes what two spellings of one number or address have in common to `out`. */
void detect_normalize(enum detector is, struct str text, struct buf *out);
