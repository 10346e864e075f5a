# test_db.py - db status and migrate, roles and their limits, comments, separation by company.
# SPDX-License-Identifier: Apache-2.0
import subprocess
import threading

import psycopg2
import pytest

from support import chatmill

TABLES = {"customer_tag", "customer_stage", "tag_event", "stage_event", "alert", "alert_review", "message",
          "ruleset", "erased", "sink_offset", "sink_reject"}
VIEWS = {"customer_360", "stage_funnel", "alert_board", "alert_context", "staff_alerts", "customer_timeline"}
ALERT = ("INSERT INTO chatmill.alert (alert_id, corpid, subject, customer, room, staff, severity, category, "
         "title, pack, rule, ruleset, time, msgtime, chat, sender, sender_role, msgid, evidence, count, "
         "msgids, recalled, sequence) VALUES (%s, %s, 'wm1', 'wm1', '', '{zhangsan}', 'high', '飞单', 't', "
         "'p', 'r', 'd', '2023-11-14', '2023-11-14', 'single', 'wm1', 'customer', 'm', '[]', 1, '{m}', "
         "false, 1)")


@pytest.fixture
def setup(tmp_path, postgres):
    class NoKafka:
        bootstrap = "127.0.0.1:1"
    return chatmill.Setup(tmp_path, NoKafka(), postgres)


@pytest.fixture
def db(setup):
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    return setup.postgres


def as_role(db, role, statement, *args):
    """Runs one statement as a role; the SQLSTATE of its refusal, or its rows."""
    c = psycopg2.connect(db.dsn())
    try:
        with c.cursor() as cur:
            cur.execute(f"SET ROLE {role}")
            try:
                cur.execute(statement, args)
            except psycopg2.Error as e:
                return e.pgcode
            rows = cur.fetchall() if cur.description else cur.rowcount
            c.commit()
            return rows
    finally:
        c.close()


def test_migrate_twice(setup):
    assert chatmill.run("db", "status", "-c", setup.file).returncode == 1
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    before = setup.postgres.sql("SELECT * FROM chatmill.migration ORDER BY 1")
    assert chatmill.run("db", "status", "-c", setup.file, check=0).stdout.count(b"applied") == len(before)
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    assert before == setup.postgres.sql("SELECT * FROM chatmill.migration ORDER BY 1")


