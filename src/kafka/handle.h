/* handle.h - what consumer.c, producer.c and admin.c share: settings become a librdkafka handle.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only for files of kafka/; everybody else sees consumer.h, producer.h, admin.h.
 *
 * Thread: that of the handle.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "kafka/settings.h"

/* A property that chatmill sets itself; ended by a NULL name. A value of NULL is left out. */
struct handle_default {
	const char *name, *value;
};

/* A configuration from the user's settings and ours. `weak` may be overruled by the user (speeds,
 * sizes), `strong` may not. Owned by the caller until rd_kafka_new() takes it. */
MUST_CHECK int handle_conf(rd_kafka_conf_t **out, const struct kafka_settings *settings,
			   const struct handle_default *weak, const struct handle_default *strong,
			   struct err *err);

/* A property of a handle that is a number, as it is in force; fractions are cut off. */
int64_t handle_number(rd_kafka_t *rk, const char *name);

/* A setting of a topic that is a number, as the brokers have it; `unknown` if they do not tell. */
int64_t handle_topic_number(rd_kafka_t *rk, const char *topic, const char *name, int timeout_ms,
			    int64_t unknown);

/* The err for a code of librdkafka: permissions, things that pass, configuration. Returns -1. */
int handle_error(struct err *err, rd_kafka_resp_err_t code, const char *what);

/* Whether the code is about a connection or a server that may come back. */
bool handle_is_away(rd_kafka_resp_err_t code);

/* Partitions of a topic as the brokers know it now; 0: no such topic. */
MUST_CHECK int handle_partition_count(rd_kafka_t *rk, const char *topic, int timeout_ms,
				      int32_t *out, struct err *err);

/* The same, > 0; ERR_CONFIG with what to do about it if there is no such topic. */
MUST_CHECK int handle_need_topic(rd_kafka_t *rk, const char *topic, int timeout_ms, int32_t *out,
				 struct err *err);
int handle_no_topic(struct err *err, const char *topic); /* that error; returns -1 */
