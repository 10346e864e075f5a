/* house.h - the threads of a handle give memory back in quiet times.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each connection of librdkafka has a thread, whose heap keeps at its end what the largest requests and
 * answers took, some 15 MB after a busy time, and only that thread can give it back (heap.h). Whoever
 * owns a handle asks for it, and each thread does it with the next request that it sends.
 *
 * Only for files of kafka/. Thread: that of the handle's owner, but for what librdkafka calls.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

#include "base/base.h"

struct house {
	_Atomic uint32_t asked; /* how often */
};

/* For handles made of `conf`; the house lives as long as they do. */
void house_watch(struct house *h, rd_kafka_conf_t *conf);
/* Asks the threads. */
void house_ask(struct house *h);
