/* cmd.h - commands and their options: one table, from which parsing, --help and errors are made.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A command is a row of `commands` in commands.c: its words ("rules check"), its options, its help
 * with examples, and the function that does it. A file cmd/NAME.c holds one command.
 *
 * Thread: commands run on that of main(); the tables are constant.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum option_kind {
	OPTION_FLAG,   /* --strict: bool */
	OPTION_TEXT,   /* --rules DIR: const char * */
	OPTION_NUMBER, /* --limit N: int64_t, at least `least` */
};

struct option {
	const char *name;  /* without the dashes */
	char letter;	   /* 0: none */
	enum option_kind kind;
	const char *value; /* "DIR", for --help; NULL for a flag */
	const char *help;
	size_t offset;	   /* of the field in the command's own struct of options */
	int64_t least;	   /* OPTION_NUMBER */
	bool required;
	const char *needs; /* means nothing without this option; NULL: none */
};

#define OPTIONS_END {0}

/* Rows that many commands have; `type` is the command's struct of options, with a field `file`,
 * `insecure`, `json` or `staff`. */
#define OPTION_CONFIG(type)                                                                        \
	{"config", 'c', OPTION_TEXT, "FILE", "the configuration file", offsetof(type, file), 0, true}
#define OPTION_INSECURE(type)                                                                      \
	{"insecure", 0, OPTION_FLAG, NULL, "allow settings that do not verify the servers",        \
	 offsetof(type, insecure)}
#define OPTION_JSON(type)                                                                          \
	{"json", 0, OPTION_FLAG, NULL, "one JSON object a line", offsetof(type, json)}
#define OPTION_STAFF(type)                                                                         \
	{"staff", 0, OPTION_TEXT, "FILE", "directory file: userid or userid,department a line",    \
	 offsetof(type, staff)}

struct command {
	const char *words;	 /* "scan", "rules check" */
	const char *arguments;	 /* "--rules DIR [FILE…|-]" */
	const char *summary;	 /* half a sentence, for the list of commands */
	const char *help;	 /* paragraphs and examples */
	const struct option *options;
	size_t options_bytes;	 /* size of the struct of options; zeroed, then filled */
	int arguments_min, arguments_max; /* how many plain arguments; -1: any number */
	/* Does the command. Returns 0, or -1 with err (its kind is the exit status). An answer
	 * «no» is err_set(err, ERR_NO, "") with an empty text: nothing more is printed. */
	int (*run)(const void *options, const char *const *arguments, int argument_count,
		   struct err *err);
	bool hidden; /* for builds and packages; not in the list of commands */
};

/* Every command of the program, ended by NULL; in commands.c. */
extern const struct command *const commands[];

/* Reads argv (behind the command's words) into `options` and *arguments (pointing into argv;
 * `--` ends options, `-` is an argument). */
MUST_CHECK int options_parse(const struct command *command, int argc, char **argv, void *options,
			     const char **arguments, int *argument_count, struct err *err);

/* ERR_USAGE where `path` (or NULL), a file that --`option` writes, is "-": standard output has the
 * command's own data. */
MUST_CHECK int output_check(const char *option, const char *path, struct err *err);
/* Whether `corp`, of --corp (or NULL), can be that of records that name none; else ERR_USAGE. */
MUST_CHECK int corp_check(const char *corp, struct err *err);

/* Writes to standard output. What did not get there is told by main(), which looks at the stream. */
static inline void output_put(struct str text)
{
	if (text.len)
		(void)fwrite(text.data, 1, text.len, stdout);
}

/* --help of one command, to `out`. */
void options_help(const struct command *command, FILE *out);
