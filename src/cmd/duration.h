/* duration.h - a time as people write it in options: 500ms, 30s, 10m, 2h, 7d.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#include "base/err.h"

/* Reads `text`, the value of `option` (with its dashes, for the error), into ms >= 0. */
MUST_CHECK int duration_read(const char *option, const char *text, int64_t *ms, struct err *err);
