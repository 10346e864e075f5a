/* config.h - the configuration file: one table of keys, typed and documented.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A value comes from, later ones win: the default in the table, the YAML file, the environment
 * (CHATMILL_A__B for a.b, CHATMILL_KAFKA__BOOTSTRAP_SERVERS for kafka's bootstrap.servers), an
 * option of the command. A value may be {file: PATH} (the file's text without the last newline)
 * or {env: NAME}; such values are secrets: `config show` and what is said of a configuration do not
 * hold them. (Topics, hosts and folders that the program then works with are named when one of them
 * is in trouble, wherever the name came from.) Relative paths are relative to the folder of the
 * configuration file. An unknown key is a finding that names the nearest known one.
 *
 * Read once at start, then immutable. Thread: any.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/findings.h"
#include "model.h"
#include "send/encode.h"

enum { CONFIG_KEYS_MAX = 64 };

enum origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT };

/* Where a value was given. */
struct given {
	enum origin origin;
	bool secret;   /* never shown */
	int line, col; /* in the file; 0 from elsewhere */
};

/* A property handed on to librdkafka or libpq, or a corp of `consent`. */
struct property {
	const char *name, *value;
	struct given given;
};

struct properties {
	const struct property *items;
	size_t count;
};

struct config {
	struct arena arena; /* owns all that follows */
	const char *file;   /* as given, for messages; its folder is the base of relative paths */
	const char *pipeline, *instance;
	int64_t workers;
	struct properties kafka;
	struct {
		const char *topic, *corpid; /* corpid NULL: a shape without one is no_corp */
		int64_t partitions, replication, record_bytes_max;
	} input;
	struct {
		const char *tags, *stages, *alerts, *hits, *deadletter, *rulesets; /* hits: NULL off */
	} output;
	struct {
		const char *dir, *topic; /* topic NULL: chatmill.<pipeline>.state */
		int64_t memory_ms, idle_days, snapshot_interval_ms;
	} state;
	int64_t commit_interval_ms;
	enum evidence_mode evidence;
	struct properties postgres;
	struct {
		int64_t batch_rows, batch_ms;
		bool archive;
	} sink;
	const char *staff; /* identity.staff, or NULL */
	struct properties consent; /* corp or `default` -> ignore, alert_only, drop (checked) */
	const char *http_listen; /* NULL: off */
	char source[80];	 /* "/chatmill/" + pipeline */
	char state_topic[128];	 /* state.topic, or chatmill.<pipeline>.state */
	size_t denied;		 /* findings that are files which may not be read */
	struct given given[CONFIG_KEYS_MAX]; /* by row of the table */
};

/* Reads `file`. The caller owns *out. -1 with findings.errors > 0 and err ERR_CONFIG for what is
 * wrong in it (ERR_PERMISSION if all of it are secrets that may not be read), ERR_NOINPUT or
 * ERR_PERMISSION when it cannot be read itself. */
MUST_CHECK int config_load(struct config **out, const char *file, struct findings *findings,
			   struct err *err);
/* For `config check`: *out also when keys are wrong (findings tell which; they have their
 * defaults), so that what others find wrong in it is told in the same run. */
MUST_CHECK int config_load_partly(struct config **out, const char *file, struct findings *findings,
				  struct err *err);
/* Of the kind of the error when there are so many findings in all. */
enum err_kind config_fault(const struct config *c, size_t errors);
/* For commands: prints the findings to standard error itself; err says how many. */
MUST_CHECK int config_open(struct config **out, const char *file, struct err *err);
void config_free(struct config *c); /* NULL is fine */
DEFINE_OWNED(config);

/* The text of a key as it may be shown: *** for a secret. `field` is that of a text in `c`, not NULL. */
const char *config_shown(const struct config *c, const char *const *field);
/* Adds a finding at the place of a value. */
void config_complain(const struct config *c, struct findings *findings, enum finding_level level,
		     const struct given *at, const char *what);

/* Of the consent settings, the one of a corp. */
enum consent config_consent(const struct config *c, struct str corpid);

/* Every value with its origin, secrets masked: one `key: value  # origin` a line, or one
 * {"key","value","origin"}. */
void config_show(const struct config *c, bool json, FILE *out);
/* The table of keys: as JSON Schema (draft-07), as an example file, as a reference page. */
enum config_format { CONFIG_SCHEMA, CONFIG_EXAMPLE, CONFIG_MARKDOWN };
void config_describe(enum config_format format, FILE *out);
