/* stretch.h - reads partitions of a topic to the end that they have now, transactions included.
 * SPDX-License-Identifier: Apache-2.0
 *
 * The end is the high watermark: the last stable offset can stand before a transaction whose other
 * parts are visible already (KAFKA-10167). Whoever waits until a read_committed reader has passed
 * the watermark has seen every transaction that was committed when it was asked for.
 *
 * Thread: that of the command.
 */
#pragma once

#include "kafka/consumer.h"

struct stretch {
	int32_t partition;
	int64_t at;   /* in: where to begin, or CONSUMER_BEGINNING; out: the next to read */
	int64_t high; /* out: the watermark */
};

struct stretch_settings {
	const struct kafka_settings *kafka;
	const char *group; /* librdkafka wants a name; nothing is joined or committed */
	const char *topic;
	/* Gets every record; NULL: only the watermarks are wanted, nothing is waited for. */
	void (*take)(void *context, const struct consumed *got);
	void *context;
};

/* ERR_RETRY when a transaction stays open, ERR_UNAVAILABLE when brokers are silent. */
MUST_CHECK int stretch_read(const struct stretch_settings *settings, struct stretch *stretches, size_t count,
			 struct err *err);

/* What to say when nothing came for so long. `open`: it is a transaction that has no end. */
enum { STRETCH_SILENCE_MS = 60000 };
int stretch_silence(const char *topic, bool open, struct err *err);
