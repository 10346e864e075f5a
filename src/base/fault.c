/* fault.c - ends the program at a place that a test has chosen. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_OF_SIGKILL = 137 };

/* Set once at start, except for the count: a fault belongs to the process, not to an object. */
static char wanted[64];
static _Atomic long passes_left;

void fault_init(void)
{
	const char *text = getenv("CHATMILL_FAULT");
	const char *colon = text ? strrchr(text, ':') : NULL;

	if (!colon || (size_t)(colon - text) >= sizeof wanted)
		return;
	memcpy(wanted, text, (size_t)(colon - text));
	wanted[colon - text] = '\0';
	passes_left = atol(colon + 1);
}

void fault_point(const char *name)
{
	if (LIKELY(!wanted[0]) || strcmp(wanted, name) != 0)
		return;
	if (atomic_fetch_sub(&passes_left, 1) == 1)
		_exit(STATUS_OF_SIGKILL);
}
