/* verify_expect.c - what the archive makes, as it should stand on the topics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify_parts.h"

#include "base/hash.h"
#include "consume/topic.h"

/* ---- streams ---- */

static int32_t inlets_of_class(const struct verify *v)
{
	return v->partitions / v->classes;
}

struct ledger_stream *verify_stream(const struct verify *v, size_t topic, int32_t outlet,
				    int32_t inlet)
{
	size_t at = 0;

	for (size_t t = 0; t < topic; t++)
		at += (size_t)(v->topics[t].partitions / v->classes);
	at += (size_t)(outlet / v->classes);
	return &v->streams[at * (size_t)inlets_of_class(v) + (size_t)(inlet / v->classes)];
}

static bool is_asked(const struct verify *v, int32_t inlet)
{
	return v->settings->range.partition < 0 || v->settings->range.partition == inlet;
}

int verify_make_streams(struct verify *v, struct err *err)
{
	size_t outlets = 0;

	for (size_t t = 0; t < v->topic_count; t++)
		outlets += (size_t)(v->topics[t].partitions / v->classes);
	free(v->streams);
	v->stream_count = outlets * (size_t)inlets_of_class(v);
	v->streams = calloc(v->stream_count, sizeof *v->streams);
	if (!v->streams)
		return err_set(err, ERR_OS, "out of memory");
	for (size_t t = 0; t < v->topic_count; t++)
		for (int32_t o = v->class_at; o < v->topics[t].partitions; o += v->classes)
			for (int32_t i = v->class_at; i < v->partitions; i += v->classes)
				*verify_stream(v, t, o, i) = (struct ledger_stream){
					.topic = v->topics[t].name,
					.partition = o,
					.source_partition = i,
					.begins_late = v->topics[t].outlets[o].low > 0,
					.from_offset = -1,
					.until_offset = is_asked(v, i) ? INT64_MAX : -1,
				};
	return 0;
}

/* ---- what the archive makes ---- */

int verify_side(const struct verify *v, const struct record *r)
{
	const struct verify_range *range = &v->settings->range;

	if (r->offset < range->from_offset || r->time_ms < range->from_ms)
		return -1;
	return !is_asked(v, r->partition) || r->offset >= range->to_offset ||
	       r->time_ms >= range->to_ms;
}

static void make_sheet(struct verify *v, const struct event *e, struct sheet *sheet)
{
	struct encode_settings encode = {str_of(v->config->source), v->config->evidence};

	buf_clear(&v->value);
	buf_clear(&v->key);
	encode_data(&v->value, e, &encode);
	sheet->header_count = encode_headers(&v->scratch, e, &encode, sheet->headers);
	encode_key(&v->key, e);
	sheet->key = buf_str(&v->key);
	sheet->value = buf_str(&v->value);
	sheet->id = (struct str){e->id, sizeof e->id};
}

void verify_audit(struct verify *v, size_t topic, int32_t partition, int64_t offset,
		  const struct sheet *sheet, bool asked)
{
	struct outlet *out = &v->topics[topic].outlets[partition];
	struct event_header headers[ENCODE_HEADERS_MAX];

	if (!v->settings->audit || offset >= out->sunk || !out->sunk || v->failed.kind)
		return;
	struct arena *arena = audit_arena(v->settings->audit); /* what the audit keeps lives there */
	struct event_row *row = ARENA_NEW(arena, struct event_row);
	for (size_t i = 0; i < sheet->header_count; i++)
		headers[i] = (struct event_header){str_of(sheet->headers[i].name),
						   arena_copy(arena, sheet->headers[i].value)};
	struct record written = {.value = sheet->value, .key = sheet->key};
	struct record record = topic_record(&written, arena);
	if (decode_event(v->reader, &record, headers, sheet->header_count, arena, row) != DECODE_DONE)
		return;
	struct audit_event event = {
		.event = &row->event,
		.evidence_json = row->evidence_json,
		.topic = v->topics[topic].name,
		.partition = partition,
		.offset = offset,
		.asked = asked,
	};
	struct err err;
	if (audit_take(v->settings->audit, &event, &err) < 0)
		v->failed = err; /* read_class() looks at it */
}

