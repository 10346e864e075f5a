/* check_kafka.c - topics and rights as the brokers have them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check.h"
#include "kafka/consumer.h"
#include "kafka/rights.h"
#include "topic_plan.h"

enum { ASK_MS = 8000 };

/* ---- topics ---- */

static void compare_partitions(struct check *check, const struct topic_spec *spec, int32_t have,
			       int32_t archive)
{
	const struct config *c = check->config;

	if (spec->name == c->input.topic && have != spec->partitions)
		CHECK_ADD(check, FINDING_ERROR,
		    "kafka: topic %s has %d partitions, input.partitions is %d: write input.partitions: %d",
		    spec->name, have, spec->partitions, have);
	if (spec->name == c->state_topic && archive && have != archive)
		CHECK_ADD(check, FINDING_ERROR,
		    "kafka: %s has %d partitions and the archive %s has %d: `run` refuses that; "
		    TOPIC_PLAN_MOVE,
		    spec->name, have, c->input.topic, archive);
}

/* Of the size of records: below 0 if fewer go in than wanted, above 0 if more do. */
static int compare_bytes(const char *name, const char *want, const char *have)
{
	int64_t bytes, wanted;

	if (strcmp(name, "max.message.bytes") != 0 || !str_to_i64(str_of(have), &bytes) ||
	    !str_to_i64(str_of(want), &wanted))
		return 0;
	return (bytes > wanted) - (bytes < wanted);
}

/* What would lose data is an error; what only keeps it shorter or longer is a warning. */
static enum finding_level weigh(const char *name, const char *want, const char *have)
{
	return !strcmp(name, "cleanup.policy") || compare_bytes(name, want, have) < 0
		       ? FINDING_ERROR
		       : FINDING_WARNING;
}

static void compare_settings(struct check *check, const struct topic_spec *spec,
			     const struct topic_facts *facts)
{
	for (size_t i = 0; i < spec->config_count; i++) {
		const char *name = spec->configs[i].name, *want = spec->configs[i].value;
		const char *have = facts->values[i];
		if (!strcmp(have, want) || compare_bytes(name, want, have) > 0)
			continue;
		CHECK_ADD(check, weigh(name, want, have),
		    "kafka: topic %s has %s=%s instead of %s; `chatmill topics apply` sets it",
		    spec->name, name, have[0] ? have : "(unset)", want);
	}
}

/* A dead letter is its record and seven headers; one that does not fit would stop its partition. */
static void compare_dead(struct check *check, int64_t archive_bytes, int64_t dead_bytes)
{
	int64_t wanted = archive_bytes + TOPIC_PLAN_DEAD_MORE;

	if (archive_bytes < 0 || dead_bytes < 0 || dead_bytes >= wanted)
		return;
	CHECK_ADD(check, FINDING_ERROR,
		  "kafka: topic %s takes records of %lld bytes and %s of %lld: a dead letter is its record "
		  "and some headers; give %s max.message.bytes=%lld or more",
		  check->config->input.topic, (long long)archive_bytes, check->config->output.deadletter,
		  (long long)dead_bytes, check->config->output.deadletter,
		  (long long)wanted);
}

/* Of the topic's settings as they are; -1: not known. */
static int64_t message_bytes(const struct topic_spec *spec, const struct topic_facts *facts)
{
	int64_t bytes;

	for (size_t i = 0; i < spec->config_count; i++)
		if (!strcmp(spec->configs[i].name, "max.message.bytes") &&
		    str_to_i64(str_of(facts->values[i]), &bytes))
			return bytes;
	return -1;
}

/* Returns the partitions; 0 if the topic is missing or may not be seen. */
static int32_t check_topic(struct check *check, struct consumer *c, struct admin *a,
			   const struct topic_spec *spec, int32_t archive, int64_t *bytes)
{
	struct topic_facts facts;
	struct err err = {0};
	int32_t count = 0;

	if (consumer_partition_count(c, spec->name, ASK_MS, &count, &err) < 0) {
		check_note(check, &err, "grant Describe on the topic");
		return 0;
	}
	if (!count) {
		CHECK_ADD(check, FINDING_ERROR,
		    "kafka: topic %s is not there; `chatmill topics apply` makes it", spec->name);
		return 0;
	}
	compare_partitions(check, spec, count, archive);
	if (admin_facts(a, spec, &facts, &err) == 0) {
		compare_settings(check, spec, &facts);
		*bytes = message_bytes(spec, &facts);
	} else if (err.kind == ERR_PERMISSION)
		CHECK_ADD(check, FINDING_WARNING,
		    "kafka: the settings of %s may not be seen (DescribeConfigs): ask somebody who may "
		    "for `chatmill topics plan`",
		    spec->name);
	else
		check_note(check, &err, NULL);
	return count;
}

