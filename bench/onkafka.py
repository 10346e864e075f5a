# onkafka.py - everything that reads an archive topic and writes events: ours, the bare loop, peers.
# SPDX-License-Identifier: Apache-2.0
import json
import struct
import subprocess
from pathlib import Path

import measure
from support import chatmill, proc

HERE = Path(__file__).resolve().parent
PARTITIONS, WORKERS, COMMIT_MS = 8, 2, 100
EVENTS = ("tags", "stages", "alerts", "deadletter")
PAYLOADS = 12000


class Input:
    """An archive topic with a rule set in force and messages behind it."""

    def __init__(self, bench, kafka, rules, *files, partitions=PARTITIONS):
        self.bench, self.kafka, self.rules, self.partitions = bench, kafka, Path(rules), partitions
        name, folder = bench.new("input")
        self.setup = chatmill.Setup(folder, kafka, name=name, partitions=partitions).apply()
        self.publish(rules)
        self.topic = self.setup.topic["archive"]
        self.state_dir = folder / "state"  # shared, so that words are compiled once
        for file in files:
            self.load(file)

    def publish(self, rules):
        chatmill.run("rules", "publish", "-c", self.setup.file, "--lead", "0s", rules, check=0,
                     timeout_s=300)

    def load(self, file):
        chatmill.run("load", "-c", self.setup.file, file, check=0, timeout_s=600)

    def end(self):
        return sum(self.kafka.high_watermarks(self.topic).values())

    def words(self):
        return self.rules / "words.txt"


class Started:
    """A competitor that runs: its process, its consumer group, the topics it writes."""

    def __init__(self, source, p, group, out, state=None, setup=None):
        self.source, self.p, self.group, self.out, self.state, self.setup = source, p, group, out, state, setup

    def progress(self):
        return measure.Progress(self.source.kafka, self.group, self.source.topic)

    def steady(self, start_total=0):
        return measure.steady(self.p, self.progress(), self.source.end(), start_total)

    def catch_up(self, timeout_s=180):
        """Until all that stands on the topic now is committed."""
        measure.watch(self.p, self.progress(), self.source.end(), timeout_s)

    def end(self):
        status = proc.end(self.p, patience_s=60)
        if self.setup and status:
            raise SystemExit(f"run ended with {status}")


# ---- ours

def setup_of(source, name, folder, **changes):
    setup = chatmill.Setup(folder, source.kafka, name=name, partitions=source.partitions)
    setup.topic.update({k: source.setup.topic[k] for k in ("archive", "rulesets")})
    changes = {"workers": min(WORKERS, source.partitions), "state": {"dir": str(source.state_dir)}, **changes}
    setup.file = setup.write("chatmill.yaml", **changes)
    return setup.apply()


def start_run(source, setup=None, **changes):
    if setup is None:
        name, folder = source.bench.new("run")
        setup = setup_of(source, name, folder, **changes)
    p = setup.start("run")
    return Started(source, p.p, setup.name, [setup.topic[k] for k in EVENTS],
                   f"chatmill.{setup.name}.state", setup)


# ---- the bare loop

