/* file.h - a whole file as text, and folders.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { FILE_BYTES_MAX = 64 * 1024 * 1024 }; /* rules, words, configuration: never larger */

/* Reads `path` into `arena`, with a NUL behind it that is not counted. More than `bytes_max` is
 * ERR_DATA; a file that is not there or not a file ERR_NOINPUT, one that may not be read ERR_PERMISSION. */
MUST_CHECK int file_read(struct arena *arena, const char *path, size_t bytes_max, struct str *out,
			 struct err *err);

/* Makes a folder of our own (0700) with its parents, unless it is there. ERR_CONFIG, or ERR_PERMISSION. */
MUST_CHECK int file_make_dir(const char *path, struct err *err);
