/* rules_check.c - `chatmill rules check`: everything that is wrong in a folder of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "cmd/commands.h"
#include "cmd/trial.h"
#include "rulebook.h"
#include "rules/lint.h"

struct check_options {
	const char *staff, *cache;
	bool strict, json;
};

static int check_examples(const struct rulebook *book, struct findings *findings, struct err *err)
{
	OWNED(trial) *trial = NULL;

	if (trial_new(&trial, book, err) < 0)
		return -1;
	for (size_t i = 0; i < book->set->rule_count; i++) {
		const struct rule *rule = &book->set->rules[i];
		for (size_t k = 0; k < rule->example_count; k++) {
			const struct example *example = &rule->examples[k];
			bool as_said;
			if (trial_example(trial, rule, example, &as_said, err) < 0)
				return -1;
			if (!as_said)
				findings_add(findings, FINDING_WARNING, rule->file, example->sample->line,
					     example->sample->col,
					     "this example of «%.*s» should %s and %s; `chatmill rules "
					     "explain` tells why", STR_ARG(rule->id),
					     example->hit ? "hit" : "stay silent",
					     example->hit ? "stays silent" : "hits");
		}
	}
	return 0;
}

/* Findings of the loader and of the compiler, in one run; examples are judged by rules without
 * errors only. */
static int collect(const struct check_options *o, const char *dir, struct findings *findings,
		   struct err *err)
{
	struct ruleset *set;
	OWNED(rulebook) *book = NULL;

	struct ruleset_inputs in = {.dir = dir, .staff = o->staff, .partly = true};
	if (ruleset_load_from(&set, &in, findings, err) < 0)
		return -1;
	if (!findings->errors)
		fprintf(stderr, "%zu rules in %zu packs, %s\n", set->rule_count, set->pack_count,
			set->digest);
	ruleset_lint(set, findings);
	if (rulebook_new(&book, set, o->cache, findings, err) < 0)
		return -1;
	return findings->errors ? 0 : check_examples(book, findings, err);
}

/* One object a line, in the order of the files, and a last one if there are more than are kept. */
static void print_json(struct findings *findings)
{
	struct buf out = {0};

	findings_sort(findings);
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *it = &findings->items[i];
		buf_put(&out, STR("{\"file\":"));
		buf_put_json(&out, it->file);
		buf_printf(&out, ",\"line\":%d,\"column\":%d,\"level\":\"%s\",\"text\":", it->line, it->col,
			   it->level == FINDING_ERROR ? "error" : "warning");
		buf_put_json(&out, it->text);
		buf_put(&out, STR("}\n"));
	}
	if (findings->errors + findings->warnings > findings->count)
		buf_printf(&out, "{\"more\":%zu}\n", findings->errors + findings->warnings - findings->count);
	output_put(buf_str(&out));
	buf_fini(&out);
}

static int check(const void *options, const char *const *arguments, int argument_count,
		 struct err *err)
{
	const struct check_options *o = options;
	struct findings findings = {0};
	int status = collect(o, arguments[0], &findings, err);
	size_t errors = findings.errors, warnings = findings.warnings;

	if (o->json)
		print_json(&findings);
	else
		findings_print(&findings, stdout);
	findings_fini(&findings);
	if (status < 0 && !errors)
		return -1; /* no such folder, out of memory: not a matter of the rules */
	if (errors || warnings)
		fprintf(stderr, "%zu error%s, %zu warning%s\n", errors, errors == 1 ? "" : "s", warnings,
			warnings == 1 ? "" : "s");
	if (errors || (o->strict && warnings))
		return err_set(err, ERR_DATA, "%s", "");
	return 0;
}

static const struct option options[] = {
	{"strict", 0, OPTION_FLAG, NULL, "warnings count as errors",
	 offsetof(struct check_options, strict)},
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line for each finding; after 1,000 of them {\"more\": N}",
	 offsetof(struct check_options, json)},
	OPTION_STAFF(struct check_options),
	{"cache", 0, OPTION_TEXT, "DIR", "keep compiled rules in DIR between runs",
	 offsetof(struct check_options, cache)},
	OPTIONS_END,
};

const struct command cmd_rules_check = {
	.words = "rules check",
	.arguments = "DIR [--strict]",
	.summary = "all that is wrong in a folder of rules, in one run",
	.help = "Prints every finding as file:line:col: error|warning: what, and what to write\n"
		"instead. Errors keep the rules from being used; warnings are worth a look.\n"
		"\n"
		"examples:\n"
		"  chatmill rules check rules\n"
		"  chatmill rules check --strict rules\n"
		"\n"
		"exit status: 0 no error, 65 errors (with --strict also warnings), 66 no such folder",
	.options = options,
	.options_bytes = sizeof(struct check_options),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = check,
};
