/* settings.c - which properties a user may set, and how a handle is configured and logs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/settings.h"

#include <strings.h>

#include "base/log.h"
#include "kafka/handle.h"

/* Properties that decide about exactly once, or run code. `only` is the value that may stand. */
static const struct refusal {
	const char *name, *only, *why;
} refusals[] = {
	{"isolation.level", "read_committed", "aborted transactions must stay invisible"},
	{"enable.auto.commit", "false", "offsets are committed inside transactions"},
	{"enable.auto.offset.store", "false", "offsets are committed inside transactions"},
	{"auto.commit.enable", "false", "offsets are committed inside transactions"},
	{"auto.commit.interval.ms", NULL, "offsets are committed inside transactions"},
	{"auto.offset.reset", NULL, "the position is the marker in the state"},
	{"offset.store.method", NULL, "the position is the marker in the state"},
	{"partition.assignment.strategy", "range", "librdkafka 2.0.2 loses records with others"},
	{"group.id", NULL, "it is the name of the pipeline: write it as `pipeline`"},
	{"group.instance.id", NULL, "it is made from `pipeline`, `instance` and a slot"},
	{"transactional.id", NULL, "it is made from `pipeline`, `instance` and a slot"},
	{"client.id", NULL, "it is made from `pipeline`, `instance` and a slot"},
	{"enable.idempotence", "true", "transactions need it"},
	{"enable.gapless.guarantee", NULL, "transactions already have it"},
	{"acks", "all", "fewer acknowledgements can lose events"},
	{"request.required.acks", "all", "fewer acknowledgements can lose events"},
	{"max.in.flight", NULL, "transactions fix it"},
	{"max.in.flight.requests.per.connection", NULL, "transactions fix it"},
	{"retries", NULL, "transactions fix it"},
	{"message.send.max.retries", NULL, "transactions fix it"},
	{"queuing.strategy", "fifo", "the order of a customer's events would be lost"},
	{"partitioner", "murmur2_random", "keys must go where Java clients put them"},
	{"enable.partition.eof", NULL, "chatmill sets it where it is needed"},
	{"check.crcs", "true", "broken records must be seen"},
	{"allow.auto.create.topics", "false", "topics are made by `chatmill topics apply`"},
	{"group.protocol.type", NULL, "it is always consumer"},
	{"log.connection.close", "true", "a producer that lost a connection must be renewed"},
	{"plugin.library.paths", NULL, "it would run foreign code"},
	{"ssl.engine.location", NULL, "it would run foreign code"},
	{"sasl.kerberos.kinit.cmd", NULL, "it would run a command"},
	{"enable.sasl.oauthbearer.unsecure.jwt", "false", "unsigned tokens prove nothing"},
	{"test.mock.num.brokers", NULL, "a mocked cluster keeps nothing"},
	{"dr_cb", NULL, "it is a pointer of the program"},
	{"opaque", NULL, "it is a pointer of the program"},
};

/* What switches the verification of a server off; --insecure allows it. Of a truth value librdkafka
 * 2.0.2 takes true, t and 1, false, f and 0, in any case. */
static const struct kafka_property insecure_values[] = {
	{"enable.ssl.certificate.verification", "false"},
	{"enable.ssl.certificate.verification", "f"},
	{"enable.ssl.certificate.verification", "0"},
	{"ssl.endpoint.identification.algorithm", "none"},
};

