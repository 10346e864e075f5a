/* main.c - finds the command, hands it its options, and turns its error into an exit status. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/fault.h"
#include "cmd/cmd.h"
#include "cmd/version.h"

static void list_commands(FILE *out)
{
	fprintf(out, "usage: chatmill COMMAND [OPTION…] [ARGUMENT…]\n\n"
		     "Turns archived customer conversations into tags, stages and alerts.\n\n"
		     "commands:\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			fprintf(out, "  %-18s %s\n", (*c)->words, (*c)->summary);
	fprintf(out, "\nchatmill COMMAND --help tells more; chatmill --version names the libraries.\n");
}

/* Whether the command's words are the first words of argv; `used` then says how many. */
static bool is_command(const char *words, int argc, char **argv, int *used)
{
	struct str rest = str_of(words);

	*used = 0;
	while (rest.len) {
		const char *blank = memchr(rest.data, ' ', rest.len);
		struct str word = {rest.data, blank ? (size_t)(blank - rest.data) : rest.len};
		if (*used >= argc || !str_eq(word, str_of(argv[*used])))
			return false;
		(*used)++;
		rest = str_from(rest, word.len + (blank != NULL));
	}
	return true;
}

static int unknown_command(int argc, char **argv)
{
	const char *names[128];
	size_t count = 0;
	char typed[128];
	bool family = false;

	(void)snprintf(typed, sizeof typed, "%s", argv[0]);
	for (const struct command *const *c = commands; *c && count < ARRAY_LEN(names); c++) {
		names[count++] = (*c)->words;
		size_t len = strlen(argv[0]);
		family |= !strncmp((*c)->words, argv[0], len) && (*c)->words[len] == ' ';
	}
	if (family && argc > 1)
		(void)snprintf(typed, sizeof typed, "%s %s", argv[0], argv[1]);
	const char *nearest = str_nearest(str_of(typed), names, count);
	fprintf(stderr, "chatmill: unknown command '%s'", typed);
	if (nearest)
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fprintf(stderr, "\nchatmill --help lists the commands.\n");
	return ERR_USAGE;
}

/* `chatmill rules --help`: the commands that begin with this word. False: there are none. */
static bool list_family(const char *word, FILE *out)
{
	size_t len = strlen(word);
	bool any = false;

	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden || strncmp((*c)->words, word, len) != 0 || (*c)->words[len] != ' ')
			continue;
		fprintf(out, "  chatmill %-18s %s\n", (*c)->words, (*c)->summary);
		any = true;
	}
	return any;
}

static bool holds(int argc, char **argv, const char *option)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], option))
			return true;
	return false;
}

static bool wants_help(int argc, char **argv)
{
	return holds(argc, argv, "--help") || holds(argc, argv, "-h");
}

/* `chatmill scan … | head -1` ends as programs of Unix do: silently, by the signal. */
static void end_without_reader(void)
{
	struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};

	if (poll(&out, 1, 0) > 0 && out.revents & POLLERR) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
}

/* Nobody outside can tell a machine without memory or disk space from another passing failure. */
static int status_of(enum err_kind kind)
{
	return (int)(kind == ERR_OS ? ERR_RETRY : kind);
}

/* What stdout could not take must not look like success (a full disk, a closed pipe). `words` is the
 * command's, or empty. */
static int finish_output(const char *words)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	end_without_reader();
	fprintf(stderr, "chatmill%s%s: standard output could not be written\n", *words ? " " : "", words);
	return status_of(ERR_OS);
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct err err = {0};
	OWNED_MEM void *options = calloc(1, MAX(command->options_bytes, (size_t)1));
	OWNED_MEM const char **arguments = calloc((size_t)argc + 1, sizeof *arguments);
	int argument_count;

	if (!options || !arguments)
		return status_of(ERR_OS);
	if (wants_help(argc, argv)) {
		options_help(command, stdout);
		return finish_output(command->words);
	}
	if (holds(argc, argv, "--version")) {
		version_print(stdout);
		return finish_output(command->words);
	}
	if (options_parse(command, argc, argv, options, arguments, &argument_count, &err) < 0 ||
	    command->run(options, arguments, argument_count, &err) < 0) {
		if (ferror(stdout))
			end_without_reader();
		if (err.text[0])
			fprintf(stderr, "chatmill %s: %s\n", command->words, err.text);
		return status_of(err.kind);
	}
	return finish_output(command->words);
}

/* A standard stream that was closed at start is the null device, so that no file is opened under its
 * number and written to in its place. It is opened the other way round: reading and writing fail as
 * they do on what is closed. */
static bool fill_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	const struct command *best = NULL;
	int best_used = 0;

	if (!fill_streams())
		return status_of(ERR_OS);
	bug_init();
	fault_init();
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of write(), not our end */
	argc--;
	argv++;
	if (argc == 0) {
		list_commands(stderr);
		return ERR_USAGE;
	}
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h") || !strcmp(argv[0], "help")) {
		list_commands(stdout);
		return finish_output("");
	}
	if (!strcmp(argv[0], "--version")) {
		version_print(stdout);
		return finish_output("");
	}
	for (const struct command *const *c = commands; *c; c++) {
		int used;
		if (is_command((*c)->words, argc, argv, &used) && used > best_used) {
			best = *c;
			best_used = used;
		}
	}
	if (!best && argc > 1 && wants_help(argc - 1, argv + 1) && list_family(argv[0], stdout))
		return finish_output("");
	if (!best)
		return unknown_command(argc, argv);
	return run_command(best, argc - best_used, argv + best_used);
}
