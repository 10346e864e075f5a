/* shortcut.c - looks at the snapshots of a restore, and at what the brokers say about them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "state/shortcut.h"

#include "base/clock.h"
#include "base/log.h"
#include "kafka/admin.h"

enum { ASK_MS = 5000 };

void shortcut_refused(const struct shortcuts *s, struct restored *item, const char *why)
{
	item->from_snapshot = false;
	log_event(LOG_WARN, "snapshot_unused", LOG_NUM("worker", s->settings->worker),
		  LOG_NUM("partition", item->partition), LOG_TEXT("err", why));
}

/* How long the brokers keep a tombstone; 0 if they do not tell. */
static int64_t ask_retention(const struct shortcuts *s)
{
	OWNED(admin) *admin = NULL;
	struct topic_spec spec = {
		.name = s->settings->topic,
		.configs = {{"delete.retention.ms", ""}},
		.config_count = 1,
	};
	struct topic_facts facts;
	struct err err; /* who may not ask, may not use snapshots: told by the refusal */
	int64_t ms = 0;

	if (admin_new(&admin, s->settings->kafka, &err) < 0 ||
	    admin_facts(admin, &spec, &facts, &err) < 0 ||
	    !str_to_i64(str_of(facts.values[0]), &ms))
		return 0;
	return ms;
}

void shortcut_ask(struct shortcuts *s, struct consumer *c)
{
	s->delete_retention_ms = ask_retention(s);
	consumer_cluster_id(c, ASK_MS, s->cluster, sizeof s->cluster);
}

/* Why the snapshot may not be used, or NULL. */
static const char *refusal(const struct shortcuts *s, struct consumer *c, const struct restored *item,
			   const struct snapshot *snapshot, struct err *err)
{
	struct snapshot_owner owner = {.partition = item->partition,
				       .settings = *shard_settings(item->shard)};
	struct snapshot_facts facts = {.now_ms = clock_wall_ms()};

	if (!s->cluster[0])
		return "the brokers do not tell their cluster's id";
	if (s->delete_retention_ms <= 0)
		return "the brokers do not tell the topic's delete.retention.ms";
	if (consumer_query_offsets(c, s->settings->topic, item->partition, ASK_MS, &facts.low,
				   &facts.high, err) < 0)
		return err->text;
	facts.delete_retention_ms = s->delete_retention_ms;
	(void)snprintf(owner.cluster, sizeof owner.cluster, "%s", s->cluster);
	(void)snprintf(owner.topic, sizeof owner.topic, "%s", s->settings->topic);
	return snapshot_refusal(snapshot_head(snapshot), &owner, &facts);
}

bool shortcut_take(const struct shortcuts *s, struct consumer *c, struct restored *item, int64_t *start,
		   int64_t *end)
{
	OWNED(snapshot) *snapshot = NULL;
	char path[1024];
	struct err err;
	int64_t start_ms = clock_monotonic_ms();

	snapshot_path(s->settings->snapshots, s->settings->pipeline, item->partition, path);
	if (snapshot_open(&snapshot, path, &err) < 0) {
		if (err.kind != ERR_NOINPUT)
			shortcut_refused(s, item, err.text);
		return false;
	}
	const char *why = refusal(s, c, item, snapshot, &err);
	if (!why && snapshot_load(snapshot, item->shard, &err) < 0) {
		shard_clear(item->shard);
		why = err.text;
	}
	if (why) {
		shortcut_refused(s, item, why);
		return false;
	}
	const struct snapshot_head *head = snapshot_head(snapshot);
	*start = head->start;
	*end = head->end;
	item->from_snapshot = true;
	log_event(LOG_INFO, "snapshot_used", LOG_NUM("worker", s->settings->worker),
		  LOG_NUM("partition", item->partition), LOG_NUM("start", head->start),
		  LOG_NUM("age_s", (clock_wall_ms() - head->begun_ms) / 1000),
		  LOG_NUM("subjects", shard_stats(item->shard).subjects),
		  LOG_NUM("took_ms", clock_monotonic_ms() - start_ms));
	return true;
}
