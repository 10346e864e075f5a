/* handle.h - a handle of librdkafka for the programs of bench/: pairs of setting and value in, or the end.
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdarg.h>

#include "tool.h"

/* Pairs of name and value, ended by NULL. */
static inline rd_kafka_t *handle_new(rd_kafka_type_t type, ...)
{
	char why[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	va_list ap;
	va_start(ap, type);
	for (const char *name; (name = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);
		if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
			die(name, why);
	}
	va_end(ap);
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk)
		die("new", why);
	return rk;
}
