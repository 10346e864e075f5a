/* check_postgres.c - the schema, and what the role may do, as the database has them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check.h"
#include "database.h"
#include "store/migrate.h"

enum { VERSION_LEAST = 130000 };

/* What the sink needs, as the migrations give it to chatmill_sink; a row for what is missing. */
static const char rights_sql[] =
	"SELECT (privilege || ' on ' || object)::text FROM (VALUES "
	"('SELECT','migration'),('SELECT','erased'),('SELECT','secret'),('SELECT','hold'),"
	"('SELECT','message_dictionary'),('INSERT','message_dictionary'),"
	"('SELECT','pipeline'),('INSERT','pipeline'),('SELECT','sink_reject'),('INSERT','sink_reject'),"
	"('SELECT','tag_event'),('INSERT','tag_event'),('SELECT','stage_event'),('INSERT','stage_event'),"
	"('SELECT','message'),('INSERT','message'),('SELECT','alert'),('INSERT','alert'),"
	"('SELECT','sink_offset'),('INSERT','sink_offset'),('UPDATE','sink_offset'),"
	"('SELECT','customer_tag'),('INSERT','customer_tag'),('UPDATE','customer_tag'),"
	"('SELECT','customer_stage'),('INSERT','customer_stage'),('UPDATE','customer_stage'),"
	"('SELECT','stage_day'),('INSERT','stage_day'),('UPDATE','stage_day'),"
	"('SELECT','alert_week'),('INSERT','alert_week'),('UPDATE','alert_week'),"
	"('SELECT','ruleset'),('INSERT','ruleset'),('UPDATE','ruleset')) AS t(privilege, object) "
	"WHERE NOT coalesce(has_table_privilege(to_regclass('chatmill.' || object), privilege), false) "
	"UNION ALL SELECT 'UPDATE (' || name || ') on alert' FROM unnest(ARRAY['count', 'msgids', "
	"'recalled', 'recalled_at', 'sequence']) AS c(name) "
	"WHERE NOT coalesce(has_column_privilege(to_regclass('chatmill.alert'), name, 'UPDATE'), false) "
	"UNION ALL SELECT 'EXECUTE on function ' || name FROM unnest(ARRAY['make_partitions(date[])', "
	"'subject_hmac(text,text)', 'erase(text,text,timestamptz)', 'visible_corps()']) AS f(name) "
	"WHERE NOT coalesce(has_function_privilege(to_regprocedure('chatmill.' || name), 'EXECUTE'), "
	"false)";

static const char server_sql[] =
	"SELECT current_setting('server_version_num')::int4, "
	"current_user::text, (SELECT rolsuper::int4 FROM pg_roles WHERE rolname = current_user), "
	"current_setting('server_version')::text, "
	"coalesce(has_schema_privilege(to_regnamespace('chatmill'), 'USAGE'), false)::int4, "
	"(to_regnamespace('chatmill') IS NOT NULL)::int4, "
	"coalesce((SELECT pg_has_role(current_user, oid, 'USAGE')::int4 FROM pg_roles "
	"WHERE rolname = 'chatmill_sink'), 0)";

/* Rows of alerts are guarded by policies: rights on the table are not enough. */
static const char guard_sql[] =
	"SELECT (row_security_active('chatmill.alert'::regclass) AND NOT EXISTS (SELECT FROM pg_policy "
	"WHERE polrelid = 'chatmill.alert'::regclass AND polname = 'sink' AND EXISTS (SELECT FROM "
	"unnest(polroles) AS r WHERE r = 0 OR pg_has_role(r, 'USAGE'))))::int4, "
	"(has_table_privilege('chatmill.customer_tag', 'DELETE') "
	"OR has_table_privilege('chatmill.customer_tag', 'TRUNCATE'))::int4";

static const char pipeline_sql[] = "SELECT name::text FROM chatmill.pipeline";

struct talk {
	struct check *check;
	struct pg *pg;
	char user[64];
	bool member; /* of chatmill_sink, or itself: the role's own rights are lacking */
};

/* NULL after noting what is wrong. */
static struct pg_result *ask(struct talk *t, const char *sql)
{
	struct pg_result *rows = NULL;
	struct pg_fault fault;
	struct err err = {0};

