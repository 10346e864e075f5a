/* admin.h - topics as they are, and making them as they should be.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: an admin handle belongs to one thread. Every call waits for the brokers, at most
 * ADMIN_MS.
 */
#pragma once

#include "base/err.h"
#include "kafka/settings.h"

enum { ADMIN_MS = 15000, ADMIN_CONFIGS_MAX = 16 };

struct admin;

struct topic_config {
	const char *name, *value;
};

struct topic_spec {
	const char *name;
	int32_t partitions;
	int16_t replication;
	struct topic_config configs[ADMIN_CONFIGS_MAX];
	size_t config_count;
};

/* A topic as the brokers have it. */
struct topic_facts {
	int32_t partitions; /* 0: there is none of that name */
	/* For each config of the spec its value now, or "" if the brokers do not know it. */
	char values[ADMIN_CONFIGS_MAX][128];
};

MUST_CHECK int admin_new(struct admin **out, const struct kafka_settings *settings,
			 struct err *err);
void admin_free(struct admin *a); /* NULL is fine */
DEFINE_OWNED(admin);

MUST_CHECK int admin_facts(struct admin *a, const struct topic_spec *spec,
			   struct topic_facts *out, struct err *err);
/* A topic that is already there is no error. */
MUST_CHECK int admin_create(struct admin *a, const struct topic_spec *spec, struct err *err);
/* Gives the topic the spec's configs; what else was set on it stays. */
MUST_CHECK int admin_configure(struct admin *a, const struct topic_spec *spec, struct err *err);
/* Waits until every broker tells of the topic. */
MUST_CHECK int admin_wait(struct admin *a, const char *name, struct err *err);
