/* hours.c - walks from one edge of opening hours to the next. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/hours.h"

enum { DAY_MINUTES = 24 * 60, MINUTE_MS = 60 * 1000, WEEK_MS = 7 * DAY_MINUTES * MINUTE_MS };

static bool day_open(const struct filter *filter, int weekday)
{
	return filter->days >> ((weekday + 7) % 7) & 1;
}

static bool open_at(const struct filter *filter, struct zone_time t)
{
	if (!filter->hour_count)
		return day_open(filter, t.weekday);
	for (size_t i = 0; i < filter->hour_count; i++) {
		struct minutes span = filter->hours[i];
		if (span.from < span.to) {
			if (t.minute >= span.from && t.minute < span.to &&
			    day_open(filter, t.weekday))
				return true;
		} else if ((t.minute >= span.from && day_open(filter, t.weekday)) ||
			   (t.minute < span.to && day_open(filter, t.weekday - 1))) {
			return true;
		}
	}
	return false;
}

bool hours_open(const struct filter *filter, const struct zone *zone, int64_t ms)
{
	if (!filter->hour_count && filter->days == 0x7f)
		return true;
	return open_at(filter, zone_local(zone, ms));
}

/* Minutes from `minute` to the next at which open_at() may change: an edge of a span, midnight. */
static int minutes_to_edge(const struct filter *filter, int minute)
{
	int ahead = DAY_MINUTES - minute;

	for (size_t i = 0; i < filter->hour_count; i++) {
		const int edges[] = {filter->hours[i].from, filter->hours[i].to};
		for (int k = 0; k < 2; k++)
			if (edges[k] > minute)
				ahead = MIN(ahead, edges[k] - minute);
	}
	return ahead;
}

/* Between two changes of the offset every week is like the one before: what one week held, many hold.
 * A minute a week takes 100,000 years to make the longest wait, and that is asked for each message. */
static int64_t skip_weeks(const struct zone *zone, int64_t at, int64_t held_ms, int64_t *over_ms)
{
	int64_t weeks = (zone_next_change_ms(zone, at) - at) / WEEK_MS;

	if (held_ms <= 0 || weeks <= 0)
		return at;
	weeks = MIN(weeks, (*over_ms - 1) / held_ms);
	*over_ms -= weeks * held_ms;
	return at + weeks * WEEK_MS;
}

int64_t hours_due_ms(const struct filter *filter, const struct zone *zone, int64_t from_ms,
		     int64_t over_ms)
{
	assert(over_ms > 0 && filter->days);
	if (!filter->hour_count && filter->days == 0x7f)
		return from_ms + over_ms;

	int64_t week_end = from_ms + WEEK_MS, over_before = over_ms;
	for (int64_t at = from_ms;;) {
		struct zone_time t = zone_local(zone, at);
		/* Offsets of today's zones are whole minutes; the odd seconds of local mean time
		 * only shift the edge within its minute. */
		int64_t into_minute = ((at % MINUTE_MS) + MINUTE_MS) % MINUTE_MS;
		int64_t edge = at - into_minute +
			       (int64_t)minutes_to_edge(filter, t.minute) * MINUTE_MS;
		int64_t change = zone_next_change_ms(zone, at);
		edge = MIN(MIN(edge, change), week_end);
		if (open_at(filter, t)) {
			if (edge - at >= over_ms)
				return at + over_ms;
			over_ms -= edge - at;
		}
		at = edge;
		if (at == week_end && at != change)
			at = skip_weeks(zone, at, over_before - over_ms, &over_ms);
		if (at >= week_end || at == change) {
			week_end = at + WEEK_MS;
			over_before = over_ms;
		}
	}
}
