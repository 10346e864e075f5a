/* str.c - numbers in text, and the nearest of several names. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <ctype.h>

struct str str_line(struct str *rest)
{
	const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
	struct str line = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
	const char *cr = line.len ? memchr(line.data, '\r', line.len) : NULL;

	if (cr)
		line.len = (size_t)(cr - line.data);
	bool both = cr && cr + 1 == end;
	*rest = str_from(*rest, line.len + (both ? 2 : 1));
	return line;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.data[i] - '0');
		if (digit > 9 || __builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*out = value;
	return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool minus = s.len > 0 && s.data[0] == '-';
	uint64_t value;

	if (!str_to_u64(minus ? str_from(s, 1) : s, &value))
		return false;
	if (value > (uint64_t)INT64_MAX)
		return false;
	*out = minus ? -(int64_t)value : (int64_t)value;
	return true;
}

enum { NEAREST_LEN_MAX = 64 }; /* longer names are never typing errors of ours */

/* Levenshtein distance with one row; both are at most NEAREST_LEN_MAX long. */
static unsigned distance(struct str a, struct str b)
{
	unsigned row[NEAREST_LEN_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.len; j++) {
			unsigned up = row[j];
			bool same = tolower((unsigned char)a.data[i - 1]) ==
				    tolower((unsigned char)b.data[j - 1]);
			unsigned best = diagonal + !same;
			best = MIN(best, up + 1);
			best = MIN(best, row[j - 1] + 1);
			row[j] = best;
			diagonal = up;
		}
	}
	return row[b.len];
}

const char *str_nearest(struct str name, const char *const *names, size_t count)
{
	const char *nearest = NULL;
	unsigned nearest_distance = UINT32_MAX;

	if (name.len > NEAREST_LEN_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct str candidate = str_of(names[i]);
		if (candidate.len > NEAREST_LEN_MAX)
			continue;
		unsigned d = distance(name, candidate);
		if (d < nearest_distance) {
			nearest_distance = d;
			nearest = names[i];
		}
	}
	/* Half of the letters wrong is no typing error but another word. */
	return nearest && nearest_distance * 2 <= MAX(name.len, strlen(nearest)) ? nearest : NULL;
}

/* Days since 1970 of a date in the Gregorian calendar; after Howard Hinnant's «chrono-Compatible
 * Low-Level Date Algorithms», as buf_put_time() the other way. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400, year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

bool str_to_time(struct str s, int64_t *out_ms)
{
	static const char with_ms[] = "dddd-dd-ddTdd:dd:dd.dddZ", without[] = "dddd-dd-ddTdd:dd:ddZ";
	const char *form = s.len == sizeof without - 1 ? without : with_ms;
	int64_t part[7] = {0};
	unsigned n = 0;

	if (s.len != strlen(form))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (form[i] == 'd' && s.data[i] >= '0' && s.data[i] <= '9')
			part[n] = part[n] * 10 + (s.data[i] - '0');
		else if (form[i] == 'd' || form[i] != s.data[i])
			return false;
		else
			n++;
	}
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
	    part[4] > 59 || part[5] > 59)
		return false;
	*out_ms = (((days_of(part[0], part[1], part[2]) * 24 + part[3]) * 60 + part[4]) * 60 +
		   part[5]) * 1000 + part[6];
	return true;
}
