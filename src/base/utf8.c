/* utf8.c - checks UTF-8 at the borders. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

bool utf8_valid(struct str s)
{
	for (size_t i = 0; i < s.len;) {
		unsigned char first = (unsigned char)s.data[i];
		if (first < 0x80) {
			i++;
			continue;
		}
		if (first < 0xc2 || first > 0xf4)
			return false;
		unsigned len = utf8_len(first);
		if (s.len - i < len)
			return false;
		for (unsigned k = 1; k < len; k++)
			if (((unsigned char)s.data[i + k] & 0xc0) != 0x80)
				return false;
		/* Overlong forms, surrogates and what lies past U+10FFFF. */
		uint32_t code = utf8_get(s.data + i);
		if ((len == 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
		    (len == 4 && (code < 0x10000 || code > 0x10ffff)))
			return false;
		i += len;
	}
	return true;
}
