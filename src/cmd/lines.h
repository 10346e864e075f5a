/* lines.h - the records of files, read by several threads, one by one in their order.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What a file has and a topic has not: a record may be a batch of many (E5), which is taken apart,
 * and one without a time of its own has that of the line before, the first line 1.
 *
 * Thread: all callbacks come on the caller's thread.
 */
#pragma once

#include "cmd/readers.h"

struct lines_settings {
	const struct pipeline_settings *pipeline;
	const struct rulebook *book;
	int jobs;
	int64_t limit; /* lines taken at most; 0: all */
	/* A reading lives until the next call of `flush`. */
	int (*take)(void *context, const struct reading *reading, struct err *err);
	/* One that comes `ahead` readings later in the block. NULL: nobody wants to know. */
	void (*expect)(void *context, const struct reading *reading);
	size_t ahead;
	/* A block is done; `file` is the one that comes from. NULL: nobody wants to know. */
	int (*flush)(void *context, struct err *err);
	/* Before the readings of a block: the file that they come from. NULL: nobody wants to know. */
	void (*begin)(void *context, const char *file);
	void *context;
};

/* Reads the files, or standard input if there are none, and for "-". A broken file is an error
 * after what was whole of it was taken. Shows its progress. */
MUST_CHECK int lines_read(const struct lines_settings *settings, const char *const *files,
			  int count, struct err *err);
