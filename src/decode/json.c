/* json.c - the check of a whole document, and strings with escapes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/json.h"

#include "base/utf8.h"
#include "decode/json_index.h"
#include "model.h"

struct json_parser {
	struct json_index *levels[JSON_LEVEL_MAX];
};

struct json_parser *json_parser_new(void)
{
	return calloc(1, sizeof(struct json_parser));
}

void json_parser_free(struct json_parser *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < JSON_LEVEL_MAX; i++)
		json_index_free(p->levels[i]);
	free(p);
}

/* What may stand right behind a number or a word. */
static const bool ends_scalar[256] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true,
        [':'] = true, ['{'] = true,  ['}'] = true,  ['['] = true,  [']'] = true,
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* Behind the number at `p` (RFC 8259 section 6, of any size), or NULL. */
static const char *number_end(const char *p, const char *end)
{
	p += *p == '-';
	if (p == end || !is_digit(*p))
		return NULL;
	p = *p == '0' ? p + 1 : digits(p, end);
	if (p < end && *p == '.') {
		const char *fraction = p + 1;
		p = digits(fraction, end);
		if (p == fraction)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		const char *exponent = p;
		p = digits(exponent, end);
		if (p == exponent)
			return NULL;
	}
	return p;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of \uXXXX whose digits begin at `p`, or -1. */
static int32_t hex4(const char *p)
{
	int a = hex_digit(p[0]), b = hex_digit(p[1]), c = hex_digit(p[2]), d = hex_digit(p[3]);
	return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* The character that \c stands for; 0 if none. */
static char escaped(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	}
	return 0;
}

static bool escapes_hold(struct str raw)
{
	const char *p = raw.data, *end = raw.data + raw.len;

	while (p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
		/* Stage 1 paired the backslashes, so one more character stands before the quote. */
		if (p[1] != 'u') {
			if (!escaped(p[1]))
				return false;
			p += 2;
			continue;
		}
		if (end - p < 6 || hex4(p + 2) < 0)
			return false;
		p += 6;
	}
	return true;
}

/* One code point of \u escapes at *p, which moves behind it. A high surrogate takes the low one
 * that follows; any other surrogate stands alone and becomes U+FFFD. */
static uint32_t unescape_code(const struct json *j, const char **p, const char *end)
{
	uint32_t code = (uint32_t)hex4(*p + 2);
	*p += 6;
	if (LIKELY(code < 0xd800 || code > 0xdfff))
		return code;
	if (code < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		uint32_t low = (uint32_t)hex4(*p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*p += 6;
			return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	(*j->surrogates)++;
	return 0xfffd;
}

struct str json_unescape(const struct json *j, struct str raw)
{
	/* No escape is shorter than what it stands for (U+FFFD: 3 of 6 bytes). Room for 16 bytes
	 * before and RECORD_PADDING behind is what model.h promises for texts. */
	char *start = (char *)arena_alloc(j->arena, 16 + raw.len + RECORD_PADDING) + 16;
	char *out = start;
	const char *p = raw.data, *end = raw.data + raw.len;

	while (p < end) {
		if (*p != '\\') {
			const char *next = memchr(p, '\\', (size_t)(end - p));
			size_t len = (size_t)((next ? next : end) - p);
			memcpy(out, p, len);
			out += len;
			p += len;
		} else if (p[1] == 'u') {
			out += utf8_put(out, unescape_code(j, &p, end));
		} else {
			*out++ = escaped(p[1]);
			p += 2;
		}
	}
	return (struct str){start, (size_t)(out - start)};
}

static bool scalar_holds(const struct json *j, uint32_t node)
{
	const char *p = j->data + j->at[node], *end = j->data + j->at[j->count];
	const char *behind = NULL;

	switch (*p) {
	case '"':
		return !j->escapes || escapes_hold(json_raw(j, node));
	case 't':
		behind = end - p >= 4 && memcmp(p, "true", 4) == 0 ? p + 4 : NULL;
		break;
	case 'f':
		behind = end - p >= 5 && memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
		break;
	case 'n':
		behind = end - p >= 4 && memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
		break;
	default:
		behind = number_end(p, end);
	}
	return behind && (behind == end || ends_scalar[(unsigned char)*behind]);
}

static char peek(const struct json *j, uint32_t node)
{
	return LIKELY(node < j->count) ? json_kind(j, node) : '\0';
}

static bool key_holds(const struct json *j, uint32_t node)
{
	return peek(j, node) == '"' && peek(j, node + 1) == ':' && scalar_holds(j, node);
}

/* The grammar, without recursion: `open` holds the containers around the current place. */
static enum json_status check(const struct json *j, uint32_t *after, unsigned depth_max)
{
	uint32_t open[64];
	unsigned depth = 0;
	uint32_t i = 0;

	for (;;) { /* a value begins at i */
		char c = peek(j, i);
		if (c == '{' || c == '[') {
			if (depth == depth_max)
				return JSON_TOO_DEEP;
			open[depth++] = i++;
			if (peek(j, i) != c + 2) { /* { } and [ ] are two apart in ASCII */
				if (c == '{') {
					if (!key_holds(j, i))
						return JSON_BAD;
					i += 2;
				}
				continue;
			}
		} else if (c == '\0' || !scalar_holds(j, i++)) {
			return JSON_BAD;
		}
		/* Behind a value, or at the end of an empty container. */
		for (;;) {
			if (depth == 0)
				return i == j->count ? JSON_OK : JSON_BAD;
			char opened = json_kind(j, open[depth - 1]);
			c = peek(j, i);
			if (c == opened + 2) {
				after[open[--depth]] = ++i;
				continue;
			}
			if (c != ',')
				return JSON_BAD;
			i++;
			if (opened == '{') {
				if (!key_holds(j, i))
					return JSON_BAD;
				i += 2;
			}
			break;
		}
	}
}

enum json_status json_parse(struct json_parser *p, unsigned level, struct str text,
                            unsigned depth_max, struct json *out)
{
	assert(level < JSON_LEVEL_MAX && depth_max <= 64);
	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = str_from(text, 3);
	if (text.len == 0)
		return JSON_BAD;

	uint32_t *at, *after, count;
	switch (json_index_run(&p->levels[level], text.data, text.len, &at, &after, &count)) {
	case JSON_INDEX_OK:
		break;
	case JSON_INDEX_BAD:
		/* simdjson names the first thing it notices; people want to know about the bytes.
		 */
		return utf8_valid(text) ? JSON_BAD : JSON_BAD_UTF8;
	case JSON_INDEX_NO_MEMORY:
		fprintf(stderr, "out of memory (%zu bytes of JSON)\n", text.len);
		exit(71); /* EX_OSERR, as in arena.c */
	}

	struct json j = {.data = text.data, .at = at, .after = after, .count = count};
	j.escapes = memchr(text.data, '\\', text.len) != NULL;
	enum json_status status = check(&j, after, depth_max);
	if (status == JSON_OK)
		*out = j;
	return status;
}

struct str json_number(const struct json *j, uint32_t node)
{
	const char *p = j->data + j->at[node];
	const char *behind = number_end(p, j->data + j->at[j->count]);
	assert(behind); /* checked by json_parse() */
	return (struct str){p, (size_t)(behind - p)};
}

struct str json_source(const struct json *j, uint32_t node)
{
	const char *start = j->data + j->at[node];
	switch (*start) {
	case '{':
	case '[':
		return (struct str){start, j->at[j->after[node] - 1] + 1 - j->at[node]};
	case '"':
		return (struct str){start, json_raw(j, node).len + 2};
	case 't':
	case 'n':
		return (struct str){start, 4};
	case 'f':
		return (struct str){start, 5};
	default:
		return json_number(j, node);
	}
}
