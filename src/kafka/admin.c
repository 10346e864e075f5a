/* admin.c - librdkafka's admin requests, one at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/admin.h"

#include "base/clock.h"
#include "kafka/handle.h"

struct admin {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	int timeout_ms;
};

int admin_new(struct admin **out, const struct kafka_settings *settings, struct err *err)
{
	OWNED(admin) *a = calloc(1, sizeof *a);
	rd_kafka_conf_t *conf;
	char why[512];

	if (!a)
		return err_set(err, ERR_OS, "kafka: out of memory");
	if (handle_conf(&conf, settings, NULL, NULL, err) < 0)
		return -1;
	a->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (!a->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(err, ERR_CONFIG, "kafka admin: %s", why);
	}
	a->queue = rd_kafka_queue_new(a->rk);
	a->timeout_ms = ADMIN_MS;
	*out = TAKE(a);
	return 0;
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	if (a->queue)
		rd_kafka_queue_destroy(a->queue);
	if (a->rk)
		rd_kafka_destroy(a->rk);
	free(a);
}

/* The answer to the request that was put on the queue. The caller destroys it. */
static rd_kafka_event_t *wait(struct admin *a, const char *what, struct err *err)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(a->queue, a->timeout_ms + a->timeout_ms / 3);

	if (!event) {
		(void)err_set(err, ERR_UNAVAILABLE, "%s: no answer", what);
		return NULL;
	}
	if (rd_kafka_event_error(event)) {
		(void)handle_error(err, rd_kafka_event_error(event), what);
		rd_kafka_event_destroy(event);
		return NULL;
	}
	return event;
}

static rd_kafka_AdminOptions_t *options(struct admin *a, rd_kafka_admin_op_t operation)
{
	rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(a->rk, operation);
	char why[128];

	rd_kafka_AdminOptions_set_request_timeout(o, a->timeout_ms, why, sizeof why);
	return o;
}

/* Asks for the configuration of a topic; the entries live in *event. */
static const rd_kafka_ConfigEntry_t **describe(struct admin *a, const char *name,
					       rd_kafka_event_t **event, size_t *count,
					       struct err *err)
{
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
	rd_kafka_AdminOptions_t *o = options(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	size_t resources;

	rd_kafka_DescribeConfigs(a->rk, &resource, 1, o, a->queue);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_ConfigResource_destroy(resource);
	*event = wait(a, name, err);
	if (!*event)
		return NULL;
	const rd_kafka_ConfigResource_t **got = rd_kafka_DescribeConfigs_result_resources(
		rd_kafka_event_DescribeConfigs_result(*event), &resources);
	if (resources != 1 || rd_kafka_ConfigResource_error(got[0])) {
		(void)handle_error(err,
				   resources == 1 ? rd_kafka_ConfigResource_error(got[0])
						  : RD_KAFKA_RESP_ERR__FAIL,
				   name);
		rd_kafka_event_destroy(*event);
		return NULL;
	}
	return rd_kafka_ConfigResource_configs(got[0], count);
}

int admin_facts(struct admin *a, const struct topic_spec *spec, struct topic_facts *out,
		struct err *err)
{
	rd_kafka_event_t *event;
	struct topic_facts facts = {0};
	size_t count;

	if (handle_partition_count(a->rk, spec->name, ADMIN_MS, &facts.partitions, err) < 0)
		return -1;
	if (facts.partitions == 0) {
		*out = facts;
		return 0;
	}
	const rd_kafka_ConfigEntry_t **entries = describe(a, spec->name, &event, &count, err);
	if (!entries)
		return -1;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < spec->config_count; k++) {
			const char *value = rd_kafka_ConfigEntry_value(entries[i]);
			if (!strcmp(rd_kafka_ConfigEntry_name(entries[i]), spec->configs[k].name))
				(void)snprintf(facts.values[k], sizeof facts.values[k], "%s",
					       value ? value : "");
		}
	rd_kafka_event_destroy(event);
	*out = facts;
	return 0;
}

int64_t handle_topic_number(rd_kafka_t *rk, const char *topic, const char *name, int timeout_ms,
			    int64_t unknown)
{
	struct admin a = {rk, rd_kafka_queue_new(rk), timeout_ms};
	rd_kafka_event_t *event = NULL;
	int64_t number = unknown;
	struct err ignored; /* who may not ask is not told */
	size_t count = 0;

	const rd_kafka_ConfigEntry_t **entries = describe(&a, topic, &event, &count, &ignored);
	for (size_t i = 0; entries && i < count; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (value && !strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) &&
		    !str_to_i64(str_of(value), &number))
			number = unknown;
	}
	if (entries)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(a.queue);
	return number;
}

