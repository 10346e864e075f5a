# test_siege.py - a million events against a sink and a database that are never left in peace.
# SPDX-License-Identifier: Apache-2.0
#
# Two sinks; one event in 1,000 is refused by PostgreSQL, in every way it knows (support/events.py).
# One after the other, while events wait: kill -9 before every statement, every connection ended ten
# times a second, PostgreSQL killed and stopped at once, two sinks that fight for the same
# partitions, a table locked. Then the tables must be the oracle's and sink_reject the poison.
import os
import signal
import time

import psycopg2
import pytest

from support import proc, sinks
from support.postgres import Postgres
from support.sinks import (POINTS, check, check_rejects, die_at, finish, generate, kill_at_random, rows_written,
                           send, terminating, wait_through)


@pytest.fixture
def own_postgres():
    server = Postgres(shared_buffers="256MB", max_wal_size="4GB").start()
    yield server
    server.stop()


def progress(setup, live, more, timeout_s=300):
    """Waits until so many further records are in the tables, or nearly all are."""
    start = rows_written(setup)

    def moved():
        assert all(s.running() for s in live), [s.log()[-2000:] for s in live if not s.running()]
        return rows_written(setup) >= start + more or sinks.caught_up(setup)
    proc.wait_for(moved, timeout_s, f"{more} further records in the tables", 0.2)


def pieces(events, count):
    size = (len(events) + count - 1) // count
    return [events[i:i + size] for i in range(0, len(events), size)]


def start_two(setup, processes):
    two = [setup.start("sink"), setup.start("sink")]
    processes += two
    return two


def frozen_for_long(setup, sink, other):
    """One sink is stopped until the group has given its partitions away, then wakes with a batch in hand."""
    os.kill(sink.p.pid, signal.SIGSTOP)
    assigned = other.log().count("sink_assigned")
    # A frozen client holds its locks until the server ends its transaction; here a person does.
    setup.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chatmill_sink' "
                       "AND state LIKE 'idle in transaction%'")
    proc.wait_for(lambda: other.log().count("sink_assigned") > assigned, 60, "partitions of the frozen sink")
    os.kill(sink.p.pid, signal.SIGCONT)


def held(setup, seconds):
    """A table is locked for so long; how long is what is tested."""
    c = psycopg2.connect(setup.postgres.dsn())
    c.cursor().execute("LOCK TABLE chatmill.customer_tag, chatmill.customer_stage IN ACCESS EXCLUSIVE MODE")
    time.sleep(seconds)
    c.rollback()
    c.close()


