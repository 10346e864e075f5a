/* stretch.c - to the watermark and no further. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/stretch.h"

#include "base/clock.h"

enum { ASK_MS = 30000, POLL_MS = 100 };

int stretch_silence(const char *topic, bool open, struct err *err)
{
	if (open)
		return err_set(err, ERR_RETRY,
			       "a transaction on %s has been open for a minute: a process hangs, or "
			       "its brokers do; try again when it is over",
			       topic);
	return err_set(err, ERR_UNAVAILABLE, "the brokers are silent");
}

static int assign(struct consumer *c, const struct stretch_settings *settings,
		  const struct stretch *stretches, size_t count, struct err *err)
{
	OWNED_MEM struct consumer_partition *parts =
		calloc(count, sizeof(struct consumer_partition));
	int32_t known; /* asked so that librdkafka knows the leaders; see consumer_assign() */

	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	if (consumer_partition_count(c, settings->topic, ASK_MS, &known, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		parts[i] = (struct consumer_partition){settings->topic, stretches[i].partition,
						       stretches[i].at};
	return consumer_assign(c, parts, count, err);
}

static struct stretch *find(struct stretch *stretches, size_t count, int32_t partition)
{
	for (size_t i = 0; i < count; i++)
		if (stretches[i].partition == partition)
			return &stretches[i];
	UNREACHABLE("a partition that was not assigned");
}

int stretch_read(const struct stretch_settings *settings, struct stretch *stretches, size_t count,
	      struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumer_settings consumer = {
		.kafka = settings->kafka,
		.group = settings->group,
		.batch = true,
		.ends = true,
		.fetch_wait_ms = "10", /* it lives for moments, and ends are what it waits for */
	};
	int64_t silent_ms = clock_monotonic_ms();
	size_t left = count;
	struct consumed got;
	bool waits = false; /* an end was reached that is not the watermark */

	if (count == 0)
		return 0;
	if (consumer_new(&c, &consumer, err) < 0 || assign(c, settings, stretches, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		stretches[i].high = -1;
	while (left) {
		int result = consumer_poll(c, POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result != CONSUMER_RECORD && clock_monotonic_ms() - silent_ms > STRETCH_SILENCE_MS)
			return stretch_silence(settings->topic, waits, err);
		if (result == CONSUMER_NOTHING)
			continue;
		struct stretch *stretch = find(stretches, count, got.record.partition);
		bool was_done = stretch->high >= 0 && (!settings->take || stretch->at >= stretch->high);
		if (was_done)
			continue;
		if (stretch->high < 0)
			stretch->high = consumer_high_watermark(c, settings->topic, stretch->partition);
		if (result == CONSUMER_RECORD) {
			silent_ms = clock_monotonic_ms();
			if (settings->take && got.record.offset < stretch->high)
				settings->take(settings->context, &got);
		}
		stretch->at = got.record.offset + (result == CONSUMER_RECORD);
		bool done = stretch->high >= 0 && (!settings->take || stretch->at >= stretch->high);
		waits |= !done && result == CONSUMER_END;
		left -= done;
	}
	return 0;
}
