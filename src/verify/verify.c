/* verify.c - notes the places, then goes through the classes of partitions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include "base/clock.h"
#include "base/hash.h"
#include "decode/event.h"
#include "state/codec.h"
#include "verify/ledger.h"
#include "verify/letters.h"
#include "verify/replay.h"
#include "verify/stretch.h"

enum {
	ASK_MS = 30000,
	POLL_MS = 50,
	BURST = 64,
	AHEAD_MAX = 20000, /* how far one side may read ahead of the other */
};

/* One partition of an event topic. */
struct outlet {
	int64_t low, stop, at;
	int64_t sunk; /* the sink has taken what is before; 0: nothing, or nobody asks */
	bool first_seen, done;
};

struct topic {
	const char *name;
	enum event_type type;
	int32_t partitions;
	struct outlet *outlets;
};

/* One partition of the archive. */
struct inlet {
	int64_t low, end;
	int64_t mark_before, mark_after; /* the position in the state, asked first and last */
	int64_t at;
	bool done;
	int64_t in_first, in_last; /* offsets that were in range; in_last < in_first: none */
};

struct verify {
	const struct verify_settings *settings;
	const struct config *config;
	struct topic topics[VERIFY_TOPICS];
	size_t topic_count;
	struct inlet *inlets;
	int32_t partitions, classes; /* of the archive; how many classes there are */
	bool letters_begin_late;

	struct consumer *archive, *events;
	struct replay *replay;
	struct ledger *ledger;
	struct event_reader *reader; /* for the audit */
	struct err failed;	     /* kind ERR_NONE: nothing did inside a callback */
	struct letters *letters;
	struct ledger_stream *streams; /* of the class at hand */
	size_t stream_count;
	int32_t class_at;
	int32_t inlets_left, outlets_left;
	const struct consumed *consumed; /* the record of the archive at hand */
	struct buf key, value, scratch;
	struct verify_counts counts;
	uint64_t all;
};

/* ---- what is there ---- */

static int32_t common_divisor(int32_t a, int32_t b)
{
	return b ? common_divisor(b, a % b) : a;
}

static int count_partitions(struct verify *v, const char *topic, int32_t *count, struct err *err)
{
	if (consumer_partition_count(v->archive, topic, ASK_MS, count, err) < 0)
		return -1;
	if (!*count)
		return err_set(err, ERR_CONFIG, "topic %s is not there", topic);
	return 0;
}

static int find_topics(struct verify *v, struct err *err)
{
	const struct config *c = v->config;
	const struct topic known[] = {
		{.name = c->output.tags, .type = EVENT_TAG},
		{.name = c->output.stages, .type = EVENT_STAGE},
		{.name = c->output.alerts, .type = EVENT_ALERT},
		{.name = c->output.hits, .type = EVENT_HIT},
	};
	int32_t state;

	if (count_partitions(v, c->input.topic, &v->partitions, err) < 0 ||
	    count_partitions(v, c->state_topic, &state, err) < 0)
		return -1;
	if (state != v->partitions)
		return err_set(err, ERR_CONFIG, "%s has %d partitions and %s %d: they do not belong "
			       "together", c->input.topic, v->partitions, c->state_topic, state);
	v->inlets = calloc((size_t)v->partitions, sizeof *v->inlets);
	if (!v->inlets)
		return err_set(err, ERR_OS, "out of memory");
	v->classes = v->partitions;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct topic *t = &v->topics[v->topic_count];
		if (!known[i].name)
			continue;
		*t = known[i];
		if (count_partitions(v, t->name, &t->partitions, err) < 0)
			return -1;
		v->classes = common_divisor(v->classes, t->partitions);
		t->outlets = calloc((size_t)t->partitions, sizeof *t->outlets);
		v->topic_count++;
		if (!t->outlets)
			return err_set(err, ERR_OS, "out of memory");
	}
	return 0;
}

/* ---- the places ---- */

static struct stretch_settings stretch_of(const struct verify *v, const char *topic)
{
	return (struct stretch_settings){.kafka = &v->settings->brokers->settings,
				      .group = v->config->pipeline,
				      .topic = topic};
}

/* The marker of a partition; everything else of the state is passed over. */
static void take_mark(void *context, const struct consumed *got)
{
	struct verify *v = context;
	const struct record *r = &got->record;
	struct str body;
	uint64_t next;

	if (str_eq(r->key, STR("\0pos")) && r->value.data &&
	    codec_open(r->key, r->value, &body) == CODEC_DONE && codec_get_number(&body, &next))
		v->inlets[r->partition].mark_after = (int64_t)next;
}

