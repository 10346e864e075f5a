/* changelog.h - reads shards back from the compacted changelog topic.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One consumer reads all partitions that are restored, each until it has passed the *high
 * watermark* seen after it began. The end of partition and the offset queries of a
 * read_committed consumer give only the last stable offset, and the group's offset of a
 * transaction can be visible before the changelog's commit marker (KAFKA-10167): who stops there
 * misses the last transaction.
 *
 * A partition that has a snapshot which may be used (snapshot.h) is read from that snapshot's marker
 * on. Whatever speaks against it is logged (event=snapshot_unused), and all is read.
 *
 * Thread: that of the worker. May take long; `stop` ends it with ERR_RETRY.
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "kafka/settings.h"
#include "state/shard.h"

struct changelog_settings {
	const struct kafka_settings *kafka;
	const char *group; /* librdkafka wants a name; nothing is joined or committed */
	const char *topic;
	const _Atomic bool *stop;
	int64_t worker; /* for the progress lines */
	bool unfinished; /* a state without markers, or whose import broke off, is no error */
	const char *snapshots; /* the folder; NULL: none are used */
	const char *pipeline;  /* whose */
};

struct restored {
	int32_t partition;
	struct shard *shard;   /* fresh; filled on success */
	/* The marker must reach this offset (what the group has committed); -1: nothing known. A
	 * marker behind it is waited for, for the time that a transaction may take to be ended. */
	int64_t at_least;
	bool from_snapshot; /* out: the changelog was read from the snapshot's marker on only */
};

/* Logs event=restore_begin, restore_progress, restore_end, snapshot_used, snapshot_unused. ERR_CONFIG
 * when a value cannot be read or a marker stays behind. */
MUST_CHECK int changelog_restore(const struct changelog_settings *settings,
				 struct restored *items, size_t count, struct err *err);
