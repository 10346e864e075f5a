/* event_line.c - writes events for people. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/event_line.h"

#include "cmd/plain.h"

enum { QUOTES_MAX = 3 };

static void put_changes(struct buf *out, char sign, const struct tag_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, " %c", sign);
		plain_name(out, changes[i].group);
		buf_putc(out, '/');
		plain_name(out, changes[i].tag);
	}
}

static void put_kind(struct buf *out, const struct event *e)
{
	static const char *const severities[] = {SEVERITY_NAMES(AS_NAME)};

	if (e->type == EVENT_STAGE) {
		buf_putc(out, ' ');
		plain_name(out, e->ladder);
		buf_put(out, STR(": "));
		plain_name(out, e->from_stage.len ? e->from_stage : STR("-"));
		buf_put(out, STR(" → "));
		plain_name(out, e->to_stage.len ? e->to_stage : STR("-"));
	}
	if (e->type == EVENT_ALERT) {
		buf_printf(out, " %s ", severities[e->severity]);
		plain_name(out, e->title.len ? e->title : e->category);
		if (e->count > 1)
			buf_printf(out, " ×%llu", (unsigned long long)e->count);
		buf_put(out, e->recalled ? STR(" (recalled)") : STR(""));
	}
	if (e->type == EVENT_TAG || e->type == EVENT_STAGE) {
		put_changes(out, '+', e->add, e->add_count);
		put_changes(out, '-', e->remove, e->remove_count);
	}
}

static void put_quotes(struct buf *out, const struct event *e)
{
	for (size_t i = 0; i < MIN(e->evidence_count, (size_t)QUOTES_MAX); i++) {
		if (!e->evidence[i].text.data)
			continue; /* evidence: none */
		buf_put(out, STR(" «"));
		plain_text(out, e->evidence[i].text, 0, e->evidence[i].text.len);
		buf_put(out, STR("»"));
	}
	if (e->evidence_count > QUOTES_MAX)
		buf_printf(out, " and %zu more", e->evidence_count - QUOTES_MAX);
}

void event_line(struct buf *out, const struct event *e)
{
	static const char *const types[] = {EVENT_TYPE_NAMES(AS_NAME)};
	static const char *const causes[] = {CAUSE_NAMES(AS_NAME)};

	buf_put_time(out, e->time_ms);
	buf_printf(out, " %-5s ", types[e->type]);
	plain_name(out, e->corpid);
	buf_putc(out, '/');
	plain_name(out, e->subject);
	if (e->rule.len) {
		buf_putc(out, ' ');
		plain_name(out, e->pack);
		buf_putc(out, '/');
		plain_name(out, e->rule);
	}
	if (e->cause != CAUSE_RULE && e->type != EVENT_ERASE)
		buf_printf(out, " (%s)", causes[e->cause]);
	put_kind(out, e);
	put_quotes(out, e);
	buf_putc(out, '\n');
}
