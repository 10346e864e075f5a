/* progress.h - one line for people on long work: what, how far, how fast, how long yet.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only on a terminal, at most four times a second, on standard error.
 *
 * Thread: that of the command.
 */
#pragma once

#include "base/base.h"

struct progress {
	bool on;
	int64_t started_ms, shown_ms;
};

void progress_start(struct progress *p);
/* `done` of `all` bytes (0: unknown) of `name` are read, with `records` so far. */
void progress_show(struct progress *p, const char *name, uint64_t done, uint64_t all,
		   uint64_t records);
/* Takes the line away. */
void progress_end(struct progress *p);
