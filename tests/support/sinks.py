# sinks.py - what the tests of `chatmill sink` share: topics with known events, and the oracle's word.
# SPDX-License-Identifier: Apache-2.0
#
# Events are written by tests/support/events.py, which also works out what the tables must hold.
import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from support import chatmill, proc
from support.events import (POISONS, TOPIC, Generator, Oracle, differences, poison, poisons_of, record,
                            tables)

PARTITIONS = 3
# Where a sink passes in each batch, in this order; src/store.
POINTS = ["sink_begin", "sink_fence", "sink_savepoint", "sink_tag_event", "sink_stage_event",
          "sink_customer_tag", "sink_customer_staff", "sink_customer_stage", "sink_alert",
          "sink_stage_day", "sink_offset", "sink_commit",
          "sink_committed"]


def set_up(folder, kafka, server, rows=500, **postgres):
    """Three event topics, a migrated schema, small batches so that there are many. The sink has no
    more rights than in production; `postgres` are further keys of its connection."""
    s = chatmill.Setup(folder, kafka, server, sink={"batch_rows": rows, "batch_ms": 50})
    for topic in TOPIC.values():
        kafka.create_topic(s.topic[topic], PARTITIONS)
    chatmill.run("db", "migrate", "-c", s.file, check=0)
    s.more["postgres"] = {**server.keys("chatmill_sink"), **postgres}
    s.file = s.write("chatmill.yaml")
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
            poison(e, rng.choice(poisons_of(e["kind"])))
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


def die_at(setup, processes, points, batches):
    """Killed at every place a batch passes, in these batches; how often it was."""
    deaths = 0
    for n in batches:
        for point in points:
            sink = setup.start("sink", CHATMILL_FAULT=f"{point}:{n}")
            processes.append(sink)
            # How long a group takes to give partitions is not what is waited for here.
            proc.wait_for(lambda: not sink.running() or "sink_assigned" in sink.log(), 90,
                          f"partitions of the sink that dies at {point}")
            try:  # not everything is passed in every batch, and at last there are no more
                proc.wait_for(lambda: not sink.running(), 20, f"end at {point}", 0.02)
            except proc.Timeout:
                pass
            if not sink.running():
                assert sink.p.returncode == 137, sink.log()[-2000:]
                deaths += 1
            sink.kill()
    return deaths


def rows_written(setup):
    """How many records the sinks are through with."""
    return setup.postgres.sql("SELECT coalesce(sum(greatest(next_offset, 0)), 0)::int FROM chatmill.sink_offset")[0][0]


def kill_at_random(setup, processes, events, kills, seed):
    """kill -9 after random times while the events come in: of the start, and each second time of the work."""
    rng = random.Random(seed)
    size = -(-len(events) // kills)
    with ThreadPoolExecutor(1) as feeder:
        for n in range(kills):
            before = rows_written(setup)
            coming = feeder.submit(send, setup, events[n * size:(n + 1) * size])
            sink = setup.start("sink")
            processes.append(sink)
            if n % 2:
                chatmill.wait_alive(lambda: rows_written(setup) > before, [sink], 90, "first batch of this sink")
                time.sleep(rng.uniform(0, 0.3))
            else:
                time.sleep(rng.uniform(0.2, 1.2))
            sink.kill()
            coming.result()


def finish(setup, processes, oracle, timeout_s=90):
    sink = setup.start("sink")
    processes.append(sink)
    wait_through(setup, sink, timeout_s=timeout_s)
    check(setup, oracle)


@contextlib.contextmanager
def terminating(setup):
    """Ends every connection of the sinks ten times a second; there must have been some."""
    done = threading.Event()

    def terminate():
        ended, c = 0, psycopg2.connect(setup.postgres.dsn("postgres"))
        c.autocommit = True
        with c.cursor() as cursor:
            while not done.wait(0.1):
                cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE datname = 'chatmill' AND application_name = 'chatmill'")
                ended += cursor.rowcount
        c.close()
        return ended
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(terminate)
        try:
            yield
        finally:
            done.set()
        assert ended.result() > 0, "no connection was ended"
