/* suspect.c - looks for what a column cannot hold: NUL, long names, times beyond the calendar. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/suspect.h"

enum { NAME_MAX_BYTES = 256, TITLE_MAX_BYTES = 1024 };

static const int64_t time_max_ms = INT64_C(253402300800000); /* the year 10000 */

static bool fits(struct str s, size_t bytes_max)
{
	return s.len <= bytes_max && (s.len == 0 || !memchr(s.data, '\0', s.len));
}

static bool all_fit(const struct str *items, size_t count, size_t bytes_max)
{
	for (size_t i = 0; i < count; i++)
		if (!fits(items[i], bytes_max))
			return false;
	return true;
}

static bool changes_fit(const struct tag_change *changes, size_t count, size_t bytes_max)
{
	for (size_t i = 0; i < count; i++) {
		const struct tag_change *c = &changes[i];
		const struct str names[] = {c->group, c->tag, c->wecom_id};
		if (!all_fit(names, ARRAY_LEN(names), bytes_max) ||
		    !all_fit(c->userids, c->userid_count, bytes_max))
			return false;
	}
	return true;
}

/* Every string of the event has no NUL and at most so many bytes. */
static bool strings_fit(const struct event *e, size_t name_max, size_t title_max)
{
	const struct str names[] = {e->corpid,	  e->subject,  e->external_userid, e->roomid,
				    e->from,	  e->msgid,    e->pack,		   e->rule,
				    e->ruleset,	  e->by,       e->ladder,	   e->from_stage,
				    e->to_stage, e->category};

	return all_fit(names, ARRAY_LEN(names), name_max) && fits(e->title, title_max) &&
	       all_fit(e->userids, e->userid_count, name_max) &&
	       all_fit(e->msgids, e->msgid_count, name_max) &&
	       changes_fit(e->add, e->add_count, name_max) &&
	       changes_fit(e->remove, e->remove_count, name_max);
}

static bool times_fit(const struct event *e)
{
	return e->time_ms >= 0 && e->time_ms < time_max_ms && e->msgtime_ms >= 0 &&
	       e->msgtime_ms < time_max_ms;
}

int64_t store_time(int64_t ms)
{
	return MIN(MAX(ms, 0), time_max_ms - 1);
}

bool store_is_suspect(const struct store_item *item)
{
	const struct event *e = item->event;

	return e && (!strings_fit(e, NAME_MAX_BYTES, TITLE_MAX_BYTES) || !times_fit(e));
}

bool store_can_ask(const struct store_item *item)
{
	const struct event *e = item->event;

	return e->sequence <= INT64_MAX && strings_fit(e, SIZE_MAX, SIZE_MAX) && times_fit(e);
}
