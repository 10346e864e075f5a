/* regex_sight.c - whether a regex can see where its text begins. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "match/regex.h"

/* The bytes of the escape that `rest` begins with, as far as they could be taken for something else. */
static size_t escape_bytes(struct str rest)
{
	if (!str_starts(rest, STR("\\Q")))
		return MIN(rest.len, str_starts(rest, STR("\\c")) ? (size_t)3 : (size_t)2);
	const char *end = memmem(rest.data, rest.len, "\\E", 2);
	return end ? (size_t)(end - rest.data) + 2 : rest.len;
}

/* The bytes of the class that `rest` begins with; 0 if it is not clear where it ends. */
static size_t class_bytes(struct str rest)
{
	size_t i = rest.len > 1 && rest.data[1] == '^' ? 2 : 1;

	for (bool first = true; i < rest.len; first = false) {
		struct str at = str_from(rest, i);
		const char *end = memchr(at.data, ']', at.len);
		if (at.data[0] == ']' && !first)
			return i + 1;
		if (str_starts(at, STR("\\Q")))
			return 0;
		if (at.data[0] == '\\')
			i += escape_bytes(at);
		else if (end && end - at.data > 2 && str_starts(at, STR("[:")) && end[-1] == ':')
			i += (size_t)(end - at.data) + 1;
		else
			i++;
	}
	return 0;
}

/* Comments hide what stands in them, but not from who does not know where they end. */
static bool has_comments(struct str pattern)
{
	for (size_t i = 0; i + 2 < pattern.len; i++) {
		if (!str_starts(str_from(pattern, i), STR("(?")))
			continue;
		for (size_t k = i + 2; k < pattern.len && strchr("imsxUJ-^#", pattern.data[k]); k++)
			if (pattern.data[k] == 'x' || pattern.data[k] == '#')
				return true;
	}
	return false;
}

enum start_sight regex_start_sight(struct str pattern)
{
	enum start_sight sight = START_UNSEEN;

	if (has_comments(pattern))
		return START_SEEN;
	for (size_t i = 0, bytes; i < pattern.len; i += bytes) {
		struct str rest = str_from(pattern, i);
		bytes = 1;
		if (rest.data[0] == '^' || str_starts(rest, STR("(?<")))
			return START_SEEN;
		if (rest.data[0] == '[') {
			bytes = class_bytes(rest);
			if (!bytes)
				return START_SEEN;
		}
		if (rest.data[0] != '\\' || rest.len < 2)
			continue;
		if (rest.data[1] == 'B' || rest.data[1] == 'A' || rest.data[1] == 'G')
			return START_SEEN;
		if (rest.data[1] == 'b')
			sight = START_WORD;
		bytes = escape_bytes(rest);
	}
	return sight;
}