static int read_marks(struct verify *v, struct stretch *stretches, struct err *err)
{
	struct stretch_settings settings = stretch_of(v, v->config->state_topic);

	settings.take = take_mark;
	settings.context = v;
	return stretch_read(&settings, stretches, (size_t)v->partitions, err);
}

/* Where the partitions of an event topic begin, and where they end now. */
static int note_outlets(struct verify *v, const char *name, struct outlet *outlets, int32_t count,
			struct err *err)
{
	OWNED_MEM struct stretch *stretches = calloc((size_t)count, sizeof(struct stretch));
	struct stretch_settings settings = stretch_of(v, name);

	if (!stretches)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < count; i++) {
		stretches[i].partition = i;
		if (consumer_query_offsets(v->events, name, i, ASK_MS, &outlets[i].low, &stretches[i].at,
					   err) < 0)
			return -1;
	}
	if (stretch_read(&settings, stretches, (size_t)count, err) < 0)
		return -1;
	for (int32_t i = 0; i < count; i++)
		outlets[i].stop = stretches[i].high;
	return 0;
}

static int note_inlets(struct verify *v, struct err *err)
{
	const char *topic = v->config->input.topic;

	for (int32_t i = 0; i < v->partitions; i++) {
		struct inlet *in = &v->inlets[i];
		if (consumer_query_offsets(v->archive, topic, i, ASK_MS, &in->low, &in->end, err) < 0)
			return -1;
		if (in->low > 0 && !v->settings->no_past)
			return err_set(err, ERR_DATA,
				       "partition %d of %s begins at offset %lld: what was before is "
				       "gone, and nothing can be proved without it; --no-past if `run` "
				       "began there too",
				       i, topic, (long long)in->low);
		in->at = in->low;
		in->in_first = INT64_MAX;
		in->in_last = -1;
		v->all += (uint64_t)(in->end - in->low);
	}
	return 0;
}

static void add_letter(void *context, const struct consumed *got)
{
	struct verify *v = context;

	letters_add(v->letters, got);
}

static int read_letters(struct verify *v, struct err *err)
{
	struct stretch_settings settings = stretch_of(v, v->config->output.deadletter);
	int32_t count;

	if (count_partitions(v, settings.topic, &count, err) < 0)
		return -1;
	OWNED_MEM struct stretch *stretches = calloc((size_t)count, sizeof(struct stretch));
	if (!stretches)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < count; i++) {
		int64_t low, high;
		if (consumer_query_offsets(v->events, settings.topic, i, ASK_MS, &low, &high, err) <
		    0)
			return -1;
		v->letters_begin_late |= low > 0;
		stretches[i] = (struct stretch){.partition = i, .at = CONSUMER_BEGINNING};
	}
	settings.take = add_letter;
	settings.context = v;
	return stretch_read(&settings, stretches, (size_t)count, err);
}

/* How far the sink was, which cannot be further than the topics go. */
static void note_sunk(struct verify *v)
{
	struct discrepancy d = {.kind = DISCREPANCY_ROW_UNEXPECTED,
				.source_partition = -1,
				.source_offset = -1,
				.table = "sink_offset",
				.reason = "the position is behind the end of the topic"};

	for (size_t t = 0; v->settings->audit && t < v->topic_count; t++)
		for (int32_t o = 0; o < v->topics[t].partitions; o++) {
			struct outlet *out = &v->topics[t].outlets[o];
			out->sunk = audit_next_offset(v->settings->audit, v->topics[t].name, o);
			d.topic = v->topics[t].name;
			d.partition = o;
			d.offset = out->sunk;
			if (out->sunk > out->stop)
				v->settings->report(v->settings->context, &d);
		}
}

/* The order is explained in verify.h. */
static int note_places(struct verify *v, struct err *err)
{
	OWNED_MEM struct stretch *stretches = calloc((size_t)v->partitions, sizeof(struct stretch));

	if (!stretches)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < v->partitions; i++)
		stretches[i] = (struct stretch){.partition = i, .at = CONSUMER_BEGINNING};
	if (read_marks(v, stretches, err) < 0)
		return -1;
	for (int32_t i = 0; i < v->partitions; i++)
		v->inlets[i].mark_before = v->inlets[i].mark_after;
	if (v->settings->audit && audit_begin(v->settings->audit, err) < 0)
		return -1;
	for (size_t t = 0; t < v->topic_count; t++)
		if (note_outlets(v, v->topics[t].name, v->topics[t].outlets, v->topics[t].partitions,
				 err) < 0)
			return -1;
	note_sunk(v);
	if (read_letters(v, err) < 0 || note_inlets(v, err) < 0)
		return -1;
	return read_marks(v, stretches, err);
}

