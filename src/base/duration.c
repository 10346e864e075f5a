/* duration.c - reads times. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <ctype.h>

#include "base/clock.h"

enum { SECOND_MS = 1000 };

static const struct {
	struct str name;
	int64_t ms;
} units[] = {
	/* From long to short, which is also the only order they may stand in. */
	{{"w", 1}, INT64_C(7) * 86400 * SECOND_MS}, {{"d", 1}, INT64_C(86400) * SECOND_MS},
	{{"h", 1}, 3600 * SECOND_MS},		    {{"m", 1}, 60 * SECOND_MS},
	{{"s", 1}, SECOND_MS},			    {{"ms", 2}, 1},
};

bool duration_parse(struct str text, int64_t *out_ms)
{
	int64_t total = 0;
	size_t first_unit = 0;

	if (str_eq(text, STR("0"))) {
		*out_ms = 0;
		return true;
	}
	while (text.len) {
		size_t digits = 0, letters = 0, unit;
		uint64_t value;
		while (digits < text.len && isdigit((unsigned char)text.data[digits]))
			digits++;
		while (digits + letters < text.len &&
		       !isdigit((unsigned char)text.data[digits + letters]))
			letters++;
		if (digits > 12 || !str_to_u64((struct str){text.data, digits}, &value))
			return false;
		struct str name = {text.data + digits, letters};
		for (unit = first_unit; unit < ARRAY_LEN(units); unit++)
			if (str_eq(name, units[unit].name))
				break;
		int64_t ms;
		if (unit == ARRAY_LEN(units) ||
		    __builtin_mul_overflow((int64_t)value, units[unit].ms, &ms) ||
		    __builtin_add_overflow(total, ms, &total))
			return false;
		first_unit = unit + 1;
		text = str_from(text, digits + letters);
	}
	if (first_unit == 0)
		return false; /* nothing at all */
	*out_ms = total;
	return true;
}

int duration_read(const char *option, const char *text, int64_t *ms, struct err *err)
{
	if (duration_parse(str_of(text), ms))
		return 0;
	return err_set(err, ERR_USAGE, "%s takes a time like 500ms, 30s, 10m, 2h or 7d; not '%s'",
		       option, text);
}

int duration_read_time(const char *option, const char *text, int64_t *out, struct err *err)
{
	int64_t ago_ms;
	struct err ignored; /* the sentence below is about both ways */

	if (!text || str_to_time(str_of(text), out))
		return 0;
	if (duration_read(option, text, &ago_ms, &ignored) < 0)
		return err_set(err, ERR_USAGE,
			       "%s takes a time like 2026-03-02T09:00:00Z, or how long ago: 30m, 24h, "
			       "7d; not '%s'",
			       option, text);
	*out = clock_wall_ms() - ago_ms;
	return 0;
}
