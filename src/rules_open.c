/* rules_open.c - loads, compiles, and tells what is wrong. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules_open.h"

static void print_errors(struct findings *findings)
{
	size_t kept = 0;

	for (size_t i = 0; i < findings->count; i++)
		if (findings->items[i].level == FINDING_ERROR)
			findings->items[kept++] = findings->items[i];
	findings->count = kept;
	findings->warnings = 0;
	findings_print(findings, stderr);
}

int rules_open_from(struct rulebook **out, const struct ruleset_inputs *in, const char *cache_dir,
		    struct err *err)
{
	struct findings findings = {0};
	struct ruleset *set;
	int status = ruleset_load_from(&set, in, &findings, err);

	if (status == 0)
		status = rulebook_new(out, set, cache_dir, &findings, err);
	if (findings.errors)
		print_errors(&findings);
	findings_fini(&findings);
	return status;
}

int rules_open(struct rulebook **out, const char *dir, const char *staff, const char *cache_dir,
	       struct err *err)
{
	struct ruleset_inputs in = {.dir = dir, .staff = staff};

	return rules_open_from(out, &in, cache_dir, err);
}
