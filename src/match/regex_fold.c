/* regex_fold.c - reads a regex as far as needed to fold what it says literally. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "match/regex.h"
#include "rules/spelling.h"

/* A range that folds into more pieces than this is taken as it stands: [一-龥] has a hundred rare
 * traditional characters whose simplified forms lie outside, and with all of them Hyperscan calls
 * the shortest regex too large. */
enum { WIDEN_MAX = 8 };

struct reader {
	struct str text;
	size_t at;
	struct buf *out;
	char *why;
};

static bool refuse(struct reader *r, const char *what, uint32_t code, const struct spelled *to)
{
	char text[5] = {0};

	text[utf8_put(text, code)] = '\0';
	if (to->len)
		(void)snprintf(r->why, 200, "%s holds %s, which folding changes to %.*s; write %.*s", what,
			       text, (int)to->len, to->bytes, (int)to->len, to->bytes);
	else
		(void)snprintf(r->why, 200, "%s holds U+%04X, which vanishes by folding; leave it out",
			       what, code);
	return false;
}

static bool more(const struct reader *r)
{
	return r->at < r->text.len;
}

static char peek(const struct reader *r)
{
	return more(r) ? r->text.data[r->at] : '\0';
}

static void copy(struct reader *r, size_t count)
{
	count = MIN(count, r->text.len - r->at);
	buf_put(r->out, (struct str){r->text.data + r->at, count});
	r->at += count;
}

/* Copies up to and with `end`. */
static void copy_through(struct reader *r, char end)
{
	const char *found = memchr(r->text.data + r->at, end, r->text.len - r->at);
	copy(r, found ? (size_t)(found - (r->text.data + r->at)) + 1 : r->text.len - r->at);
}

static bool is_alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A character that stands for itself, whatever it is. */
static void put_literal(struct buf *out, uint32_t code)
{
	char bytes[4];

	if (code < 0x20 || code == 0x7f) {
		buf_printf(out, "\\x%02x", code);
		return;
	}
	if (code < 0x80 && !is_alnum(code))
		buf_putc(out, '\\');
	buf_put(out, (struct str){bytes, utf8_put(bytes, code)});
}

static void put_literals(struct buf *out, const struct spelled *s)
{
	unsigned chars = (unsigned)utf8_count((struct str){s->bytes, s->len});

	if (chars > 1)
		buf_put(out, STR("(?:")); /* a quantifier behind it means all of it */
	for (unsigned i = 0; i < s->len; i += utf8_len((unsigned char)s->bytes[i]))
		put_literal(out, utf8_get(s->bytes + i));
	if (chars > 1)
		buf_putc(out, ')');
}

static bool fold_literal(struct reader *r, uint32_t code)
{
	struct spelled to;

	spelling_of(FORM_STANDARD, code, &to);
	if (!to.len)
		return refuse(r, "the regex", code, &to);
	put_literals(r->out, &to);
	return true;
}

/* ---- escapes ---- */

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool is_scalar(uint32_t code)
{
	return code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
}

/* Reads the escape at `at` if it names one character: \xHH, \x{H…}, or any character that is no
 * letter or digit. Otherwise nothing is read. */
static bool read_escaped(struct reader *r, uint32_t *code)
{
	size_t at = r->at + 1;
	uint32_t value = 0;

	if (at >= r->text.len)
		return false;
	if (r->text.data[at] != 'x') {
		if (is_alnum((unsigned char)r->text.data[at]))
			return false;
		*code = utf8_get(r->text.data + at);
		r->at = at + utf8_len((unsigned char)r->text.data[at]);
		return true;
	}
	bool braces = ++at < r->text.len && r->text.data[at] == '{';
	size_t digits = braces ? ++at : at;
	while (at < r->text.len && hex_value(r->text.data[at]) >= 0 && at - digits < (braces ? 6u : 2u))
		value = value * 16 + (uint32_t)hex_value(r->text.data[at++]);
	if (at == digits || !is_scalar(value) ||
	    (braces && (at >= r->text.len || r->text.data[at++] != '}')))
		return false;
	*code = value;
	r->at = at;
	return true;
}

