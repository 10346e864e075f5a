/* utf8.c - checks UTF-8 at the borders. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

size_t utf8_valid_len(struct str s)
{
	size_t i = 0;

	while (i < s.len) {
		unsigned char first = (unsigned char)s.data[i];
		if (first < 0x80) {
			i++;
			continue;
		}
		if (first < 0xc2 || first > 0xf4)
			return i;
		unsigned len = utf8_len(first);
		if (s.len - i < len)
			return i;
		for (unsigned k = 1; k < len; k++)
			if (((unsigned char)s.data[i + k] & 0xc0) != 0x80)
				return i;
		/* Overlong forms, surrogates and what lies past U+10FFFF. */
		uint32_t code = utf8_get(s.data + i);
		if ((len == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
		    (len == 4 && (code < 0x10000 || code > 0x10ffff)))
			return i;
		i += len;
	}
	return i;
}

bool utf8_valid(struct str s)
{
	return utf8_valid_len(s) == s.len;
}
