/* zone.c - TZif files (RFC 8536) and the rules at their end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/zone.h"

#include <ctype.h>
#include <errno.h>

struct change {
	int64_t at_s;	  /* since 1970, UTC */
	int32_t offset_s; /* east of UTC, from then on */
};

struct zone {
	const struct change *changes; /* by time; the first is the beginning of time */
	size_t count;
};

enum { YEAR_FIRST = 1900, YEAR_LAST = 2200 }; /* of summers that the footer tells */
enum { FILE_BYTES_MAX = 64 * 1024, NAME_BYTES_MAX = 64 };

static const struct change china_changes[] = {{INT64_MIN, 8 * 3600}};
static const struct zone china = {china_changes, 1};

const struct zone *zone_china(void)
{
	return &china;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Index of the change in force at `s`. */
static size_t find_change(const struct zone *zone, int64_t s)
{
	size_t low = 0, high = zone->count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		*(zone->changes[middle].at_s <= s ? &low : &high) = middle;
	}
	return low;
}

/* Days since 1970-01-01 to month and back: Howard Hinnant's «chrono-Compatible Low-Level Date
 * Algorithms», years that begin in March, eras of 400 years. */
static int64_t month_of_day(int64_t day)
{
	day += 719468;
	int64_t era = floor_div(day, 146097), of_era = day - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t march_month = (5 * of_year + 2) / 153;

	return (year + era * 400) * 12 + march_month + 2;
}

static int64_t day_of_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = floor_div(year, 400), of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct zone_time zone_local(const struct zone *zone, int64_t ms)
{
	int64_t s = floor_div(ms, 1000);
	int64_t local_s = s + zone->changes[find_change(zone, s)].offset_s;
	int64_t day = floor_div(local_s, 86400);
	int64_t week = floor_div(day + 3, 7); /* 1970-01-01 was a Thursday */

	return (struct zone_time){
		.day = day,
		.week = week,
		.month = month_of_day(day),
		.weekday = (int)(day + 3 - week * 7),
		.minute = (int)((local_s - day * 86400) / 60),
	};
}

int64_t zone_next_change_ms(const struct zone *zone, int64_t ms)
{
	size_t next = find_change(zone, floor_div(ms, 1000)) + 1;

	return next < zone->count ? zone->changes[next].at_s * 1000 : INT64_MAX;
}

/* ---- the POSIX TZ string: std offset [dst [offset] , start [/time] , end [/time]] ---- */

struct when { /* Mm.w.d, Jn or n, and the time of that day */
	char kind; /* 'M', 'J' or 'n' */
	int month, week, weekday, day;
	int64_t time_s;
};

struct posix_rule {
	int32_t standard_s, summer_s;
	bool has_summer;
	struct when start, end;
};

struct cursor {
	struct str rest;
	bool bad;
};

static bool take_char(struct cursor *c, char wanted)
{
	if (!c->rest.len || c->rest.data[0] != wanted)
		return false;
	c->rest = str_from(c->rest, 1);
	return true;
}

static int take_number(struct cursor *c, int max)
{
	int value = 0, digits = 0;

	for (; c->rest.len && isdigit((unsigned char)c->rest.data[0]) && digits < 4; digits++) {
		value = value * 10 + (c->rest.data[0] - '0');
		c->rest = str_from(c->rest, 1);
	}
	if (!digits || value > max)
		c->bad = true;
	return c->bad ? 0 : value;
}

static int64_t take_time(struct cursor *c)
{
	bool minus = take_char(c, '-');

	if (!minus)
		(void)take_char(c, '+'); /* may stand there, means nothing */
	int64_t s = take_number(c, 167) * 3600;
	if (take_char(c, ':'))
		s += take_number(c, 59) * 60;
	if (take_char(c, ':'))
		s += take_number(c, 59);
	return minus ? -s : s;
}

static void take_name(struct cursor *c)
{
	size_t len = 0;

	if (take_char(c, '<')) {
		while (c->rest.len && c->rest.data[0] != '>')
			c->rest = str_from(c->rest, 1);
		c->bad |= !take_char(c, '>');
		return;
	}
	for (; c->rest.len && isalpha((unsigned char)c->rest.data[0]); len++)
		c->rest = str_from(c->rest, 1);
	c->bad |= len < 3;
}

