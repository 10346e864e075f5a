/* dry_run.h - what publishing a set would change, on the newest stretch of the archive.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The set that was published last against the one of a folder, by diff.h. Nothing is written, no
 * group joined. Thread: that of the command.
 */
#pragma once

#include "publish.h"

struct dry_run {
	const struct publish_settings *publish; /* config, brokers, dir */
	int64_t minutes; /* before the newest message of the archive */
	bool json;
};

/* Prints the table and whether there is a difference to *differs. */
MUST_CHECK int dry_run(const struct dry_run *settings, bool *differs, struct err *err);
