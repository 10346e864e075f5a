/* progress.c - the progress line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/progress.h"

#include <unistd.h>

#include "base/clock.h"

void progress_start(struct progress *p)
{
	p->on = isatty(STDERR_FILENO) == 1;
	p->started_ms = p->shown_ms = clock_monotonic_ms();
}

void progress_show(struct progress *p, const char *name, uint64_t done, uint64_t all,
		   uint64_t records)
{
	int64_t now_ms = clock_monotonic_ms();

	if (!p->on || now_ms - p->shown_ms < 250)
		return;
	p->shown_ms = now_ms;
	double seconds = (double)MAX(now_ms - p->started_ms, (int64_t)1) / 1000;
	fprintf(stderr, "\r%s: %llu records, %.0f a second", name, (unsigned long long)records,
		(double)records / seconds);
	if (all && done && done < all)
		fprintf(stderr, ", %.0f s left", seconds * (double)(all - done) / (double)done);
	fprintf(stderr, "\033[K");
	(void)fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->on && p->shown_ms != p->started_ms)
		fprintf(stderr, "\r\033[K");
}