/* \pL, \p{Greek}, \cJ, \o{12}, \101, \d: a letter or a digit and what belongs to it. */
static bool copy_escape(struct reader *r)
{
	struct str rest = str_from(r->text, r->at);
	char letter = rest.len > 1 ? rest.data[1] : '\0';

	if (str_starts(rest, STR("\\p{Lu}")) || str_starts(rest, STR("\\p{Lt}"))) {
		(void)snprintf(r->why, 200, "%.6s never hits: folding makes all letters small; write \\p{L}, "
					    "or fold: none for the rule's pack", rest.data);
		return false;
	}
	copy(r, 2);
	if (letter && strchr("pPgkNxo", letter) && peek(r) == '{')
		copy_through(r, '}');
	else if (letter && strchr("pPc", letter))
		copy(r, 1);
	else if (letter >= '0' && letter <= '7')
		for (int digits = 1; digits < 3 && peek(r) >= '0' && peek(r) <= '7'; digits++)
			copy(r, 1);
	return true;
}

/* \Q … \E: all literal. */
static bool fold_quoted(struct reader *r)
{
	r->at += 2;
	while (more(r)) {
		if (str_starts(str_from(r->text, r->at), STR("\\E"))) {
			r->at += 2;
			return true;
		}
		uint32_t code = utf8_get(r->text.data + r->at);
		r->at += utf8_len((unsigned char)r->text.data[r->at]);
		if (!fold_literal(r, code))
			return false;
	}
	return true;
}

static bool fold_escape(struct reader *r)
{
	uint32_t code;

	if (str_starts(str_from(r->text, r->at), STR("\\Q")))
		return fold_quoted(r);
	if (read_escaped(r, &code))
		return fold_literal(r, code);
	return copy_escape(r);
}

/* ---- classes ---- */

/* Reads the escape at `at` if it names one character by a letter or by octal digits, which it does in a
 * class only: \n \cJ \012 \o{12}. */
static bool read_named(struct reader *r, uint32_t *code)
{
	static const char letters[] = "abefnrt";
	static const uint32_t codes[] = {7, 8, 27, 12, 10, 13, 9};
	struct str rest = str_from(r->text, r->at);
	char letter = rest.len > 1 ? rest.data[1] : '\0';
	const char *found = letter ? strchr(letters, letter) : NULL;
	bool braces = str_starts(rest, STR("\\o{"));
	size_t at = braces ? 3 : 1, digits = at;
	uint32_t value = 0;

	if (found || (letter == 'c' && rest.len > 2)) {
		*code = found ? codes[found - letters]
			      : (uint32_t)toupper((unsigned char)rest.data[2]) ^ 64;
		r->at += found ? 2 : 3;
		return true;
	}
	while (at < rest.len && rest.data[at] >= '0' && rest.data[at] <= '7' && at - digits < (braces ? 7u : 3u))
		value = value * 8 + (uint32_t)(rest.data[at++] - '0');
	if (at == digits || !is_scalar(value) || (braces && (at >= rest.len || rest.data[at++] != '}')))
		return false;
	*code = value;
	r->at += at;
	return true;
}

/* Whether folding, case aside, leaves the character alone. */
static bool stays(uint32_t code, struct spelled *to)
{
	if (code < 0x20) { /* who names a line end means it */
		*to = (struct spelled){.bytes = {(char)code}, .len = 1};
		return true;
	}
	spelling_of(FORM_STANDARD, code, to);
	return to->len && !(to->names & ~(uint32_t)FOLD_CASE) &&
	       to->len == utf8_len((unsigned char)to->bytes[0]);
}

static void put_code(struct buf *out, uint32_t code)
{
	buf_printf(out, "\\x{%x}", code);
}

/* Adds what folding makes of the inside of a range, as far as it lies outside: [A-Z] needs a-z. */
static void widen(struct reader *r, uint32_t low, uint32_t high)
{
	struct piece {
		uint32_t first, last;
	} pieces[WIDEN_MAX];
	unsigned count = 0;

	for (uint32_t code = low; code <= high; code++) {
		struct spelled to;
		if (!is_scalar(code))
			continue;
		spelling_of(FORM_STANDARD, code, &to);
		if (!to.len || to.len != utf8_len((unsigned char)to.bytes[0]))
			continue;
		uint32_t image = utf8_get(to.bytes);
		if (image >= low && image <= high)
			continue;
		if (count && image == pieces[count - 1].last + 1) {
			pieces[count - 1].last = image;
			continue;
		}
		if (count == WIDEN_MAX)
			return;
		pieces[count++] = (struct piece){image, image};
	}
	for (unsigned i = 0; i < count; i++) {
		put_code(r->out, pieces[i].first);
		buf_putc(r->out, '-');
		put_code(r->out, pieces[i].last);
	}
}

