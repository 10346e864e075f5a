/* state_topic.c - opens the state topic for a command and reads it back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/state_topic.h"

#include "kafka/consumer.h"
#include "state/changelog.h"

int state_open(struct state *s, const void *options, struct err *err)
{
	OWNED(consumer) *c = NULL;

	s->options = options;
	if (config_open(&s->config, s->options->file, err) < 0 ||
	    brokers_new(&s->brokers, s->config, s->options->insecure, err) < 0)
		return -1;
	struct consumer_settings settings = {.kafka = &s->brokers->settings,
					     .group = s->config->pipeline};
	if (consumer_new(&c, &settings, err) < 0 ||
	    consumer_need_topic(c, s->config->state_topic, STATE_ASK_MS, &s->partitions, err) < 0)
		return -1;
	s->shards = calloc((size_t)s->partitions, sizeof(*s->shards));
	return s->shards ? 0 : err_set(err, ERR_OS, "out of memory");
}

void state_fini(struct state *s)
{
	for (int32_t i = 0; s->shards && i < s->partitions; i++)
		shard_free(s->shards[i]);
	free(s->shards);
	brokers_free(s->brokers);
	config_free(s->config);
}

int state_restore(struct state *s, int32_t from, int32_t to, bool unfinished, struct err *err)
{
	OWNED_MEM struct restored *items = calloc((size_t)(to - from), sizeof(struct restored));
	struct shard_settings settings = {.memory_ms = s->config->state.memory_ms,
					  .idle_ms = s->config->state.idle_days * DAY_MS};
	struct changelog_settings changelog = {
		.kafka = &s->brokers->settings,
		.group = s->config->pipeline,
		.topic = s->config->state_topic,
		.stop = &s->stop,
		.worker = -1,
		.unfinished = unfinished,
	};

	if (!items)
		return err_set(err, ERR_OS, "out of memory");
	for (int32_t i = from; i < to; i++) {
		if (shard_new(&s->shards[i], i, &settings, s->shards[0], err) < 0)
			return -1;
		items[i - from] = (struct restored){i, s->shards[i], -1};
	}
	return changelog_restore(&changelog, items, (size_t)(to - from), err);
}
