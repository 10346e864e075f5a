/* duration.h - a time as people write it: 500ms, 30s, 10m, 2h, 7d, 2w, 1h30m.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure, but for times that are given as how long ago. Thread: any.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* All of `text` into ms >= 0: numbers with units, from the longest unit to the shortest, or "0".
 * False if it is none. */
bool duration_parse(struct str text, int64_t *out_ms);

/* Reads `text`, the value of `option` (with its dashes, for the error). */
MUST_CHECK int duration_read(const char *option, const char *text, int64_t *ms, struct err *err);

/* A time (RFC 3339), or how long ago, into ms since 1970; *out stays if `text` is NULL. */
MUST_CHECK int duration_read_time(const char *option, const char *text, int64_t *out,
				  struct err *err);