def drain(bench, kafka, topic):
    done = subprocess.run([bench.tool("drain"), kafka.bootstrap, topic], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def sample(kafka, topic, count):
    """About `count` records from the middle of each partition, as they follow one another."""
    from confluent_kafka import Consumer, TopicPartition
    ends = {p: high for p, high in kafka.high_watermarks(topic, committed=True).items() if high > 1}
    each = max(1, count // max(1, len(ends)))
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "sample", "log_level": 0,
                         "isolation.level": "read_committed", "enable.auto.commit": False})
    records = []
    for p, high in ends.items():
        start = max(0, (high - each) // 2)
        consumer.assign([TopicPartition(topic, p, start)])
        got = []
        while len(got) < min(each, high // 4):
            more = [m for m in consumer.consume(each, 2.0) if m.error() is None]
            if not more:
                break
            got += more
        records += got[:each]
    consumer.close()
    return records


def pack(data):
    return struct.pack("<I", len(data)) + data


def wrote_of(bench, ran):
    """How many events and changes of state, and their bytes; and what drain says of each topic."""
    drained = {t: drain(bench, ran.source.kafka, t) for t in [*ran.out, ran.state]}
    events = [d for t, d in drained.items() if t != ran.state]
    return {"events": sum(d["records"] for d in events), "event_bytes": sum(d["bytes"] for d in events),
            "changes": drained[ran.state]["records"], "change_bytes": drained[ran.state]["bytes"]}, drained


def write_payloads(bench, ran, messages):
    """What the bare loop writes instead of `ran`: (file, records for 1,000 messages, what it says).
    Records that `run` wrote, in the proportion in which it wrote events and changes of state."""
    kafka = ran.source.kafka
    wrote, drained = wrote_of(bench, ran)
    total = wrote["events"] + wrote["changes"]
    ordered = []
    for topic, d in drained.items():
        got = sample(kafka, topic, max(1, round(PAYLOADS * d["records"] / total))) if d["records"] else []
        ordered += [((i + 0.5) / len(got), topic != ran.state, m) for i, m in enumerate(got)]
    path = bench.folder / f"payloads{next(bench.numbers)}"
    with open(path, "wb") as f:
        for _, is_event, m in sorted(ordered, key=lambda x: x[0]):
            headers = m.headers() or []
            f.write(struct.pack("<I", len(headers) + 1 if is_event else 0))
            f.write(pack(m.key() or b"") + pack(m.value() or b""))
            for name, value in headers if is_event else []:
                f.write(pack(name.encode()) + pack(value or b""))
    return path, round(total * 1000 / messages), wrote


def start_bare(source, payloads, records, commit_ms=COMMIT_MS, transactions=True):
    name, folder = source.bench.new("bare")
    source.kafka.create_topic(name, source.partitions)
    source.kafka.create_topic(f"{name}.state", source.partitions)
    return _bare(source, name, folder, "--state", f"{name}.state", "--payloads", payloads,
                 "--records", records, "--commit-ms", commit_ms, "--transactions", int(transactions))


def start_echo(source, every, commit_ms=COMMIT_MS):
    """The bare loop that sends each so-manieth record on as it is."""
    name, folder = source.bench.new("echo")
    source.kafka.create_topic(name, source.partitions)
    return _bare(source, name, folder, "--echo", every, "--commit-ms", commit_ms)


def _bare(source, name, folder, *more):
    with open(folder / "log", "wb") as log:
        p = proc.spawn([source.bench.tool("bare"), "--brokers", source.kafka.bootstrap, "--topic",
                        source.topic, "--out", name, "--group", name, "--workers",
                        min(WORKERS, source.partitions), *more], stdout=log, stderr=log)
    return Started(source, p, name, [name])


# ---- peers

def start_peer(source, peer, commit_ms=COMMIT_MS, words=None, state=False, same=False, again=None):
    """`same`: it writes the records that run writes, state too (rust). `again`: (name, folder) of one
    that was killed."""
    bench, kafka = source.bench, source.kafka
    name, folder = again or bench.new(peer)
    if not again:
        kafka.create_topic(name, source.partitions)
    if same:
        kafka.create_topic(f"{name}.state", source.partitions)
    home = bench.peers(peer)
    common = [kafka.bootstrap, source.topic, name, name, min(WORKERS, source.partitions), commit_ms,
              words or source.words()]
    if peer == "rust":
        argv = [home / "rust", *common, *(["same"] if same else [])]
    elif peer == "python":
        argv = [home / "python/bin/python", HERE / "peers/python/peer.py", *common]
    else:
        argv = ["java", "-Xms256m", "-Xmx2g", "-cp", f"{home}/streams/classes:{home}/streams/libs/*",
                "peer.Peer", *common, folder / "state", *(["state"] if state else [])]
    with open(folder / "log", "ab") as log:
        p = proc.spawn(argv, stdout=log, stderr=log)
    started = Started(source, p, name, [name], f"{name}.state" if same else None)
    started.again = (name, folder)
    return started
