# test_swarm.py - one to three to one processes that are killed, frozen and robbed of their broker.
# SPDX-License-Identifier: Apache-2.0
#
# What is on the topics afterwards is what `scan` says, the state is that of a calm run over the same
# archive, and Kafka's own tool finds no transaction left open. Snapshots are written and used all the
# while. CHATMILL_SEED repeats a run's choices.
import collections
import json
import os
import random
import signal
import time

import pytest

from support import audit, chatmill, proc
from support.kafka import Cluster
from support.load import Feeder, publish, records, seed_of_today, write_input, write_rules

PARTITIONS = 8
SESSION_S = 10  # and transaction.timeout.ms too
OVER_S = SESSION_S + 3


@pytest.fixture
def own_kafka():
    """A broker that may be killed."""
    cluster = Cluster().start()
    yield cluster
    cluster.stop()


class Swarm:
    def __init__(self, setup, seed):
        self.setup, self.rng = setup, random.Random(seed)
        self.runs, self.all, self.counts = [], [], collections.Counter()

    def grow(self, size):
        while len(self.runs) < size:
            self.runs.append(self.setup.start("run"))
            self.all.append(self.runs[-1])
        while len(self.runs) > size:
            p = self.runs.pop(self.rng.randrange(len(self.runs)))
            p.wait_log('"event"', 60)  # before main() runs, SIGTERM is not ours to answer
            assert p.terminate() == 0, p.log()[-3000:]
            self.counts["ended by SIGTERM"] += 1

    def mend(self):
        """Starts anew who ended; none but a frozen one may, and only because it was replaced."""
        for i, p in enumerate(self.runs):
            if not p.running():
                assert p.p.returncode == 75, f"ended by itself with {p.p.returncode}:\n{p.log()[-3000:]}"
                self.counts["ended as replaced"] += 1
                self.runs[i] = self.setup.start("run")
                self.all.append(self.runs[i])

    def kill(self):
        i = self.rng.randrange(len(self.runs))
        if self.rng.random() < 0.85:
            try:
                self.runs[i].wait_log('"assigned"', 30)
            except proc.Timeout:
                pass  # the others may have all partitions
        time.sleep(self.rng.uniform(0.1, 1.2))
        self.runs[i].kill()
        self.counts["killed"] += 1
        self.runs[i] = self.setup.start("run")
        self.all.append(self.runs[i])

    def freeze(self, with_transaction):
        """SIGSTOP for longer than session and transaction may last, then SIGCONT."""
        p = self.rng.choice(self.runs)
        p.wait_log('"started"', 30)
        for _ in range(60):
            os.kill(p.p.pid, signal.SIGSTOP)
            if not with_transaction or self.holds_open():
                break
            os.kill(p.p.pid, signal.SIGCONT)
            time.sleep(self.rng.uniform(0.02, 0.1))
        else:
            os.kill(p.p.pid, signal.SIGSTOP)
        time.sleep(OVER_S)
        os.kill(p.p.pid, signal.SIGCONT)
        self.counts["frozen"] += 1

    def holds_open(self):
        """Whether a transaction stays open while its process is frozen."""
        t = self.setup.topic["tags"]
        return bool(self.setup.kafka.open_transactions(t)) and (
            time.sleep(0.3), bool(self.setup.kafka.open_transactions(t)))[1]

    def rob(self):
        """The broker dies and comes back after a while."""
        self.setup.kafka.kill()
        time.sleep(self.rng.uniform(0.5, 6))
        self.setup.kafka.restart()
        self.counts["broker killed"] += 1

    def end(self):
        for p in self.all:
            if p.running():
                os.kill(p.p.pid, signal.SIGCONT)
            p.kill()


def exported(setup):
    """All state, without the lineages and the lines' order. A position must stand right behind a record,
    and is told by how many are before it: what ends a transaction (of `rules publish`) takes a place,
    too, which a broker may write twice."""
    lines = [json.loads(x) for x in chatmill.run("state", "export", "-c", setup.file, check=0,
                                                 timeout_s=300).stdout.splitlines()]
    counts, behind = collections.Counter(), {}
    for r in setup.kafka.read(setup.topic["archive"]):
        counts[r.partition] += 1
        behind[r.partition, r.offset + 1] = counts[r.partition]
    for d in lines[1:]:
        if "next_offset" in d:
            d["records"] = behind[d["partition"], d.pop("next_offset")]
    return sorted(json.dumps(d, sort_keys=True) for d in lines[1:])