static struct when take_when(struct cursor *c)
{
	struct when when = {.kind = 'n', .time_s = 7200};

	if (take_char(c, 'M')) {
		when.kind = 'M';
		when.month = take_number(c, 12);
		c->bad |= !take_char(c, '.');
		when.week = take_number(c, 5);
		c->bad |= !take_char(c, '.');
		when.weekday = take_number(c, 6);
		c->bad |= when.month < 1 || when.week < 1;
	} else {
		when.kind = take_char(c, 'J') ? 'J' : 'n';
		when.day = take_number(c, 365);
	}
	if (take_char(c, '/'))
		when.time_s = take_time(c);
	return when;
}

static bool parse_posix(struct str text, struct posix_rule *out)
{
	struct cursor c = {.rest = text};
	struct posix_rule rule = {0};

	take_name(&c);
	rule.standard_s = (int32_t)-take_time(&c);
	if (c.rest.len) {
		rule.has_summer = true;
		take_name(&c);
		bool own = c.rest.len && c.rest.data[0] != ',';
		rule.summer_s = own ? (int32_t)-take_time(&c) : rule.standard_s + 3600;
		c.bad |= !take_char(&c, ',');
		rule.start = take_when(&c);
		c.bad |= !take_char(&c, ',');
		rule.end = take_when(&c);
	}
	if (c.bad || c.rest.len)
		return false;
	*out = rule;
	return true;
}

/* Local seconds since 1970 of `when` in `year`. */
static int64_t when_s(const struct when *when, int64_t year)
{
	int64_t day;

	if (when->kind == 'M') {
		int64_t first = day_of_date(year, when->month, 1);
		int64_t next = when->month == 12 ? day_of_date(year + 1, 1, 1)
						 : day_of_date(year, when->month + 1, 1);
		/* POSIX counts weekdays from Sunday; 1970-01-01 was a Thursday, 4. */
		int64_t weekday = ((first + 4) % 7 + 7) % 7;
		day = first + (when->weekday - weekday + 7) % 7 + (when->week - 1) * 7;
		if (day >= next)
			day -= 7;
	} else if (when->kind == 'J') { /* 1 … 365, 29 February is never counted */
		bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
		day = day_of_date(year, 1, 1) + when->day - 1 + (leap && when->day >= 60);
	} else {
		day = day_of_date(year, 1, 1) + when->day;
	}
	return day * 86400 + when->time_s;
}

/* ---- the file ---- */

struct header {
	uint32_t isut, isstd, leap, time, type, chars;
};

static int64_t big_endian(const char *p, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char)p[i];
	return bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
}

enum { HEADER_BYTES = 44 };

static bool read_header(struct str s, struct header *h)
{
	if (s.len < HEADER_BYTES || memcmp(s.data, "TZif", 4) != 0 || s.data[4] < '2')
		return false;
	uint32_t *fields[] = {&h->isut, &h->isstd, &h->leap, &h->time, &h->type, &h->chars};
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		*fields[i] = (uint32_t)big_endian(s.data + 20 + i * 4, 4);
		if (*fields[i] > FILE_BYTES_MAX)
			return false;
	}
	return true;
}

static size_t data_bytes(const struct header *h, size_t time_bytes)
{
	return h->time * (time_bytes + 1) + h->type * 6 + h->chars + h->leap * (time_bytes + 4) +
	       h->isstd + h->isut;
}