/* One character of a class. Returns false if something else stands there (\d). */
static bool read_member(struct reader *r, uint32_t *code)
{
	if (peek(r) == '\\')
		return read_escaped(r, code) || read_named(r, code);
	*code = utf8_get(r->text.data + r->at);
	r->at += utf8_len((unsigned char)r->text.data[r->at]);
	return true;
}

static bool fold_member(struct reader *r)
{
	struct spelled to;
	uint32_t low, high;

	if (str_starts(str_from(r->text, r->at), STR("\\Q"))) {
		(void)snprintf(r->why, 200, "\\Q … \\E inside a class; write its characters, each with \\ before it");
		return false;
	}
	if (!read_member(r, &low))
		return copy_escape(r);
	if (!stays(low, &to))
		return refuse(r, "a class", low, &to);
	if (peek(r) != '-' || r->at + 1 >= r->text.len || r->text.data[r->at + 1] == ']') {
		put_code(r->out, utf8_get(to.bytes));
		return true;
	}
	r->at++;
	if (!read_member(r, &high)) {
		put_code(r->out, low);
		buf_put(r->out, STR("\\-"));
		return copy_escape(r);
	}
	if (!stays(high, &to))
		return refuse(r, "a range", high, &to);
	if (low > high) {
		(void)snprintf(r->why, 200, "a range goes backwards; write the smaller end first");
		return false;
	}
	put_code(r->out, low);
	buf_putc(r->out, '-');
	put_code(r->out, high);
	widen(r, low, high);
	return true;
}

static bool fold_class(struct reader *r)
{
	copy(r, 1);
	if (peek(r) == '^')
		copy(r, 1);
	for (bool first = true; more(r); first = false) {
		struct str rest = str_from(r->text, r->at);
		if (peek(r) == ']' && !first) {
			copy(r, 1);
			return true;
		}
		if (str_starts(rest, STR("[:"))) {
			copy_through(r, ']');
			continue;
		}
		if (!fold_member(r))
			return false;
	}
	return true; /* no end: Hyperscan says so */
}

/* ---- all ---- */

/* ( with what makes it special: (?:  (?i)  (?=  (?<name>  (?#…)  (*UTF8) */
static void copy_group(struct reader *r)
{
	copy(r, 1);
	if (peek(r) == '*') {
		copy_through(r, ')');
		return;
	}
	if (peek(r) != '?')
		return;
	copy(r, 1);
	if (peek(r) == '#')
		copy_through(r, ')');
	else if (peek(r) == 'P' || peek(r) == '<' || peek(r) == '\'')
		copy(r, peek(r) == 'P' ? 2 : 1);
	else
		while (more(r) && strchr("imsxUJ-^", peek(r)))
			copy(r, 1);
	if (strchr(":=!>|)", peek(r)) && more(r))
		copy(r, 1);
}

bool regex_fold(enum fold_form form, struct str pattern, struct buf *out, char why[200])
{
	struct reader r = {.text = pattern, .out = out, .why = why};

	if (form == FORM_NONE) {
		buf_put(out, pattern);
		return true;
	}
	while (more(&r)) {
		unsigned char c = (unsigned char)peek(&r);
		bool good = true;
		if (c == '\\')
			good = fold_escape(&r);
		else if (c == '[')
			good = fold_class(&r);
		else if (c == '(')
			copy_group(&r);
		else if (c < 0x80)
			copy(&r, 1); /* case is Hyperscan's business; the rest of ASCII stays */
		else {
			uint32_t code = utf8_get(pattern.data + r.at);
			r.at += utf8_len(c);
			good = fold_literal(&r, code);
		}
		if (!good)
			return false;
	}
	return true;
}