	if (pg_query(t->pg, sql, NULL, 0, &rows, &fault) == 0)
		return rows;
	(void)pg_err(&err, &fault, "postgres");
	check_note(t->check, &err, "see the schema's grants with `chatmill db migrate --print`");
	return NULL;
}

/* False: there is no use in asking for more. */
static bool check_server(struct talk *t)
{
	OWNED(pg_result) *row = ask(t, server_sql);

	if (!row)
		return false;
	struct str user = pg_text(row, 0, 1), version = pg_text(row, 0, 3);
	(void)snprintf(t->user, sizeof t->user, "%.*s", STR_ARG(user));
	t->member = pg_i64(row, 0, 6) != 0;
	if (pg_i64(row, 0, 0) < VERSION_LEAST)
		CHECK_ADD(t->check, FINDING_ERROR, "postgres: the server is version %.*s; 13 or newer is needed",
		    STR_ARG(version));
	if (pg_i64(row, 0, 2))
		CHECK_ADD(t->check, FINDING_WARNING,
		    "postgres: %s is a superuser; the sink needs no more than chatmill_sink has", t->user);
	if (!pg_i64(row, 0, 5)) {
		CHECK_ADD(t->check, FINDING_ERROR,
		    "postgres: there is no schema chatmill; run `chatmill db migrate` as its future owner");
		return false;
	}
	if (!pg_i64(row, 0, 4)) {
		CHECK_ADD(t->check, FINDING_ERROR,
		    "postgres: %s may not use the schema chatmill: GRANT %s TO %s", t->user,
		    t->member ? "USAGE ON SCHEMA chatmill" : "chatmill_sink",
		    t->member ? "chatmill_sink" : t->user);
		t->check->missing_rights++;
		return false;
	}
	return true;
}

static bool check_schema(struct talk *t)
{
	struct err err = {0};

	if (migrate_need(t->pg, &err) == 0)
		return true;
	check_note(t->check, &err, "GRANT chatmill_sink to the role");
	return false;
}

static void check_pipeline(struct talk *t)
{
	OWNED(pg_result) *row = ask(t, pipeline_sql);

	if (!row || !pg_rows(row))
		return; /* it serves nobody yet */
	struct str name = pg_text(row, 0, 0);
	if (!str_eq(name, str_of(t->check->config->pipeline)))
		CHECK_ADD(t->check, FINDING_ERROR,
		    "postgres: the schema chatmill serves the pipeline '%.*s', not '%s': give this "
		    "pipeline a database of its own",
		    STR_ARG(name), t->check->config->pipeline);
}

static void check_role(struct talk *t)
{
	OWNED(pg_result) *missing = ask(t, rights_sql);
	OWNED(pg_result) *guard = ask(t, guard_sql);

	for (int i = 0; missing && i < pg_rows(missing); i++) {
		struct str what = pg_text(missing, i, 0);
		CHECK_ADD(t->check, FINDING_ERROR,
		    "postgres: %s lacks %.*s of schema chatmill: GRANT it%s",
		    t->user, STR_ARG(what), t->member ? " to chatmill_sink" : ", or make it a member of chatmill_sink");
		t->check->missing_rights++;
	}
	if (guard && pg_i64(guard, 0, 0)) {
		CHECK_ADD(t->check, FINDING_ERROR,
		    "postgres: row security hides alerts from %s: %s%s", t->user,
		    t->member ? "the policy sink of chatmill.alert is gone; `chatmill db migrate --print` has it"
			      : "GRANT chatmill_sink TO ",
		    t->member ? "" : t->user);
		t->check->missing_rights++;
	}
	if (guard && pg_i64(guard, 0, 1))
		CHECK_ADD(t->check, FINDING_WARNING,
		    "postgres: %s may delete rows; the sink never does: use chatmill_sink", t->user);
}

void check_postgres(struct check *check)
{
	struct talk t = {.check = check};
	OWNED(pg) *pg = NULL;
	struct err err = {0};

	if (database_open(&pg, check->config, &err) < 0) {
		check_note(check, &err, "mend postgres.user, its password, or pg_hba.conf");
		return;
	}
	t.pg = pg;
	if (!check_server(&t) || !check_schema(&t))
		return;
	check_role(&t);
	if (!check->missing_rights)
		check_pipeline(&t);
}
