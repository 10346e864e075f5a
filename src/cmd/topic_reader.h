/* topic_reader.h - what stands on a topic now, for commands that list and compare.
 * SPDX-License-Identifier: Apache-2.0
 *
 * read_committed; ends at the last committed record as it was when that partition's end was first
 * reached. Joins no group. Thread: that of the command.
 */
#pragma once

#include "brokers.h"
#include "kafka/consumer.h"

/* 0: go on; 1: enough; -1 with err. Records of one partition come in order. */
typedef int (*topic_take)(void *context, const struct consumed *got, struct err *err);

/* From the beginning. */
MUST_CHECK int topic_read(const struct config *config, const struct brokers *brokers,
			  const char *topic, topic_take take, void *context, struct err *err);

/* From an offset of each partition of the topic; NULL: from the beginning. */
MUST_CHECK int topic_read_from(const struct config *config, const struct brokers *brokers,
			       const char *topic, const int64_t *offsets, topic_take take,
			       void *context, struct err *err);
