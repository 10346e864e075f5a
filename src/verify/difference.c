/* difference.c - names the first header or field that differs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/difference.h"

enum { NAME_MAX_BYTES = 32 };

static size_t common(struct str a, struct str b)
{
	size_t len = MIN(a.len, b.len), i = 0;

	while (i < len && a.data[i] == b.data[i])
		i++;
	return i;
}

void difference_in_lines(char *out, size_t size, struct str a, struct str b)
{
	size_t at = common(a, b), end;

	if (!a.len) {
		(void)snprintf(out, size, "the headers differ");
		return;
	}
	struct str longer = at < a.len ? a : b;
	while (at > 0 && longer.data[at - 1] != '\n')
		at--;
	for (end = at; end < longer.len && longer.data[end] != '='; end++)
		;
	(void)snprintf(out, size, "header %.*s differs", (int)MIN(end - at, (size_t)NAME_MAX_BYTES),
		       longer.data + at);
}

/* Only what could be one of our own names: data that somebody changed may hold anything there. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(s.data[i] >= 'a' && s.data[i] <= 'z') && s.data[i] != '_')
			return false;
	return s.len > 0 && s.len <= NAME_MAX_BYTES;
}

/* The last key of the outer object that begins before `at`. */
static struct str key_before(struct str object, size_t at)
{
	struct str key = {0};
	int depth = 0;
	bool expects = false; /* a key of the outer object */

	for (size_t i = 0; i < object.len && i <= at; i++) {
		char c = object.data[i];
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (depth == 1 && (c == '{' || c == ','))
			expects = true;
		if (c != '"')
			continue;
		size_t start = ++i;
		while (i < object.len && object.data[i] != '"')
			i += object.data[i] == '\\' ? 2 : 1;
		if (expects && i <= object.len)
			key = (struct str){object.data + start, i - start};
		expects = false;
	}
	return key;
}

void difference_in_object(char *out, size_t size, struct str a, struct str b)
{
	struct str name = a.len ? key_before(a, common(a, b)) : (struct str){0};

	if (is_name(name))
		(void)snprintf(out, size, "the value differs in %.*s", STR_ARG(name));
	else
		(void)snprintf(out, size, "the value differs");
}
