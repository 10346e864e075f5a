/* topic_reader.c - reads every partition of a topic to its end. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/topic_reader.h"

#include "base/clock.h"

enum { ASK_MS = 30000, POLL_MS = 200, SILENCE_MS = 30000 };

static int read_to_end(struct consumer *c, int32_t partitions, topic_take take, void *context,
		       struct err *err)
{
	OWNED_MEM bool *ended = calloc((size_t)partitions, sizeof *ended);
	int64_t silent_ms = clock_monotonic_ms();
	int32_t left = partitions;
	struct consumed got;

	if (!ended)
		return err_set(err, ERR_OS, "out of memory");
	while (left) {
		int result = consumer_poll(c, POLL_MS, &got, err);
		if (result < 0)
			return -1;
		if (result == CONSUMER_NOTHING) {
			if (clock_monotonic_ms() - silent_ms > SILENCE_MS)
				return err_set(err, ERR_UNAVAILABLE, "the brokers are silent");
			continue;
		}
		silent_ms = clock_monotonic_ms();
		bool *end = &ended[got.record.partition];
		if (result == CONSUMER_END) {
			left -= !*end;
			*end = true;
			continue;
		}
		if (*end)
			continue; /* came later than we looked */
		int rc = take(context, &got, err);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	return 0;
}

int topic_read_from(const struct config *config, const struct brokers *brokers, const char *topic,
		    const int64_t *offsets, topic_take take, void *context, struct err *err)
{
	OWNED(consumer) *c = NULL;
	struct consumer_settings settings = {
		.kafka = &brokers->settings,
		.group = config->pipeline,
		.batch = true,
		.ends = true,
		.fetch_wait_ms = "50",
	};
	int32_t count;

	if (consumer_new(&c, &settings, err) < 0 ||
	    consumer_need_topic(c, topic, ASK_MS, &count, err) < 0)
		return -1;
	OWNED_MEM struct consumer_partition *parts =
		calloc((size_t)count, sizeof(struct consumer_partition));
	if (!parts)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = 0; i < count; i++)
		parts[i] = (struct consumer_partition){topic, i,
						       offsets ? offsets[i] : CONSUMER_BEGINNING};
	if (consumer_assign(c, parts, (size_t)count, err) < 0)
		return -1;
	return read_to_end(c, count, take, context, err);
}

int topic_read(const struct config *config, const struct brokers *brokers, const char *topic,
	       topic_take take, void *context, struct err *err)
{
	return topic_read_from(config, brokers, topic, NULL, take, context, err);
}