def siege(setup, processes, events, oracle, batches, rounds, lock_s):
    """Half of the events for the deaths, the rest in four parts. `batches`: in which a sink dies."""
    half, part = len(events) // 2, len(events) // 8
    parts = [events[i:i + part] for i in range(half, len(events), part)]
    said, begun = [], time.monotonic()

    def note(what):
        said.append(f"{what}: {rows_written(setup)} in the tables after {time.monotonic() - begun:.0f} s")
    send(setup, events[:half])
    deaths = die_at(setup, processes, POINTS + ["sink_reject"], batches)
    assert deaths >= len(POINTS) * len(batches) * 3 // 4, deaths
    note(f"{deaths} deaths at statements")

    send(setup, parts.pop(0))
    two = start_two(setup, processes)
    with terminating(setup):
        progress(setup, two, part // 5)
    note("connections ended")

    for i, some in enumerate(pieces(parts.pop(0), rounds)):  # stop without a checkpoint, or kill -9
        send(setup, some)
        if i % 2:
            setup.postgres.kill()
        else:
            setup.postgres.stop(signal.SIGQUIT)
        setup.postgres.restart()
        progress(setup, two, len(some))
    note(f"server stopped and started {rounds} times")

    # Each believes that it owns all: whoever writes in the name of an older epoch is refused.
    for some in pieces(parts.pop(0), rounds):
        setup.postgres.sql("UPDATE chatmill.sink_offset SET epoch = epoch + 1, owner = 'somebody else'")
        send(setup, some)
        progress(setup, two, len(some))
    if rounds > 1:
        frozen_for_long(setup, *two)
    note("fought")

    send(setup, parts.pop(0))
    held(setup, lock_s)
    note(f"locked for {lock_s} s")
    assert not any(parts) and all(s.running() for s in two)
    wait_through(setup, *two, timeout_s=1800)
    note("through")
    fenced = sum(s.log().count("sink_fenced") for s in two)
    assert [s.terminate() for s in two] == [0, 0]
    print(f"{len(events)} events, {sum(1 for e in events if e['poison'])} of them poison; fenced {fenced} times; "
          + "; ".join(said))
    assert fenced >= rounds
    check(setup, oracle)
    check_rejects(setup, events)


def test_a_small_siege(tmp_path, kafka, own_postgres, processes):
    setup = sinks.set_up(tmp_path, kafka, own_postgres, rows=200)
    events, oracle = generate(51, 12_000, poison_every=100)
    siege(setup, processes, events, oracle, [2], 1, 1)


@pytest.mark.long
def test_a_million_events_under_siege(tmp_path, kafka, own_postgres, processes):
    setup = sinks.set_up(tmp_path, kafka, own_postgres, rows=1000)
    events, oracle = generate(52, 1_000_000, poison_every=1000)
    siege(setup, processes, events, oracle, [1, 5, 20], 6, 60)


@pytest.mark.long
def test_kill_9_many_times(tmp_path, kafka, postgres, processes):
    setup = sinks.set_up(tmp_path, kafka, postgres)
    events, oracle = generate(18, 200_000)
    kill_at_random(setup, processes, events, 60, 18)
    finish(setup, processes, oracle, 600)


def slope(sizes):
    """KiB a step, by least squares."""
    n = len(sizes)
    mean_x, mean_y = (n - 1) / 2, sum(sizes) / n
    return sum((x - mean_x) * (y - mean_y) for x, y in enumerate(sizes)) / sum(
        (x - mean_x) ** 2 for x in range(n))


def without_database(setup, processes, seed, steps, step_s, step_events):
    """Events go on coming while PostgreSQL is away; memory stays flat, nothing is lost."""
    events, oracle = generate(seed, step_events * (steps + 1))
    sink = setup.start("sink")
    processes.append(sink)
    send(setup, events[:step_events])
    wait_through(setup, sink)
    setup.postgres.kill()
    sizes = []
    for i in range(1, steps + 1):
        end = time.monotonic() + step_s
        send(setup, events[i * step_events:(i + 1) * step_events])
        proc.wait_for(lambda: time.monotonic() >= end, step_s + 1, "end of the step", 0.1)
        assert sink.running(), sink.log()[-2000:]
        sizes.append(int(open(f"/proc/{sink.p.pid}/statm").read().split()[1]) * 4)
    # The first steps fill what is bounded: a batch, and a fetch of each partition.
    steady = sizes[steps // 4:]
    print(f"{steps * step_s} s away, {steps * step_events} events; resident KiB: {sizes[0]} … {steady[0]} … "
          f"{sizes[-1]}, slope {slope(steady):.1f} a step of {step_s} s")
    growth = slope(steady) * len(steady)
    assert growth < max(4096, steady[0] * 0.02), sizes
    start = time.monotonic()
    setup.postgres.restart()
    wait_through(setup, sink, timeout_s=600)
    print(f"caught up {time.monotonic() - start:.0f} s after the start of PostgreSQL")
    check(setup, oracle)


@pytest.mark.long
def test_ten_minutes_without_database(tmp_path, kafka, own_postgres, processes):
    without_database(sinks.set_up(tmp_path, kafka, own_postgres, rows=5000), processes, 19, 60, 10, 6000)
