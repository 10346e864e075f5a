/* encode.c - writes events as JSON and as headers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "send/encode.h"

#include <ctype.h>

#include "base/utf8.h"
#include "rules/spelling.h"

enum { MASK_DIGITS_MIN = 7 }; /* shorter runs are prices, dates, rooms; phones have 7 and more */

static const struct str types[] = {EVENT_CE_TYPES(STR)};
static const struct str chats[] = {CHAT_NAMES(STR)};
static const struct str roles[] = {ROLE_NAMES(STR)};
static const struct str causes[] = {CAUSE_NAMES(STR)};
static const struct str severities[] = {SEVERITY_NAMES(STR)};
static const struct str folds[] = {FOLD_NAMES(STR)};

/* A digit of any script or frame, ١ and ①, but no numeral that is a word: 一, 壹, ⅰ. */
static bool is_digit(uint32_t code)
{
	struct spelled plain, digit;

	if (code < 0x80)
		return code >= '0' && code <= '9';
	if (code == 0x3007 || (code >= 0x2e80 && code <= 0x9fff) || code >= 0x20000)
		return false;
	spelling_of(FORM_STANDARD, code, &plain);
	spelling_of(FORM_DIGITS, code, &digit);
	return digit.len == 1 && digit.bytes[0] >= '0' && digit.bytes[0] <= '9' &&
	       !(plain.len == 1 && isalpha((unsigned char)plain.bytes[0]));
}

static bool is_invisible(uint32_t code)
{
	struct spelled plain;

	if (code < 0x80)
		return false;
	spelling_of(FORM_STANDARD, code, &plain);
	return plain.len == 0;
}

/* What of [start, end) lies in [from, to). */
static struct str cut(struct str text, size_t start, size_t end, size_t from, size_t to)
{
	start = MAX(start, from);
	end = MIN(end, to);
	return start < end ? (struct str){text.data + start, end - start} : (struct str){0};
}

static void put_digits(struct buf *out, struct str digits, size_t run)
{
	if (run >= MASK_DIGITS_MIN && digits.len)
		buf_putc(out, '*');
	else
		buf_put(out, digits);
}

void encode_masked_part(struct buf *out, struct str text, size_t from, size_t to)
{
	size_t run_start = 0, run = 0; /* digits seen, not yet written */

	for (size_t i = 0; i < text.len;) {
		unsigned len = utf8_len((unsigned char)text.data[i]);
		uint32_t code = utf8_get(text.data + i);
		if (run && is_invisible(code)) { /* hides nothing of the number around it */
			i += len;
			continue;
		}
		if (is_digit(code)) {
			run_start = run++ ? run_start : i;
			i += len;
			continue;
		}
		if (run)
			put_digits(out, cut(text, run_start, i, from, to), run);
		run = 0;
		buf_put(out, cut(text, i, i + len, from, to));
		i += len;
	}
	if (run)
		put_digits(out, cut(text, run_start, text.len, from, to), run);
}

void encode_masked(struct buf *out, struct str text)
{
	encode_masked_part(out, text, 0, text.len);
}

/* What stands in front of a value: ,"name": with a name that needs no escapes. */
#define MEMBER(name) STR(",\"" name "\":")

/* One question for room a member: with one a piece, an event took a fifth more instructions. */
static inline void put_text(struct buf *out, struct str member, struct str value)
{
	char *p = buf_room(out, member.len + JSON_ROOM(value.len));
	memcpy(p, member.data, member.len);
	out->len = (size_t)(json_put(p + member.len, value) - out->data);
}

/* A value of our own, which needs no escapes. */
static inline void put_plain(struct buf *out, struct str member, struct str value)
{
	char *p = buf_room(out, member.len + value.len + 2);
	memcpy(p, member.data, member.len);
	p += member.len;
	*p++ = '"';
	memcpy(p, value.data, value.len);
	p[value.len] = '"';
	out->len += member.len + value.len + 2;
}

#define PUT_BOOL(out, name, value)                                                                 \
	buf_put(out, (value) ? STR(",\"" name "\":true") : STR(",\"" name "\":false"))

static inline void put_number(struct buf *out, struct str member, uint64_t value)
{
	char *p = buf_room(out, member.len + DIGITS_ROOM);
	memcpy(p, member.data, member.len);
	out->len = (size_t)(digits_put(p + member.len, value) - out->data);
}

