/* hash.c - murmur2 as Kafka's Java clients compute it, and XXH3. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t hash_murmur2(struct str key)
{
	const uint32_t m = 0x5bd1e995;
	const unsigned char *p = (const unsigned char *)key.data;
	size_t len = key.len;
	uint32_t h = 0x9747b28c ^ (uint32_t)len;

	for (; len >= 4; len -= 4, p += 4) {
		uint32_t k = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	switch (len) {
	case 3:
		h ^= (uint32_t)p[2] << 16;
		__attribute__((fallthrough));
	case 2:
		h ^= (uint32_t)p[1] << 8;
		__attribute__((fallthrough));
	case 1:
		h = (h ^ p[0]) * m;
	}
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

uint64_t hash_64(struct str key)
{
	return XXH3_64bits(key.data, key.len);
}
