/* event_filter.h - which events a person asked for, by options of the command line.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Lists have commas between their names. Thread: any; pure.
 */
#pragma once

#include "base/err.h"
#include "model.h"

/* Sets `wanted` for each type that `list` names. ERR_USAGE for a word that is none, with the
 * nearest; it names `option`. NULL: an empty list. */
MUST_CHECK int event_types_read(const char *option, const char *list, bool wanted[EVENT_TYPE_COUNT],
				struct err *err);

struct event_filter {
	/* As given, borrowed; NULL: any. */
	const char *type, *pack, *rule, *corp, *severity;
	/* By event_filter_read(): */
	bool wanted[EVENT_TYPE_COUNT];
	enum severity least; /* if there is a `severity` */
};

/* Reads `type` and `severity`; ERR_USAGE for a word that is none, with the nearest. */
MUST_CHECK int event_filter_read(struct event_filter *filter, struct err *err);

bool event_filter_wants(const struct event_filter *filter, const struct event *event);
