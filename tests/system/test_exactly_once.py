# test_exactly_once.py - kill -9 at random moments, then count: nothing lost, nothing doubled.
# SPDX-License-Identifier: Apache-2.0
#
# Two `run` processes (two workers each) and one `sink` work on a throttled input while a hangman
# kills them. What stands on the topics and in the tables at the end must be, as multisets, what
# `scan --partitions` says of the same file. CHATMILL_SEED repeats a run's choices.
import os
import random
import signal
import time

import pytest

from support import audit, chatmill, make_sample
from support.load import Feeder, seed_of_today, write_input, write_rules

PARTITIONS = 8


class Stability:
    """Ends and last stable offsets of the output partitions, asked on two connections kept open: a
    look takes some 0.1 s. The broker stays up in this test."""

    def __init__(self, setup):
        from confluent_kafka import Consumer, TopicPartition
        self.parts = [TopicPartition(setup.topic[k], p) for k in ("tags", "stages", "alerts")
                      for p in range(PARTITIONS)]
        self.consumers = [Consumer({"bootstrap.servers": setup.kafka.bootstrap, "group.id": "stability",
                                    "isolation.level": level, "log_level": 0})
                          for level in ("read_committed", "read_uncommitted")]

    def look(self, which):
        ask = self.consumers[which].get_watermark_offsets
        return [ask(p, timeout=20)[1] for p in self.parts]

    def dead_transaction(self):
        """Whether a dead process left a transaction open: on some partition the last stable offset
        stands still before the end, while the living move theirs on every 100 ms. Each partition has
        one writer, as topics are partitioned alike."""
        first, ends = self.look(0), self.look(1)
        time.sleep(0.3)
        return any(a == b < end for a, b, end in zip(first, self.look(0), ends))

    def close(self):
        for c in self.consumers:
            c.close()


class Hangman:
    def __init__(self, setup, seed):
        self.setup, self.rng, self.stability = setup, random.Random(seed), Stability(setup)
        self.runs = [setup.start("run"), setup.start("run")]
        self.sink = setup.start("sink")
        self.run_kills = self.sink_kills = self.found_open = self.rebalances = 0

    def kill_run(self, stay_away_s=0.0, aimed=False):
        """At a random moment: mostly of its work, now and then of its start. `aimed`: where random moments
        found too few open transactions, at one (of twenty) at which the process, frozen, has one open."""
        which = self.rng.randrange(2)
        if aimed or self.rng.random() < 0.85:
            self.runs[which].wait_log('"assigned"', 60)
        time.sleep(self.rng.uniform(0.1, 1.5))
        for _ in range(20 if aimed else 0):
            os.kill(self.runs[which].p.pid, signal.SIGSTOP)
            if self.stability.dead_transaction():
                break
            os.kill(self.runs[which].p.pid, signal.SIGCONT)
            time.sleep(self.rng.uniform(0.0, 0.2))
        self.runs[which].kill()
        self.run_kills += 1
        self.found_open += self.stability.dead_transaction()
        if stay_away_s:
            time.sleep(stay_away_s)
            self.rebalances += 1
        self.runs[which] = self.setup.start("run")

    def kill_sink(self):
        self.sink.kill()
        self.sink_kills += 1
        self.sink = self.setup.start("sink")

    def all(self):
        return self.runs + [self.sink]


def exactly_once(setup, seed, count, run_kills, sink_kills, found_open, away):
    """`away`: at so many of the kills the process stays away longer than its session lasts."""
    rules = write_rules(setup)
    rows, path = write_input(setup.folder, count, seed)
    records = [dict(key=audit.key(row), value=row, timestamp=make_sample.START_MS) for row in rows]
    setup.publish(rules)

    hangman = Hangman(setup, seed)
    # Half of it in the time that the kills are expected to take; however long they do, work is in progress.
    feeder = Feeder(setup, records, rate=len(records) / (5.0 * run_kills + 12 * away + 10))
    feeder.start()
    try:
        while (hangman.run_kills < run_kills or hangman.sink_kills < sink_kills
               or (hangman.found_open < found_open and hangman.run_kills < 2 * run_kills)):
            for p in hangman.all():
                assert p.running(), f"{p.args[0]} ended by itself with {p.p.returncode}:\n{p.log()[-3000:]}"
            if hangman.sink_kills < sink_kills and hangman.rng.random() < 0.5:
                hangman.kill_sink()
            if hangman.run_kills < run_kills or hangman.found_open < found_open:
                hangman.kill_run(12 if hangman.rebalances < away and hangman.run_kills % 5 == 2 else 0,
                                 aimed=hangman.run_kills >= run_kills)
        unfinished = feeder.is_alive()
        feeder.fast.set()
        feeder.join(120)
        assert not feeder.failure, feeder.failure
        setup.wait_run(*hangman.runs, timeout_s=180)
        setup.kafka.settle([setup.topic[k] for k in ("tags", "stages", "alerts", "deadletter")])
        setup.wait_sink(hangman.sink, timeout_s=120)
        for p in hangman.all():
            assert p.terminate() == 0, p.log()[-3000:]
    finally:
        hangman.stability.close()
        for p in hangman.all():
            p.kill()

    differences = audit.compare(setup, rules, path, setup.folder)
    report = [f"seed {seed}: {len(rows)} messages; run killed {hangman.run_kills} times, "
              f"{hangman.found_open} with a transaction open; sink killed {hangman.sink_kills} times; "
              f"{hangman.rebalances} sessions expired; input {'still' if unfinished else 'no longer'} "
              "coming at the last kill"] + [str(d) for d in differences]
    # A second judge, which shares no line with the first.
    judged = chatmill.run("verify", "-c", setup.file, timeout_s=900)
    report += [f"verify: {line}" for line in (judged.stdout + judged.stderr).decode().splitlines()[:20]]
    assert hangman.found_open >= found_open, report[0]
    assert sum(d.total for d in differences[:1]) > count / 100, "too few events to prove anything"
    return report, any(differences) or judged.returncode != 0


@pytest.fixture
def setup(tmp_path, kafka, postgres):
    made = chatmill.Setup(tmp_path, kafka, postgres, partitions=PARTITIONS,
                          state={"dir": str(tmp_path / "state"), "snapshot_interval": "1s"})
    made.send_early().apply()
    chatmill.run("db", "migrate", "-c", made.file, check=0)
    return made


def show(capsys, report):
    with capsys.disabled():
        print("\n" + "\n".join(report))


def test_small(setup, capsys):
    report, different = exactly_once(setup, seed_of_today(), 40_000, run_kills=6, sink_kills=3, found_open=3,
                                     away=0)
    show(capsys, report)
    assert not different, "\n".join(report)


@pytest.mark.long
def test_full_size(setup, capsys):
    report, different = exactly_once(setup, seed_of_today(), 200_000, run_kills=30, sink_kills=15,
                                     found_open=25, away=3)
    show(capsys, report)
    assert not different, "\n".join(report)
