# test_sink.py - sink against a real Kafka and PostgreSQL: tables equal an oracle, whatever happens.
# SPDX-License-Identifier: Apache-2.0
#
# Events are written by tests/support/events.py, which also works out what the tables must hold.
import json
import os
import re
import signal
import time

import psycopg2
import pytest
from confluent_kafka.admin import NewPartitions

from support import chatmill, proc, sinks
from support.events import (POISONS, START_MS, TOPIC, Generator, Oracle, differences, event, record,
                            tables)
from support.sinks import (POINTS, check, check_rejects, die_at, finish, generate, kill_at_random, send,
                           terminating, wait_through)


@pytest.fixture
def setup(tmp_path, kafka, postgres):
    return sinks.set_up(tmp_path, kafka, postgres)


@pytest.mark.asan
def test_tables_equal_the_oracle(setup, processes):
    events, oracle = generate(1, 4000)
    send(setup, events)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert sink.terminate() == 0
    check(setup, oracle)
    assert setup.postgres.sql("SELECT count(*) FROM chatmill.tag_event_default") == [(0,)]
    # Every stage row agrees with what the board says of today.
    funnel = setup.postgres.sql(
        "SELECT ladder, stage, sum(entered - exited)::int FROM chatmill.stage_funnel GROUP BY 1, 2 "
        "HAVING sum(entered - exited) <> 0 ORDER BY 1, 2")
    now = setup.postgres.sql("SELECT ladder::text, stage::text, count(*)::int FROM chatmill.customer_stage "
                             "WHERE stage IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2")
    assert funnel == now


@pytest.mark.parametrize("rows", [1, 7, 20000])
def test_batch_size_changes_nothing(setup, processes, rows):
    events, oracle = generate(2, 600)
    send(setup, events)
    file = setup.write("other.yaml", sink={"batch_rows": rows, "batch_ms": 50})
    sink = setup.start("sink", file=file)
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)


def test_replay_changes_nothing(setup, processes):
    """Offsets set back by hand: every event comes again; sequences and ids hold it off."""
    events, oracle = generate(3, 1500)
    send(setup, events)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert sink.terminate() == 0
    setup.postgres.sql("UPDATE chatmill.alert SET status = 'confirmed', note = 'seen' WHERE NOT recalled")
    reviews = setup.postgres.sql("SELECT alert_id, status, note, reviewed_by FROM chatmill.alert ORDER BY 1")
    setup.postgres.sql("UPDATE chatmill.sink_offset SET next_offset = 0")
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)
    assert reviews == setup.postgres.sql(
        "SELECT alert_id, status, note, reviewed_by FROM chatmill.alert ORDER BY 1")


def test_dies_at_every_statement(setup, processes):
    events, oracle = generate(4, 12_000)
    send(setup, events)
    assert die_at(setup, processes, POINTS, [2]) == len(POINTS)
    finish(setup, processes, oracle)


def test_kill_9_while_events_flow(setup, processes):
    events, oracle = generate(5, 6000)
    kill_at_random(setup, processes, events, 6, 5)
    finish(setup, processes, oracle)


def test_two_sinks_share_and_one_is_frozen(setup, processes):
    """Two sinks divide the partitions; one is stopped long enough to lose its own, then goes on."""
    events, oracle = generate(6, 5000)
    first, second = setup.start("sink"), setup.start("sink")
    processes += [first, second]
    send(setup, events[:2000])
    wait_through(setup, first, second)
    os.kill(first.p.pid, signal.SIGSTOP)
    send(setup, events[2000:4000])
    wait_through(setup, second, timeout_s=60)
    os.kill(first.p.pid, signal.SIGCONT)
    send(setup, events[4000:])
    wait_through(setup, second)
    check(setup, oracle)
    owners = setup.postgres.sql("SELECT min(epoch), max(epoch) FROM chatmill.sink_offset")
    assert owners[0][1] >= 2


def test_shared_out_anew_while_the_database_is_away(setup, processes):
    """A sink dies while both have paused: what the other one owned before and gets again goes on too."""
    events, oracle = generate(21, 2000)
    first, second = setup.start("sink"), setup.start("sink")
    processes += [first, second]
    first.wait_log("sink_assigned")
    second.wait_log("sink_assigned")
    send(setup, events[:1000])
    wait_through(setup, first, second)
    setup.postgres.kill()
    send(setup, events[1000:])
    first.wait_log("database_away")
    revoked = first.log().count("sink_revoked")
    second.kill()
    first.wait_log("sink_revoked", 60, revoked + 1)
    setup.postgres.restart()
    wait_through(setup, first)
    check(setup, oracle)