/* ---- rights ---- */

static void may_read(struct check *check, const char *topic)
{
	struct err err = {0};

	if (!check->away && rights_read(&check->brokers->settings, topic, &err) < 0)
		check_note(check, &err, "grant Read on the topic");
}

static void may_write(struct check *check, const char *topic)
{
	struct err err = {0};

	if (!check->away && rights_write(&check->brokers->settings, topic, &err) < 0)
		check_note(check, &err, "grant Write on the topic");
}

static void may_join(struct check *check, const char *group)
{
	struct err err = {0};

	if (!check->away &&
	    rights_group(&check->brokers->settings, group, check->config->input.topic, &err) < 0)
		check_note(check, &err, "grant Read on the group");
}

static void check_topic_rights(struct check *check, const struct topic_spec *spec)
{
	const struct config *c = check->config;
	bool is_input = spec->name == c->input.topic, is_state = spec->name == c->state_topic;
	bool is_rules = spec->name == c->output.rulesets, is_dead = spec->name == c->output.deadletter;
	bool run_reads = is_input || is_state || is_rules, run_writes = !is_input && !is_rules;
	bool sink_reads = is_input ? c->sink.archive /* of rule sets it stores the text */
				   : !is_state && !is_dead && spec->name != c->output.hits;

	if ((check->run && run_reads) || (check->sink && sink_reads))
		may_read(check, spec->name);
	if (check->run && run_writes)
		may_write(check, spec->name);
}

static void check_names(struct check *check)
{
	const struct config *c = check->config;
	struct err err = {0};
	char name[160];

	if (check->sink) {
		(void)snprintf(name, sizeof name, "%s-sink", c->pipeline);
		may_join(check, name);
	}
	if (!check->run)
		return;
	may_join(check, c->pipeline);
	/* Workers are <pipeline>-<instance>-<slot>-<worker>; opening one of those would fence it. */
	(void)snprintf(name, sizeof name, "%s-%s-check", c->pipeline, c->instance);
	if (!check->away && rights_transaction(&check->brokers->settings, name, &err) < 0) {
		char advice[256];
		(void)snprintf(advice, sizeof advice,
			       "grant Write and Describe on transactional ids that begin with %s-",
			       c->pipeline);
		check_note(check, &err, advice);
	}
}

/* ---- the whole ---- */

void check_kafka(struct check *check)
{
	struct topic_spec specs[TOPIC_PLAN_MAX];
	int32_t counts[TOPIC_PLAN_MAX] = {0};
	size_t count = topic_plan(check->config, specs);
	struct consumer_settings settings = {.kafka = &check->brokers->settings,
					     .group = "chatmill-check"}; /* never joined */
	OWNED(consumer) *c = NULL;
	OWNED(admin) *a = NULL;
	struct err err = {0};

	if (consumer_new(&c, &settings, &err) < 0 ||
	    admin_new(&a, &check->brokers->settings, &err) < 0) {
		check_note(check, &err, NULL);
		return;
	}
	int64_t archive_bytes = -1, dead_bytes = -1;
	for (size_t i = 0; i < count && !check->away; i++) {
		int64_t bytes = -1;
		counts[i] = check_topic(check, c, a, &specs[i], counts[0], &bytes);
		archive_bytes = i == 0 ? bytes : archive_bytes;
		dead_bytes = specs[i].name == check->config->output.deadletter ? bytes : dead_bytes;
	}
	compare_dead(check, archive_bytes, dead_bytes);
	for (size_t i = 0; i < count && !check->away; i++)
		if (counts[i])
			check_topic_rights(check, &specs[i]);
	if (counts[0])
		check_names(check);
}
