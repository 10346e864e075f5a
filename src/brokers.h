/* brokers.h - the `kafka` part of the configuration, checked and ready for handles.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: made at start, then read-only.
 */
#pragma once

#include "config.h"
#include "kafka/settings.h"

enum { CLIENT_ID_BYTES = 65 }; /* librdkafka 2.0.2 crashes on client ids of more than 64 bytes */

struct brokers {
	struct kafka_settings settings; /* borrows the configuration */
	struct kafka_property *list;
	char client_id[CLIENT_ID_BYTES];
};

/* Adds what is wrong in the `kafka` part: properties that are refused, PLAIN without TLS. */
void brokers_find(const struct config *config, bool insecure, struct findings *findings);

/* The same, printed to standard error, and bootstrap.servers must be there; ERR_CONFIG. The caller owns
 * *out, which borrows the configuration. */
MUST_CHECK int brokers_new(struct brokers **out, const struct config *config, bool insecure,
			   struct err *err);
void brokers_free(struct brokers *b); /* NULL is fine */
DEFINE_OWNED(brokers);
