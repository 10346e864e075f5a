/* topic_plan.c - the topics of a configuration, with their settings. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_plan.h"

/* Settings of topics, with their reasons. Times in ms. */
#define FOREVER "-1"
#define DAYS_30 "2592000000" /* personal data outside the archive: at most 30 days */
#define DAYS_7 "604800000"
#define HOUR_1 "3600000"
#define LARGE "10485760"
#define LARGER "10551296" /* TOPIC_PLAN_DEAD_BYTES */

/* The archive is the one log that every replay reads: its owner decides how long it is kept. */
static const struct topic_config archive[] = {
	{"cleanup.policy", "delete"}, {"retention.ms", FOREVER}, {"max.message.bytes", LARGE}};
static const struct topic_config events[] = {
	{"cleanup.policy", "delete"}, {"retention.ms", DAYS_30}, {"max.message.bytes", LARGE}};
static const struct topic_config dead[] = {
	{"cleanup.policy", "delete"}, {"retention.ms", DAYS_30}, {"max.message.bytes", LARGER}};
/* Every set that ever judged stays. */
static const struct topic_config rulesets[] = {
	{"cleanup.policy", "compact"}, {"max.message.bytes", LARGE}};
/* Erased customers are gone from disk within a week; a restore that takes up to 7 days still sees
 * every tombstone. */
static const struct topic_config state[] = {
	{"cleanup.policy", "compact"},	  {"min.compaction.lag.ms", HOUR_1},
	{"max.compaction.lag.ms", DAYS_7}, {"delete.retention.ms", DAYS_7},
	{"max.message.bytes", LARGE}};

static void add(struct topic_spec *specs, size_t *count, const char *name, int64_t partitions,
		int64_t replication, const struct topic_config *configs, size_t config_count)
{
	if (!name)
		return;
	struct topic_spec *spec = &specs[(*count)++];
	*spec = (struct topic_spec){.name = name,
				    .partitions = (int32_t)partitions,
				    .replication = (int16_t)replication,
				    .config_count = config_count};
	memcpy(spec->configs, configs, config_count * sizeof *configs);
}

size_t topic_plan(const struct config *c, struct topic_spec specs[TOPIC_PLAN_MAX])
{
	int64_t n = c->input.partitions, r = c->input.replication;
	size_t count = 0;

	add(specs, &count, c->input.topic, n, r, archive, ARRAY_LEN(archive));
	add(specs, &count, c->output.tags, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.stages, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.alerts, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.hits, n, r, events, ARRAY_LEN(events));
	add(specs, &count, c->output.deadletter, n, r, dead, ARRAY_LEN(dead));
	add(specs, &count, c->output.rulesets, 1, r, rulesets, ARRAY_LEN(rulesets));
	add(specs, &count, c->state_topic, n, r, state, ARRAY_LEN(state));
	return count;
}

bool topic_plan_is_keyed(const struct config *c, const struct topic_spec *spec)
{
	return spec->name == c->input.topic || spec->name == c->state_topic;
}
