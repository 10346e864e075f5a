/* readers.h - the blocks of a file, read by several threads, handed back in their order.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Reading (decode, fold, match) needs no state and takes most of the time; what comes after it
 * must see the records in order. So each block of the file goes to a slot: memory for its lines
 * and a pipeline of its own; threads read slots, the caller takes them back in the order in which
 * the lines came. With one job the caller's thread reads, and there are no others.
 *
 * Thread: all calls from one thread.
 */
#pragma once

#include "consume/file.h"
#include "pipeline.h"

struct readers;

struct slot {
	struct pipeline *pipeline; /* what the readings point into, until the next readers_take() */
	struct record *records;
	struct reading *readings;
	size_t count;
	const char *file; /* where they come from */
};

/* `book` must outlive the readers. `jobs` >= 1. */
MUST_CHECK int readers_new(struct readers **out, const struct pipeline_settings *settings,
			   const struct rulebook *book, int jobs, struct err *err);
void readers_free(struct readers *r); /* NULL is fine; ends the threads */
DEFINE_OWNED(readers);

/* Takes the next whole block of `source` (after file_source_fill() said 1), at most `limit`
 * records, and lets it be read; the source goes on in other memory. There must be room:
 * readers_full() is false. Returns how many records it took. */
size_t readers_give(struct readers *r, struct file_source *source, size_t limit);

bool readers_full(const struct readers *r);
bool readers_empty(const struct readers *r);

/* The oldest block, once it is read; the slot is the caller's until the next call. NULL when
 * there is none. */
struct slot *readers_take(struct readers *r);
