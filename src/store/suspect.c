/* suspect.c - looks for what a column cannot hold: NUL, long names, times beyond the calendar. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/suspect.h"

enum { NAME_MAX_BYTES = 256, TITLE_MAX_BYTES = 1024 };

static const int64_t time_max_ms = INT64_C(253402300800000); /* the year 10000 */

static bool fits(struct str s, size_t bytes_max)
{
	return s.len <= bytes_max && (s.len == 0 || !memchr(s.data, '\0', s.len));
}

static bool all_fit(const struct str *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!fits(items[i], NAME_MAX_BYTES))
			return false;
	return true;
}

static bool changes_fit(const struct tag_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct tag_change *c = &changes[i];
		const struct str names[] = {c->group, c->tag, c->wecom_id};
		if (!all_fit(names, ARRAY_LEN(names)) || !all_fit(c->userids, c->userid_count))
			return false;
	}
	return true;
}

/* jsonb has no NUL; the escape may also be one of a backslash, which only costs an attempt. */
static bool json_fits(struct str json)
{
	static const char nul[] = "\\u0000";

	return json.len == 0 || !memmem(json.data, json.len, nul, sizeof nul - 1);
}

int64_t store_time(int64_t ms)
{
	return MIN(MAX(ms, 0), time_max_ms - 1);
}

bool store_is_suspect(const struct store_item *item)
{
	const struct event *e = item->event;
	if (!e)
		return false;
	const struct str names[] = {e->corpid,	  e->subject,  e->external_userid, e->roomid,
				    e->from,	  e->msgid,    e->pack,		   e->rule,
				    e->ruleset,	  e->by,       e->ladder,	   e->from_stage,
				    e->to_stage, e->category};

	return !all_fit(names, ARRAY_LEN(names)) || !fits(e->title, TITLE_MAX_BYTES) ||
	       !all_fit(e->userids, e->userid_count) || !all_fit(e->msgids, e->msgid_count) ||
	       !changes_fit(e->add, e->add_count) || !changes_fit(e->remove, e->remove_count) ||
	       !json_fits(item->evidence_json) || e->time_ms < 0 || e->time_ms >= time_max_ms ||
	       e->msgtime_ms < 0 || e->msgtime_ms >= time_max_ms;
}
