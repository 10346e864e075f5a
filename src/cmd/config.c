/* config.c - `chatmill config check` and `config show`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "brokers.h"
#include "cmd/commands.h"
#include "kafka/settings.h"
#include "store/pg.h"

struct config_options {
	const char *file;
	bool insecure;
};

/* Prints every property that librdkafka or we refuse; returns their number. */
static int check_kafka(const struct config *config, const char *file)
{
	bool brokers = false;
	int wrong = 0;

	for (size_t i = 0; i < config->kafka.count; i++) {
		const struct property *p = &config->kafka.items[i];
		struct err why = {0};
		brokers |= !strcmp(p->name, "bootstrap.servers");
		if (kafka_property_check(p->name, p->value, false, &why) == 0)
			continue;
		fprintf(stderr, "%s:%d:%d: error: %s\n", file, p->line, p->col, why.text);
		wrong++;
	}
	if (!brokers)
		fprintf(stderr, "%s: warning: kafka has no bootstrap.servers; run, load and sink "
				"need it\n",
			file);
	return wrong;
}

/* Prints every key that libpq or we refuse, and warns of a server that is not verified. */
static int check_postgres(const struct config *config, const char *file)
{
	const char *host = "/", *sslmode = "prefer"; /* as libpq has them */
	int wrong = 0;

	for (size_t i = 0; i < config->postgres.count; i++) {
		const struct property *p = &config->postgres.items[i];
		struct err why = {0};
		host = !strcmp(p->name, "host") ? p->value : host;
		sslmode = !strcmp(p->name, "sslmode") ? p->value : sslmode;
		if (pg_setting_check(&(struct pg_setting){p->name, p->value}, &why) == 0)
			continue;
		fprintf(stderr, "%s:%d:%d: error: %s\n", file, p->line, p->col, why.text);
		wrong++;
	}
	bool local = host[0] == '/' || !strcmp(host, "localhost") || !strncmp(host, "127.", 4) ||
		     !strcmp(host, "::1");
	if (!local && strcmp(sslmode, "verify-full") != 0)
		fprintf(stderr, "%s: warning: postgres.sslmode is %s: the server is not verified; "
				"write verify-full, and sslrootcert\n",
			file, sslmode);
	return wrong;
}

static int check(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct config_options *o = given;
	OWNED(config) *config = NULL;

	(void)arguments;
	(void)count;
	if (config_open(&config, o->file, err) < 0 || brokers_check(config, o->insecure, err) < 0)
		return -1;
	int wrong = check_kafka(config, o->file) + check_postgres(config, o->file);
	if (wrong > 0)
		return err_set(err, ERR_CONFIG, "%s: %d properties are wrong", o->file, wrong);
	fprintf(stderr, "%s: ok\n", o->file);
	return 0;
}

static int show(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct config_options *o = given;
	OWNED(config) *config = NULL;

	(void)arguments;
	(void)count;
	if (config_open(&config, o->file, err) < 0)
		return -1;
	config_show(config, stdout);
	return 0;
}

static const struct option options[] = {
	OPTION_CONFIG(struct config_options),
	OPTION_INSECURE(struct config_options),
	OPTIONS_END,
};

const struct command cmd_config_check = {
	.words = "config check",
	.arguments = "-c FILE",
	.summary = "say everything that is wrong with a configuration file",
	.help = "Reads the file and the environment as every command does and prints all that is\n"
		"wrong as file:line:col: error: what. `config show` lists every key and value.\n"
		"\n"
		"example:\n"
		"  chatmill config check -c chatmill.yaml\n"
		"\n"
		"exit status: 0 fine, 66 no such file, 78 wrong configuration",
	.options = options,
	.options_bytes = sizeof(struct config_options),
	.run = check,
};

const struct command cmd_config_show = {
	.words = "config show",
	.arguments = "-c FILE",
	.summary = "every value and where it came from, secrets masked",
	.help = "Prints `key: value  # origin` for every key; the origin is default, file or\n"
		"environment. Secrets are shown as ***.\n"
		"\n"
		"example:\n"
		"  CHATMILL_WORKERS=4 chatmill config show -c chatmill.yaml",
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

	(void)arguments;
	(void)count;
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
	.help = "Prints schemas/config.schema.json, deploy/chatmill.yaml or docs/configuration.md.",
	.options = describe_table,
	.options_bytes = sizeof(struct describe_options),
	.run = describe,
	.hidden = true,
};
