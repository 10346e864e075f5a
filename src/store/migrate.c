/* migrate.c - compares the schema with what the binary carries, and brings it up to that. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include "base/clock.h"
#include "base/log.h"

enum { LOCK_TRIES_MAX = 30 };

/* The number of the advisory lock: "chatmill" in ASCII. */
#define LOCK_NUMBER "7163358632190799980"

static void checksum(const struct migration *m, char out[DIGEST_TEXT_LEN + 1])
{
	digest_text(str_of(m->sql), out);
	out[DIGEST_TEXT_LEN] = '\0';
}

void migrate_script(struct buf *out, int index)
{
	const struct migration *m = &migrations[index];
	char sum[DIGEST_TEXT_LEN + 1];

	checksum(m, sum);
	/* Objects are made as the owner of the schema; the first migration makes both. A lock that
	 * is not free within 5 s would make readers queue behind us: give up and try again. */
	buf_printf(out,
		   "BEGIN;\n"
		   "SET LOCAL lock_timeout = '5s';\n"
		   "SELECT pg_advisory_xact_lock(" LOCK_NUMBER ");\n"
		   "SELECT set_config('role', pg_get_userbyid(nspowner)::text, true) FROM "
		   "pg_namespace\n"
		   "WHERE nspname = 'chatmill' AND pg_has_role(current_user, nspowner, 'MEMBER');\n"
		   "-- %s\n",
		   m->name);
	buf_put(out, str_of(m->sql));
	buf_printf(out,
		   "INSERT INTO chatmill.migration (version, name, checksum)\n"
		   "VALUES (%d, '%s', '%s');\n"
		   "COMMIT;\n",
		   m->version, m->name, sum);
}

static int read_applied(struct pg *pg, struct pg_result **out, struct err *err)
{
	struct pg_fault fault;

	OWNED(pg_result) *exists = NULL;
	if (pg_query(pg, "SELECT to_regclass('chatmill.migration') IS NOT NULL", NULL, 0, &exists,
		     &fault) < 0)
		return pg_err(err, &fault, "looking for the schema");
	const char *sql =
		pg_text(exists, 0, 0).data[0]
			? "SELECT version, checksum FROM chatmill.migration ORDER BY version"
			: "SELECT 0, '' WHERE false";
	if (pg_query(pg, sql, NULL, 0, out, &fault) < 0)
		return pg_err(err, &fault, "reading chatmill.migration");
	return 0;
}

int migrate_status(struct pg *pg, struct migration_status *out, struct arena *arena,
		   struct err *err)
{
	OWNED(pg_result) *rows = NULL;
	if (read_applied(pg, &rows, err) < 0)
		return -1;

	struct migration_status status = {
		0, ARENA_ARRAY(arena, enum migration_state, migration_count)};
	for (int i = 0; i < migration_count; i++)
		status.states[i] = MIGRATION_MISSING;
	for (int i = 0; i < pg_rows(rows); i++) {
		int64_t version = pg_i64(rows, i, 0);
		char sum[DIGEST_TEXT_LEN + 1];
		if (version < 1 || version > migration_count)
			return err_set(
				err, ERR_CONFIG,
				"postgres: the schema is at version %lld, this program knows up to "
				"%d: use the newer program; there is no way back",
				(long long)version, migration_count);
		const struct migration *m = &migrations[version - 1];
		checksum(m, sum);
		bool same = str_eq(pg_text(rows, i, 1), (struct str){sum, DIGEST_TEXT_LEN});
		status.states[version - 1] = same ? MIGRATION_APPLIED : MIGRATION_CHANGED;
		status.applied = (int)version;
	}
	*out = status;
	return 0;
}

int migrate_need(struct pg *pg, struct err *err)
{
	struct migration_status status;
	struct arena arena = {0};
	int result = migrate_status(pg, &status, &arena, err);

	arena_fini(&arena);
	if (result == 0 && status.applied != migration_count)
		return err_set(err, ERR_CONFIG,
			       "postgres: the schema is at version %d, this program needs %d: run "
			       "`chatmill db migrate`",
			       status.applied, migration_count);
	return result;
}

/* Whether all applied ones are the first ones and are what we carry. */
static int check_order(const struct migration_status *status, struct err *err)
{
	for (int i = 0; i < status->applied; i++) {
		if (status->states[i] == MIGRATION_CHANGED)
			return err_set(
				err, ERR_CONFIG,
				"postgres: %s was applied with another text: this program and the "
				"database come from different builds",
				migrations[i].name);
		if (status->states[i] == MIGRATION_MISSING)
			return err_set(err, ERR_CONFIG,
				       "postgres: chatmill.migration lacks version %d but has %d",
				       i + 1, status->applied);
	}
	return 0;
}

/* The lock of the session, held over all migrations. Tried, not waited for: a statement that
 * waits holds back vacuum, and we could not say why we wait. */
static int take_lock(struct pg *pg, struct err *err)
{
	struct pg_fault fault;

	for (int i = 0; i < LOCK_TRIES_MAX; i++) {
		OWNED(pg_result) *got = NULL;
		if (pg_query(pg, "SELECT pg_try_advisory_lock(" LOCK_NUMBER ")", NULL, 0, &got,
			     &fault) < 0)
			return pg_err(err, &fault, "taking the lock of migrations");
		if (pg_text(got, 0, 0).data[0])
			return 0;
		if (i == 0)
			log_event(LOG_INFO, "db_migrate_waits",
				  LOG_TEXT("for", "another migration"));
		clock_sleep_ms(1000);
	}
	return err_set(err, ERR_RETRY, "postgres: another migration is running; try again later");
}

static int apply_one(struct pg *pg, int index, struct buf *script, struct err *err)
{
	struct pg_fault fault;

	for (int tries = 0;; tries++) {
		buf_clear(script);
		migrate_script(script, index);
		buf_putc(script, '\0');
		if (pg_run(pg, script->data, &fault) == 0)
			return 0;
		pg_rollback(pg);
		if (fault.action != ACTION_RETRY || tries >= 5)
			return pg_err(err, &fault, migrations[index].name);
		clock_sleep_ms(500);
	}
}

static int apply_all(struct pg *pg, int *applied, struct buf *script, struct err *err)
{
	struct arena arena = {0};
	struct migration_status status;
	int result = migrate_status(pg, &status, &arena, err);

	if (result == 0)
		result = check_order(&status, err);
	int done = 0;
	for (int i = result == 0 ? status.applied : migration_count; i < migration_count; i++) {
		if (apply_one(pg, i, script, err) < 0) {
			result = -1;
			break;
		}
		log_event(LOG_INFO, "db_migrated", LOG_TEXT("migration", migrations[i].name));
		done++;
	}
	arena_fini(&arena);
	*applied = done;
	return result;
}

int migrate_apply(struct pg *pg, int *applied, struct err *err)
{
	struct pg_fault fault;
	struct buf script = {0};

	*applied = 0;
	if (take_lock(pg, err) < 0)
		return -1;
	int result = apply_all(pg, applied, &script, err);
	buf_fini(&script);
	if (pg_run(pg, "SELECT pg_advisory_unlock(" LOCK_NUMBER ")", &fault) < 0)
		pg_disconnect(pg); /* which frees it as well */
	return result;
}
