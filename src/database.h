/* database.h - the `postgres` part of the configuration as a connection.
 * SPDX-License-Identifier: Apache-2.0
 *
 * For commands; the sink connects by itself, again and again. Thread: that of the command.
 */
#pragma once

#include "config.h"
#include "store/pg.h"

enum { DATABASE_KEYS_MAX = 64 }; /* libpq 15 knows 43 */

/* The keys, for those who connect by themselves; their texts are the configuration's. */
MUST_CHECK int database_settings(struct pg_setting out[DATABASE_KEYS_MAX], size_t *count,
				 const struct config *config, struct err *err);

/* The object, not connected. ERR_CONFIG for keys that libpq does not know. */
MUST_CHECK int database_new(struct pg **out, const struct config *config, struct err *err);

/* Connects. ERR_UNAVAILABLE: the server is away. */
MUST_CHECK int database_open(struct pg **out, const struct config *config, struct err *err);
