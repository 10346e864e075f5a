/* verify.h - proves that what stands on the topics is what the archive and its rules make.
 * SPDX-License-Identifier: Apache-2.0
 *
 *	archive ─► replay ─┐
 *	                   ├─► ledger ─► discrepancies
 *	event topics ──────┘ ──► audit of the tables ─► discrepancies
 *
 * A live `run` is no obstacle. Places are noted at the start, in an order that makes them one
 * picture: the positions in the state (what was judged by then must be on the topics), the
 * database, the ends of the topics, the end of the archive (whatever is on the topics was made of
 * what is before it), the positions once more (nothing on the topics may be ahead of them).
 *
 * Partitions are taken in classes whose keys cannot mix: where all topics have as many partitions
 * as the archive, one at a time. Memory: the state of one class, what waits for its counterpart, 56
 * bytes for each dead letter.
 *
 * Reads only; joins no group. Thread: that of the command.
 */
#pragma once

#include "brokers.h"
#include "shelf.h"
#include "store/audit.h"
#include "verify/discrepancy.h"

enum { VERIFY_TOPICS = 4 };

/* What of the archive is asked about. The rest is judged as well, for the state it leaves. */
struct verify_range {
	int32_t partition;	       /* -1: all */
	int64_t from_offset, to_offset; /* [from, to) */
	int64_t from_ms, to_ms;	       /* of the times of the records, [from, to) */
};

struct verify_settings {
	const struct config *config;
	const struct brokers *brokers;
	struct shelf *shelf;
	struct verify_range range;
	struct audit *audit; /* of the tables, not begun; NULL: they are not looked at */
	bool no_past; /* the oldest record left is the first that `run` ever took */
	discrepancy_take report;
	/* Called now and then: records judged, of all; of which partition. NULL: nobody looks. */
	void (*progress)(void *context, uint64_t done, uint64_t all, int32_t partition);
	void *context;
};

struct verify_counts {
	uint64_t records, events, letters; /* read from the archive; compared */
	uint64_t not_yet; /* events and letters of records that `run` had not taken */
	uint64_t passed;  /* older than what their topics and tables still hold */
	uint64_t refused; /* by the database: they stand in sink_reject, and have no rows */
	uint64_t rows;	  /* of tables, compared */
};

MUST_CHECK int verify_all(const struct verify_settings *settings, struct verify_counts *counts,
			  struct err *err);
