/* discrepancy.c - the names of the kinds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/discrepancy.h"

const char *discrepancy_name(enum discrepancy_kind kind)
{
	static const char *const names[DISCREPANCY_KIND_COUNT] = {
		"lost",	       "torn",	       "doubled",      "changed",  "out_of_order",
		"unexpected",  "dead_lost",    "dead_doubled", "dead_changed", "dead_unexpected",
		"row_lost",    "row_changed",  "row_unexpected",
	};

	return names[kind];
}