bool kafka_property_is_secret(const char *name)
{
	static const char *const parts[] = {"password", "secret", ".key.pem", "jaas",
					    "sasl.oauthbearer.config", "token"};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

const char *kafka_library_version(void)
{
	return rd_kafka_version_str();
}

/* The names in librdkafka's own documentation of its properties, a table of `name | …` lines (a
 * dump of a configuration leaves out those without a value). Cuts the text up. */
static size_t property_names(char *table, const char **names, size_t max)
{
	size_t count = 0;
	char *rest = table, *line;

	while ((line = strsep(&rest, "\n")) && count < max) {
		size_t len = strcspn(line, " |");
		if (len == 0 || !strchr(line, '|') || line[0] < 'a' || line[0] > 'z')
			continue;
		line[len] = '\0';
		names[count++] = line;
	}
	return count;
}

static int unknown_property(const char *name, struct err *err)
{
	const char *names[512], *nearest = NULL;
	OWNED_MEM char *table = NULL;
	size_t bytes;
	FILE *out = open_memstream(&table, &bytes);

	if (out) {
		rd_kafka_conf_properties_show(out);
		if (fclose(out) == 0)
			nearest = str_nearest(str_of(name), names,
					      property_names(table, names, ARRAY_LEN(names)));
	}
	return err_set(err, ERR_CONFIG, "kafka: librdkafka has no property '%s'%s%s%s", name,
		       nearest ? "; did you mean '" : "", nearest ? nearest : "",
		       nearest ? "'?" : "");
}

static int set(rd_kafka_conf_t *conf, const struct kafka_property *p, struct err *err)
{
	char why[256];

	switch (rd_kafka_conf_set(conf, p->name, p->value, why, sizeof why)) {
	case RD_KAFKA_CONF_OK:
		return 0;
	case RD_KAFKA_CONF_UNKNOWN:
		return unknown_property(p->name, err);
	case RD_KAFKA_CONF_INVALID:
		break;
	}
	/* librdkafka's sentence repeats the value, which may be a secret. */
	if (p->secret || kafka_property_is_secret(p->name))
		return err_set(err, ERR_CONFIG, "kafka.%s: librdkafka does not take its value",
			       p->name);
	return err_set(err, ERR_CONFIG, "kafka.%s: %s", p->name, why);
}

static int check_refusals(const char *name, const char *value, bool insecure, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct refusal *r = &refusals[i];
		if (strcmp(name, r->name) != 0 || (r->only && !strcasecmp(value, r->only)))
			continue;
		if (r->only)
			return err_set(err, ERR_CONFIG, "kafka.%s may only be %s: %s", name,
				       r->only, r->why);
		return err_set(err, ERR_CONFIG, "kafka.%s cannot be set: %s", name, r->why);
	}
	for (size_t i = 0; i < ARRAY_LEN(insecure_values); i++)
		if (!insecure && !strcmp(name, insecure_values[i].name) &&
		    !strcasecmp(value, insecure_values[i].value))
			return err_set(err, ERR_CONFIG,
				       "kafka.%s: %s would accept any server; remove it, or run "
				       "with --insecure",
				       name, value);
	return 0;
}

int kafka_property_check(const struct kafka_property *property, bool insecure, struct err *err)
{
	if (check_refusals(property->name, property->value, insecure, err) < 0)
		return -1;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int rc = set(conf, property, err);
	rd_kafka_conf_destroy(conf);
	return rc;
}

/* Called by threads of librdkafka. Its debug lines can hold the configuration. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	enum log_level ours = level <= 3 ? LOG_WARN : level <= 4 ? LOG_INFO : LOG_DEBUG;

	/* A user's property that only the other kind of handle uses is no news. */
	if (!strcmp(facility, "CONFWARN") || kafka_property_is_secret(text))
		return;
	log_event(ours, "kafka", LOG_TEXT("client", rk ? rd_kafka_name(rk) : ""),
		  LOG_TEXT("facility", facility), LOG_TEXT("text", text));
}

static int set_all(rd_kafka_conf_t *conf, const struct handle_default *defaults, struct err *err)
{
	for (const struct handle_default *d = defaults; d && d->name; d++)
		if (d->value && set(conf, &(struct kafka_property){d->name, d->value}, err) < 0)
			return -1;
	return 0;
}

static int set_everything(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
			  const struct handle_default *weak, const struct handle_default *strong,
			  struct err *err)
{
	static const struct handle_default always[] = {
		/* Many small requests in turn: waiting for more bytes costs 40 ms each. */
		{"socket.nagle.disable", "true"},
		{"socket.keepalive.enable", "true"},
		/* A broker that was away is tried again soon: a restart is over in seconds. */
		{"reconnect.backoff.max.ms", "2000"},
		{NULL, NULL},
	};

