/* hash.h - where a key goes: the partitioner of Java clients, and a fast hash for tables.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Pure. Thread: any.
 */
#pragma once

#include "base/str.h"

/* The 32-bit murmur2 of Kafka's Java clients (org.apache.kafka.common.utils.Utils.murmur2). */
uint32_t hash_murmur2(struct str key);

/* The partition that a Java producer chooses for `key`: positive murmur2 modulo `partitions`. */
static inline int32_t hash_partition(struct str key, int32_t partitions)
{
	if (partitions == 1) /* of a file, mostly: the hash would be computed for nothing */
		return 0;
	return (int32_t)((hash_murmur2(key) & 0x7fffffff) % (uint32_t)partitions);
}

/* XXH3, 64 bits; stable, so that it may be stored. */
uint64_t hash_64(struct str key);
