/* plain.c - text that is safe to show. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/plain.h"

#include "base/utf8.h"
#include "send/encode.h"

/* Line and paragraph separators, and the bidirectional controls of Unicode (UAX #9, 2.1-2.6). */
static bool is_trick(uint32_t code)
{
	return code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

void plain_name(struct buf *out, struct str name)
{
	for (size_t i = 0; i < name.len;) {
		unsigned len = utf8_len((unsigned char)name.data[i]);
		uint32_t code = utf8_get(name.data + i);
		if (is_control(code))
			buf_putc(out, ' ');
		else if (!is_trick(code))
			buf_put(out, (struct str){name.data + i, len});
		i += len;
	}
}

void plain_shown(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len;) {
		unsigned len = utf8_len((unsigned char)text.data[i]);
		uint32_t code = utf8_get(text.data + i);
		if (code == '\n' || code == '\t')
			buf_put(out, code == '\n' ? STR("\\n") : STR("\\t"));
		else if (is_control(code) || is_trick(code))
			buf_printf(out, "\\u%04x", code);
		else
			buf_put(out, (struct str){text.data + i, len});
		i += len;
	}
}

void plain_text(struct buf *out, struct str text, size_t from, size_t to)
{
	struct buf masked = {0};

	encode_masked_part(&masked, text, from, to);
	plain_name(out, buf_str(&masked));
	buf_fini(&masked);
}
