/* yaml_slip.c - the place and the name of a slip behind a syntax error. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml_slip.h"

#include "base/utf8.h"

static const struct str wide_colon = STR("\xef\xbc\x9a");

/* Line `number` of the text, from 1, without its end; empty behind the last. */
static struct str line_of(struct str text, int number)
{
	size_t start = 0;

	for (int n = 1; n < number && start < text.len; n++) {
		const char *end = memchr(text.data + start, '\n', text.len - start);
		start = end ? (size_t)(end - text.data) + 1 : text.len;
	}
	struct str line = str_from(text, start);
	const char *end = line.len ? memchr(line.data, '\n', line.len) : NULL;
	if (end)
		line.len = (size_t)(end - line.data);
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

static size_t indent_of(struct str line)
{
	size_t i = 0;

	while (i < line.len && line.data[i] == ' ')
		i++;
	return i;
}

static bool says_nothing(struct str line)
{
	size_t i = indent_of(line);

	return i == line.len || line.data[i] == '#';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Behind the name that begins at `i` stands a colon that is none: full-width, or (only at the begin of a
 * line, as [http://a] is a word) without a blank behind it. Its place, or line.len. */
static size_t bad_colon_at(struct str line, size_t i, bool flow, bool *wide)
{
	size_t start = i;

	while (i < line.len && !strchr(" \t\"'[]{},#&*!|>:", line.data[i])) {
		if (str_starts(str_from(line, i), wide_colon)) {
			*wide = true;
			return i > start && (!flow || is_letter(line.data[i - 1])) ? i : line.len;
		}
		i += utf8_len((unsigned char)line.data[i]);
	}
	*wide = false;
	bool tight = !flow && i > start && i + 1 < line.len && line.data[i] == ':' &&
		     !strchr(" \t\r/", line.data[i + 1]) && !(line.data[start] >= '0' && line.data[start] <= '9');
	return tight ? i : line.len;
}

/* The first such place of a line, or line.len. */
static size_t bad_colon(struct str line, bool *wide)
{
	size_t i = indent_of(line);

	while (i + 1 < line.len && line.data[i] == '-' && line.data[i + 1] == ' ')
		i += 1 + indent_of(str_from(line, i + 1));
	size_t found = bad_colon_at(line, i, false, wide);
	char quote = '\0';
	for (; found == line.len && i < line.len; i++) {
		char c = line.data[i];
		if (quote || c == '"' || c == '\'')
			quote = !quote ? c : c == quote ? '\0' : quote;
		else if (c == '{' || c == '[' || c == ',')
			found = bad_colon_at(line, i + 1 + indent_of(str_from(line, i + 1)), true, wide);
	}
	return found;
}

static bool add_bad_colon(struct findings *findings, struct str file, struct str text, int number)
{
	struct str line = number > 0 ? line_of(text, number) : (struct str){0};
	bool wide;
	size_t at = bad_colon(line, &wide);

	if (at >= line.len)
		return false;
	findings_add(findings, FINDING_ERROR, file, number,
		     (int)utf8_count((struct str){line.data, at}) + 1, "YAML: %s",
		     wide ? "a full-width colon; behind a name stands an ASCII colon and a blank: «name: value»"
			  : "no blank behind the colon; behind a name stand a colon and a blank: «name: value»");
	return true;
}

/* A name whose colon is none goes on over the line's end, up to the next colon that is one. */
static bool find_colon(struct findings *findings, struct str file, struct str text,
		       const struct yaml_stumble *s)
{
	if (strstr(s->problem, "could not find expected ':'"))
		return add_bad_colon(findings, file, text, s->begun.line);
	if (strstr(s->problem, "did not find expected"))
		return add_bad_colon(findings, file, text, s->at.line);
	if (!strstr(s->problem, "mapping values are not allowed"))
		return false;
	struct str line = line_of(text, s->at.line);
	const char *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
	if (!colon || (int)utf8_count((struct str){line.data, (size_t)(colon - line.data)}) + 1 != s->at.col)
		return false; /* the line has a good colon of its own */
	int before = s->at.line - 1;
	while (before > 0 && says_nothing(line_of(text, before)))
		before--;
	return add_bad_colon(findings, file, text, s->at.line) ||
	       (before > 0 && add_bad_colon(findings, file, text, before));
}

/* What began in an earlier line and was left behind: the next line stands no deeper than that one. */
static bool is_left(struct str text, const struct yaml_stumble *s)
{
	struct str line = line_of(text, s->at.line);

	if (!s->begun.line || s->at.line <= s->begun.line)
		return false;
	return says_nothing(line) || indent_of(line) <= indent_of(line_of(text, s->begun.line));
}

static const char *advice(struct str text, const struct yaml_stumble *s)
{
	struct str line = line_of(text, s->at.line);
	const char *tab = line.len ? memchr(line.data, '\t', line.len) : NULL;
	bool begins = tab && indent_of(line) == (size_t)(tab - line.data);

	if (strstr(s->problem, "tab") || (begins && strstr(s->problem, "cannot start any token")))
		return "; lines are indented with blanks, never with a tab";
	if (strstr(s->problem, "cannot start any token"))
		return "; a word that begins with such a character is written in quotes";
	if (strstr(s->problem, "control characters"))
		return "; delete it, even if it cannot be seen";
	if (strstr(s->problem, "unknown escape character"))
		return "; in double quotes \\ begins an escape: write it in single quotes, as '\\d+'";
	if (strstr(s->problem, "found unexpected ':'"))
		return "; behind a name stand a colon and a blank: «name: value»";
	if (strstr(s->problem, "could not find expected ':'"))
		return "; behind a name stand a colon and a blank: «name: value»";
	if (strstr(s->problem, "did not find expected"))
		return "; look at the indentation, and quote words that hold : # [ ] { } , or quotes";
	if (strstr(s->problem, "mapping values are not allowed"))
		return "; a text that holds «: » is written in quotes";
	if (strstr(s->problem, "anchor") || strstr(s->problem, "alias") || strstr(s->problem, "tag"))
		return "; a word that begins with & * or ! is written in quotes";
	return "";
}

void yaml_slip(struct findings *findings, struct str file, struct str text, const struct yaml_stumble *s)
{
	const char *context = s->context ? s->context : "";
	struct yaml_place at = s->at, begun = s->begun;

	if (strstr(context, "quoted scalar") && strstr(s->problem, "found unexpected")) {
		findings_add(findings, FINDING_ERROR, file, begun.line, begun.col,
			     "YAML: the quote that begins here is not closed");
		return;
	}
	if (s->quote.line && strstr(s->problem, "expected")) {
		findings_add(findings, FINDING_ERROR, file, s->quote.line, s->quote.col,
			     "YAML: the quote that begins here ends in line %d, where more follows; is it not "
			     "closed in its line?",
			     at.line);
		return;
	}
	if (find_colon(findings, file, text, s))
		return;
	bool list = strstr(context, "flow sequence"), map = strstr(context, "flow mapping");
	if ((list || map) && is_left(text, s)) {
		findings_add(findings, FINDING_ERROR, file, begun.line, begun.col,
			     "YAML: the «%s» that begins here is not closed by «%s»", list ? "[" : "{",
			     list ? "]" : "}");
		return;
	}
	if (begun.line && strstr(s->problem, "could not find expected ':'"))
		at = begun;
	findings_add(findings, FINDING_ERROR, file, at.line, at.col, "YAML: %s%s%s%s", context,
		     s->context ? ", " : "", s->problem, advice(text, s));
}
