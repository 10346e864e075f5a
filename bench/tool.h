/* tool.h - what the programs of bench/ share: their end, and their options.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	exit(70);
}

/* An option and its value: a text or a number, the other NULL. */
struct tool_option {
	const char *name, **text;
	int *number;
};

/* Reads pairs of option and value; ends the program for one that `table` does not name. */
static inline void tool_options(int argc, char **argv, const struct tool_option *table, size_t count)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		size_t k = 0;
		while (k < count && strcmp(table[k].name, argv[i]))
			k++;
		if (k == count)
			die(argv[i], "no such option");
		if (table[k].text)
			*table[k].text = argv[i + 1];
		else
			*table[k].number = atoi(argv[i + 1]);
	}
}
