/* db.c - `chatmill db status` and `db migrate`: the schema of the database. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"
#include "database.h"
#include "store/migrate.h"

struct db_options {
	const char *file;
	bool print, json;
};

static const char *state_name(enum migration_state state)
{
	switch (state) {
	case MIGRATION_APPLIED:
		return "applied";
	case MIGRATION_MISSING:
		return "missing";
	case MIGRATION_CHANGED:
		return "changed";
	}
	UNREACHABLE("a state that is not in the enum");
}

static int print_status(struct pg *pg, bool json, struct arena *arena, struct err *err)
{
	struct migration_status status;
	bool complete = true;

	if (migrate_status(pg, &status, arena, err) < 0)
		return -1;
	for (int i = 0; i < migration_count; i++) {
		const char *state = state_name(status.states[i]);
		complete &= status.states[i] == MIGRATION_APPLIED;
		if (json)
			printf("{\"version\":%d,\"name\":\"%s\",\"state\":\"%s\"}\n",
			       migrations[i].version, migrations[i].name, state);
		else
			printf("%4d  %-8s  %s\n", migrations[i].version, state, migrations[i].name);
	}
	/* The answer to «is the schema as this program wants it?» */
	return complete ? 0
			: err_set(err, ERR_NO,
				  "the schema is at version %d of %d: run `chatmill db migrate`",
				  status.applied, migration_count);
}

static int db_status(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct db_options *o = given;
	struct arena arena = {0};

	OWNED(config) *config = NULL;
	if (config_open(&config, o->file, err) < 0)
		return -1;
	OWNED(pg) *pg = NULL;
	if (database_open(&pg, config, err) < 0)
		return -1;
	int result = print_status(pg, o->json, &arena, err);
	arena_fini(&arena);
	return result;
}

static void print_notice(const char *text)
{
	fputs(text, stderr);
}

static int db_migrate(const void *given, const char *const *arguments, int count, struct err *err)
{
	const struct db_options *o = given;
	int applied;

	OWNED(config) *config = NULL;
	if (config_open(&config, o->file, err) < 0)
		return -1;
	if (o->print) { /* needs no server: all of it, for a database without the schema */
		struct buf script = {0};
		for (int i = 0; i < migration_count; i++)
			migrate_script(&script, i);
		output_put(buf_str(&script));
		buf_fini(&script);
		return 0;
	}
	OWNED(pg) *pg = NULL;
	if (database_open(&pg, config, err) < 0)
		return -1;
	pg_on_notice(pg, print_notice);
	if (migrate_apply(pg, &applied, err) < 0)
		return -1;
	fprintf(stderr, "chatmill: %d of %d migrations applied now\n", applied, migration_count);
	return 0;
}

static const struct option status_options[] = {
	OPTION_CONFIG(struct db_options),
	OPTION_JSON(struct db_options),
	OPTIONS_END,
};

static const struct option migrate_options[] = {
	OPTION_CONFIG(struct db_options),
	{"print",  0,   OPTION_FLAG, NULL,   "print the SQL of all migrations, for psql; change nothing",
	 offsetof(struct db_options, print),  0, false},
	OPTIONS_END,
};

const struct command cmd_db_status = {
	.words = "db status",
	.arguments = "-c FILE [--json]",
	.summary = "which migrations of the schema are applied",
	.help = "Lists every migration that this program carries: applied, missing, or changed "
		"(it\n"
		"was applied with another text).\n"
		"\n"
		"example:\n"
		"  chatmill db status -c chatmill.yaml\n"
		"\n"
		"exit status: 0 the schema is complete, 1 something is missing, 69 the server is\n"
		"away, 77 not permitted, 78 the schema is newer than this program",
	.options = status_options,
	.options_bytes = sizeof(struct db_options),
	.run = db_status,
};

const struct command cmd_db_migrate = {
	.words = "db migrate",
	.arguments = "-c FILE [--print]",
	.summary = "bring the schema of the database up to this program",
	.help = "Applies what is missing, each migration in one transaction, one program at a "
		"time.\n"
		"Roles (chatmill_owner, chatmill_sink, chatmill_reader, chatmill_reviewer) are "
		"made\n"
		"when missing and permitted. The user of the configuration writes rows and may "
		"not\n"
		"do this: give another one in the environment.\n"
		"\n"
		"example:\n"
		"  CHATMILL_POSTGRES__USER=postgres chatmill db migrate -c chatmill.yaml\n"
		"  chatmill db migrate -c chatmill.yaml --print | psql -v ON_ERROR_STOP=1 "
		"chatmill\n"
		"\n"
		"exit status: 0 done, 69 the server is away, 75 another migration runs, 77 not\n"
		"permitted, 78 the schema is newer than this program, or of another build",
	.options = migrate_options,
	.options_bytes = sizeof(struct db_options),
	.run = db_migrate,
};
