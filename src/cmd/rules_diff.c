/* rules_diff.c - `chatmill rules diff`: what other rules would have hit on the same messages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"
#include "cmd/diff.h"
#include "cmd/lines.h"
#include "rules_open.h"

struct diff_options {
	const char *staff, *corp;
	bool json;
};

static int take(void *context, const struct reading *reading, struct err *err)
{
	diff_take(context, reading);
	return 0;
}

static int run(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct diff_options *o = given;
	struct pipeline_settings settings = {.decode = {.corpid = str_of(o->corp)},
					     .react = {.hits = true}};
	OWNED(rulebook) *before = NULL;
	OWNED(rulebook) *after = NULL;
	OWNED(diff) *diff = NULL;

	if (corp_check(o->corp, err) < 0 || rules_open(&before, arguments[0], o->staff, NULL, err) < 0 ||
	    rules_open(&after, arguments[1], o->staff, NULL, err) < 0 ||
	    diff_new(&diff, before, after, 1, &settings, err) < 0)
		return -1;
	struct lines_settings how = {
		.pipeline = &settings, .book = before, .jobs = 1, .take = take, .context = diff};
	if (lines_read(&how, arguments + 2, count - 2, err) < 0)
		return -1;
	return diff_print(diff, o->json) ? err_set(err, ERR_NO, "%s", "") : 0;
}

static const struct option options[] = {
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line instead of the table",
	 offsetof(struct diff_options, json)},
	{"corp", 0, OPTION_TEXT, "ID", "the corp of records that name none",
	 offsetof(struct diff_options, corp)},
	OPTION_STAFF(struct diff_options),
	OPTIONS_END,
};

const struct command cmd_rules_diff = {
	.words = "rules diff",
	.arguments = "OLD NEW FILE…",
	.summary = "what a change of rules adds and takes away on messages of the past",
	.help = "Judges the messages of FILE (NDJSON, plain or zstd; - for standard input) by the rules\n"
		"of both folders and counts, for each rule, the messages that it hits in addition, no\n"
		"longer, and as before, with the first three examples of each change. Long numbers in\n"
		"examples are masked. The same bytes on every run.\n"
		"\n"
		"examples:\n"
		"  chatmill rules diff rules rules.new last-week.jsonl.zst\n"
		"\n"
		"exit status: 0 no difference, 1 a difference, 65 bad rules or input, 66 no such file",
	.options = options,
	.options_bytes = sizeof(struct diff_options),
	.arguments_min = 3,
	.arguments_max = -1,
	.run = run,
};
