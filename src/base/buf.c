/* buf.c - growing, numbers, and JSON's escapes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>

#include "base/heap.h"
#include "base/utf8.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t more)
{
	size_t cap = MAX(b->cap * 2, b->len + more);
	cap = MAX(cap, (size_t)256);
	b->data = heap_grown(b->data, cap);
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

/* The last `width` digits of `value` to the places before `end`; returns where they begin. */
static char *digits_before(char *end, uint64_t value, int width)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930"
				    "31323334353637383940414243444546474849505152535455565758596061"
				    "62636465666768697071727374757677787980818283848586878889909192"
				    "93949596979899";
	char *p = end;

	for (; value >= 10; value /= 100)
		memcpy(p -= 2, pairs + value % 100 * 2, 2);
	if (value || p == end)
		*--p = (char)('0' + value);
	while (end - p < width)
		*--p = '0';
	return p;
}

void buf_put_u64_padded(struct buf *b, uint64_t value, int width)
{
	char digits[32];
	char *end = digits + sizeof digits;

	assert(width <= (int)sizeof digits);
	const char *p = digits_before(end, value, width);
	buf_put(b, (struct str){p, (size_t)(end - p)});
}

char *digits_put(char *out, uint64_t value)
{
	char digits[20], *end = digits + sizeof digits;

	if (value >= 10000) {
		const char *p = digits_before(end, value, 1);
		memcpy(out, p, (size_t)(end - p));
		return out + (end - p);
	}
	/* Places in texts and counts: straight to where they go. */
	end = out + (value < 100 ? 1 + (value >= 10) : 3 + (value >= 1000));
	(void)digits_before(end, value, 1);
	return end;
}

void buf_put_i64(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_putc(b, '-');
	buf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Writes the escape of `c` and returns where the next byte goes. */
static char *put_escape(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char names[256] = {
		['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	};

	*out++ = '\\';
	if (names[c]) {
		*out++ = names[c];
		return out;
	}
	memcpy(out, "u00", 3);
	out[3] = hex[c >> 4];
	out[4] = hex[c & 15];
	return out + 5;
}

static __attribute__((noinline)) char *put_bytes(char *out, const char *p, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char c = (unsigned char)p[i];
		if (LIKELY(c >= 0x20 && c != '"' && c != '\\'))
			*out++ = (char)c;
		else
			out = put_escape(out, c);
	}
	return out;
}

/* Whether one of eight bytes needs an escape. A byte of 0x80 and more never does; of the others a
 * difference that is zero, or a value below 0x20, is what borrows through the high bit. */
static inline bool wants_escape(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	uint64_t quote = v ^ ones * '"', backslash = v ^ ones * '\\';

	return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
		((v - ones * 0x20) & ~v)) & high;
}

/* The `len` (1 … 7) bytes at `p` and zeros behind them; none past them is read. Little endian, as
 * all machines that Debian's simdjson has kernels for. */
static inline uint64_t load_short(const char *p, size_t len)
{
	uint32_t low, high;

	if (len < 4)
		return (unsigned char)p[0] | (uint64_t)(unsigned char)p[len / 2] << len / 2 * 8 |
		       (uint64_t)(unsigned char)p[len - 1] << (len - 1) * 8;
	memcpy(&low, p, 4);
	memcpy(&high, p + len - 4, 4);
	return low | (uint64_t)high << (len - 4) * 8; /* what both hold is the same */
}

/* Copies 16 bytes if none needs an escape; else returns false, and what it wrote means nothing. */
static inline bool copy_plain16(char *out, const char *p)
{
	typedef unsigned char bytes16 __attribute__((vector_size(16)));
	typedef uint64_t words2 __attribute__((vector_size(16)));
	bytes16 v;

	memcpy(&v, p, sizeof v);
	memcpy(out, &v, sizeof v);
	words2 wants = (words2)((v == '"') | (v == '\\') | (v < 0x20));
	return !(wants[0] | wants[1]);
}

char *json_escape(char *out, struct str s)
{
	const char *p = s.data;
	size_t left = s.len;
	uint64_t eight;

	for (; left >= 16; p += 16, left -= 16) {
		if (LIKELY(copy_plain16(out, p)))
			out += 16;
		else
			out = put_bytes(out, p, 16);
	}
	if (left >= 8) {
		memcpy(&eight, p, 8);
		if (UNLIKELY(wants_escape(eight)))
			return put_bytes(out, p, left);
		memcpy(out, &eight, 8);
		out += 8;
		p += 8;
		left -= 8;
	}
	if (!left)
		return out;
	eight = load_short(p, left);
	if (UNLIKELY(wants_escape(eight | UINT64_MAX << left * 8)))
		return put_bytes(out, p, left);
	memcpy(out, &eight, 8);
	return out + left;
}

void buf_put_json_mended(struct buf *b, struct str s)
{
	buf_putc(b, '"');
	while (s.len) {
		size_t len = utf8_valid_len(s);
		b->len = (size_t)(json_escape(buf_room(b, JSON_ROOM(len)), (struct str){s.data, len}) - b->data);
		if (len < s.len)
			buf_put(b, STR("\xef\xbf\xbd"));
		s = str_from(s, MIN(len + 1, s.len));
	}
	buf_putc(b, '"');
}

void buf_put_time(struct buf *b, int64_t ms)
{
	/* Days to civil date in the proleptic Gregorian calendar: the algorithm of Howard
	 * Hinnant's «chrono-Compatible Low-Level Date Algorithms», era of 400 years. */
	int64_t days = ms / DAY_MS, rest = ms % DAY_MS;
	if (rest < 0) {
		rest += DAY_MS;
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

	/* Years of more than four digits take more room in front. */
	char text[48] = {0};
	char *end = text + sizeof text;
	static const char rest_of[] = "-00-00T00:00:00.000Z";
	char *tail = end - (sizeof rest_of - 1);

	memcpy(tail, rest_of, sizeof rest_of - 1);
	digits_before(tail + 3, (uint64_t)month, 2);
	digits_before(tail + 6, (uint64_t)day, 2);
	digits_before(tail + 9, (uint64_t)(rest / 3600000), 2);
	digits_before(tail + 12, (uint64_t)(rest / 60000 % 60), 2);
	digits_before(tail + 15, (uint64_t)(rest / 1000 % 60), 2);
	digits_before(tail + 19, (uint64_t)(rest % 1000), 3);
	const char *p = digits_before(tail, (uint64_t)MAX(year, 0), 4);
	buf_put(b, (struct str){p, (size_t)(end - p)});
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