def test_old_owner_can_write_no_more(setup, processes):
    """Somebody raises the epoch: the sink drops its batch, joins again, and loses nothing."""
    events, oracle = generate(7, 2000)
    send(setup, events[:1000])
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    setup.postgres.sql("UPDATE chatmill.sink_offset SET epoch = epoch + 1, owner = 'somebody else'")
    send(setup, events[1000:])
    wait_through(setup, sink)
    assert "sink_fenced" in sink.log()
    check(setup, oracle)


def test_connections_are_terminated(setup, processes):
    events, oracle = generate(8, 6000)
    sink = setup.start("sink")
    processes.append(sink)
    with terminating(setup):
        for i in range(0, 6000, 500):
            send(setup, events[i:i + 500])
            time.sleep(0.2)
    wait_through(setup, sink)
    assert "database_away" in sink.log()
    check(setup, oracle)


def test_database_away_at_start_and_in_the_middle(setup, processes):
    events, oracle = generate(9, 3000)
    send(setup, events[:1000])
    setup.postgres.kill()
    sink = setup.start("sink")
    processes.append(sink)
    sink.wait_log("database_away")
    setup.postgres.restart()
    wait_through(setup, sink)
    send(setup, events[1000:2000])
    said = sink.log().count("database_away")
    setup.postgres.kill()
    send(setup, events[2000:])
    sink.wait_log("database_away", count=said + 1)
    setup.postgres.restart()
    wait_through(setup, sink)
    assert "database_back" in sink.log()
    check(setup, oracle)


def test_a_lock_is_waited_for(setup, processes):
    events, oracle = generate(10, 800)
    c = psycopg2.connect(setup.postgres.dsn())
    c.cursor().execute("LOCK TABLE chatmill.customer_tag IN ACCESS EXCLUSIVE MODE")
    sink = setup.start("sink")
    processes.append(sink)
    send(setup, events)
    sink.wait_log("55P03")
    c.rollback()
    c.close()
    wait_through(setup, sink)
    check(setup, oracle)


def test_a_stop_does_not_wait_for_a_lock_without_end(setup, processes):
    """What the server never answers is left after 25 s; nothing was written, and the next start goes on."""
    events, oracle = generate(12, 300)
    send(setup, events)
    c = psycopg2.connect(setup.postgres.dsn())
    c.cursor().execute("LOCK TABLE chatmill.sink_offset IN ACCESS EXCLUSIVE MODE")
    sink = setup.start("sink")
    processes.append(sink)
    proc.wait_for(lambda: setup.postgres.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), 120, "the sink at the lock")
    sink.p.send_signal(signal.SIGTERM)
    assert sink.p.wait(120) == 75 and "stop_deadline" in sink.log()
    c.rollback()
    c.close()
    again = setup.start("sink")
    processes.append(again)
    wait_through(setup, again)
    check(setup, oracle)


def test_a_topic_that_was_made_anew(setup, processes):
    """The database is beyond the end of the new topic: the sink ends and says which statement lets it go on."""
    events, oracle = generate(14, 600)
    send(setup, events[:300])
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert sink.terminate() == 0
    topic = setup.topic["tags"]
    count = len(setup.kafka.partitions(topic))
    setup.kafka.delete_topic(topic)
    proc.wait_for(lambda: not setup.kafka.partitions(topic), 30, "the topic gone")
    setup.kafka.create_topic(topic, count)
    for _ in range(count):
        sink = setup.start("sink")
        processes.append(sink)
        proc.wait_for(lambda: not sink.running(), 60, "the end of the sink")
        assert sink.p.returncode == 78, sink.log()
        advice = re.search(r"it was made anew; (UPDATE chatmill\.sink_offset SET next_offset = 0 WHERE topic = "
                           r"'[^']+' AND partition = \d+) lets the sink go on", sink.log())
        assert advice, sink.log()[-2000:]
        setup.postgres.sql(advice[1])
        left = setup.postgres.sql("SELECT count(*) FROM chatmill.sink_offset WHERE next_offset > 0 AND topic = "
                                  f"'{topic}'")[0][0]
        if not left:
            break
    send(setup, events[300:])
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)


