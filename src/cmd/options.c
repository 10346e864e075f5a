/* options.c - reads options by a command's table, and prints them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "cmd/cmd.h"
#include "decode/decode.h"

enum { OPTION_NAMES_MAX = 64 };

static const struct option *find(const struct command *command, struct str name)
{
	for (const struct option *o = command->options; o && o->name; o++)
		if (str_eq(name, str_of(o->name)) || (name.len == 1 && o->letter == name.data[0]))
			return o;
	return NULL;
}

static int unknown(const struct command *command, struct str name, const char *dashes,
		   struct err *err)
{
	const char *names[OPTION_NAMES_MAX] = {"help", "version"};
	size_t count = 2;

	for (const struct option *o = command->options; o && o->name; o++)
		if (count < OPTION_NAMES_MAX)
			names[count++] = o->name;
	const char *nearest = str_nearest(name, names, count);
	if (nearest)
		return err_set(err, ERR_USAGE, "unknown option %s%.*s; did you mean --%s?", dashes,
			       STR_ARG(name), nearest);
	return err_set(err, ERR_USAGE, "unknown option %s%.*s; see chatmill %s --help", dashes,
		       STR_ARG(name), command->words);
}

static int put(const struct option *o, const char *value, void *options, struct err *err)
{
	char *field = (char *)options + o->offset;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case OPTION_TEXT:
		/* Files are called as they are; all else goes into texts that are UTF-8. */
		if (strncmp(o->value, "FILE", 4) != 0 && strcmp(o->value, "DIR") != 0 &&
		    !utf8_valid(str_of(value)))
			return err_set(err, ERR_USAGE, "--%s takes text in UTF-8", o->name);
		*(const char **)field = value;
		return 0;
	case OPTION_NUMBER:
		if (!str_to_i64(str_of(value), (int64_t *)field) || *(int64_t *)field < o->least)
			return err_set(err, ERR_USAGE,
				       "--%s takes a whole number from %lld, not '%s'", o->name,
				       (long long)o->least, value);
		return 0;
	}
	UNREACHABLE("an option's kind that is not in the enum");
}

int options_parse(const struct command *command, int argc, char **argv, void *options,
		  const char **arguments, int *argument_count, struct err *err)
{
	bool given[OPTION_NAMES_MAX] = {0};
	bool over = false; /* after -- all is an argument */

	*argument_count = 0;
	for (int i = 0; i < argc; i++) {
		struct str word = str_of(argv[i]);
		if (over || word.len < 2 || word.data[0] != '-') {
			arguments[(*argument_count)++] = argv[i];
			continue;
		}
		if (str_eq(word, STR("--"))) {
			over = true;
			continue;
		}
		bool is_long = word.data[1] == '-';
		struct str name = str_from(word, is_long ? 2 : 1);
		const char *equals = is_long ? memchr(name.data, '=', name.len) : NULL;
		if (equals)
			name.len = (size_t)(equals - name.data);
		const struct option *o = find(command, name);
		if (!o || (is_long && name.len == 1))
			return unknown(command, name, is_long ? "--" : "-", err);
		const char *value = equals ? equals + 1 : NULL;
		if (o->kind == OPTION_FLAG && value)
			return err_set(err, ERR_USAGE, "--%s takes no value", o->name);
		if (o->kind != OPTION_FLAG && !value && ++i >= argc)
			return err_set(err, ERR_USAGE, "--%s needs a value: --%s %s", o->name,
				       o->name, o->value);
		if (put(o, value ? value : argv[i], options, err) < 0)
			return -1;
		given[o - command->options] = true;
	}
	for (const struct option *o = command->options; o && o->name; o++) {
		bool is_given = given[o - command->options];
		if (o->required && !is_given)
			return err_set(err, ERR_USAGE, "--%s %s is missing; see chatmill %s --help",
				       o->name, o->value, command->words);
		if (is_given && o->needs && !given[find(command, str_of(o->needs)) - command->options])
			return err_set(err, ERR_USAGE, "--%s means nothing without --%s", o->name,
				       o->needs);
	}
	if (*argument_count < command->arguments_min ||
	    (command->arguments_max >= 0 && *argument_count > command->arguments_max))
		return err_set(err, ERR_USAGE, "usage: chatmill %s%s%s", command->words,
			       *command->arguments ? " " : "", command->arguments);
	return 0;
}

void options_help(const struct command *command, FILE *out)
{
	fprintf(out, "usage: chatmill %s%s%s\n\n%s\n", command->words,
		*command->arguments ? " " : "", command->arguments, command->help);
	if (!command->options || !command->options->name)
		return;
	fprintf(out, "\noptions:\n");
	for (const struct option *o = command->options; o->name; o++) {
		char left[64];
		(void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : "",
			       o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
			       o->value ? " " : "", o->value ? o->value : "");
		fprintf(out, "  %-26s %s\n", left, o->help);
	}
}

int output_check(const char *option, const char *path, struct err *err)
{
	if (path && !strcmp(path, "-"))
		return err_set(err, ERR_USAGE, "--%s -: standard output has other data; name a file, or ./-", option);
	return 0;
}

int corp_check(const char *corp, struct err *err)
{
	if (decode_check_corpid(str_of(corp), err) == 0)
		return 0;
	err->kind = ERR_USAGE;
	return err_wrap(err, "--corp");
}
