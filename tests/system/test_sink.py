# test_sink.py - sink against a real Kafka and PostgreSQL: tables equal an oracle, whatever happens.
# SPDX-License-Identifier: Apache-2.0
#
# Events are written by tests/support/events.py, which also works out what the tables must hold.
import random
import signal
import threading
import time

import psycopg2
import pytest

from support import chatmill, proc
from support.events import POISONS, TOPIC, Generator, Oracle, differences, poison, record, tables

PARTITIONS = 3
# Where a sink passes in each batch, in this order; store/store.c.
POINTS = ["sink_begin", "sink_fence", "sink_savepoint", "sink_tag_event", "sink_stage_event",
          "sink_customer_tag", "sink_customer_stage", "sink_alert", "sink_offset", "sink_commit",
          "sink_committed"]


@pytest.fixture
def setup(tmp_path, kafka, postgres):
    """Three event topics, a migrated schema, small batches so that there are many."""
    s = chatmill.Setup(tmp_path, kafka, postgres, sink={"batch_rows": 500, "batch_ms": 50})
    for topic in TOPIC.values():
        kafka.create_topic(s.topic[topic], PARTITIONS)
    chatmill.run("db", "migrate", "-c", s.file, check=0)
    return s


def send(setup, events, **settings):
    """Puts events on their topics, in order."""
    topics = {}
    for e in events:
        topics.setdefault(setup.topic[TOPIC[e["kind"]]], []).append(record(e))
    for topic, records in topics.items():
        setup.kafka.produce(topic, records, **settings)


def generate(seed, count, poison_every=0):
    rng = random.Random(seed)
    events, oracle = [], Oracle()
    for e in Generator(seed).events(count):
        if poison_every and rng.randrange(poison_every) == 0:
            names = [n for n in POISONS if n != "cause of another type" or e["kind"] != "alert"]
            poison(e, rng.choice([n for n in names if n != "time out of range" or e["kind"] != "alert"]))
        events.append(e)
        oracle.take(e)
    return events, oracle


def caught_up(setup):
    ends = {(t, p): end for t in TOPIC.values()
            for p, end in setup.kafka.high_watermarks(setup.topic[t]).items()}
    rows = setup.postgres.sql("SELECT topic::text, partition, next_offset FROM chatmill.sink_offset")
    have = {(t, p): n for t, p, n in rows}
    return all(have.get((setup.topic[t], p), -1) >= end for (t, p), end in ends.items() if end)


def wait_through(setup, *sinks, timeout_s=90):
    chatmill.wait_alive(lambda: caught_up(setup), sinks, timeout_s, "end of the events")


def check(setup, oracle):
    problems = differences(oracle.expected(), tables(setup.postgres))
    assert not problems, "\n".join(problems)


def check_rejects(setup, events):
    """sink_reject holds the poison, all of it and nothing else, each with its SQLSTATE."""
    want = sorted((record(e)["value"], POISONS[e["poison"]][1]) for e in events if e["poison"])
    have = sorted((bytes(v), s) for v, s in
                  setup.postgres.sql("SELECT value, sqlstate FROM chatmill.sink_reject"))
    assert have == want


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
    """Killed at every place a batch passes, in the first batch and later."""
    events, oracle = generate(4, 3000)
    send(setup, events)
    deaths = 0
    for n in (1, 3):
        for point in POINTS:
            sink = setup.start("sink", CHATMILL_FAULT=f"{point}:{n}")
            processes.append(sink)

            def over():
                return not sink.running() or caught_up(setup)
            proc.wait_for(over, 60, f"end at {point}")
            if not sink.running():
                assert sink.p.returncode == 137, sink.log()[-2000:]
                deaths += 1
            sink.kill()
    assert deaths >= len(POINTS)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)


def test_kill_9_while_events_flow(setup, processes, request):
    kills = 40 if request.config.getoption("-m") == "long" else 8
    events, oracle = generate(5, 6000)
    rng = random.Random(5)
    slices = [events[i::6] for i in range(6)]
    slices = [events[i * 1000:(i + 1) * 1000] for i in range(6)]
    feeder = threading.Thread(target=lambda: [(send(setup, s), time.sleep(0.4)) for s in slices])
    feeder.start()
    for _ in range(kills):
        sink = setup.start("sink")
        processes.append(sink)
        time.sleep(rng.uniform(0.2, 1.2))
        sink.kill()
    feeder.join()
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)


def test_two_sinks_share_and_one_is_frozen(setup, processes):
    """Two sinks divide the partitions; one is stopped long enough to lose its own, then goes on."""
    events, oracle = generate(6, 5000)
    first, second = setup.start("sink"), setup.start("sink")
    processes += [first, second]
    send(setup, events[:2000])
    wait_through(setup, first, second)
    proc_id = first.p.pid
    import os
    os.kill(proc_id, signal.SIGSTOP)
    send(setup, events[2000:4000])
    wait_through(setup, second, timeout_s=60)
    os.kill(proc_id, signal.SIGCONT)
    send(setup, events[4000:])
    wait_through(setup, second)
    check(setup, oracle)
    owners = setup.postgres.sql("SELECT min(epoch), max(epoch) FROM chatmill.sink_offset")
    assert owners[0][1] >= 2


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
    done = threading.Event()

    def terminate():
        c = psycopg2.connect(setup.postgres.dsn("postgres"))
        c.autocommit = True
        while not done.wait(0.1):
            c.cursor().execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE datname = 'chatmill' AND application_name = 'chatmill'")
        c.close()
    thread = threading.Thread(target=terminate)
    thread.start()
    try:
        for i in range(0, 6000, 500):
            send(setup, events[i:i + 500])
            time.sleep(0.2)
    finally:
        done.set()
        thread.join()
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
    setup.postgres.kill()
    send(setup, events[2000:])
    sink.wait_log("database_away", count=2)
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


def test_poison_is_set_aside(setup, processes):
    events, oracle = generate(11, 3000, poison_every=60)
    assert {e["poison"] for e in events} == {None, *POISONS}
    send(setup, events)
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink)
    check(setup, oracle)
    check_rejects(setup, events)


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
    assert sink.p.wait(60) == 65, sink.log()[-2000:]
    assert setup.postgres.sql("SELECT count(*) FROM chatmill.customer_stage") == [(0,)]


def test_stops_for_what_a_person_must_mend(setup, processes):
    send(setup, generate(14, 100)[0])

    def ends_with(status, text, **env):
        sink = setup.start("sink", **env)
        processes.append(sink)
        assert sink.p.wait(30) == status, sink.log()[-2000:]
        assert text in sink.log()

    sql = setup.postgres.sql
    ends_with(77, "42501", CHATMILL_POSTGRES__USER="chatmill_reader_login") \
        if sql("CREATE ROLE chatmill_reader_login LOGIN IN ROLE chatmill_reader") is None else None
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