def test_printed_sql_is_what_runs(setup):
    sql = chatmill.run("db", "migrate", "-c", setup.file, "--print", check=0).stdout
    psql = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", setup.postgres.dsn()], input=sql,
                          capture_output=True)
    assert psql.returncode == 0, psql.stderr
    assert chatmill.run("db", "status", "-c", setup.file).returncode == 0
    found = {r[0] for r in setup.postgres.sql(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'chatmill'::regnamespace")}
    assert TABLES | VIEWS <= found


def test_two_at_once(setup):
    results = []
    threads = [threading.Thread(target=lambda: results.append(
        chatmill.run("db", "migrate", "-c", setup.file))) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [r.returncode for r in results] == [0, 0, 0], [r.stderr for r in results]


def test_newer_or_changed_is_refused(setup, db):
    db.sql("INSERT INTO chatmill.migration (version, name, checksum) VALUES (77, 'x', 'y')")
    for words in (["db", "migrate"], ["db", "status"]):
        done = chatmill.run(*words, "-c", setup.file)
        assert done.returncode == 78 and b"version 77" in done.stderr
    db.sql("DELETE FROM chatmill.migration WHERE version = 77")
    db.sql("UPDATE chatmill.migration SET checksum = 'sha256:0' WHERE version = 2")
    done = chatmill.run("db", "migrate", "-c", setup.file)
    assert done.returncode == 78 and b"another text" in done.stderr
    assert b"changed" in chatmill.run("db", "status", "-c", setup.file).stdout


def test_server_away_and_refusals(setup):
    assert chatmill.run("db", "status", "-c", setup.file, CHATMILL_POSTGRES__PORT="1").returncode == 69
    assert chatmill.run("db", "status", "-c", setup.file, CHATMILL_POSTGRES__USER="nobody").returncode == 77
    assert chatmill.run("db", "status", "-c", setup.file, CHATMILL_POSTGRES__DBNAME="none").returncode == 78


def test_without_rights_the_migrator_owns_all(setup):
    setup.postgres.sql("DROP ROLE IF EXISTS plain")
    setup.postgres.sql("CREATE ROLE plain LOGIN")
    try:
        setup.postgres.sql("GRANT CREATE ON DATABASE chatmill TO plain")
        chatmill.run("db", "migrate", "-c", setup.file, CHATMILL_POSTGRES__USER="plain", check=0)
        assert setup.postgres.sql("SELECT DISTINCT tableowner::text FROM pg_tables "
                                  "WHERE schemaname = 'chatmill'") == [("plain",)]
    finally:
        setup.postgres.sql("DROP OWNED BY plain")
        setup.postgres.sql("DROP ROLE plain")


def test_everything_has_a_comment(db):
    assert db.sql("""
        SELECT c.relname::text, a.attname::text FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'chatmill'::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)""") == []
    tables = {r[0] for r in db.sql("SELECT relname::text FROM pg_class "
                                   "WHERE relnamespace = 'chatmill'::regnamespace")}
    assert TABLES | VIEWS <= tables


def test_the_sink_may_not_delete(db):
    for table in TABLES:
        assert as_role(db, "chatmill_sink", f"DELETE FROM chatmill.{table}") == "42501"
        assert as_role(db, "chatmill_sink", f"TRUNCATE chatmill.{table}") == "42501"
    assert as_role(db, "chatmill_sink", "DROP TABLE chatmill.alert") == "42501"
    assert as_role(db, "chatmill_sink", "CREATE TABLE chatmill.x (a int)") == "42501"
    assert as_role(db, "chatmill_sink", "UPDATE chatmill.alert SET status = 'confirmed'") == "42501"
    assert as_role(db, "chatmill_sink", ALERT, "00000000-0000-0000-0000-000000000001", "ww1") == 1
    assert as_role(db, "chatmill_sink", "SELECT chatmill.make_partitions('{2021-05-17}')") == [(3,)]
    assert as_role(db, "chatmill_sink", "SELECT chatmill.make_partitions('{2021-05-02}')") == [(0,)]


def test_the_reader_sees_views_only(db):
    for view in VIEWS:
        assert as_role(db, "chatmill_reader", f"SELECT * FROM chatmill.{view}") == []
    for table in TABLES:
        assert as_role(db, "chatmill_reader", f"SELECT * FROM chatmill.{table}") == "42501"
    assert as_role(db, "chatmill_reader", "SELECT chatmill.erase('a', 'b', now())") == "42501"


def test_the_reviewer_sets_status_and_note(db):
    alert_id = "00000000-0000-0000-0000-000000000002"
    db.sql(ALERT, (alert_id, "ww1"))
    where = f"WHERE alert_id = '{alert_id}'"
    assert as_role(db, "chatmill_reviewer", f"UPDATE chatmill.alert SET status = 'dismissed', note = 'ok' {where}") == 1
    assert as_role(db, "chatmill_reviewer", f"UPDATE chatmill.alert SET status = 'confirmed' {where}") == 1
    assert as_role(db, "chatmill_reviewer", f"UPDATE chatmill.alert SET status = 'gone' {where}") == "23514"
    for column in ("severity = 'low'", "evidence = '[]'", "reviewed_by = 'x'", "count = 9"):
        assert as_role(db, "chatmill_reviewer", f"UPDATE chatmill.alert SET {column} {where}") == "42501"
    assert as_role(db, "chatmill_reviewer", f"DELETE FROM chatmill.alert {where}") == "42501"
    assert as_role(db, "chatmill_reviewer", "UPDATE chatmill.alert_review SET note = 'x'") == "42501"
    assert db.sql("SELECT status, note, by FROM chatmill.alert_review ORDER BY at") == [
        ("dismissed", "ok", "chatmill_reviewer"), ("confirmed", "ok", "chatmill_reviewer")]
    assert db.sql("SELECT staff, week::text, alerts, confirmed, dismissed FROM chatmill.staff_alerts") == [
        ("zhangsan", "2023-11-13", 0, 1, 0)]  # the row was not written by a sink, which counts it


def test_companies_are_separated(db):
    for n, corp in enumerate(["ww1", "ww2", "ww3"]):
        db.sql(ALERT, (f"00000000-0000-0000-0000-00000000001{n}", corp))
        db.sql("INSERT INTO chatmill.customer_stage VALUES (%s, 'wm1', 'life', '购买', now(), NULL, 'p', 'r', "
               "'m', 1)", (corp,))
    try:
        for role in ("reader_one", "reader_all", "reader_none"):
            db.sql(f"CREATE ROLE {role} LOGIN IN ROLE chatmill_reader, chatmill_reviewer")

        def corps(role, what="customer_360"):
            return [r[0] for r in as_role(db, role, f"SELECT corpid::text FROM chatmill.{what} ORDER BY 1")]
        assert corps("reader_none") == ["ww1", "ww2", "ww3"]  # nothing is separated yet
        db.sql("INSERT INTO chatmill.corp_access VALUES ('reader_one', 'ww2'), ('reader_all', '*')")
        for what in ("customer_360", "alert_board", "customer_timeline", "alert"):
            assert corps("reader_one", what) == ["ww2"]
            assert corps("reader_all", what) == ["ww1", "ww2", "ww3"]
            assert corps("reader_none", what) == []
        assert db.sql("SELECT count(*)::int FROM chatmill.alert_board", user="reader_one") == [(1,)]
        assert as_role(db, "reader_one", "UPDATE chatmill.alert SET status = 'confirmed'") == 1
        assert db.sql("SELECT corpid::text FROM chatmill.alert WHERE status = 'confirmed'") == [("ww2",)]
    finally:
        for role in ("reader_one", "reader_all", "reader_none"):
            db.sql(f"DROP OWNED BY {role}")
            db.sql(f"DROP ROLE {role}")


def test_an_older_schema_is_brought_up(setup):
    """What was counted by day before migration 6 is there by week after it."""
    sql = chatmill.run("db", "migrate", "-c", setup.file, "--print", check=0).stdout.decode()
    before, after = sql.split("-- 0006", 1)[0], sql.split("-- 0006", 1)[1]
    assert "alert_day" in after
    psql = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", setup.postgres.dsn()],
                          input=before[:before.rindex("BEGIN;")].encode(), capture_output=True)
    assert psql.returncode == 0, psql.stderr
    setup.postgres.sql(
        "INSERT INTO chatmill.alert_day (corpid, staff, day, severity, shard, alerts, recalled, confirmed) VALUES "
        "('ww1', 'lisi', '2023-11-13', 'low', 0, 3, 1, 0), ('ww1', 'lisi', '2023-11-19', 'high', 0, 2, 0, 0), "
        "('ww1', 'lisi', '2023-11-19', 'high', -1, 0, 0, 1), ('ww1', 'lisi', '2023-11-20', 'high', 1, 1, 0, 0)")
    assert b"missing" in chatmill.run("db", "status", "-c", setup.file).stdout
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    assert setup.postgres.sql("SELECT staff, week::text, alerts, severe, recalled, confirmed "
                              "FROM chatmill.staff_alerts ORDER BY week") == [
        ("lisi", "2023-11-13", 5, 2, 1, 1), ("lisi", "2023-11-20", 1, 1, 0, 0)]


def test_old_months_go(db):
    db.sql("SELECT chatmill.make_partitions('{2023-11-01,2023-12-01,2024-01-01}')")
    event = ("INSERT INTO chatmill.stage_event SELECT gen_random_uuid(), %(day)s::date, 'ww1', 'wm1', %(day)s::date, "
             "%(day)s::date, 1, 'rule', false, 'life', NULL, '购买', '[]', '[]', '{}', '', 'single', 'wm1', "
             "'customer', 'm', 'p', 'r', 'd', '', '[]'")
    for day in ("2001-01-01", "2023-11-30", "2023-12-31", "2024-01-01"):
        db.sql(event, {"day": day})
    assert as_role(db, "chatmill_sink", "SELECT chatmill.drop_months('2024-01-01')") == "42501"
    assert as_role(db, "chatmill_owner", "SELECT chatmill.drop_months('2024-01-15')") == [(
        ["message_202311", "message_202312", "stage_event_202311", "stage_event_202312", "tag_event_202311",
         "tag_event_202312"],)]
    assert db.sql("SELECT day::text FROM chatmill.stage_event") == [("2024-01-01",)]
    # A late event gets its month again.
    assert as_role(db, "chatmill_sink", "SELECT chatmill.make_partitions('{2023-11-01}')") == [(3,)]


def test_erasure(db):
    db.sql(ALERT, ("00000000-0000-0000-0000-000000000003", "ww1"))
    db.sql("INSERT INTO chatmill.customer_stage VALUES "
           "('ww1', 'wm1', 'life', '购买', '2023-11-14', NULL, 'p', 'r', 'm', 1),"
           "('ww1', 'wm1', 'new', '购买', '2024-02-01', NULL, 'p', 'r', 'm', 2),"
           "('ww1', 'wm2', 'life', '购买', '2023-11-14', NULL, 'p', 'r', 'm', 1)")
    db.sql("INSERT INTO chatmill.hold (corpid, subject, reason) VALUES ('ww1', 'wm2', 'law suit')")
    erase = "SELECT chatmill.erase('ww1', %s, '2024-01-01')"
    assert as_role(db, "chatmill_sink", erase, "wm1") == [("erased",)]
    assert as_role(db, "chatmill_sink", erase, "wm2") == [("held",)]
    assert db.sql("SELECT external_userid::text, ladder::text FROM chatmill.customer_stage ORDER BY 1") == [
        ("wm1", "new"), ("wm2", "life")]  # what came after the record is a new person's
    assert db.sql("SELECT count(*) FROM chatmill.alert") == [(0,)]
    assert db.sql("SELECT outcome, rows->>'customer_stage' FROM chatmill.erase_proof ORDER BY id") == [
        ("erased", "1"), ("held", None)]
    # The HMAC is that of RFC 2104 under the key whose blocks the table holds.
    import hashlib
    inner, outer = (bytes(x) for x in db.sql("SELECT inner_pad, outer_pad FROM chatmill.secret")[0])
    want = hashlib.sha256(outer + hashlib.sha256(inner + b"ww1/wm1").digest()).digest()
    assert [bytes(r[0]) for r in db.sql("SELECT subject_hmac FROM chatmill.erased")] == [want]
