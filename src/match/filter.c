/* filter.c - what of a message a rule looks at, before any word is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "match/matcher.h"
#include "rules/directory.h"

static bool holds(const struct strs *list, struct str item)
{
	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i], item))
			return true;
	return false;
}

static bool holds_any_case(const struct strs *list, struct str item)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].len == item.len &&
		    strncasecmp(list->items[i].data, item.data, item.len) == 0)
			return true;
	return false;
}

static bool is_wanted_staff(const struct matcher *m, const struct filter *f, struct str id)
{
	struct str department;

	if (holds(&f->staff, id))
		return true;
	return f->departments.count && directory_find(m->engine->set->directory, id, &department) &&
	       holds(&f->departments, department);
}

/* All of the conversation's members are looked at, not only the staff that events list. */
static bool passes_staff(const struct matcher *m, const struct filter *f)
{
	const struct message *message = m->message;

	if (!f->staff.count && !f->departments.count)
		return true;
	if (is_wanted_staff(m, f, message->from))
		return true;
	for (size_t i = 0; i < message->tolist_count; i++)
		if (is_wanted_staff(m, f, message->tolist[i]))
			return true;
	return false;
}

static bool has_day(const struct filter *f, int weekday)
{
	return f->days >> ((weekday + 7) % 7) & 1;
}

/* A span over midnight belongs to its first day. */
static bool passes_time(struct matcher *m, const struct rule *rule)
{
	const struct filter *f = &rule->filter;
	const struct zone *zone = m->engine->set->packs[rule->pack_index].zone;

	if (!f->hour_count && (f->days & 0x7f) == 0x7f)
		return true;
	if (m->zone != zone) {
		m->zone = zone;
		m->local = zone_local(zone, m->message->msgtime_ms);
	}
	int minute = m->local.minute, day = m->local.weekday;
	if (!f->hour_count)
		return has_day(f, day);
	for (size_t i = 0; i < f->hour_count; i++) {
		int from = f->hours[i].from, to = f->hours[i].to;
		if (from <= to) {
			if (minute >= from && minute < to && has_day(f, day))
				return true;
		} else if ((minute >= from && has_day(f, day)) ||
			   (minute < to && has_day(f, day - 1))) {
			return true;
		}
	}
	return false;
}

static unsigned action_bit(const struct message *message)
{
	switch (message->kind) {
	case MESSAGE_CHAT:
	case MESSAGE_AGREE:
	case MESSAGE_DISAGREE:
		return ACTION_SEND_BIT;
	case MESSAGE_RECALL:
		return ACTION_RECALL_BIT;
	case MESSAGE_SWITCH:
	case MESSAGE_CLOCK:
	case MESSAGE_CONTROL:
	case MESSAGE_RULES:
		return 0;
	}
	UNREACHABLE("a kind of message that is not in the enum");
}

/* A word on consent is a button that was pressed, and no message unless a rule asks for its type. */
static bool passes_type(const struct filter *f, const struct message *message)
{
	if (!f->types.count)
		return message->kind != MESSAGE_AGREE && message->kind != MESSAGE_DISAGREE;
	return holds(&f->types, message->msgtype);
}

bool filter_message(struct matcher *m, const struct rule *rule)
{
	const struct filter *f = &rule->filter;
	const struct message *message = m->message;

	return f->roles >> message->from_role & 1 && f->chats >> message->chat & 1 &&
	       f->actions & action_bit(message) &&
	       passes_type(f, message) &&
	       (!f->rooms.count || holds(&f->rooms, message->roomid)) &&
	       (!f->corps.count || holds(&f->corps, message->corpid)) &&
	       (!f->file_types.count || holds_any_case(&f->file_types, message->fileext)) &&
	       (f->amount_at_least_fen < 0 ||
		(message->amount_fen >= 0 && message->amount_fen >= f->amount_at_least_fen)) &&
	       passes_staff(m, f) && passes_time(m, rule);
}

/* `[*]` in a pattern stands for any index. */
static bool path_fits(struct str pattern, struct str path)
{
	size_t at = 0;

	for (size_t i = 0; i < pattern.len; i++) {
		bool any = i > 0 && pattern.data[i] == '*' && str_starts(str_from(pattern, i - 1), STR("[*]"));
		if (!any) {
			if (at == path.len || path.data[at++] != pattern.data[i])
				return false;
			continue;
		}
		size_t digits = at;
		while (at < path.len && path.data[at] >= '0' && path.data[at] <= '9')
			at++;
		if (at == digits)
			return false;
	}
	return at == path.len;
}

static bool passes_field(const struct filter *f, struct str path)
{
	if (!f->fields.count)
		return true;
	for (size_t i = 0; i < f->fields.count; i++)
		if (path_fits(f->fields.items[i], path))
			return true;
	return false;
}

static bool includes(enum inclusion inclusion, bool is_that)
{
	switch (inclusion) {
	case EXCLUDE:
		return !is_that;
	case INCLUDE:
		return true;
	case ONLY:
		return is_that;
	}
	UNREACHABLE("an inclusion that is not in the enum");
}

/* The first span that ends behind `at`. Spans are sorted and do not overlap; a text may hold as many
 * as it has hits: no loop over all. */
static uint32_t span_behind(const struct text *text, uint32_t at)
{
	uint32_t low = 0, high = text->span_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (text->spans[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether nothing of the hit stands outside of emoticons. */
static bool inside_emoticons(const struct text *text, const struct found *found)
{
	uint32_t at = found->start;

	for (uint32_t i = span_behind(text, at); i < text->span_count && text->spans[i].start <= at; i++) {
		if (text->spans[i].kind != SPAN_EMOTICON)
			return false;
		at = text->spans[i].end;
		if (at >= found->end)
			return true;
	}
	return false;
}

/* Whether a word's hit takes something out of an emoticon: a part of it, or its name without the
 * brackets, which a loose form passes over where the word has none. */
static bool takes_from_emoticon(const struct text *text, const struct found *found)
{
	bool brackets = found->form < FORM_LOOSE || found->posting->symbols;

	for (uint32_t i = span_behind(text, found->start);
	     i < text->span_count && text->spans[i].start < found->end; i++) {
		const struct span *span = &text->spans[i];
		if (span->kind == SPAN_EMOTICON &&
		    (!brackets || span->start < found->start || span->end > found->end))
			return true;
	}
	return false;
}

/* A word needs all that it hits; a regex says itself what may stand between. */
static bool is_of_emoticon(const struct text *text, const struct found *found)
{
	if (LIKELY(!text->span_count))
		return false;
	return inside_emoticons(text, found) || (found->posting && takes_from_emoticon(text, found));
}

bool filter_place(const struct filter *f, const struct text *text, const struct found *found)
{
	/* Nobody said what begins in a quotation and ends in the answer to it. */
	if (found->start < text->own_start && found->end > text->own_start)
		return false;
	return includes(f->forwarded, text->forwarded) &&
	       includes(f->quoted, found->start < text->own_start) &&
	       !(f->emoticons == EXCLUDE && is_of_emoticon(text, found)) &&
	       passes_field(f, text->path);
}

bool filter_any_text(const struct filter *f, const struct message *message)
{
	if (!f->fields.count && f->forwarded != ONLY && f->quoted != ONLY)
		return true;
	for (size_t i = 0; i < message->text_count; i++) {
		const struct text *text = &message->texts[i];
		if (passes_field(f, text->path) && includes(f->forwarded, text->forwarded) &&
		    (f->quoted != ONLY || text->own_start))
			return true;
	}
	return false;
}
