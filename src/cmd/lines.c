/* lines.c - blocks of files go to the readers and come back as readings in their order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lines.h"

#include "cmd/progress.h"

struct lines {
	const struct lines_settings *settings;
	struct readers *readers;
	int64_t last_time_ms; /* of the line before */
	int64_t taken, stop_at;
	struct progress progress;
};

static int take(struct lines *l, const struct reading *reading, struct err *err)
{
	if (reading->result == DECODE_DONE)
		l->last_time_ms = reading->message.recv_ms;
	return l->settings->take(l->settings->context, reading, err);
}

/* The readers do not know the line before. A reading that needed its time is read again. */
static void read_again(struct lines *l, struct slot *slot, struct record *record,
		       struct reading *reading)
{
	record->time_ms = l->last_time_ms;
	pipeline_read(slot->pipeline, l->settings->book, record, reading);
}

static int take_split(struct lines *l, struct slot *slot, struct reading *batch, struct err *err)
{
	struct record *items;
	size_t count;

	batch->result = pipeline_split(slot->pipeline, batch->record, &items, &count);
	if (batch->result != DECODE_DONE)
		return take(l, batch, err);
	for (size_t i = 0; i < count; i++) {
		struct reading reading;
		read_again(l, slot, &items[i], &reading);
		if (take(l, &reading, err) < 0)
			return -1;
	}
	return 0;
}

static int take_slot(struct lines *l, struct slot *slot, struct err *err)
{
	const struct lines_settings *s = l->settings;

	if (s->begin)
		s->begin(s->context, slot->file);
	for (size_t i = 0; i < slot->count; i++) {
		struct record *record = &slot->records[i];
		struct reading *reading = &slot->readings[i];
		if (s->expect && i + s->ahead < slot->count)
			s->expect(s->context, &slot->readings[i + s->ahead]);
		bool timeless = reading->result == DECODE_DONE &&
				reading->message.recv_ms == record->time_ms;
		if (timeless && l->last_time_ms != record->time_ms)
			read_again(l, slot, record, reading);
		int status = reading->result == DECODE_BATCH ? take_split(l, slot, reading, err)
							     : take(l, reading, err);
		if (status < 0)
			return -1;
	}
	return s->flush ? s->flush(s->context, err) : 0;
}

/* Takes blocks back until there is room for one more, or, at the end, until there are none. */
static int take_slots(struct lines *l, bool all, struct err *err)
{
	while (all ? !readers_empty(l->readers) : readers_full(l->readers))
		if (take_slot(l, readers_take(l->readers), err) < 0)
			return -1;
	return 0;
}

static int read_file(struct lines *l, const char *path, struct err *err)
{
	OWNED(file_source) *source = NULL;
	int got;

	if (file_source_open(&source, path, err) < 0)
		return -1;
	while (l->taken < l->stop_at && (got = file_source_fill(source, err)) != 0) {
		struct err later = *err; /* a broken file: first what was whole of it */
		if (got < 0) {
			if (take_slots(l, true, err) == 0)
				*err = later;
			return -1;
		}
		if (take_slots(l, false, err) < 0)
			return -1;
		l->taken += (int64_t)readers_give(l->readers, source,
						  (size_t)(l->stop_at - l->taken));
		if (file_source_waits(source) && take_slots(l, true, err) < 0)
			return -1;
		uint64_t done, size;
		file_source_progress(source, &done, &size);
		progress_show(&l->progress, path, done, size, (uint64_t)l->taken);
	}
	return take_slots(l, true, err); /* the slots name the file, which closes here */
}

static int read_files(struct lines *l, const char *const *files, int count, struct err *err)
{
	static const char *const standard_input[] = {"-"};

	progress_start(&l->progress);
	for (int i = 0; i < MAX(count, 1); i++)
		if (read_file(l, (count ? files : standard_input)[i], err) < 0)
			return -1;
	progress_end(&l->progress);
	return 0;
}

int lines_read(const struct lines_settings *settings, const char *const *files, int count,
	       struct err *err)
{
	struct lines l = {
		.settings = settings,
		.last_time_ms = 1,
		.stop_at = settings->limit ? settings->limit : INT64_MAX,
	};

	if (file_sources_check(files, count, err) < 0)
		return -1;
	if (readers_new(&l.readers, settings->pipeline, settings->book, settings->jobs, err) < 0)
		return -1;
	int status = read_files(&l, files, count, err);
	readers_free(l.readers);
	return status;
}