def test_other_topics_after_a_restart(setup, processes):
    """A sink that comes back at once with other topics, or to topics of more partitions, gets those: the
    group would give a member of the same name what it had."""
    events, oracle = generate(13, 300)
    send(setup, events)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert sink.terminate() == 0
    admin = setup.kafka.admin()  # must outlive its futures
    for f in admin.create_partitions([NewPartitions(setup.topic[t], 5) for t in TOPIC.values()]).values():
        f.result()
    late = event("tag", "wm" + "N" * 30, 1, START_MS, 9)
    setup.kafka.produce(setup.topic["tags"], [{**record(late), "partition": 4}])
    setup.kafka.create_topic(setup.topic["archive"], 2)
    file = setup.write("more.yaml", sink={"archive": True, "batch_ms": 50})
    more = setup.start("sink", file=file)
    processes.append(more)

    def taken(topic):
        return {p for t, p in setup.postgres.sql("SELECT topic::text, partition FROM chatmill.sink_offset "
                                                 "WHERE next_offset > 0") if t == setup.topic[topic]}
    chatmill.wait_alive(lambda: 4 in taken("tags"), [more], 60, "the new partition")
    value = json.dumps({"corpid": "ww1", "msgid": "m1", "message": {
        "msgid": "m1", "action": "send", "from": "wm" + "N" * 30, "tolist": ["z"], "roomid": "",
        "msgtime": START_MS, "msgtype": "text", "text": {"content": "hi"}}})
    setup.kafka.produce(setup.topic["archive"], [{"key": b"ww1/x", "value": value}])
    chatmill.wait_alive(lambda: taken("archive"), [more], 60, "the archive")
    assert more.terminate() == 0, more.log()
    back = setup.start("sink")  # without the archive again
    processes.append(back)
    wait_through(setup, back)
    assert back.terminate() == 0, back.log()


def test_a_deadlock_is_tried_again(setup, processes):
    """A session locks the row of the day, then that of the stage; the sink takes them in the other
    order, and a trigger keeps it between the two until that session waits for it. Only the sink looks
    for deadlocks, so that the sink's transaction is the one that PostgreSQL ends."""
    db, who, oracle = setup.postgres, "wm" + "D" * 30, Oracle()

    def move(n, before, to):
        e = event("stage", who, n, START_MS + n * 1000, START_MS + n, ladder="life", from_stage=before, to_stage=to,
                  add=[], remove=[])
        oracle.take(e)
        send(setup, [e])
    db.sql("ALTER DATABASE chatmill SET deadlock_timeout = '10ms'")
    sink = setup.start("sink")
    processes.append(sink)
    move(1, None, "兴趣")
    wait_through(setup, sink)
    other = psycopg2.connect(db.dsn())
    with other.cursor() as c:
        c.execute("SET deadlock_timeout = '10min'; SELECT FROM chatmill.stage_day FOR UPDATE")
        assert c.rowcount == 1
        db.sql(f"""
            CREATE FUNCTION chatmill.meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                WHILE EXISTS (SELECT FROM pg_locks WHERE pid = {other.info.backend_pid})
                    AND NOT EXISTS (SELECT FROM pg_locks WHERE pid = {other.info.backend_pid} AND NOT granted)
                LOOP PERFORM pg_sleep(0.01); END LOOP;
                RETURN NULL;
            END $$;
            CREATE TRIGGER meet AFTER INSERT OR UPDATE ON chatmill.customer_stage
                FOR EACH STATEMENT EXECUTE FUNCTION chatmill.meet()""")
        move(2, "兴趣", "资料")
        chatmill.wait_alive(lambda: db.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'chatmill_sink' "
                                           "AND wait_event = 'PgSleep'"), [sink], 60, "sink between the two rows")
        c.execute("SELECT sequence FROM chatmill.customer_stage FOR UPDATE")
        assert c.fetchall() == [(START_MS + 1,)], "the sink's transaction was not the one that ended"
    other.commit()
    other.close()
    wait_through(setup, sink)
    assert "40P01" in sink.log()
    check(setup, oracle)


