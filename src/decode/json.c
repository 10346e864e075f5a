/* json.c - the check of a whole document, and strings with escapes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/json.h"

#include "base/heap.h"
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

/* Behind the digits at `p`. The text is readable for more than eight bytes past its end. */
static inline const char *digits(const char *p, const char *end)
{
	uint64_t eight;
	unsigned count;

	do {
		count = json_digits(p, &eight);
		p += count;
	} while (count == 8 && p < end);
	return p < end ? p : end;
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

/* One more than the value of a hexadecimal digit; 0 for anything else. */
static const uint8_t hex_plus_one[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* The number of \uXXXX whose digits begin at `p`, or negative. */
static inline int32_t hex4(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	int32_t a = hex_plus_one[u[0]] - 1, b = hex_plus_one[u[1]] - 1;
	int32_t c = hex_plus_one[u[2]] - 1, d = hex_plus_one[u[3]] - 1;
	return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* The character that \c stands for; 0 if none. */
static inline char escaped(char c)
{
	static const char table[256] = {
		['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n',	['r'] = '\r', ['t'] = '\t',
	};
	return table[(unsigned char)c];
}

/* The next backslash at or behind `p`, or `end`. Escapes come in crowds, so that the first bytes
 * are looked at here, without a call. The text is readable past its end. */
static inline const char *next_backslash(const char *p, const char *end)
{
	if (*p == '\\')
		return MIN(p, end);
	for (int words = 0; words < 4; words++, p += 8) {
		uint64_t v;
		memcpy(&v, p, sizeof v);
		v ^= UINT64_C(0x5c5c5c5c5c5c5c5c);
		v = (v - UINT64_C(0x0101010101010101)) & ~v & UINT64_C(0x8080808080808080);
		if (v) {
			p += __builtin_ctzll(v) / 8; /* the lowest one is exact */
			return MIN(p, end);
		}
		if (end - p <= 8)
			return end;
	}
	const char *found = memchr(p, '\\', (size_t)(end - p));
	return found ? found : end;
}

static bool escapes_hold(struct str raw)
{
	const char *end = raw.data + raw.len;

	for (const char *p = raw.data; (p = next_backslash(p, end)) < end;) {
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
			size_t len = (size_t)(next_backslash(p, end) - p);
			if (len <= 16) /* both sides have room */
				memcpy(out, p, 16);
			else
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

static bool word_holds(const char *p, const char *end, struct str word)
{
	return (size_t)(end - p) >= word.len && memcmp(p, word.data, word.len) == 0 &&
	       ((size_t)(end - p) == word.len || ends_scalar[(unsigned char)p[word.len]]);
}

/* Whole numbers come most often; a fraction or exponent takes the long way. */
static bool number_holds(const char *p, const char *end)
{
	if (*p >= '1' && *p <= '9') {
		const char *behind = digits(p + 1, end);
		if (LIKELY(behind == end || ends_scalar[(unsigned char)*behind]))
			return true;
	}
	const char *behind = number_end(p, end);
	return behind && (behind == end || ends_scalar[(unsigned char)*behind]);
}

static bool word_or_number_holds(const struct json *j, uint32_t node)
{
	const char *p = j->data + j->at[node], *end = j->data + j->at[j->count];

	switch (*p) {
	case 't':
		return word_holds(p, end, STR("true"));
	case 'f':
		return word_holds(p, end, STR("false"));
	case 'n':
		return word_holds(p, end, STR("null"));
	default:
		return number_holds(p, end);
	}
}

/* Stage 1 saw that every string is closed, so that one without escapes needs no look. */
static inline bool string_holds(const struct json *j, uint32_t node)
{
	return LIKELY(!json_may_escape(j, node)) || escapes_hold(json_raw(j, node));
}

static inline bool key_holds(const struct json *j, uint32_t node)
{
	return json_kind(j, node) == '"' && json_kind(j, node + 1) == ':' && string_holds(j, node);
}

/* The grammar, without recursion. The root is a container and the structure ends with a bracket, so that only behind a bracket there may
 * be nothing more. */
static enum json_status check(const struct json *j, uint32_t *after, unsigned depth_max)
{
	uint32_t open[64], keys[64]; /* containers around this place, and the last key in each */
	uint32_t i = 0;
	unsigned depth = 0;
	char closing = 0; /* what ends the innermost container */

	for (;;) { /* a value begins at i */
		char c = json_kind(j, i);
		if (c == '"') {
			if (!string_holds(j, i++))
				return JSON_BAD;
		} else if (c == '{' || c == '[') {
			if (depth == depth_max)
				return JSON_TOO_DEEP;
			open[depth] = keys[depth] = i++;
			depth++;
			closing = c + 2; /* { } and [ ] are two apart in ASCII */
			if (i == j->count)
				return JSON_BAD;
			if (json_kind(j, i) != closing) {
				if (c == '[')
					continue;
				if (!key_holds(j, i))
					return JSON_BAD;
				keys[depth - 1] = i;
				i += 2;
				continue;
			}
		} else if (!word_or_number_holds(j, i++)) {
			return JSON_BAD;
		}
		/* Behind a value, or at the end of an empty container. */
		while ((c = json_kind(j, i)) == closing) {
			depth--;
			after[keys[depth]] = 0; /* of the last key, or once more of the container */
			after[open[depth]] = ++i;
			if (depth == 0)
				return i == j->count ? JSON_OK : JSON_BAD;
			if (i == j->count)
				return JSON_BAD;
			closing = json_kind(j, open[depth - 1]) + 2;
		}
		if (c != ',')
			return JSON_BAD;
		i++;
		if (closing == '}') {
			if (!key_holds(j, i))
				return JSON_BAD;
			after[keys[depth - 1]] = i;
			keys[depth - 1] = i;
			i += 2;
		}
	}
}

static enum json_status check_root(const struct json *j, uint32_t *after, unsigned depth_max)
{
	char root = json_kind(j, 0), last = json_kind(j, j->count - 1);

	if (root != '{' && root != '[') {
		bool holds = root == '"' ? string_holds(j, 0) : word_or_number_holds(j, 0);
		return holds && j->count == 1 ? JSON_OK : JSON_BAD;
	}
	if (last != '}' && last != ']' && last != '{' && last != '[')
		return JSON_BAD;
	return check(j, after, depth_max);
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
		heap_none(text.len);
	}

	struct json j = {.data = text.data, .at = at, .after = after, .count = count};
	const char *first = memchr(text.data, '\\', text.len);
	j.escape_first = first ? (uint32_t)(first - text.data) : UINT32_MAX;
	if (first)
		j.escape_last = (uint32_t)((char *)memrchr(text.data, '\\', text.len) - text.data);
	enum json_status status = check_root(&j, after, depth_max);
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
