/* err.h - what went wrong in the world, for whoever has to act on it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Lives on the stack of the caller: no allocation, nothing to free, setting one cannot fail.
 * The kind is the exit status that the program ends with if nobody handles the error
 * (sysexits.h; CONTRACT.md section 1). Bad data inside a message is never an err: it is an
 * outcome of decode. Texts never hold message text, keys or secrets.
 *
 * Thread: an err belongs to whoever has it on the stack.
 */
#pragma once

#include "base/base.h"

enum err_kind {
	ERR_NONE = 0,
	ERR_NO = 1,		/* the answer is no: a test failed, a difference was found */
	ERR_USAGE = 64,		/* wrong usage of the command line */
	ERR_DATA = 65,		/* bad input data or rules */
	ERR_NOINPUT = 66,	/* no such file */
	ERR_UNAVAILABLE = 69,	/* a server is away */
	ERR_BUG = 70,		/* our bug */
	ERR_OS = 71,		/* out of memory, descriptors, threads, disk: leaves as 75 */
	ERR_RETRY = 75,		/* try again: fenced, lost a lock, a passing failure */
	ERR_PERMISSION = 77,	/* not permitted */
	ERR_CONFIG = 78,	/* wrong configuration, unknown version, changed partitions */
};

struct err {
	enum err_kind kind;
	char text[508];
};

/* Sets kind and sentence and returns -1, so that `return err_set(err, …)` reads well. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the sentence; keeps the kind. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* err_set() with ": " and the text of errno behind the sentence. What may not be opened is
 * ERR_PERMISSION where ERR_NOINPUT or ERR_CONFIG was asked for; what the host lacks (disk, memory,
 * descriptors) is ERR_OS, whatever was asked for. */
int err_errno(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
