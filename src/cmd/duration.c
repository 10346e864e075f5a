/* duration.c - reads times of options. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/duration.h"

#include "base/str.h"

int duration_read(const char *option, const char *text, int64_t *ms, struct err *err)
{
	static const struct {
		struct str unit;
		int64_t ms;
	} units[] = {{STR("ms"), 1},	  {STR("s"), 1000},	 {STR("m"), 60000},
		     {STR("h"), 3600000}, {STR("d"), 86400000}};
	struct str s = str_of(text);
	int64_t number;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		struct str digits = {s.data, s.len - MIN(s.len, units[i].unit.len)};
		if (str_ends(s, units[i].unit) && str_to_i64(digits, &number) && number >= 0 &&
		    !__builtin_mul_overflow(number, units[i].ms, ms))
			return 0;
	}
	return err_set(err, ERR_USAGE, "%s takes a time like 500ms, 30s, 10m, 2h or 7d; not '%s'",
		       option, text);
}
