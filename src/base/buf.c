/* buf.c - growing, numbers, and JSON's escapes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t more)
{
	size_t cap = MAX(b->cap * 2, b->len + more);
	cap = MAX(cap, (size_t)256);
	char *data = realloc(b->data, cap);
	if (!data) {
		fprintf(stderr, "out of memory (%zu bytes)\n", cap);
		exit(71); /* EX_OSERR */
	}
	b->data = data;
	b->cap = cap;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;

	va_start(args, fmt);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	assert(len >= 0);
	(void)vsnprintf(buf_room(b, (size_t)len + 1), (size_t)len + 1, fmt, again);
	va_end(again);
	b->len += (size_t)len;
}

void buf_put_u64_padded(struct buf *b, uint64_t value, int width)
{
	char digits[32];
	int at = sizeof digits;

	assert(width <= (int)sizeof digits);
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	while ((int)sizeof digits - at < width)
		digits[--at] = '0';
	buf_put(b, (struct str){digits + at, sizeof digits - (size_t)at});
}

void buf_put_u64(struct buf *b, uint64_t value)
{
	buf_put_u64_padded(b, value, 1);
}

void buf_put_i64(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_putc(b, '-');
	buf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_put_json(struct buf *b, struct str s)
{
	/* The longest escape is six bytes (\u001f); with that room no step needs a check. */
	char *out = buf_room(b, s.len * 6 + 2);
	const char *start = out;

	*out++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		if (LIKELY(c >= 0x20 && c != '"' && c != '\\')) {
			*out++ = (char)c;
			continue;
		}
		static const char hex[] = "0123456789abcdef";
		*out++ = '\\';
		switch (c) {
		case '"':
		case '\\':
			*out++ = (char)c;
			break;
		case '\n':
			*out++ = 'n';
			break;
		case '\r':
			*out++ = 'r';
			break;
		case '\t':
			*out++ = 't';
			break;
		default:
			memcpy(out, "u00", 3);
			out[3] = hex[c >> 4];
			out[4] = hex[c & 15];
			out += 5;
		}
	}
	*out++ = '"';
	b->len += (size_t)(out - start);
}

void buf_put_time(struct buf *b, int64_t ms)
{
	/* Days to civil date in the proleptic Gregorian calendar: the algorithm of Howard
	 * Hinnant's «chrono-Compatible Low-Level Date Algorithms», era of 400 years. */
	int64_t days = ms / 86400000, rest = ms % 86400000;
	if (rest < 0) {
		rest += 86400000;
		days--;
	}
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	int64_t year = year_of_era + era * 400 + (month <= 2);

	buf_put_u64_padded(b, (uint64_t)MAX(year, 0), 4);
	buf_putc(b, '-');
	buf_put_u64_padded(b, (uint64_t)month, 2);
	buf_putc(b, '-');
	buf_put_u64_padded(b, (uint64_t)day, 2);
	buf_putc(b, 'T');
	buf_put_u64_padded(b, (uint64_t)(rest / 3600000), 2);
	buf_putc(b, ':');
	buf_put_u64_padded(b, (uint64_t)(rest / 60000 % 60), 2);
	buf_putc(b, ':');
	buf_put_u64_padded(b, (uint64_t)(rest / 1000 % 60), 2);
	buf_putc(b, '.');
	buf_put_u64_padded(b, (uint64_t)(rest % 1000), 3);
	buf_putc(b, 'Z');
}

void buf_put_base64(struct buf *b, struct str s)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = buf_room(b, (s.len + 2) / 3 * 4);
	const unsigned char *in = (const unsigned char *)s.data;

	for (size_t i = 0; i < s.len; i += 3, out += 4) {
		uint32_t group = (uint32_t)in[i] << 16;
		group |= i + 1 < s.len ? (uint32_t)in[i + 1] << 8 : 0;
		group |= i + 2 < s.len ? in[i + 2] : 0;
		out[0] = alphabet[group >> 18];
		out[1] = alphabet[group >> 12 & 63];
		out[2] = i + 1 < s.len ? alphabet[group >> 6 & 63] : '=';
		out[3] = i + 2 < s.len ? alphabet[group & 63] : '=';
	}
	b->len += (s.len + 2) / 3 * 4;
}

/* The six bits of a character of base64, or -1. */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool buf_put_unbase64(struct buf *b, struct str text)
{
	size_t before = b->len, padding = 0;

	if (text.len % 4)
		return false;
	while (padding < 2 && text.len && text.data[text.len - 1 - padding] == '=')
		padding++;
	(void)buf_room(b, text.len / 4 * 3);
	for (size_t i = 0; i < text.len; i += 4) {
		uint32_t bits = 0;
		for (size_t k = 0; k < 4; k++) {
			bool pad = i + k >= text.len - padding;
			int six = pad ? 0 : sextet(text.data[i + k]);
			if (six < 0) {
				b->len = before;
				return false;
			}
			bits = bits << 6 | (uint32_t)six;
		}
		for (int shift = 16; shift >= 0; shift -= 8)
			b->data[b->len++] = (char)(bits >> shift);
	}
	b->len -= padding;
	return true;
}
