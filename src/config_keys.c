/* config_keys.c - the table of configuration keys. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "config_keys.h"

#include "config.h"

#define AT(field) offsetof(struct config, field)

static const struct key keys[] = {
	{"pipeline", KEY_NAME, "default", 0, 0, false, AT(pipeline),
	 "names the consumer group, the transactional ids, the state topic and the events' source"},
	{"instance", KEY_NAME, NULL, 0, 0, false, AT(instance),
	 "names this host among the members; default: the host name"},
	{"workers", KEY_COUNT, "1", 1, 256, false, AT(workers),
	 "threads of `run`, each with its own partitions; at most as many as partitions"},
	{"kafka", KEY_PROPERTIES, NULL, 0, 0, false, AT(kafka),
	 "properties of librdkafka; bootstrap.servers at least",
	 "bootstrap.servers: \"localhost:9092\""},
	{"input.topic", KEY_TOPIC, "chat.archive", 0, 0, false, AT(input.topic), "the archive"},
	{"input.corpid", KEY_TEXT, NULL, 0, 0, false, AT(input.corpid),
	 "the corp of records that name none", "ww1"},
	{"input.partitions", KEY_COUNT, "8", 1, 10000, false, AT(input.partitions),
	 "of the archive and of the state topic, for `topics apply`"},
	{"input.replication", KEY_COUNT, "3", 1, 32767, false, AT(input.replication),
	 "copies of each partition, for `topics apply`"},
	{"input.record_bytes_max", KEY_COUNT, "1048576", 1024, RECORD_BYTES_LIMIT, false,
	 AT(input.record_bytes_max), "a larger record is a dead letter `too_big`"},
	{"output.tags", KEY_TOPIC, "chat.tags", 0, 0, false, AT(output.tags), "topic of tag events"},
	{"output.stages", KEY_TOPIC, "chat.stages", 0, 0, false, AT(output.stages),
	 "topic of stage events"},
	{"output.alerts", KEY_TOPIC, "chat.alerts", 0, 0, false, AT(output.alerts),
	 "topic of alert events"},
	{"output.hits", KEY_TOPIC, NULL, 0, 0, false, AT(output.hits),
	 "topic of hit events; null: none are made"},
	{"output.deadletter", KEY_TOPIC, "chat.deadletter", 0, 0, false, AT(output.deadletter),
	 "topic of records that cannot be used"},
	{"output.rulesets", KEY_TOPIC, "chat.rulesets", 0, 0, false, AT(output.rulesets),
	 "topic of published rule sets"},
	{"state.dir", KEY_PATH, "state", 0, 0, false, AT(state.dir),
	 "local folder of slot locks, compiled rules and snapshots of the state"},
	{"state.topic", KEY_TOPIC, NULL, 0, 0, false, AT(state.topic),
	 "the changelog; default: chatmill.<pipeline>.state"},
	{"state.memory", KEY_DURATION, "7d", 1000, 400 * DAY_MS, false, AT(state.memory_ms),
	 "how long a message that had an effect is remembered, for duplicates and recalls"},
	{"state.idle_days", KEY_COUNT, "400", 1, 36500, false, AT(state.idle_days),
	 "a customer without tag, stage, window or wait is forgotten after so many days, at least those of "
	 "state.memory"},
	{"state.snapshot_interval", KEY_DURATION, "15m", 0, DAY_MS, false,
	 AT(state.snapshot_interval_ms),
	 "each partition's state is written to state.dir so often, for quick restarts; 0s: never"},
	{"commit_interval_ms", KEY_COUNT, "100", 1, 5000, false, AT(commit_interval_ms),
	 "a transaction of `run` is committed so often"},
	{"evidence", KEY_EVIDENCE, "masked", 0, 0, false, AT(evidence),
	 "none, masked or full: how much of the text an event quotes"},
	{"postgres", KEY_PROPERTIES, NULL, 0, 0, false, AT(postgres), "keys of libpq",
	 "host: localhost\ndbname: chatmill\nuser: chatmill_sink"},
	{"sink.batch_rows", KEY_COUNT, "5000", 1, 100000, false, AT(sink.batch_rows),
	 "events of one database transaction"},
	{"sink.batch_ms", KEY_COUNT, "200", 1, 60000, false, AT(sink.batch_ms),
	 "a batch is written at least so often"},
	{"sink.archive", KEY_BOOL, "false", 0, 0, false, AT(sink.archive),
	 "also store every message of the archive"},
	{"identity.staff", KEY_PATH, NULL, 0, 0, false, AT(staff),
	 "directory file: `userid` or `userid,department` a line"},
	{"consent", KEY_PROPERTIES, NULL, 0, 0, false, AT(consent),
	 "by corp, or default: ignore, alert_only or drop, for customers who disagreed",
	 "default: ignore"},
	{"http.listen", KEY_LISTEN, NULL, 0, 0, false, AT(http_listen),
	 "address of /metrics, /livez, /readyz, /version, one for each process of a host; null: off", "\"127.0.0.1:9464\""},
};
static_assert(ARRAY_LEN(keys) <= CONFIG_KEYS_MAX, "room for origins");

const struct key *config_key(size_t i)
{
	return i < ARRAY_LEN(keys) ? &keys[i] : NULL;
}
