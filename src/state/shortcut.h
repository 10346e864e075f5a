/* shortcut.h - of a restore: which partitions may begin at their snapshot.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to state/. Thread: that of the restore, but for shortcut_take().
 */
#pragma once

#include "kafka/consumer.h"
#include "state/changelog.h"
#include "state/snapshot.h"

struct shortcuts {
	const struct changelog_settings *settings;
	char cluster[SNAPSHOT_NAME_BYTES];
	int64_t delete_retention_ms; /* of the changelog; 0: the brokers did not tell */
};

/* Asks the brokers what is the same for all partitions; before the first shortcut_take(). */
void shortcut_ask(struct shortcuts *s, struct consumer *c);

/* Fills the item's new shard from its snapshot and tells at which offset the changelog goes on, and
 * how long it must be. False, and the shard is as it was: there is none, or it may not be used (which
 * is logged). Thread: any, each item in one. */
bool shortcut_take(const struct shortcuts *s, struct consumer *c, struct restored *item, int64_t *start,
		   int64_t *end);

/* The item is read from the beginning after all. */
void shortcut_refused(const struct shortcuts *s, struct restored *item, const char *why);
