/* describe.c - the table of commands as a man page and as completions of shells, and that of metrics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"
#include "metrics.h"
#include "version_number.h"

struct describe_options {
	const char *format;
};

/* The first word of a command, and what stands behind it. */
static struct str first_word(const char *words)
{
	const char *blank = strchr(words, ' ');
	return (struct str){words, blank ? (size_t)(blank - words) : strlen(words)};
}

static const char *second_word(const char *words)
{
	const char *blank = strchr(words, ' ');
	return blank ? blank + 1 : NULL;
}

/* Whether an earlier command begins with the same word. */
static bool begun_before(const struct command *const *c)
{
	for (const struct command *const *d = commands; d < c; d++)
		if (!(*d)->hidden && str_eq(first_word((*d)->words), first_word((*c)->words)))
			return true;
	return false;
}

/* ---- man page (man(7)) ---- */

/* A line of text: a backslash is escaped, and a dot at its beginning is no request. */
static void put_roff(FILE *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		bool starts = i == 0 || text.data[i - 1] == '\n';
		if (starts && (text.data[i] == '.' || text.data[i] == '\''))
			fputs("\\&", out);
		if (text.data[i] == '\\')
			fputs("\\e", out);
		else if (text.data[i] == '-')
			fputs("\\-", out);
		else
			fputc(text.data[i], out);
	}
}

static void man_command(const struct command *c, FILE *out)
{
	fputs(".SS chatmill ", out);
	put_roff(out, str_of(c->words));
	fputs("\n.B chatmill ", out);
	put_roff(out, str_of(c->words));
	fputs("\n", out);
	put_roff(out, str_of(c->arguments));
	fputs(*c->arguments ? "\n" : "", out);
	fputs(".PP\n.nf\n", out);
	put_roff(out, str_of(c->help));
	fputs("\n.fi\n", out);
	for (const struct option *o = c->options; o && o->name; o++) {
		fputs(".TP\n", out);
		if (o->letter)
			fprintf(out, ".BR \\-%c ,\n", o->letter);
		fputs(".B \\-\\-", out);
		put_roff(out, str_of(o->name));
		if (o->value)
			fprintf(out, " \\fI%s\\fR", o->value);
		fputs("\n", out);
		put_roff(out, str_of(o->help));
		fputs("\n", out);
	}
}

static void man(FILE *out)
{
	fprintf(out, ".TH CHATMILL 1 \"\" \"chatmill %s\" \"User Commands\"\n", CHATMILL_VERSION);
	fputs(".SH NAME\nchatmill \\- turns archived customer conversations into tags, stages and "
	      "alerts\n.SH SYNOPSIS\n.B chatmill\n.I command\n[\\fIoption\\fR ...] "
	      "[\\fIargument\\fR ...]\n.SH COMMANDS\n",
	      out);
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			man_command(*c, out);
	fputs(".SH EXIT STATUS\n"
	      "0 done; 1 the answer is no (a test failed, a difference was found);\n"
	      "64 wrong usage; 65 bad input data or rules; 66 no such file; 69 a server is away;\n"
	      "70 our bug; 75 try again, or out of memory or disk space; 77 not permitted;\n"
	      "78 wrong configuration.\n",
	      out);
}

/* ---- completions ---- */

static void put_options(const struct command *c, FILE *out)
{
	for (const struct option *o = c->options; o && o->name; o++)
		fprintf(out, " --%s", o->name);
	fputs(" --help", out);
}