static inline void put_texts(struct buf *out, struct str member, const struct str *values, size_t count)
{
	buf_put(out, member);
	buf_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_putc(out, ',');
		buf_put_json(out, values[i]);
	}
	buf_putc(out, ']');
}

static inline void put_changes(struct buf *out, struct str member, const struct tag_change *changes,
			size_t count)
{
	buf_put(out, member);
	buf_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		buf_put(out, i ? STR(",{\"group\":") : STR("{\"group\":"));
		buf_put_json(out, changes[i].group);
		put_text(out, MEMBER("tag"), changes[i].tag);
		if (changes[i].wecom_id.len)
			put_text(out, MEMBER("wecom_id"), changes[i].wecom_id);
		if (changes[i].userid_count)
			put_texts(out, MEMBER("userids"), changes[i].userids, changes[i].userid_count);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_folds(struct buf *out, uint32_t bits)
{
	bool first = true;

	if (!bits) {
		buf_put(out, STR(",\"folds\":[]"));
		return;
	}
	buf_put(out, MEMBER("folds"));
	buf_putc(out, '[');
	for (size_t i = 0; i < ARRAY_LEN(folds); i++) {
		if (!(bits & 1u << i))
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		buf_putc(out, '"');
		buf_put(out, folds[i]);
		buf_putc(out, '"');
	}
	buf_putc(out, ']');
}

static void put_quote(struct buf *out, const struct evidence *e, enum evidence_mode mode)
{
	if (mode == EVIDENCE_NONE)
		return;
	/* What has fewer characters holds no run of digits that is masked. */
	if (mode == EVIDENCE_FULL || utf8_count(e->text) < MASK_DIGITS_MIN) {
		put_text(out, MEMBER("text"), e->text);
		return;
	}
	/* Almost every hit fits on the stack; a longer one may allocate. */
	struct buf masked = {0};
	char room[512];
	if (e->text.len <= sizeof room)
		masked = (struct buf){room, 0, sizeof room};
	encode_masked(&masked, e->text);
	put_text(out, MEMBER("text"), buf_str(&masked));
	if (masked.data != room)
		buf_fini(&masked);
}

static void put_evidence(struct buf *out, const struct event *event, enum evidence_mode mode)
{
	buf_put(out, MEMBER("evidence"));
	buf_putc(out, '[');
	for (size_t i = 0; i < event->evidence_count; i++) {
		const struct evidence *e = &event->evidence[i];
		put_text(out, i ? STR(",{\"field\":") : STR("{\"field\":"), e->path);
		put_number(out, MEMBER("start"), e->start);
		put_number(out, MEMBER("end"), e->end);
		put_number(out, MEMBER("char_start"), e->char_start);
		put_number(out, MEMBER("char_end"), e->char_end);
		put_quote(out, e, mode);
		put_text(out, MEMBER("word"), e->word);
		put_folds(out, e->folds);
		PUT_BOOL(out, "forwarded", e->forwarded);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	if (event->truncated)
		PUT_BOOL(out, "truncated", true);
}

static inline void put_stage(struct buf *out, struct str member, struct str stage)
{
	if (stage.len) {
		put_text(out, member, stage);
		return;
	}
	buf_put(out, member);
	buf_put(out, STR("null"));
}

static void put_alert(struct buf *out, const struct event *event)
{
	put_plain(out, MEMBER("severity"), severities[event->severity]);
	put_text(out, MEMBER("category"), event->category);
	put_text(out, MEMBER("title"), event->title);
	put_number(out, MEMBER("count"), event->count);
	put_texts(out, MEMBER("msgids"), event->msgids, event->msgid_count);
	put_plain(out, MEMBER("alert_id"), (struct str){event->alert_id, sizeof event->alert_id});
	PUT_BOOL(out, "recalled", event->recalled);
}

void encode_data(struct buf *out, const struct event *event, const struct encode_settings *settings)
{
	put_text(out, STR("{\"corpid\":"), event->corpid);
	put_text(out, MEMBER("external_userid"), event->external_userid);
	put_texts(out, MEMBER("userids"), event->userids, event->userid_count);
	put_text(out, MEMBER("roomid"), event->roomid);
	put_plain(out, MEMBER("chat"), chats[event->chat]);
	put_text(out, MEMBER("from"), event->from);
	put_plain(out, MEMBER("from_role"), roles[event->from_role]);
	put_text(out, MEMBER("msgid"), event->msgid);
	buf_put(out, MEMBER("msgtime"));
	buf_put_i64(out, event->msgtime_ms);
	PUT_BOOL(out, "late", event->late);
	put_text(out, MEMBER("pack"), event->pack);
	put_text(out, MEMBER("rule"), event->rule);
	put_text(out, MEMBER("ruleset"), event->ruleset);
	put_plain(out, MEMBER("cause"), causes[event->cause]);
	if (event->by.len)
		put_text(out, MEMBER("by"), event->by);
	if (event->type == EVENT_STAGE) {
		put_text(out, MEMBER("ladder"), event->ladder);
		put_stage(out, MEMBER("from_stage"), event->from_stage);
		put_stage(out, MEMBER("to_stage"), event->to_stage);
	}
	if (event->type == EVENT_ALERT)
		put_alert(out, event);
	if (event->type == EVENT_TAG || event->type == EVENT_STAGE) {
		put_changes(out, MEMBER("add"), event->add, event->add_count);
		put_changes(out, MEMBER("remove"), event->remove, event->remove_count);
	}
	if (event->type != EVENT_ERASE)
		put_evidence(out, event, settings->evidence);
	buf_putc(out, '}');
}

void encode_key(struct buf *out, const struct event *event)
{
	buf_put(out, event->corpid);
	buf_putc(out, '/');
	buf_put(out, event->subject);
}

static void put_subject_member(struct buf *out, const struct event *event)
{
	const struct str member = STR(",\"subject\":\"");
	char *p = buf_room(out, member.len + JSON_ROOM(event->corpid.len + event->subject.len) + 1);

	memcpy(p, member.data, member.len);
	p = json_escape(p + member.len, event->corpid);
	*p++ = '/';
	p = json_escape(p, event->subject);
	*p++ = '"';
	out->len = (size_t)(p - out->data);
}

void encode_structured(struct buf *out, const struct event *event,
		       const struct encode_settings *settings)
{
	buf_put(out, STR("{\"specversion\":\"1.0\",\"id\":\""));
	buf_put(out, (struct str){event->id, sizeof event->id});
	buf_put(out, STR("\",\"source\":"));
	buf_put_json(out, settings->source);
	put_plain(out, MEMBER("type"), types[event->type]);
	buf_put(out, MEMBER("time"));
	buf_putc(out, '"');
	buf_put_time(out, event->time_ms);
	buf_putc(out, '"');
	put_subject_member(out, event);
	if (event->sequence) {
		buf_put(out, STR(",\"sequence\":\""));
		buf_put_u64_padded(out, event->sequence, 20);
		buf_putc(out, '"');
	}
	buf_put(out, STR(",\"datacontenttype\":\"application/json\",\"data\":"));
	encode_data(out, event, settings);
	buf_putc(out, '}');
}

size_t encode_headers(struct buf *scratch, const struct event *event,
		      const struct encode_settings *settings,
		      struct kafka_header out[ENCODE_HEADERS_MAX])
{
	size_t count = 0;

	/* Room first, so that the values do not move while they are written. */
	buf_clear(scratch);
	(void)buf_room(scratch, 64 + event->corpid.len + event->subject.len);
	out[count++] = (struct kafka_header){"ce_specversion", STR("1.0")};
	out[count++] = (struct kafka_header){"ce_id", {event->id, sizeof event->id}};
	out[count++] = (struct kafka_header){"ce_source", settings->source};
	out[count++] = (struct kafka_header){"ce_type", types[event->type]};
	char *start = scratch->data + scratch->len;
	buf_put_time(scratch, event->time_ms);
	out[count++] = (struct kafka_header){
		"ce_time", {start, (size_t)(scratch->data + scratch->len - start)}};
	start = scratch->data + scratch->len;
	encode_key(scratch, event);
	out[count++] = (struct kafka_header){
		"ce_subject", {start, (size_t)(scratch->data + scratch->len - start)}};
	if (event->sequence) {
		start = scratch->data + scratch->len;
		buf_put_u64_padded(scratch, event->sequence, 20);
		out[count++] = (struct kafka_header){"ce_sequence", {start, 20}};
	}
	out[count++] = (struct kafka_header){"content-type", STR("application/json")};
	return count;
}
