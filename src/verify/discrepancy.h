/* discrepancy.h - one thing that is not as the archive and the rules say it should be.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Names places and ids, never content. Texts live until the receiver returns.
 *
 * Thread: that of the command.
 */
#pragma once

#include "base/str.h"

enum discrepancy_kind {
	DISCREPANCY_LOST,	    /* derived, and not on its topic */
	DISCREPANCY_TORN,	    /* lost, while others of the same message are there; or there
				     * although the state says that its record was not taken yet */
	DISCREPANCY_DOUBLED,	    /* on the topic more often than derived */
	DISCREPANCY_CHANGED,	    /* there, with other bytes */
	DISCREPANCY_DISORDER,	    /* there, behind what was derived later */
	DISCREPANCY_UNEXPECTED,	    /* on the topic, and nothing makes it */
	DISCREPANCY_DEAD_LOST,	    /* a record that cannot be used has no dead letter */
	DISCREPANCY_DEAD_DOUBLED,
	DISCREPANCY_DEAD_CHANGED,
	DISCREPANCY_DEAD_UNEXPECTED, /* a dead letter of a record that can be used */
	DISCREPANCY_ROW_LOST,	    /* the table lacks what the event should have left */
	DISCREPANCY_ROW_CHANGED,
	DISCREPANCY_ROW_UNEXPECTED,
	DISCREPANCY_KIND_COUNT,
};

struct discrepancy {
	enum discrepancy_kind kind;
	const char *topic;	  /* NULL: none */
	int32_t partition;	  /* of the topic */
	int64_t offset;		  /* of the topic; -1: it is not there */
	struct str id;		  /* of the event; empty: none */
	int32_t source_partition; /* of the archive; -1: not known */
	int64_t source_offset;
	const char *table; /* NULL: none */
	const char *reason;
};

/* "lost" … "row_unexpected". Static. */
const char *discrepancy_name(enum discrepancy_kind kind);

typedef void (*discrepancy_take)(void *context, const struct discrepancy *d);
