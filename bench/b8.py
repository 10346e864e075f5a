# b8.py - B8: how long a start takes, with many words, and after kill -9 with many customers.
# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import time
import urllib.request

import measure
import onkafka
from b4 import Rows
from b7 import populate
from context import TAGS
from support import chatmill, proc

TITLE = "start and restart"
WORDS = 100_000
SCAN_COLD, SCAN_WARM = "scan to its first message, cold", "scan to its first message, from the cache"
RUN_COLD, RUN_WARM = "run to its first commit, cold", "run to its first commit, from the cache"
STREAMS = "Kafka Streams"
OURS, LIMIT = "chatmill run", "reading the changelog only"
SNAPSHOT = "chatmill run with snapshots, kill -9 to caught up"


def first_commit(started):
    """Seconds since it was started until something of the archive is committed."""
    begin, progress = time.monotonic(), started.progress()
    proc.wait_for(lambda: progress.total() > 0, 180, "first commit", 0.005)
    took = time.monotonic() - begin
    progress.close()
    return took


def starts(bench, kafka, rules):
    archive = bench.archive(2000)
    source = onkafka.Input(bench, kafka, rules, archive)
    rows, cache = Rows(), bench.folder / "cache"
    scan = [chatmill.binary(), "scan", "--rules", rules, "--cache", cache, "--limit", 1, archive]
    for _ in bench.turns(table=2, seconds=100):
        for folder in (cache, source.state_dir):
            shutil.rmtree(folder, ignore_errors=True)
        for name in (SCAN_COLD, SCAN_WARM):
            with open("/dev/null", "wb") as null:
                rows.add(name, {"seconds": measure.timed(scan, stdout=null)[0]})
        for name in (RUN_COLD, RUN_WARM):
            ran = onkafka.start_run(source)
            rows.add(name, {"seconds": first_commit(ran)})
            ran.end()
        if bench.has("streams"):
            peer = onkafka.start_peer(source, "streams")
            rows.add(f"{STREAMS} to its first commit", {"seconds": first_commit(peer)})
            peer.end()
    return rows.table()


def few_customers(bench):
    """As many messages as fill the client's queues, of 2,000 customers."""
    return bench.archive(bench.size(200_000), words=bench.own_words(), hit_rate=0.1)


