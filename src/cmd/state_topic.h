/* state_topic.h - what the commands of `chatmill state` share: the state topic, read back into shards.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to them. Thread: that of the command.
 */
#pragma once

#include <stdatomic.h>

#include "brokers.h"
#include "cmd/commands.h"
#include "state/shard.h"

enum { STATE_ASK_MS = 30000 };

struct state_options {
	const char *file, *corp;
	bool force, insecure, end;
};

struct state {
	const struct state_options *options;
	struct config *config;
	struct brokers *brokers;
	_Atomic bool stop; /* never set; the restore wants one */
	struct shard **shards;
	int32_t partitions;
};

/* state_fini() also after a failure. */
MUST_CHECK int state_open(struct state *s, const void *options, struct err *err);
void state_fini(struct state *s);
/* Reads partitions [from, to) back. `unfinished`: also what an import left that broke off. */
MUST_CHECK int state_restore(struct state *s, int32_t from, int32_t to, bool unfinished,
			     struct err *err);
