/* random.h - a small generator (splitmix64), so that a seed names a case on every machine.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#include <stdint.h>

static uint64_t random_state;

static inline uint64_t next_random(uint64_t below)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % below;
}