/* The first failure of a result's topics; "already there" is none. */
static int judge(const rd_kafka_topic_result_t **topics, size_t count, const char *name,
		 struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[i]);
		if (!code || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			continue;
		(void)handle_error(err, code, name);
		const char *why = rd_kafka_topic_result_error_string(topics[i]);
		return err_set(err, err->kind, "%s: %s", name, why ? why : rd_kafka_err2str(code));
	}
	return 0;
}

int admin_create(struct admin *a, const struct topic_spec *spec, struct err *err)
{
	char why[256];
	size_t count;
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(spec->name, spec->partitions,
							   spec->replication, why, sizeof why);

	if (!topic)
		return err_set(err, ERR_CONFIG, "%s: %s", spec->name, why);
	for (size_t i = 0; i < spec->config_count; i++)
		rd_kafka_NewTopic_set_config(topic, spec->configs[i].name, spec->configs[i].value);
	rd_kafka_AdminOptions_t *o = options(a, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_AdminOptions_set_operation_timeout(o, ADMIN_MS, why, sizeof why);
	rd_kafka_CreateTopics(a->rk, &topic, 1, o, a->queue);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_event_t *event = wait(a, spec->name, err);
	if (!event)
		return -1;
	const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(
		rd_kafka_event_CreateTopics_result(event), &count);
	int rc = judge(topics, count, spec->name, err);
	rd_kafka_event_destroy(event);
	return rc;
}

static bool is_in(const struct topic_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->config_count; i++)
		if (!strcmp(spec->configs[i].name, name))
			return true;
	return false;
}

/* AlterConfigs replaces all that is set on a topic (the incremental request came to librdkafka
 * after 2.0.2), so what is set there is read first and sent along; a name that came twice would be refused. */
static rd_kafka_ConfigResource_t *merged(struct admin *a, const struct topic_spec *spec,
					 struct err *err)
{
	rd_kafka_event_t *event;
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = describe(a, spec->name, &event, &count, err);

	if (!entries)
		return NULL;
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, spec->name);
	for (size_t i = 0; i < count; i++)
		if (rd_kafka_ConfigEntry_source(entries[i]) ==
			    RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG &&
		    rd_kafka_ConfigEntry_value(entries[i]) &&
		    !is_in(spec, rd_kafka_ConfigEntry_name(entries[i])))
			rd_kafka_ConfigResource_set_config(resource,
							   rd_kafka_ConfigEntry_name(entries[i]),
							   rd_kafka_ConfigEntry_value(entries[i]));
	for (size_t i = 0; i < spec->config_count; i++)
		rd_kafka_ConfigResource_set_config(resource, spec->configs[i].name,
						   spec->configs[i].value);
	rd_kafka_event_destroy(event);
	return resource;
}

int admin_configure(struct admin *a, const struct topic_spec *spec, struct err *err)
{
	rd_kafka_ConfigResource_t *resource = merged(a, spec, err);
	size_t count;

	if (!resource)
		return -1;
	rd_kafka_AdminOptions_t *o = options(a, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
	rd_kafka_AlterConfigs(a->rk, &resource, 1, o, a->queue);
	rd_kafka_AdminOptions_destroy(o);
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_event_t *event = wait(a, spec->name, err);
	if (!event)
		return -1;
	const rd_kafka_ConfigResource_t **got = rd_kafka_AlterConfigs_result_resources(
		rd_kafka_event_AlterConfigs_result(event), &count);
	rd_kafka_resp_err_t code = count ? rd_kafka_ConfigResource_error(got[0])
					 : RD_KAFKA_RESP_ERR__FAIL;
	int rc = code ? handle_error(err, code, spec->name) : 0;
	rd_kafka_event_destroy(event);
	return rc;
}

int admin_wait(struct admin *a, const char *name, struct err *err)
{
	int64_t deadline_ms = clock_monotonic_ms() + ADMIN_MS;
	int32_t count = 0;

	while (count == 0) {
		if (handle_partition_count(a->rk, name, ADMIN_MS, &count, err) < 0 &&
		    err->kind != ERR_UNAVAILABLE)
			return -1;
		if (count == 0 && clock_monotonic_ms() > deadline_ms)
			return err_set(err, ERR_UNAVAILABLE, "%s does not appear", name);
		if (count == 0)
			clock_sleep_ms(50);
	}
	return 0;
}