static void add_future(struct zone *zone, struct change *changes, const struct posix_rule *rule)
{
	int64_t last = zone->count > 1 ? changes[zone->count - 1].at_s : 0;

	if (!rule->has_summer) {
		if (changes[zone->count - 1].offset_s != rule->standard_s)
			changes[zone->count++] = (struct change){last + 1, rule->standard_s};
		return;
	}
	int64_t year = month_of_day(floor_div(last, 86400)) / 12;
	for (year = MAX(year, (int64_t)YEAR_FIRST); year <= YEAR_LAST; year++) {
		struct change two[] = {
			{when_s(&rule->start, year) - rule->standard_s, rule->summer_s},
			{when_s(&rule->end, year) - rule->summer_s, rule->standard_s},
		};
		/* South of the equator summer ends before it begins. */
		bool swap = two[0].at_s > two[1].at_s;
		for (int i = 0; i < 2; i++) {
			struct change it = two[swap ? 1 - i : i];
			if (it.at_s > changes[zone->count - 1].at_s)
				changes[zone->count++] = it;
		}
	}
}

const struct zone *zone_parse(struct arena *arena, struct str tzif)
{
	struct header h;
	struct posix_rule rule;

	if (tzif.len > FILE_BYTES_MAX || !read_header(tzif, &h))
		return NULL;
	/* The first block repeats the data with 32-bit times, for old readers. */
	struct str s = str_from(tzif, HEADER_BYTES + data_bytes(&h, 4));
	if (!read_header(s, &h) || s.len < HEADER_BYTES + data_bytes(&h, 8) || h.type < 1)
		return NULL;
	const char *times = s.data + HEADER_BYTES, *types = times + h.time * 8;
	const char *infos = types + h.time;

	struct change *changes =
		ARENA_ARRAY(arena, struct change, 1 + h.time + 2 * (YEAR_LAST - YEAR_FIRST + 1));
	struct zone *zone = ARENA_NEW(arena, struct zone);
	zone->changes = changes;
	changes[zone->count++] = (struct change){INT64_MIN, (int32_t)big_endian(infos, 4)};
	for (uint32_t i = 0; i < h.time; i++) {
		unsigned type = (unsigned char)types[i];
		int64_t at = big_endian(times + i * 8, 8);
		if (type >= h.type)
			return NULL;
		int64_t offset = big_endian(infos + type * 6, 4);
		/* Half a day beyond the widest real offsets; milliseconds must not overflow. */
		if (offset < -26 * 3600 || offset > 26 * 3600 || at > INT64_MAX / 2000)
			return NULL;
		if (at < -(INT64_C(1) << 43)) { /* some files begin with the Big Bang */
			changes[0].offset_s = (int32_t)offset;
			continue;
		}
		if (at <= changes[zone->count - 1].at_s && zone->count > 1)
			return NULL;
		changes[zone->count++] = (struct change){at, (int32_t)offset};
	}
	struct str footer = str_from(s, HEADER_BYTES + data_bytes(&h, 8));
	if (footer.len < 2 || footer.data[0] != '\n' || footer.data[footer.len - 1] != '\n')
		return NULL;
	footer = (struct str){footer.data + 1, footer.len - 2};
	if (!footer.len)
		return zone;
	if (!parse_posix(footer, &rule))
		return NULL;
	add_future(zone, changes, &rule);
	return zone;
}

static bool name_ok(struct str name)
{
	if (!name.len || name.len > NAME_BYTES_MAX || name.data[0] == '/')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.data[i]) && !strchr("/_+-", name.data[i]))
			return false;
	return true; /* no dots: no way out of the folder */
}

int zone_read_file(struct str *out, struct arena *arena, struct str name, struct err *err)
{
	char path[sizeof "/usr/share/zoneinfo/" + NAME_BYTES_MAX];

	if (!name_ok(name))
		return err_set(err, ERR_CONFIG, "no IANA time zone; write one like Asia/Shanghai");
	(void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%.*s", STR_ARG(name));
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set(err, ERR_CONFIG, "no such time zone in /usr/share/zoneinfo%s",
			       errno == ENOENT ? " (package tzdata); write one like Asia/Shanghai"
					       : "");
	char *bytes = arena_alloc(arena, FILE_BYTES_MAX);
	size_t len = fread(bytes, 1, FILE_BYTES_MAX, file);
	bool bad = ferror(file);
	(void)fclose(file); /* only read from */
	if (bad || len == FILE_BYTES_MAX)
		return err_set(err, ERR_CONFIG, "cannot read %s", path);
	*out = (struct str){bytes, len};
	return 0;
}
