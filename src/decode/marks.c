/* marks.c - quotations, emoticons and mentions in a text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/marks.h"

#include "base/utf8.h"

enum {
	EMOTICON_BYTES_MAX = 32, /* the longest name of the table has 14 */
	MENTION_CHARS_MAX = 32,  /* WeCom's names have at most 32 characters */
};

/* The line at the beginning of `text`, without its end. */
static struct str line_of(struct str text)
{
	const char *end = memchr(text.data, '\n', text.len);
	size_t len = end ? (size_t)(end - text.data) : text.len;
	if (len > 0 && text.data[len - 1] == '\r')
		len--;
	return (struct str){text.data, len};
}

static struct str behind_line(struct str text)
{
	const char *end = memchr(text.data, '\n', text.len);
	return end ? str_from(text, (size_t)(end - text.data) + 1) : (struct str){0};
}

static bool ends_in_colon(struct str line)
{
	return str_ends(line, STR("：")) || str_ends(line, STR(":"));
}

static bool is_header(struct str line)
{
	static const struct str headers[] = {
	        {"这是一条引用/回复消息", sizeof "这是一条引用/回复消息" - 1},
	        {"This is a quote/reply",           sizeof "This is a quote/reply" - 1          },
	};
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (str_starts(line, headers[i])) {
			struct str rest = str_from(line, headers[i].len);
			return str_eq(rest, STR("：")) || str_eq(rest, STR(":"));
		}
	return false;
}

/* The row of hyphens that ends a quotation whose first line this is; empty if it is none. */
static struct str row_for(struct str line)
{
	bool wecom = str_starts(line, STR("“")) || str_starts(line, STR("”")) ||
	             str_starts(line, STR("\""));
	if (wecom && ends_in_colon(line))
		return STR("------");

	if (!str_starts(line, STR("「")))
		return (struct str){0};
	bool colon = memmem(line.data, line.len, "：", 3) || memchr(line.data, ':', line.len);
	return colon ? STR("- - - - - - - - - - - - - - -") : (struct str){0};
}

size_t marks_quoted(struct str text)
{
	/* Nearly every text ends here: “ ” 「 begin with E2 and E3, 这 with E8. */
	unsigned char first = text.len ? (unsigned char)text.data[0] : 0;
	if (LIKELY(first != '"' && first != 0xe2 && first != 0xe3 && first != 0xe8 && first != 'T'))
		return 0;

	struct str rest = text;
	if (is_header(line_of(rest)))
		rest = behind_line(rest);
	if (rest.len == 0)
		return 0;
	struct str row = row_for(line_of(rest));
	if (row.len == 0)
		return 0;
	for (rest = behind_line(rest); rest.len; rest = behind_line(rest))
		if (str_eq(line_of(rest), row)) {
			struct str own = behind_line(rest);
			return text.len - own.len;
		}
	return 0;
}

static void add(struct buf *spans, size_t start, size_t end, enum span_kind kind)
{
	struct span span = {(uint32_t)start, (uint32_t)end, kind};
	buf_put(spans, (struct str){(const char *)&span, sizeof span});
}

/* Bytes of the emoticon that begins with the bracket at `start`, or 0. */
static size_t emoticon_at(struct str text, size_t start)
{
	size_t room = MIN(text.len - start - 1, (size_t)EMOTICON_BYTES_MAX + 1);
	const char *name = text.data + start + 1;
	const char *end = memchr(name, ']', room);
	if (!end || !emoticon_known((struct str){name, (size_t)(end - name)}))
		return 0;
	return (size_t)(end - name) + 2;
}

static bool is_word_byte(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static bool ends_mention(uint32_t code)
{
	if (code < 0x80)
		return code <= ' ' || (code != '-' && code != '.' && code != '(' && code != ')' &&
		                       !is_word_byte((char)code));
	/* Blanks of every width, and the punctuation of Chinese (U+3000 … U+3003). */
	return (code >= 0x2000 && code <= 0x200b) || (code >= 0x3000 && code <= 0x3003) ||
	       code == 0xa0 || code == 0xff0c || code == 0xff1a || code == 0xff1b ||
	       code == 0xff01 || code == 0xff1f;
}

/* Bytes of the mention that begins with the @ at `start`, or 0. */
static size_t mention_at(struct str text, size_t start)
{
	if (start > 0 && is_word_byte(text.data[start - 1]))
		return 0;
	size_t at = start + 1;
	for (unsigned chars = 0; at < text.len && chars <= MENTION_CHARS_MAX; chars++) {
		uint32_t code = utf8_get(text.data + at);
		if (ends_mention(code))
			return chars ? at - start : 0;
		at += utf8_len((unsigned char)text.data[at]);
	}
	return at == text.len && at > start + 1 ? at - start : 0;
}

void marks_spans(struct str text, struct buf *spans)
{
	if (text.len == 0)
		return;
	bool brackets = memchr(text.data, '[', text.len), ats = memchr(text.data, '@', text.len);
	if (LIKELY(!brackets && !ats))
		return;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		size_t len = c == '[' ? emoticon_at(text, i) : c == '@' ? mention_at(text, i) : 0;
		if (len == 0)
			continue;
		add(spans, i, i + len, c == '[' ? SPAN_EMOTICON : SPAN_MENTION);
		i += len - 1;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool marks_only_emoticons(struct str text, size_t start, const struct span *spans, size_t count)
{
	for (size_t i = start; i < text.len; i++) {
		while (count && (spans->start < i || spans->kind != SPAN_EMOTICON)) {
			spans++;
			count--;
		}
		if (count && spans->start == i)
			i = spans->end - 1;
		else if (!is_blank(text.data[i]))
			return false;
	}
	return true;
}
