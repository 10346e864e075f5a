/* topic_plan.h - what topics a configuration wants, and with which settings.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any; pure.
 */
#pragma once

#include "config.h"
#include "kafka/admin.h"

enum {
	TOPIC_PLAN_MAX = 8,
	/* A dead letter holds its record, and some headers more: what fits the archive must fit here. */
	TOPIC_PLAN_DEAD_MORE = 65536,
	TOPIC_PLAN_DEAD_BYTES = 10485760 + TOPIC_PLAN_DEAD_MORE,
};

/* What to do where the archive has another number of partitions than its state. */
#define TOPIC_PLAN_MOVE                                                                             \
	"`chatmill state export`, a new name in state.topic, `topics apply` and `state import --at-end` " \
	"carry it over (docs/operations.md, \"Another number of partitions\")"

/* Fills `specs`, the archive first; returns how many. Names are the configuration's own, so that
 * they may be compared as pointers. */
size_t topic_plan(const struct config *c, struct topic_spec specs[TOPIC_PLAN_MAX]);

/* Whether the partitions of a topic must be those of the archive. */
bool topic_plan_is_keyed(const struct config *c, const struct topic_spec *spec);
