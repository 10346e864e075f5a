/* config_keys.h - the table of configuration keys, for whoever reads a file by it or describes it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Private to the files config*.c. Thread: any.
 */
#pragma once

#include "base/base.h"

enum key_type {
	KEY_TEXT,
	KEY_NAME,     /* [A-Za-z0-9._-]+, as identities need */
	KEY_TOPIC,    /* the same, but for . and .., which Kafka refuses */
	KEY_PATH,     /* relative to the configuration's folder */
	KEY_COUNT,    /* a whole number, least…most */
	KEY_DURATION, /* 500ms 30s 10m 2h 7d, kept in ms */
	KEY_BOOL,
	KEY_EVIDENCE,
	KEY_LISTEN, /* host:port, :port or [v6]:port */
	KEY_PROPERTIES, /* a map that is handed on */
};

struct key {
	const char *path;
	enum key_type type;
	const char *standard; /* default as text; NULL: none */
	int64_t least, most;
	bool required;
	size_t offset; /* in struct config */
	const char *help;
	const char *example; /* as the example file has it, if not the default; a map: its lines */
};

/* The i-th row, or NULL behind the last. Static. */
const struct key *config_key(size_t i);
