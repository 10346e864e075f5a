/* consumer_handle.h - the member's identity, which producer.c puts into its transactions.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only for files of kafka/.
 *
 * Thread: as consumer.h.
 */
#pragma once

#include <librdkafka/rdkafka.h>

struct consumer;

/* As of the last assignment; NULL after the partitions are gone. Borrowed until then. */
const rd_kafka_consumer_group_metadata_t *consumer_member(const struct consumer *c);
