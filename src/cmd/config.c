/* config.c - `chatmill config show`, and the table of keys for files of the repository. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "cmd/commands.h"

struct config_options {
	const char *file;
	bool json;
};

static int show(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct config_options *o = given;
	OWNED(config) *config = NULL;

	if (config_open(&config, o->file, err) < 0)
		return -1;
	config_show(config, o->json, stdout);
	return 0;
}

static const struct option options[] = {
	OPTION_CONFIG(struct config_options),
	OPTION_JSON(struct config_options),
	OPTIONS_END,
};

const struct command cmd_config_show = {
	.words = "config show",
	.arguments = "-c FILE [--json]",
	.summary = "every value and where it came from, secrets masked",
	.help = "Prints `key: value  # origin` for every key; the origin is default, file or\n"
		"environment. Secrets are shown as ***.\n"
		"\n"
		"examples:\n"
		"  CHATMILL_WORKERS=4 chatmill config show -c chatmill.yaml\n"
		"  chatmill config show -c chatmill.yaml --json\n"
		"\n"
		"exit status: 0 shown, 66 no such file, 77 not permitted, 78 wrong configuration",
	.options = options,
	.options_bytes = sizeof(struct config_options),
	.run = show,
};

struct describe_options {
	const char *format;
};

static int describe(const void *given, const char *const *arguments, int count, struct err *err)
{
	static const char *const names[] = {"schema", "example", "markdown"}; /* config_format */
	const struct describe_options *o = given;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(o->format, names[i])) {
			config_describe((enum config_format)i, stdout);
			return 0;
		}
	return err_set(err, ERR_USAGE, "--format is schema, example or markdown, not '%s'",
		       o->format);
}

static const struct option describe_table[] = {
	{"format", 0, OPTION_TEXT, "NAME", "schema, example or markdown",
	 offsetof(struct describe_options, format), 0, true},
	OPTIONS_END,
};

const struct command cmd_config_describe = {
	.words = "config describe",
	.arguments = "--format schema|example|markdown",
	.summary = "the table of keys, for files of the repository",
	.help = "Prints schemas/config.schema.json, deploy/chatmill.yaml or docs/configuration.md.\n"
		"\n"
		"example:\n"
		"  chatmill config describe --format example > chatmill.yaml",
	.options = describe_table,
	.options_bytes = sizeof(struct describe_options),
	.run = describe,
	.hidden = true,
};