@pytest.mark.asan
def test_poison_is_set_aside(setup, processes):
    events, oracle = generate(11, 3000, poison_every=30)
    assert {e["poison"] for e in events} == {None, *POISONS}
    # Somebody has been erased: from now on every batch is asked whom it is about, and when.
    gone = event("erase", "wm" + "e" * 30, 1, START_MS, 0, cause="manual", by="desk", evidence=[])
    setup.kafka.produce(setup.topic["tags"], [record(gone)])
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert sink.terminate() == 0
    send(setup, events)
    # Nobody can be erased whose name no table can hold; the batch goes on.
    nobody = event("erase", "wm\x00" + "n" * 30, 1, START_MS, 0, cause="manual", by="desk", evidence=[])
    nobody["poison"] = "nul in text"
    setup.kafka.produce(setup.topic["tags"], [record(nobody)])
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)
    check_rejects(setup, events + [nobody])
    assert sink.terminate() == 0


def test_what_is_no_event_is_set_aside(setup, processes):
    events, oracle = generate(12, 300)
    send(setup, events)
    good = record(events[0])
    bad = [{"value": b"{\"corpid\":", "headers": good["headers"]},
           {"value": b"", "headers": good["headers"]},
           {"value": good["value"], "headers": []},
           {"value": b"\xff\xfe", "headers": good["headers"]}]
    setup.kafka.produce(setup.topic["tags"], bad)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)
    have = sorted(bytes(v) for v, in setup.postgres.sql("SELECT value FROM chatmill.sink_reject"))
    assert have == sorted(b["value"] for b in bad)


def test_all_refused_is_no_poison(setup, processes):
    """A constraint that a person added refuses everything: stop, set nothing aside."""
    setup.postgres.sql("ALTER TABLE chatmill.customer_stage ADD CONSTRAINT no CHECK (false)")
    events, _ = generate(13, 1500)
    send(setup, [e for e in events if e["kind"] == "stage"])
    sink = setup.start("sink")
    processes.append(sink)
    assert sink.p.wait(120) == 65, sink.log()[-2000:]
    assert setup.postgres.sql("SELECT count(*) FROM chatmill.customer_stage") == [(0,)]


def test_stops_for_what_a_person_must_mend(setup, processes):
    send(setup, generate(14, 100)[0])

    def ends_with(status, text, **env):
        sink = setup.start("sink", **env)
        processes.append(sink)
        assert sink.p.wait(120) == status, sink.log()[-2000:]
        assert text in sink.log()

    sql = setup.postgres.sql
    sql("CREATE ROLE chatmill_reader_login LOGIN IN ROLE chatmill_reader")
    ends_with(77, "42501", CHATMILL_POSTGRES__USER="chatmill_reader_login")
    ends_with(77, "28000", CHATMILL_POSTGRES__USER="nobody_at_all")
    ends_with(78, "3D000", CHATMILL_POSTGRES__DBNAME="no_such_database")
    ends_with(78, "no such key", CHATMILL_POSTGRES__HOTS="x")
    sql("INSERT INTO chatmill.pipeline (name) VALUES ('another') ON CONFLICT DO NOTHING")
    ends_with(78, "serves the pipeline 'another'")
    sql("DELETE FROM chatmill.pipeline")
    sql("ALTER TABLE chatmill.customer_tag RENAME COLUMN since TO sinse")
    ends_with(78, "42703")
    sql("ALTER TABLE chatmill.customer_tag RENAME COLUMN sinse TO since")
    sql("INSERT INTO chatmill.migration (version, name, checksum) VALUES (999, 'x', 'y')")
    ends_with(78, "newer program")
    sql("DROP ROLE chatmill_reader_login")


def test_read_only_and_too_many_connections_are_waited_for(setup, processes):
    """What a failover or a crowd looks like; the sink holds on and goes on."""
    events, oracle = generate(20, 900)
    sql = setup.postgres.sql
    sql("ALTER DATABASE chatmill SET default_transaction_read_only = on")
    send(setup, events[:300])
    sink = setup.start("sink")
    processes.append(sink)
    sink.wait_log("read-only")
    sql("ALTER DATABASE chatmill RESET default_transaction_read_only", dbname="postgres")
    wait_through(setup, sink)
    sql("ALTER DATABASE chatmill CONNECTION LIMIT 0")
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chatmill_sink'")
    send(setup, events[300:])
    sink.wait_log("53300")
    sql("ALTER DATABASE chatmill CONNECTION LIMIT -1")
    wait_through(setup, sink)
    check(setup, oracle)