	if (set_all(conf, always, err) < 0 || set_all(conf, weak, err) < 0)
		return -1;
	for (size_t i = 0; i < settings->property_count; i++) {
		const struct kafka_property *p = &settings->properties[i];
		if (check_refusals(p->name, p->value, settings->insecure, err) < 0 ||
		    set(conf, p, err) < 0)
			return -1;
	}
	struct kafka_property client_id = {"client.id", settings->client_id};
	if (client_id.value && set(conf, &client_id, err) < 0)
		return -1;
	return set_all(conf, strong, err);
}

int handle_conf(rd_kafka_conf_t **out, const struct kafka_settings *settings,
		const struct handle_default *weak, const struct handle_default *strong,
		struct err *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (set_everything(conf, settings, weak, strong, err) < 0) {
		rd_kafka_conf_destroy(conf);
		return -1;
	}
	rd_kafka_conf_set_log_cb(conf, on_log);
	*out = conf;
	return 0;
}

int64_t handle_number(rd_kafka_t *rk, const char *name)
{
	char value[32] = "";
	size_t size = sizeof value;

	(void)rd_kafka_conf_get(rd_kafka_conf(rk), name, value, &size);
	return (int64_t)strtod(value, NULL);
}

bool handle_is_away(rd_kafka_resp_err_t code)
{
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__RESOLVE:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
	case RD_KAFKA_RESP_ERR__WAIT_COORD:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
	case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
	case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
	case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
		return true;
	}
	return false;
}

int handle_error(struct err *err, rd_kafka_resp_err_t code, const char *what)
{
	enum err_kind kind = ERR_RETRY;

	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
		kind = ERR_PERMISSION;
		break;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
	case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
	case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
	case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
	case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
		kind = ERR_CONFIG;
		break;
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR_INVALID_MSG:
		kind = ERR_DATA;
		break;
	default:
		if (handle_is_away(code))
			kind = ERR_UNAVAILABLE;
	}
	return err_set(err, kind, "%s: %s", what, rd_kafka_err2str(code));
}

/* Naming a topic in a request of a producer would make the broker create it, so producers ask for
 * all topics; consumers say that nothing may be created. */
static rd_kafka_resp_err_t ask(rd_kafka_t *rk, const char *topic, int timeout_ms,
			       const struct rd_kafka_metadata **out)
{
	if (rd_kafka_type(rk) == RD_KAFKA_PRODUCER)
		return rd_kafka_metadata(rk, 1, NULL, out, timeout_ms);
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	if (!rkt)
		return rd_kafka_last_error();
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, rkt, out, timeout_ms);
	rd_kafka_topic_destroy(rkt);
	return code;
}

int handle_partition_count(rd_kafka_t *rk, const char *topic, int timeout_ms, int32_t *out,
			   struct err *err)
{
	const struct rd_kafka_metadata *metadata;
	int32_t count = 0;
	rd_kafka_resp_err_t code = ask(rk, topic, timeout_ms, &metadata);

	if (code)
		return handle_error(err, code, topic);
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *t = &metadata->topics[i];
		if (strcmp(t->topic, topic) != 0)
			continue;
		code = t->err;
		count = t->partition_cnt;
	}
	rd_kafka_metadata_destroy(metadata);
	if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		count = 0;
	else if (code)
		return handle_error(err, code, topic);
	*out = count;
	return 0;
}

int handle_no_topic(struct err *err, const char *topic)
{
	return err_set(err, ERR_CONFIG, "topic %s is not there; `chatmill topics apply` makes it", topic);
}

int handle_need_topic(rd_kafka_t *rk, const char *topic, int timeout_ms, int32_t *out,
		      struct err *err)
{
	int32_t count;

	if (handle_partition_count(rk, topic, timeout_ms, &count, err) < 0)
		return -1;
	if (!count)
		return handle_no_topic(err, topic);
	*out = count;
	return 0;
}