static void bash(FILE *out)
{
	fputs("# completion of chatmill for bash; made from its table of options\n"
	      "_chatmill() {\n"
	      "    local cur=${COMP_WORDS[COMP_CWORD]} one=${COMP_WORDS[1]} two=${COMP_WORDS[2]}\n"
	      "    local words=\n"
	      "    if [ \"$COMP_CWORD\" -eq 1 ]; then words='--help --version",
	      out);
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden && !begun_before(c))
			fprintf(out, " %.*s", STR_ARG(first_word((*c)->words)));
	fputs("'; else\n    case \"$one\" in\n", out);
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden || begun_before(c) || !second_word((*c)->words))
			continue;
		fprintf(out, "    %.*s) [ \"$COMP_CWORD\" -ne 2 ] || words='",
			STR_ARG(first_word((*c)->words)));
		for (const struct command *const *d = c; *d; d++)
			if (!(*d)->hidden && second_word((*d)->words) &&
			    str_eq(first_word((*d)->words), first_word((*c)->words)))
				fprintf(out, " %s", second_word((*d)->words));
		fputs("' ;;\n", out);
	}
	fputs("    esac\n    if [ -z \"$words\" ]; then case \"$one $two\" in\n", out);
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		fprintf(out, "    '%s'%s) words='", (*c)->words,
			second_word((*c)->words) ? "" : "\\ *");
		put_options(*c, out);
		fputs("' ;;\n", out);
	}
	fputs("    esac; fi\n    fi\n"
	      "    case \"$cur\" in -*) ;; *) [ \"$COMP_CWORD\" -le 2 ] && [ -n \"$words\" ] || "
	      "words= ;; esac\n"
	      "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	      "}\ncomplete -o filenames -F _chatmill chatmill\n",
	      out);
}

/* zsh reads bash's completions. */
static void zsh(FILE *out)
{
	fputs("#compdef chatmill\nautoload -U +X bashcompinit && bashcompinit\n", out);
	bash(out);
}

/* In '…' of fish only the backslash and the quote itself are special. */
static void put_fish(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void fish(FILE *out)
{
	fputs("# completion of chatmill for fish; made from its table of options\n", out);
	for (const struct command *const *c = commands; *c; c++) {
		const char *second = second_word((*c)->words);
		struct str first = first_word((*c)->words);
		if ((*c)->hidden)
			continue;
		if (!begun_before(c)) {
			fprintf(out, "complete -c chatmill -n __fish_use_subcommand -a %.*s",
				STR_ARG(first));
			fputs(" -d '", out);
			put_fish(out, second ? "" : (*c)->summary);
			fputs("'\n", out);
		}
		if (second) {
			fprintf(out, "complete -c chatmill -n '__fish_seen_subcommand_from %.*s' -a %s "
				     "-d '",
				STR_ARG(first), second);
			put_fish(out, (*c)->summary);
			fputs("'\n", out);
		}
		for (const struct option *o = (*c)->options; o && o->name; o++) {
			fprintf(out, "complete -c chatmill -n '__fish_seen_subcommand_from %.*s%s%s' "
				     "-l %s%s -d '",
				STR_ARG(first), second ? "; and __fish_seen_subcommand_from " : "",
				second ? second : "", o->name, o->value ? " -r" : "");
			put_fish(out, o->help);
			fputs("'\n", out);
		}
	}
}

static int describe(const void *given, const char *const *arguments, int count, struct err *err)
{
	static const struct {
		const char *name;
		void (*print)(FILE *);
	} formats[] = {{"man", man}, {"bash", bash}, {"zsh", zsh}, {"fish", fish},
		     {"metrics", metrics_describe}};
	const struct describe_options *o = given;

	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(o->format, formats[i].name)) {
			formats[i].print(stdout);
			return 0;
		}
	return err_set(err, ERR_USAGE, "--format is man, bash, zsh, fish or metrics, not '%s'", o->format);
}

static const struct option options[] = {
	{"format", 0, OPTION_TEXT, "NAME", "man, bash, zsh, fish or metrics",
	 offsetof(struct describe_options, format), 0, true},
	OPTIONS_END,
};

const struct command cmd_describe = {
	.words = "describe",
	.arguments = "--format man|bash|zsh|fish|metrics",
	.summary = "the tables of commands and metrics, for packages and pages",
	.help = "Prints the manual page, the completions of a shell, or what is counted.\n"
		"\n"
		"examples:\n"
		"  chatmill describe --format man > chatmill.1\n"
		"  chatmill describe --format bash > chatmill.bash\n"
		"  chatmill describe --format metrics",
	.options = options,
	.options_bytes = sizeof(struct describe_options),
	.run = describe,
	.hidden = true,
};