def test_late_and_wrong_dates_fall_nowhere(setup, processes):
    """A message of three years ago gets its month, one of 1971 or 2090 the default partition."""
    oracle, events = Oracle(), []
    g = Generator(15, customers=4)
    for i, year_ms in enumerate([1_600_000_000_000, 40_000_000_000, 3_800_000_000_000, 1_700_000_000_000]):
        e = g.tag(g.customers[i], g.state[g.customers[i]], g.random, year_ms)
        events.append(e)
        oracle.take(e)
    send(setup, events)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)
    where = dict(setup.postgres.sql("SELECT tableoid::regclass::text, count(*)::int "
                                    "FROM chatmill.tag_event GROUP BY 1"))
    assert where == {"chatmill.tag_event_202009": 1, "chatmill.tag_event_default": 2,
                     "chatmill.tag_event_202311": 1}


def erase_on_all(setup, customer, at_ms):
    """What `run` writes for a control record with `erase`: one event on every topic."""
    e = event("erase", customer, 999_999, at_ms, 0, cause="manual", by="privacy-desk", evidence=[])
    for topic in TOPIC.values():
        setup.kafka.produce(setup.topic[topic], [record(e)])


def about(setup, customer):
    """Rows that name the customer, by table."""
    out = {}
    for table, column in (("customer_tag", "external_userid"), ("customer_stage", "external_userid"),
                          ("tag_event", "external_userid"), ("stage_event", "external_userid"),
                          ("alert", "subject"), ("message", "external_userid")):
        out[table] = setup.postgres.sql(f"SELECT count(*)::int FROM chatmill.{table} WHERE {column} = %s",
                                        (customer,))[0][0]
    return out


def test_erased_people_stay_away(setup, processes):
    g = Generator(16, customers=6)
    events = list(g.events(900))
    gone, held = g.customers[0], g.customers[1]
    end_ms = max(e["time"] for e in events) + 1000
    send(setup, events)
    setup.postgres.sql("INSERT INTO chatmill.hold (corpid, subject, reason) VALUES ('ww1', %s, 'law suit')", (held,))
    erase_on_all(setup, gone, end_ms)
    erase_on_all(setup, held, end_ms)
    back = []  # the customer writes again later: that is a new person, of whom nothing is known
    g.state[gone].update(stage=None, tags={}, alerts=[])
    for i in range(30):
        back.append(g.next_of(gone, end_ms + 1 + i * 1000))
    send(setup, back)
    oracle = Oracle()
    for e in [e for e in events if e["subject"] != gone] + back:
        oracle.take(e)

    def same():
        return differences(oracle.expected(), tables(setup.postgres))
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert same() == []
    first = about(setup, gone)
    assert about(setup, held)["tag_event"] > 0
    assert "erase_held" in sink.log()
    outcomes = dict(setup.postgres.sql("SELECT outcome, count(*)::int FROM chatmill.erase_proof GROUP BY 1"))
    assert outcomes == {"erased": 3, "held": 3}
    # The boards count the living.
    funnel = setup.postgres.sql("SELECT stage, sum(entered - exited)::int FROM chatmill.stage_funnel GROUP BY 1 "
                                "HAVING sum(entered - exited) <> 0 ORDER BY 1")
    assert any(e["kind"] == "stage" for e in back)
    assert funnel == setup.postgres.sql("SELECT stage::text, count(*)::int FROM chatmill.customer_stage "
                                        "WHERE stage IS NOT NULL GROUP BY 1 ORDER BY 1")
    # A replay from the beginning brings nobody back.
    assert sink.terminate() == 0
    setup.postgres.sql("UPDATE chatmill.sink_offset SET next_offset = 0")
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    assert same() == []
    assert {k: v for k, v in about(setup, gone).items() if k.endswith("event")} == \
        {k: v for k, v in first.items() if k.endswith("event")}
    # No table names the dead: what is left of before is an HMAC.
    texts = [e["data"]["msgid"] for e in events if e["subject"] == gone]
    for table in ("tag_event", "stage_event", "customer_tag", "customer_stage", "alert"):
        left = setup.postgres.sql(f"SELECT count(*)::int FROM chatmill.{table} WHERE msgid = ANY (%s)", (texts,))
        assert left == [(0,)], table
