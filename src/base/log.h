/* log.h - one event, one line, on standard error.
 * SPDX-License-Identifier: Apache-2.0
 *
 * logfmt on a terminal, JSON otherwise: `level=warn event=broker_away wait_ms=800 err="…"`.
 * `event` is a stable name, listed in the operator's documentation. Message text, keys and
 * secrets never go into a field. Under systemd (JOURNAL_STREAM is our standard error) each line
 * begins with its priority, `<4>` (sd-daemon(3)).
 *
 * A warning or error that was written in the last LOG_REPEAT_MS, word for word, is only counted;
 * the next one that is written tells how many in the field `repeated`.
 *
 * Thread: any; a line is written with one write().
 */
#pragma once

#include "base/str.h"

enum { LOG_REPEAT_MS = 10000 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
	const char *name;
	const char *text; /* NULL: `number` counts */
	int64_t number;
};

#define LOG_TEXT(name_, text_) ((struct log_field){.name = name_, .text = text_})
#define LOG_NUM(name_, number_) ((struct log_field){.name = name_, .number = (int64_t)(number_)})

void log_write(enum log_level level, const char *event, const struct log_field *fields,
	       size_t count);

/* log_event(LOG_WARN, "broker_away", LOG_NUM("worker", 2), LOG_TEXT("err", err.text)); */
#define log_event(level, event, ...)                                                               \
	log_write(level, event, (struct log_field[]){{0}, ##__VA_ARGS__} + 1,                      \
		  sizeof((struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field) - 1)

/* The lowest level that is written; LOG_INFO at start. */
void log_set_level(enum log_level level);

/* Lines so far by level, those only counted included; and how many were. */
struct log_counts {
	uint64_t lines[LOG_ERROR + 1], repeated;
};
struct log_counts log_counts(void);
