/* config_values.c - one function a type of value. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config_values.h"

#include <ctype.h>

#include "base/duration.h"
#include "base/utf8.h"

enum { HOST_BYTES_MAX = 253 }; /* of a name in the DNS */

const char *config_resolve(struct config *c, const char *path)
{
	const char *slash = c->file ? strrchr(c->file, '/') : NULL;

	if (path[0] == '/' || !slash)
		return path;
	return arena_printf(&c->arena, "%.*s%s", (int)(slash - c->file + 1),
			    c->file, path)
		.data;
}

bool config_is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.data[i]) && !strchr("._-", s.data[i]))
			return false;
	return s.len > 0 && s.len <= 60; /* names are joined with others into ids of 64 bytes */
}

static bool is_topic(struct str s)
{
	return config_is_name(s) && !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

/* Whether there is such a host is seen when the port is opened. */
static bool is_listen(struct str s)
{
	const char *colon = s.len ? memrchr(s.data, ':', s.len) : NULL;
	int64_t port;

	if (!colon || colon - s.data > HOST_BYTES_MAX || memchr(s.data, ' ', s.len))
		return false;
	struct str digits = str_from(s, (size_t)(colon - s.data) + 1);
	return digits.len && digits.data[0] != '+' && str_to_i64(digits, &port) && port > 0 && port < 65536;
}

const char *config_put_value(struct config *c, const struct key *key, struct str text)
{
	void *field = (char *)c + key->offset;
	struct str copy = arena_copy(&c->arena, text);
	int64_t number;

	switch (key->type) {
	case KEY_NAME:
		if (!config_is_name(text))
			return "must be 1 to 60 of the characters A-Z a-z 0-9 . _ -";
		*(const char **)field = copy.data;
		return NULL;
	case KEY_TOPIC:
		if (!is_topic(text))
			return "must be 1 to 60 of the characters A-Z a-z 0-9 . _ -, and not . or ..";
		*(const char **)field = copy.data;
		return NULL;
	case KEY_LISTEN:
		if (!is_listen(text))
			return "must be host:port, :port or [address]:port, with a port from 1 to 65535";
		*(const char **)field = copy.data;
		return NULL;
	case KEY_TEXT:
		if (!utf8_valid(text))
			return "must be UTF-8";
		*(const char **)field = copy.data;
		return NULL;
	case KEY_PATH:
		*(const char **)field = config_resolve(c, copy.data);
		return NULL;
	case KEY_COUNT:
	case KEY_DURATION:
		if (key->type == KEY_COUNT ? !str_to_i64(text, &number)
					   : !duration_parse(text, &number))
			return key->type == KEY_COUNT ? "must be a whole number"
						      : "must be a time like 500ms, 30s, 10m, 2h, 7d";
		if (number < key->least || number > key->most)
			return arena_printf(&c->arena, "must be from %lld to %lld",
					    (long long)key->least, (long long)key->most)
				.data;
		*(int64_t *)field = number;
		return NULL;
	case KEY_BOOL:
		if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
			return "must be true or false";
		*(bool *)field = text.data[0] == 't';
		return NULL;
	case KEY_EVIDENCE: {
		static const char *const modes[] = {EVIDENCE_NAMES(AS_NAME)};
		for (size_t i = 0; i < ARRAY_LEN(modes); i++)
			if (str_eq(text, str_of(modes[i]))) {
				*(enum evidence_mode *)field = (enum evidence_mode)i;
				return NULL;
			}
		return "must be none, masked or full";
	}
	case KEY_PROPERTIES:
		return "must be a map of names and values";
	}
	UNREACHABLE("a key's type that is not in the enum");
}
