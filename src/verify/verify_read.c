/* verify_read.c - reads the archive and the event topics of a class in turn. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify_parts.h"

#include "base/clock.h"
#include "base/hash.h"
#include "verify/stretch.h"

enum {
	POLL_MS = 50,
	BURST = 64,
	AHEAD_MAX = 20000, /* how far one side may read ahead of the other */
};

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
	if (verify_side(v, &got->record) == 0) {
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
	struct kafka_header headers[2 * ENCODE_HEADERS_MAX]; /* what others added may follow */
	size_t count = consumed_headers(got, headers, ARRAY_LEN(headers));

	*sheet = (struct sheet){.key = got->record.key, .value = got->record.value};
	for (size_t i = 0; i < count; i++) {
		const char *name = headers[i].name;
		if ((strncmp(name, "ce_", 3) != 0 && strcmp(name, "content-type") != 0) ||
		    sheet->header_count == ENCODE_HEADERS_MAX)
			continue;
		sheet->headers[sheet->header_count++] = headers[i];
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
	bool is_event = sheet.id.len == UUID_LEN, is_here = inlet % v->classes == v->class_at;
	if (!is_event || !is_here) {
		if (!again)
			report_foreign(v, got, is_event ? sheet.id : (struct str){0},
				       is_event ? "it stands on a partition that is not that of its key"
						: "it is no event of chatmill");
		return;
	}
	struct ledger_stream *stream = verify_stream(v, topic, got->record.partition, inlet);
	struct ledger_meeting meeting;
	if (again) {
		ledger_seen_again(v->ledger, stream, got->record.offset, sheet.id);
	} else if (ledger_found(v->ledger, stream, got->record.offset, &sheet, &meeting) ==
		   LEDGER_MET) {
		v->counts.events++;
		verify_audit(v, topic, got->record.partition, meeting.offset, &sheet, meeting.asked);
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

int verify_class(struct verify *v, struct err *err)
{
	if (verify_make_streams(v, err) < 0 || assign_archive(v, err) < 0 || assign_events(v, err) < 0 ||
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