def torment(setup, seed, count, kills, freezes, robberies):
    rules = write_rules(setup)
    publish(setup, rules)
    rows, path = write_input(setup.folder, count, seed)
    swarm = Swarm(setup, seed)
    swarm.grow(1)
    swarm.runs[0].wait_log('"assigned"', 60)
    feeder = Feeder(setup, records(rows), rate=count / (4.0 * kills + 20 * freezes + 15 * robberies + 10))
    feeder.start()
    # One process, three, one again; kills in all thirds, the rest while there are three.
    deeds = [("kill",)] * kills
    for i in range(freezes):
        deeds.insert(kills // 4 + i * (kills // 2) // max(freezes, 1), ("freeze", i % 2 == 0))
    for i in range(robberies):
        deeds.insert(len(deeds) // 3 + i * len(deeds) // 4, ("rob",))
    try:
        for i, (deed, *how) in enumerate(deeds):
            swarm.grow(3 if len(deeds) // 4 <= i < 3 * len(deeds) // 4 else 1)
            swarm.mend()
            getattr(swarm, deed)(*how)
        unfinished = feeder.is_alive()
        feeder.fast.set()
        feeder.join(180)
        assert not feeder.failure, feeder.failure
        swarm.mend()
        setup.wait_run(*swarm.runs, timeout_s=240)
        swarm.grow(0)
    finally:
        swarm.end()
    log = "".join(p.log() for p in swarm.all)
    swarm.counts["snapshots written"] = log.count('"snapshot_written"')
    swarm.counts["snapshots used"] = log.count('"snapshot_used"')
    swarm.counts["snapshots refused"] = log.count('"snapshot_unused"')
    report = [f"seed {seed}: {len(rows)} messages, input {'still' if unfinished else 'no longer'} coming at "
              f"the last deed; " + ", ".join(f"{k} {v}" for k, v in sorted(swarm.counts.items()))]
    return rules, rows, path, report, swarm.counts


def calm_state(setup, rows, rules, kafka):
    (setup.folder / "calm").mkdir()
    calm = chatmill.Setup(setup.folder / "calm", kafka, partitions=PARTITIONS, name=setup.name + "c").apply()
    publish(calm, rules)
    kafka.produce(calm.topic["archive"], records(rows))
    run = calm.start("run")
    try:
        calm.wait_run(run, timeout_s=120)
        assert run.terminate() == 0, run.log()[-3000:]
    finally:
        run.kill()
    return exported(calm)


def swarm_test(tmp_path, kafka, capsys, count, kills, freezes, robberies):
    setup = chatmill.Setup(tmp_path, kafka, partitions=PARTITIONS,
                           state={"dir": str(tmp_path / "state"), "snapshot_interval": "1s"}).send_early().apply()
    rules, rows, path, report, counts = torment(setup, seed_of_today(), count, kills, freezes, robberies)
    topics = [setup.topic[k] for k in ("tags", "stages", "alerts", "deadletter")]
    kafka.settle(topics + [f"chatmill.{setup.name}.state"])
    proc.wait_for(lambda: "Ongoing" not in kafka.transactions().values(), 60, "end of all transactions", 1)
    assert not kafka.hanging_transactions()
    differences = audit.compare(setup, rules, path, tmp_path)
    want, got = calm_state(setup, rows, rules, kafka), exported(setup)
    differences.append(audit.Difference("lines of state", want, got))
    report += [str(d) for d in differences]
    with capsys.disabled():
        print("\n" + "\n".join(report))
    assert differences[0].total > count / 100 and len(want) > 100, "too few to prove anything"
    assert counts["snapshots used"] > kills / 4, report[0]
    assert not any(differences), "\n".join(report)


@pytest.mark.long
def test_one_three_one_under_fire(tmp_path, own_kafka, capsys):
    swarm_test(tmp_path, own_kafka, capsys, 150_000, kills=50, freezes=6, robberies=3)
