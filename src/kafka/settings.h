/* settings.h - what a user may tell librdkafka, and what only chatmill decides.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Users may name any property of librdkafka. Refused are those that would break the guarantee
 * (read_uncommitted, automatic commits …), run code (plugins, kinit), or switch the verification
 * of servers off (unless `insecure`). Every handle also gets one log callback, which hands
 * librdkafka's lines to base/log.h as event=kafka.
 *
 * Thread: settings are read-only once loaded; the functions may be called from any thread.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct kafka_property {
	const char *name, *value;
	bool secret; /* no error holds the value */
};

/* Borrowed by every handle for as long as its constructor runs. */
struct kafka_settings {
	const struct kafka_property *properties; /* of the user, in their order */
	size_t property_count;
	const char *client_id; /* shown to brokers; at most 64 bytes (2.0.2 crashes on more) */
	bool insecure;	       /* --insecure: verification may be switched off */
};

/* Checks one property of the user: known to librdkafka, its value valid, not refused. The err is
 * ERR_CONFIG (ERR_PERMISSION for what --insecure would allow) and says what to write instead. */
MUST_CHECK int kafka_property_check(const struct kafka_property *property, bool insecure,
				    struct err *err);

/* Whether the value of this property must not be shown (`config show`, logs). */
bool kafka_property_is_secret(const char *name);

/* Version of the linked librdkafka. Static. */
const char *kafka_library_version(void);