/* ---- streams ---- */

static int32_t inlets_of_class(const struct verify *v)
{
	return v->partitions / v->classes;
}

static struct ledger_stream *stream_of(const struct verify *v, size_t topic, int32_t outlet,
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

static int make_streams(struct verify *v, struct err *err)
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
				*stream_of(v, t, o, i) = (struct ledger_stream){
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

/* -1 before the range, 0 in it, 1 behind it. */
static int side_of(const struct verify *v, const struct record *r)
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
	buf_put(&v->key, e->corpid);
	buf_putc(&v->key, '/');
	buf_put(&v->key, e->subject);
	sheet->key = buf_str(&v->key);
	sheet->value = buf_str(&v->value);
	sheet->id = (struct str){e->id, sizeof e->id};
}

/* Copies text to where the audit wants it. */
static struct str keep(struct verify *v, struct str text)
{
	struct arena *arena = audit_arena(v->settings->audit);
	char *copy = arena_zalloc(arena, text.len + RECORD_PADDING);

	if (text.len)
		memcpy(copy, text.data, text.len);
	return (struct str){copy, text.len};
}

/* What the sink has taken goes on to be compared with the tables. One that it could not read is not
 * in them, and was reported as changed. */
static void audit(struct verify *v, size_t topic, int32_t partition, int64_t offset,
		  const struct sheet *sheet, bool asked)
{
	struct outlet *out = &v->topics[topic].outlets[partition];
	struct event_header headers[ENCODE_HEADERS_MAX];

	if (!v->settings->audit || offset >= out->sunk || !out->sunk || v->failed.kind)
		return;
	struct event_row *row = ARENA_NEW(audit_arena(v->settings->audit), struct event_row);
	for (size_t i = 0; i < sheet->header_count; i++)
		headers[i] = (struct event_header){str_of(sheet->headers[i].name),
						   keep(v, sheet->headers[i].value)};
	struct record record = {.value = keep(v, sheet->value), .key = keep(v, sheet->key), .time_ms = 1};
	if (decode_event(v->reader, &record, headers, sheet->header_count,
			 audit_arena(v->settings->audit), row) != DECODE_DONE)
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
		switch (ledger_expect(v->ledger, stream_of(v, t, outlet, inlet), source, &sheet,
				      &meeting)) {
		case LEDGER_WAITS:
			break;
		case LEDGER_MET:
			v->counts.events++;
			audit(v, t, outlet, meeting.offset, &sheet, meeting.asked);
			break;
		case LEDGER_PASSED:
			audit(v, t, outlet, -1, &sheet, source->side == 0);
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
	struct consumed_header headers[PRODUCER_HEADERS_MAX];

	if (side)
		return;
	size_t count = consumed_headers(v->consumed, headers, ARRAY_LEN(headers));
	/* As it came: the copy has a time that decode takes. */
	switch (letters_find(v->letters, &v->consumed->record,
			     decode_result_name(made->dead->reason),
			     decode_result_detail(made->dead->reason), headers, count)) {
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

static void take_made(void *context, const struct replayed *made)
{
	struct verify *v = context;
	const struct inlet *in = &v->inlets[made->record->partition];
	struct ledger_source source = {
		.offset = made->record->offset,
		.side = side_of(v, made->record),
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

/* ---- reading ---- */

static int take_record(struct verify *v, const struct consumed *got, struct err *err)
{
	struct inlet *in = &v->inlets[got->record.partition];

	if (in->done || got->record.offset >= in->end) {
		v->inlets_left -= !in->done;
		in->done = true;
		return 0;
	}
	v->consumed = got;
	v->counts.records++;
	if (side_of(v, &got->record) == 0) {
		in->in_first = MIN(in->in_first, got->record.offset);
		in->in_last = got->record.offset;
	}
	return replay_take(v->replay, &got->record, err);
}

static void pass_record(struct verify *v, int32_t partition, int64_t next)
{
	struct inlet *in = &v->inlets[partition];

	in->at = MAX(in->at, next);
	if (!in->done && in->at >= in->end) {
		in->done = true;
		v->inlets_left--;
	}
}

static size_t topic_of(const struct verify *v, const char *name)
{
	for (size_t t = 0; t < v->topic_count; t++)
		if (!strcmp(v->topics[t].name, name))
			return t;
	UNREACHABLE("a record of a topic that was not assigned");
}

static void report_foreign(struct verify *v, const struct consumed *got, struct str id,
			   const char *reason)
{
	struct discrepancy d = {
		.kind = DISCREPANCY_UNEXPECTED,
		.topic = got->topic,
		.partition = got->record.partition,
		.offset = got->record.offset,
		.id = id,
		.source_partition = -1,
		.source_offset = -1,
		.reason = reason,
	};

	v->settings->report(v->settings->context, &d);
}

/* An event as it stands on its topic; what other programs added to its headers is not looked at. */
static void read_sheet(const struct consumed *got, struct sheet *sheet)
{
	struct consumed_header headers[PRODUCER_HEADERS_MAX];
	size_t count = consumed_headers(got, headers, ARRAY_LEN(headers));

	*sheet = (struct sheet){.key = got->record.key, .value = got->record.value};
	for (size_t i = 0; i < count; i++) {
		const char *name = headers[i].name;
		if ((strncmp(name, "ce_", 3) != 0 && strcmp(name, "content-type") != 0) ||
		    sheet->header_count == ENCODE_HEADERS_MAX)
			continue;
		sheet->headers[sheet->header_count++] =
			(struct encode_header){name, headers[i].value};
		if (!strcmp(name, "ce_id"))
			sheet->id = headers[i].value;
	}
}

/* `again`: the second reading, which only looks for doubles. */
static void take_event(struct verify *v, const struct consumed *got, bool again)
{
	size_t topic = topic_of(v, got->topic);
	struct outlet *out = &v->topics[topic].outlets[got->record.partition];
	struct sheet sheet;

	if (out->done || got->record.offset >= out->stop)
		return;
	out->first_seen = true;
	read_sheet(got, &sheet);
	int32_t inlet = hash_partition(sheet.key, v->partitions);
	bool is_event = sheet.id.len == 36, is_here = inlet % v->classes == v->class_at;
	if (!is_event || !is_here) {
		if (!again)
			report_foreign(v, got, is_event ? sheet.id : (struct str){0},
				       is_event ? "it stands on a partition that is not that of its key"
						: "it is no event of chatmill");
		return;
	}
	struct ledger_stream *stream = stream_of(v, topic, got->record.partition, inlet);
	struct ledger_meeting meeting;
	if (again) {
		ledger_seen_again(v->ledger, stream, got->record.offset, sheet.id);
	} else if (ledger_found(v->ledger, stream, got->record.offset, &sheet, &meeting) ==
		   LEDGER_MET) {
		v->counts.events++;
		audit(v, topic, got->record.partition, meeting.offset, &sheet, meeting.asked);
	}
}

static void pass_event(struct verify *v, const char *name, int32_t partition, int64_t next)
{
	struct outlet *out = &v->topics[topic_of(v, name)].outlets[partition];

	out->at = MAX(out->at, next);
	if (!out->done && out->at >= out->stop) {
		out->done = true;
		v->outlets_left--;
	}
}

/* Up to BURST records of one side. Returns how many came, or -1. */
static int read_archive(struct verify *v, int timeout_ms, struct err *err)
{
	struct consumed got;
	int taken = 0;

	while (taken < BURST && v->inlets_left) {
		int result = consumer_poll(v->archive, taken ? 0 : timeout_ms, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_NOTHING)
			break;
		if (result == CONSUMER_RECORD && take_record(v, &got, err) < 0)
			return -1;
		pass_record(v, got.record.partition,
			    got.record.offset + (result == CONSUMER_RECORD));
		taken++;
	}
	return taken;
}

static int read_events(struct verify *v, int timeout_ms, bool again, struct err *err)
{
	struct consumed got;
	int taken = 0;

	while (taken < BURST && v->outlets_left) {
		int result = consumer_poll(v->events, taken ? 0 : timeout_ms, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_NOTHING)
			break;
		if (result == CONSUMER_RECORD)
			take_event(v, &got, again);
		pass_event(v, got.topic, got.record.partition,
			   got.record.offset + (result == CONSUMER_RECORD));
		taken++;
	}
	return taken;
}

/* ---- a class ---- */

static int assign_archive(struct verify *v, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc((size_t)v->partitions, sizeof(struct consumer_partition));

	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	v->inlets_left = 0;
	for (int32_t i = v->class_at; i < v->partitions; i += v->classes) {
		struct inlet *in = &v->inlets[i];
		in->done = in->at >= in->end;
		if (!in->done)
			parts[v->inlets_left++] =
				(struct consumer_partition){v->config->input.topic, i, in->low};
	}
	return consumer_assign(v->archive, parts, (size_t)v->inlets_left, err);
}

static int assign_events(struct verify *v, struct err *err)
{
	size_t room = 0;

	for (size_t t = 0; t < v->topic_count; t++)
		room += (size_t)v->topics[t].partitions;
	OWNED_MEM struct consumer_partition *parts = calloc(room, sizeof(struct consumer_partition));
	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	v->outlets_left = 0;
	for (size_t t = 0; t < v->topic_count; t++)
		for (int32_t o = v->class_at; o < v->topics[t].partitions; o += v->classes) {
			struct outlet *out = &v->topics[t].outlets[o];
			out->at = out->low;
			out->done = out->at >= out->stop;
			out->first_seen = false;
			if (!out->done)
				parts[v->outlets_left++] = (struct consumer_partition){
					v->topics[t].name, o, out->low};
		}
	return consumer_assign(v->events, parts, (size_t)v->outlets_left, err);
}

/* Where a topic lost its beginning, the first event left tells which derived ones are older. */
static bool waits_for_first(const struct verify *v)
{
	for (size_t t = 0; t < v->topic_count; t++)
		for (int32_t o = v->class_at; o < v->topics[t].partitions; o += v->classes) {
			const struct outlet *out = &v->topics[t].outlets[o];
			if (out->low > 0 && !out->first_seen && !out->done)
				return true;
		}
	return false;
}

/* Reads a little of both sides: so that neither waits long for the other in memory. */
static int read_some(struct verify *v, struct err *err)
{
	bool first = waits_for_first(v);
	size_t expected = ledger_expected(v->ledger), surplus = ledger_surplus(v->ledger);
	bool events = v->outlets_left && (surplus < AHEAD_MAX || !v->inlets_left || first);
	bool archive = v->inlets_left && !first &&
		       (expected < AHEAD_MAX || !v->outlets_left || surplus >= AHEAD_MAX);
	int came = 0, more = 0;

	if (events && (came = read_events(v, 0, false, err)) < 0)
		return -1;
	if (archive && (more = read_archive(v, 0, err)) < 0)
		return -1;
	if (came + more)
		return came + more;
	return archive ? read_archive(v, POLL_MS, err) : read_events(v, POLL_MS, false, err);
}

/* Which topic nothing came from, for the error. */
static int report_silence(const struct verify *v, struct err *err)
{
	for (size_t t = 0; t < v->topic_count; t++)
		for (int32_t o = v->class_at; o < v->topics[t].partitions; o += v->classes)
			if (!v->topics[t].outlets[o].done)
				return stretch_silence(v->topics[t].name, true, err);
	return stretch_silence(v->config->input.topic, false, err);
}

static int read_class(struct verify *v, struct err *err)
{
	int64_t silent_ms = clock_monotonic_ms();

	while (v->inlets_left || v->outlets_left) {
		int came = read_some(v, err);
		if (came >= 0 && v->failed.kind)
			*err = v->failed;
		if (came < 0 || v->failed.kind)
			return -1;
		int64_t now_ms = came ? 0 : clock_monotonic_ms();
		if (came)
			silent_ms = 0;
		else if (!silent_ms)
			silent_ms = now_ms;
		else if (now_ms - silent_ms > STRETCH_SILENCE_MS)
			return report_silence(v, err);
		if (ledger_expected(v->ledger) + ledger_surplus(v->ledger) > LEDGER_WAITING_MAX)
			return err_set(err, ERR_NO,
				       "more than %d events have no counterpart: these topics were "
				       "not made of this archive",
				       LEDGER_WAITING_MAX);
		if (v->settings->progress)
			v->settings->progress(v->settings->context, v->counts.records, v->all,
					      v->class_at);
	}
	return 0;
}

/* What nothing makes may be there twice: then it is told as that. */
static int look_for_doubles(struct verify *v, struct err *err)
{
	if (!ledger_surplus(v->ledger))
		return 0;
	if (assign_events(v, err) < 0)
		return -1;
	int64_t silent_ms = clock_monotonic_ms();
	while (v->outlets_left) {
		int came = read_events(v, POLL_MS, true, err);
		if (came < 0)
			return -1;
		if (came)
			silent_ms = clock_monotonic_ms();
		else if (clock_monotonic_ms() - silent_ms > STRETCH_SILENCE_MS)
			return report_silence(v, err);
	}
	return 0;
}

static int verify_class(struct verify *v, struct err *err)
{
	if (make_streams(v, err) < 0 || assign_archive(v, err) < 0 || assign_events(v, err) < 0 ||
	    read_class(v, err) < 0 || look_for_doubles(v, err) < 0)
		return -1;
	for (size_t i = 0; i < v->stream_count; i++)
		ledger_end_stream(v->ledger, &v->streams[i]);
	ledger_close(v->ledger);
	if (v->settings->audit && audit_settle(v->settings->audit, err) < 0)
		return -1;
	for (int32_t i = v->class_at; i < v->partitions; i += v->classes)
		replay_end(v->replay, i);
	return 0;
}

/* ---- all ---- */

static bool asks_for_all(const struct verify *v)
{
	const struct verify_range *range = &v->settings->range;

	return range->partition < 0 && range->from_offset <= 0 && range->to_offset == INT64_MAX &&
	       range->from_ms == INT64_MIN && range->to_ms == INT64_MAX;
}

static bool was_judged(void *context, int32_t partition, int64_t offset)
{
	const struct verify *v = context;

	if (asks_for_all(v))
		return partition >= v->partitions || offset >= v->inlets[partition].low;
	return partition < v->partitions && offset >= v->inlets[partition].in_first &&
	       offset <= v->inlets[partition].in_last;
}


static void pass_report(void *context, const struct discrepancy *d)
{
	const struct verify *v = context;

	v->settings->report(v->settings->context, d);
}

static int make(struct verify *v, struct err *err)
{
	struct consumer_settings consumer = {
		.kafka = &v->settings->brokers->settings,
		.group = v->config->pipeline,
		.batch = true,
		.ends = true,
		.fetch_wait_ms = "50",
	};
	struct ledger_settings ledger = {.report = pass_report, .context = v};
	struct letters_settings letters = {.topic = v->config->output.deadletter,
					   .archive = v->config->input.topic,
					   .report = pass_report,
					   .context = v};

	if (consumer_new(&v->archive, &consumer, err) < 0 ||
	    consumer_new(&v->events, &consumer, err) < 0 || find_topics(v, err) < 0 ||
	    ledger_new(&v->ledger, &ledger, err) < 0 || event_reader_new(&v->reader, err) < 0 || letters_new(&v->letters, &letters, err) < 0)
		return -1;
	struct replay_settings replay = {v->config, v->settings->shelf, v->partitions};
	return replay_new(&v->replay, &replay, take_made, v, err);
}

static int go(struct verify *v, struct err *err)
{
	const struct verify_range *range = &v->settings->range;

	if (make(v, err) < 0 || note_places(v, err) < 0)
		return -1;
	if (range->partition >= v->partitions)
		return err_set(err, ERR_USAGE, "%s has the partitions 0 to %d", v->config->input.topic,
			       v->partitions - 1);
	for (v->class_at = 0; v->class_at < v->classes; v->class_at++)
		if ((range->partition < 0 || range->partition % v->classes == v->class_at) &&
		    verify_class(v, err) < 0)
			return -1;
	letters_close(v->letters, was_judged);
	return v->settings->audit && asks_for_all(v) ? audit_close(v->settings->audit, err) : 0;
}

int verify_all(const struct verify_settings *settings, struct verify_counts *counts,
	       struct err *err)
{
	struct verify v = {.settings = settings, .config = settings->config};
	int status = go(&v, err);

	if (v.ledger) {
		struct ledger_counts l = ledger_counts(v.ledger);
		v.counts.passed += l.passed;
		v.counts.not_yet += l.not_yet;
	}
	if (settings->audit) {
		struct audit_counts a = audit_counts(settings->audit);
		v.counts.passed += a.passed;
		v.counts.rows = a.rows;
	}
	*counts = v.counts;
	consumer_free(v.archive);
	consumer_free(v.events);
	replay_free(v.replay);
	ledger_free(v.ledger);
	event_reader_free(v.reader);
	letters_free(v.letters);
	for (size_t t = 0; t < v.topic_count; t++)
		free(v.topics[t].outlets);
	free(v.inlets);
	for (size_t i = 0; v.streams && i < v.stream_count; i++)
		order_fini(&v.streams[i].order);
	free(v.streams);
	buf_fini(&v.key);
	buf_fini(&v.value);
	buf_fini(&v.scratch);
	return status;
}
