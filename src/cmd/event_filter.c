/* event_filter.c - lists of names, and events held against them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/event_filter.h"

#include "base/buf.h"

static const char *const types[] = {EVENT_TYPE_NAMES(AS_NAME)};
static const char *const severities[] = {SEVERITY_NAMES(AS_NAME)};
static_assert(ARRAY_LEN(types) == EVENT_TYPE_COUNT, "a name for each type");

static int read_word(const char *option, struct str word, const char *const *words, size_t count,
		     size_t *out, struct err *err)
{
	const char *nearest = str_nearest(word, words, count);
	struct buf known = {0};

	for (size_t i = 0; i < count; i++) {
		if (str_eq(word, str_of(words[i]))) {
			*out = i;
			buf_fini(&known);
			return 0;
		}
		buf_printf(&known, "%s%s", i ? ", " : "", words[i]);
	}
	(void)err_set(err, ERR_USAGE, "%s takes %.*s; not '%.*s'%s%s%s", option,
		      STR_ARG(buf_str(&known)), STR_ARG(word), nearest ? "; did you mean " : "",
		      nearest ? nearest : "", nearest ? "?" : "");
	buf_fini(&known);
	return -1;
}

/* The next name of a list with commas; false at its end. */
static bool next_name(struct str *rest, struct str *name)
{
	if (!rest->len)
		return false;
	const char *comma = memchr(rest->data, ',', rest->len);
	*name = (struct str){rest->data, comma ? (size_t)(comma - rest->data) : rest->len};
	*rest = str_from(*rest, name->len + 1);
	return true;
}

static bool is_listed(const char *list, struct str value)
{
	struct str rest = str_of(list), name;

	while (next_name(&rest, &name))
		if (str_eq(name, value))
			return true;
	return !list;
}

/* A rule is named RULE, or PACK/RULE. */
static bool is_rule_listed(const char *list, const struct event *e)
{
	struct str rest = str_of(list), name;

	while (next_name(&rest, &name)) {
		bool full = name.len == e->pack.len + 1 + e->rule.len && str_starts(name, e->pack) &&
			    name.data[e->pack.len] == '/' && str_ends(name, e->rule);
		if (full || str_eq(name, e->rule))
			return true;
	}
	return !list;
}

int event_types_read(const char *option, const char *list, bool wanted[EVENT_TYPE_COUNT],
		     struct err *err)
{
	struct str rest = str_of(list), name;
	size_t index;

	while (next_name(&rest, &name)) {
		if (read_word(option, name, types, ARRAY_LEN(types), &index, err) < 0)
			return -1;
		wanted[index] = true;
	}
	return 0;
}

int event_filter_read(struct event_filter *f, struct err *err)
{
	size_t index = 0;

	for (size_t i = 0; i < EVENT_TYPE_COUNT; i++)
		f->wanted[i] = !f->type;
	if (event_types_read("--type", f->type, f->wanted, err) < 0)
		return -1;
	if (f->severity && read_word("--severity", str_of(f->severity), severities,
				     ARRAY_LEN(severities), &index, err) < 0)
		return -1;
	f->least = (enum severity)index;
	return 0;
}

bool event_filter_wants(const struct event_filter *f, const struct event *e)
{
	if (f->severity && (e->type != EVENT_ALERT || e->severity < f->least))
		return false;
	return f->wanted[e->type] && is_listed(f->pack, e->pack) && is_rule_listed(f->rule, e) &&
	       is_listed(f->corp, e->corpid);
}