class Million:
    """A pipeline that knows many customers and many words, with the memory it takes: B8 and B9."""

    def __init__(self, bench):
        self.bench, self.kafka = bench, bench.kafka()
        self.customers = bench.size(1_000_000, table=1_000_000, quick=100_000)
        own = bench.own_words()
        more, _ = bench.pick(min(WORDS, max(1000, self.customers)))
        self.words = own + [w for w in more if w not in set(own)]
        self.rules = bench.rules(self.words, TAGS)
        stream = bench.stream(customers=self.customers, words=own, hit_rate=0.1)
        self.source = onkafka.Input(bench, self.kafka, self.rules)
        self.tail = bench.folder / "tail.jsonl"
        self.memory = Rows()
        self.port = proc.free_ports(1)[0]
        self.started = {OURS: onkafka.start_run(self.source, **{"http": {"listen": f"127.0.0.1:{self.port}"}})}
        if bench.has("streams"):
            self.started[STREAMS] = onkafka.start_peer(self.source, "streams", state=True)
        self.source.load(few_customers(bench))
        self.weigh("100,000 words, 2,000 customers")
        self.source.load(populate(bench, stream, own[0]))
        self.weigh(f"100,000 words, {self.customers:,} customers")
        self.state_mb = self.metric("chatmill_state_bytes") / 1e6
        log = (self.started[OURS].setup.folder / "run0.log").read_text()
        self.words_mb = int(re.findall(r'rules_compiled.*bytes"?[:=](\d+)', log)[-1]) / 1e6
        with open(self.tail, "wb") as f:
            f.writelines(row + b"\n" for row in stream.rows(20_000))

    def metric(self, name):
        """Sum of what run's own port tells of it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines()
                       if line.startswith((name + "{", name + " ")))

    def weigh(self, what):
        for started in self.started.values():
            started.catch_up(600)
        figures = measure.memory_mb([started.p.pid for started in self.started.values()])
        for name, figure in zip(self.started, figures):
            self.memory.add(f"{name}: {what}", figure)

    def again(self, name):
        """kill -9, more messages, start; (seconds until all is committed)."""
        old = self.started[name]
        proc.kill9(old.p)
        self.source.load(self.tail)
        begin = time.monotonic()
        if name == OURS:
            new = onkafka.start_run(self.source, old.setup)
        else:
            new = onkafka.start_peer(self.source, "streams", state=True, again=old.again)
        self.started[name] = new
        new.catch_up(600)
        return time.monotonic() - begin

    def with_snapshots(self):
        """The same pipeline, its state on disk: kill -9 after every partition has a snapshot."""
        old = self.started[OURS]
        old.end()
        setup = old.setup
        state = {"dir": str(self.source.state_dir), "snapshot_interval": "2s"}
        setup.file = setup.write("snapshots.yaml", workers=onkafka.WORKERS, state=state)
        new = onkafka.start_run(self.source, setup)
        self.started[OURS] = new
        new.catch_up(600)
        folder = self.source.state_dir / "snapshots"
        proc.wait_for(lambda: len(list(folder.glob(f"{setup.name}-*.snapshot"))) == self.source.partitions, 120,
                      "snapshots of all partitions", 0.2)

    def changelog(self, name):
        return self.started[name].state if name == OURS else \
            next(t for t in self.kafka.topics() if t.startswith(self.started[name].group) and "changelog" in t)

    def stop(self):
        for started in self.started.values():
            started.end()
        self.kafka.stop()


def restarts(bench, million):
    rows = Rows()
    for i in bench.turns(table=2, seconds=85):
        for name in million.started:
            rows.add(f"{name}, kill -9 to caught up", {"seconds": million.again(name)})
            read = onkafka.drain(bench, million.kafka, million.changelog(name))
            rows.add(f"{name}: {LIMIT}", {"seconds": read["seconds"], "mb": read["bytes"] / 1e6})
        bench.say(f"B8 restart, round {i + 1}: " + ", ".join(
            f"{n} {r['seconds'][-1]:.1f} s" for n, r in rows.rows.items()))
    million.with_snapshots()
    for _ in bench.turns(table=2, seconds=30):
        rows.add(SNAPSHOT, {"seconds": million.again(OURS)})
    log = million.started[OURS].setup.folder
    if not any("snapshot_used" in f.read_text() for f in log.glob("run*.log")):
        rows.refuse(SNAPSHOT, "no snapshot was used")
    return rows.table()


def scenario(bench):
    if not bench.million:
        bench.million = Million(bench)
    million = bench.million
    start_rows = starts(bench, million.kafka, million.rules)
    restart_rows = restarts(bench, million)
    tables = [{"name": f"start with {len(million.words):,} words", "measures": [["seconds", "s", 2]], "rows": start_rows},
              {"name": f"after kill -9, {million.customers:,} customers with state", "ratio": "seconds",
               "measures": [["seconds", "s", 2], ["mb", "MB of keys and values", 0]],
               "limit": f"{OURS}: {LIMIT}", "ours": f"{OURS}, kill -9 to caught up", "rows": restart_rows}]
    targets = [{"what": "scan to its first message, from the cache, s", "table": 0, "measure": "seconds",
                "row": SCAN_WARM, "most": 0.1},
               {"what": "scan to its first message, cold, s", "table": 0, "measure": "seconds", "row": SCAN_COLD,
                "most": 10}]
    if STREAMS in million.started:
        targets.append({"what": "caught up, run / Kafka Streams", "table": 1, "measure": "seconds",
                        "row": f"{OURS}, kill -9 to caught up", "base": f"{STREAMS}, kill -9 to caught up",
                        "most": 0.333})
    return {"tables": tables, "targets": targets,
            "pictures": [{"file": "b8-restart", "kind": "bars", "title": "B8: seconds from kill -9 to caught up",
                          "measure": "seconds", "tables": [1]}],
            "about": ["A run's way to its first commit holds the group's join (1.5 s on this broker, so that members "
                      "join at once) and a transaction of 100 ms. After kill -9 there are 20,000 messages more to work "
                      "off; both come back under the name they had, so that nobody waits for a session to time out. "
                      "Kafka Streams keeps its state in memory too and restores it from its changelog (without a store "
                      "on disk it has a new transactional id after each start, so that what the dead one left open "
                      "waits for its 10 s); of a customer "
                      "it keeps a count and one message. Without snapshots: within "
                      "state.snapshot_interval of the first start; with them: at any time later."]}