static void expect(struct verify *v, const struct event *e, const struct ledger_source *source)
{
	struct ledger_meeting meeting;
	struct sheet sheet;

	make_sheet(v, e, &sheet);
	int32_t inlet = v->consumed->record.partition;
	for (size_t t = 0; t < v->topic_count; t++) {
		const struct topic *topic = &v->topics[t];
		if (topic->type != e->type && e->type != EVENT_ERASE)
			continue;
		int32_t outlet = hash_partition(sheet.key, topic->partitions);
		switch (ledger_expect(v->ledger, verify_stream(v, t, outlet, inlet), source, &sheet,
				      &meeting)) {
		case LEDGER_WAITS:
			break;
		case LEDGER_MET:
			v->counts.events++;
			verify_audit(v, t, outlet, meeting.offset, &sheet, meeting.asked);
			break;
		case LEDGER_PASSED:
			verify_audit(v, t, outlet, -1, &sheet, source->side == 0);
			break;
		}
	}
}

/* How many events from `first` on are of one message: they are in one transaction. */
static size_t group_len(const struct replayed *made, size_t first)
{
	const struct event *a = &made->events[first];
	size_t len = 1;

	while (first + len < made->event_count &&
	       str_eq(a->msgid, made->events[first + len].msgid) &&
	       str_eq(a->subject, made->events[first + len].subject))
		len++;
	return len;
}

/* Made by the message itself, not by what fell due before it. */
static bool is_own(const struct replayed *made, size_t i)
{
	return made->message && str_eq(made->message->msgid, made->events[i].msgid) &&
	       str_eq(made->message->subject, made->events[i].subject);
}

static void check_letter(struct verify *v, const struct replayed *made, int side)
{
	const struct record *r = made->record;
	const struct inlet *in = &v->inlets[r->partition];

	if (side)
		return;
	consumed_headers_all(v->consumed, &v->headers);
	/* As it came: the copy has a time that decode takes. */
	switch (letters_find(v->letters, &v->consumed->record,
			     decode_result_name(made->dead->reason),
			     decode_result_detail(made->dead->reason), &v->headers)) {
	case LETTERS_THERE:
	case LETTERS_CHANGED:
		v->counts.letters++;
		return;
	case LETTERS_MISSING:
		break;
	}
	if (r->offset >= in->mark_before) {
		v->counts.not_yet++;
	} else if (v->letters_begin_late) {
		v->counts.passed++;
	} else {
		struct discrepancy d = {
			.kind = DISCREPANCY_DEAD_LOST,
			.topic = v->config->output.deadletter,
			.partition = -1,
			.offset = -1,
			.source_partition = r->partition,
			.source_offset = r->offset,
			.reason = decode_result_name(made->dead->reason),
		};
		v->settings->report(v->settings->context, &d);
	}
}

void verify_made(void *context, const struct replayed *made)
{
	struct verify *v = context;
	const struct inlet *in = &v->inlets[made->record->partition];
	struct ledger_source source = {
		.offset = made->record->offset,
		.side = verify_side(v, made->record),
		.optional = made->record->offset >= in->mark_before,
	};

	for (size_t i = 0, len; i < made->event_count; i += len) {
		len = group_len(made, i);
		bool many = len > 1 || made->events[i].type == EVENT_ERASE;
		/* What fell due before a record may be committed ahead of it. */
		source.ahead = made->record->offset >= in->mark_after + !is_own(made, i);
		source.group = many ? ledger_group_new() : NULL;
		for (size_t k = i; k < i + len; k++)
			expect(v, &made->events[k], &source);
		ledger_group_release(source.group);
	}
	if (made->dead)
		check_letter(v, made, source.side);
}
