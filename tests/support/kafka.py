#!/usr/bin/python3
# kafka.py - a real Apache Kafka for tests, the demo and the benchmark, without containers.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/support/kafka.py serve [--nodes 3]     prints the bootstrap address, runs until killed
#   tests/support/kafka.py fetch                 only downloads Kafka (Maven Central, 113 MB, once)
#
# The broker is the published jars on a JVM (KRaft, no ZooKeeper). The readers here are the Python
# client of Debian (python3-confluent-kafka): none of chatmill's own code, so that what chatmill
# wrote is judged by somebody else. The client library below it is the same librdkafka; kcat and
# Kafka's own Java tools (Cluster.tool) are there where that matters.
import argparse
import collections
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import proc  # noqa: E402

Record = collections.namedtuple("Record", "topic partition offset timestamp key value headers")

LOG4J = """\
log4j.rootLogger=INFO, file
log4j.appender.file=org.apache.log4j.RollingFileAppender
log4j.appender.file.File=%s
log4j.appender.file.MaxFileSize=20MB
log4j.appender.file.MaxBackupIndex=2
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%%d{ISO8601} %%p %%m (%%c)%%n
"""


def jars():
    """The folder with Kafka's jars; the first call downloads them, others wait for it."""
    pom = Path(__file__).resolve().parent / "kafka/pom.xml"
    libs = proc.cache() / "kafka-3.9.1"
    with open(proc.cache() / "kafka.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (libs / ".complete").exists():
            print("fetching Apache Kafka 3.9.1 with Maven (once, 113 MB)", file=sys.stderr)
            subprocess.run(["mvn", "-q", "-B", "-Dstyle.color=never", "-f", pom, f"-DoutputDirectory={libs}",
                            "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"],
                           check=True, stdout=sys.stderr)
            (libs / ".complete").touch()
    return libs


class Client:
    """Topics and records of any Kafka, by a client that is none of chatmill's code."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    replication = 1

    def admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0,
                            "socket.timeout.ms": 10000})

    def create_topic(self, name, partitions=1, replication=None, config=None):
        from confluent_kafka.admin import NewTopic
        topic = NewTopic(name, partitions, replication or self.replication, config=config or {})
        admin = self.admin()  # must outlive its futures
        for future in admin.create_topics([topic], operation_timeout=20).values():
            future.result()
        proc.wait_for(lambda: len(self.partitions(name)) == partitions, 60, f"topic {name}")

    def delete_topic(self, name):
        admin = self.admin()
        for future in admin.delete_topics([name], operation_timeout=20).values():
            future.result()

    def topics(self):
        return set(self.admin().list_topics(timeout=10).topics)

    def partitions(self, topic):
        meta = self.admin().list_topics(topic, timeout=10).topics[topic]
        return sorted(meta.partitions) if meta.error is None else []

    def produce(self, topic, records, **settings):
        """records: mappings with value and, if wanted, key, partition, timestamp, headers."""
        from confluent_kafka import Producer
        failed = []
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 20, "log_level": 0,
                             "message.max.bytes": 16 << 20, "enable.idempotence": True,
                             "queue.buffering.max.messages": 1000000,
                             "partitioner": "murmur2_random", **settings})
        for r in records:
            while True:
                try:
                    producer.produce(topic, on_delivery=lambda e, m: failed.append(e) if e else None,
                                     **r)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if producer.flush(60) or failed:
            raise RuntimeError(f"{topic}: could not deliver: {failed[:1]}")

    def produce_at(self, topic, partition, time_ms, key, value):
        """A record of any time: 0, or -1 for none, as old clients write. librdkafka would take the
        time of day instead, so this speaks the protocol: ProduceRequest version 2 with a message
        of magic 1 (kafka.apache.org/protocol, KIP-32). To the first broker, which must lead."""
        def data(value):
            return struct.pack(">i", len(value)) + value
        body = struct.pack(">bbq", 1, 0, time_ms) + data(key) + data(value)
        message = struct.pack(">qiI", 0, len(body) + 4, zlib.crc32(body)) + body
        request = (struct.pack(">hhihhiih", 0, 2, 1, -1, -1, 30000, 1, len(topic)) + topic.encode()
                   + struct.pack(">ii", 1, partition) + data(message))
        host, port = self.bootstrap.split(",")[0].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as s, s.makefile("rb") as answers:
            s.sendall(data(request))
            answer = answers.read(struct.unpack(">i", answers.read(4))[0])
        code = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)[0]
        if code:
            raise RuntimeError(f"{topic}: the broker answers with error {code}")

    def _consumer(self, committed):
        from confluent_kafka import Consumer
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"test-{os.getpid()}",
                         "enable.auto.commit": False, "auto.offset.reset": "earliest",
                         "enable.partition.eof": True, "log_level": 0, "check.crcs": True,
                         "isolation.level": "read_committed" if committed else "read_uncommitted",
                         "fetch.message.max.bytes": 16 << 20, "receive.message.max.bytes": 64 << 20,
                         # An end is told when a fetch waited for more in vain: soon.
                         "fetch.wait.max.ms": 20})

    def high_watermarks(self, topic, committed=False, timeout_s=60):
        """Partition → the offset after the last record; with `committed`, the last stable offset."""
        # Not by the client's watermark query: in librdkafka 2.0.2 it overruns its time-out without
        # end when a leader has died (fixed in 2.3.0, #4460). Reading from the end tells the same.
        from confluent_kafka import OFFSET_END
        return self._to_end(topic, committed, lambda p: OFFSET_END, timeout_s, lambda m: None)

    def open_transactions(self, topic):
        """Whether some partition holds records of a transaction that is still open: what stood there
        first is not stable afterwards. A transaction that was committed is open in this sense until
        its markers stand, some 50 ms after the word of its coordinator."""
        ends = self.high_watermarks(topic)
        stable = self.high_watermarks(topic, committed=True)
        return any(stable[p] < end for p, end in ends.items())

    def _to_end(self, topic, committed, start, timeout_s, take):
        """Reads each partition from start(p) until told that it has ended; returns where."""
        from confluent_kafka import KafkaError, TopicPartition
        consumer = self._consumer(committed)
        waiting, ends, said = set(self.partitions(topic)), {}, None
        try:
            consumer.assign([TopicPartition(topic, p, start(p)) for p in waiting])
            end = time.monotonic() + timeout_s
            while waiting:
                if time.monotonic() > end:
                    raise proc.Timeout(f"{topic}: partitions {sorted(waiting)} not read to the end "
                                       f"within {timeout_s} s; last error: {said}")
                for m in consumer.consume(2000, timeout=0.2):
                    if m.error() is None:
                        take(m)
                    elif m.error().code() == KafkaError._PARTITION_EOF:
                        waiting.discard(m.partition())
                        ends[m.partition()] = m.offset()
                    else:  # heals, or the time runs out: retriable() is set by producers only
                        said = m.error()
        finally:
            consumer.close()
        return dict(sorted(ends.items()))

    def read(self, topic, committed=True, start=None, timeout_s=120):
        """All records from the beginning (or from `start`, partition → offset) to the end as it is
        now: to the last stable offset with read_committed. Ordered by partition and offset."""
        out = []
        self._to_end(topic, committed, lambda p: (start or {}).get(p, 0), timeout_s,
                     lambda m: out.append(Record(topic, m.partition(), m.offset(), m.timestamp()[1],
                                                 m.key(), m.value(), m.headers() or [])))
        return sorted(out, key=lambda r: (r.partition, r.offset))

    def settle(self, topics, timeout_s=60):
        """Waits until no transaction is open on these topics."""
        for topic in topics:
            proc.wait_for(lambda: not self.open_transactions(topic), timeout_s,
                          f"end of the open transactions on {topic}", 0.2)

    def committed(self, group, topic, timeout_s=60):
        """Partition → offset that a consumer group has committed (0 if none)."""
        from confluent_kafka import Consumer, KafkaException, TopicPartition
        end = time.monotonic() + timeout_s
        while True:
            # read_uncommitted: otherwise the question waits for a moment without open transaction.
            consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group,
                                 "log_level": 0, "isolation.level": "read_uncommitted",
                                 "enable.auto.commit": False})
            try:
                asked = [TopicPartition(topic, p) for p in self.partitions(topic)]
                return {p.partition: max(0, p.offset) for p in consumer.committed(asked, timeout=20)}
            except KafkaException:  # the coordinator moves, or has just come back
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
            finally:
                consumer.close()

    def nothing_after(self, topic, position):
        """Whether no committed record stands at or behind these offsets (partition → offset).
        Markers of transactions take offsets too, so that a reader never gets to the watermark."""
        ends = self.high_watermarks(topic)
        behind = {p: position.get(p, 0) for p, end in ends.items() if position.get(p, 0) < end}
        if any(ends[p] - at > 1000 for p, at in behind.items()):
            return False
        return not behind or not self.read(topic, start={p: behind.get(p, ends[p]) for p in ends})


class Node:
    def __init__(self, cluster, number, port, controller_port):
        self.cluster, self.number = cluster, number
        self.port, self.controller_port = port, controller_port
        self.folder = cluster.folder / f"kafka-{number}"
        self.p = None

    def launch(self):
        heap = self.cluster.heap
        log = open(self.folder / "out.log", "ab")
        self.p = proc.spawn(["java", f"-Xmx{heap}", f"-Xms{heap}", "-XX:+UseG1GC",
                             "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
                             f"-Dlog4j.configuration=file:{self.folder}/log4j.properties",
                             "-cp", f"{jars()}/*", "kafka.Kafka", self.folder / "server.properties"],
                            cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def log(self):
        return "".join(f.read_text(errors="replace")
                       for f in (self.folder / "out.log", self.folder / "kafka.log") if f.exists())


class Cluster(Client):
    """`nodes` brokers that are also controllers, on loopback."""

    def __init__(self, nodes=1, folder=None, heap="512m", **properties):
        self.folder = Path(folder) if folder else proc.private_folder("kafka")
        self.count, self.heap, self.properties = nodes, heap, properties
        self.nodes, self.replication = [], min(3, nodes)

    @property
    def bootstrap(self):
        return ",".join(f"127.0.0.1:{n.port}" for n in self.nodes)

    # ---- life

    def start(self):
        for attempt in range(3):
            ports = proc.free_ports(2 * self.count)
            self.nodes = [Node(self, i + 1, ports[2 * i], ports[2 * i + 1])
                          for i in range(self.count)]
            self._format()
            for n in self.nodes:
                n.launch()
            try:
                self.wait_up()
                return self
            except proc.Timeout:
                self.stop()
                if attempt == 2:
                    raise
        return self

    def _format(self):
        replicas = self.replication
        voters = ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in self.nodes)
        for n in self.nodes:
            subprocess.run(["rm", "-rf", n.folder], check=True)
            n.folder.mkdir(parents=True)
            settings = {
                "process.roles": "broker,controller", "node.id": n.number,
                "controller.quorum.voters": voters,
                "listeners": f"PLAINTEXT://127.0.0.1:{n.port},CONTROLLER://127.0.0.1:{n.controller_port}",
                "controller.listener.names": "CONTROLLER",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "log.dirs": n.folder / "data",
                "offsets.topic.replication.factor": replicas, "offsets.topic.num.partitions": 4,
                "transaction.state.log.replication.factor": replicas,
                "transaction.state.log.min.isr": min(2, replicas),
                "transaction.state.log.num.partitions": 4,
                "min.insync.replicas": min(2, replicas),
                "group.initial.rebalance.delay.ms": 0,
                "auto.create.topics.enable": "false",
                # Records over chatmill's own limit (1 MiB) must get as far as chatmill.
                "message.max.bytes": 16 << 20,
                # A killed node may register again after 3 s instead of 9.
                "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,
                # Time stamps of a replay are old; nothing may be deleted for its age.
                "log.retention.ms": -1,
                **self.properties,
            }
            (n.folder / "server.properties").write_text(
                "".join(f"{k}={v}\n" for k, v in settings.items()))
            (n.folder / "log4j.properties").write_text(LOG4J % (n.folder / "kafka.log"))
        uuid = "Y2hhdG1pbGwtdGVzdC0wMQ"  # any 16 bytes in base64 without padding
        for n in self.nodes:
            self._java("kafka.tools.StorageTool", "format", "-t", uuid, "-c",
                       n.folder / "server.properties", node=n)

    def wait_up(self, timeout_s=60):
        """Until every broker that should run is in the metadata and a topic can be made."""
        from confluent_kafka import KafkaException
        want = [n for n in self.nodes if n.p]

        def up():
            for n in want:
                if n.p.poll() is not None:
                    raise proc.Timeout(f"Kafka node {n.number} ended: {n.log()[-2000:]}")
            if not all(proc.listening(n.port) for n in want):
                return False
            try:
                return len(self.admin().list_topics(timeout=2).brokers) >= len(want)
            except KafkaException:
                return False
        proc.wait_for(up, timeout_s, "answer from Kafka", 0.1)

    def stop(self):
        running = [n for n in self.nodes if n.p]
        # Test data is thrown away: no controlled shutdown, which takes seconds on three nodes.
        for n in running:
            proc.kill9(n.p)
            n.p = None

    def kill(self, number=1):
        """kill -9 of one node."""
        node = self.nodes[number - 1]
        proc.kill9(node.p)
        node.p = None

    def terminate(self, number=1):
        """An orderly end of one node."""
        node = self.nodes[number - 1]
        proc.end(node.p, signal.SIGTERM, 60)
        node.p = None

    def restart(self, number=1):
        """Starts a node again on the same port and data, after kill() or terminate()."""
        self.nodes[number - 1].launch()
        self.wait_up()

    # ---- Kafka's own tools (a JVM each: one to two seconds)

    def _java(self, tool, *args, node=None, check=True):
        n = node or self.nodes[0]
        done = subprocess.run(["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
                               f"-Dlog4j.configuration=file:{n.folder}/log4j.properties",
                               "-cp", f"{jars()}/*", tool, *map(str, args)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{tool} {args}: {done.stdout}{done.stderr}")
        return done.stdout

    def tool(self, name, *args, check=True):
        """E.g. tool("TopicCommand", "--describe"): stdout of a class of org.apache.kafka.tools."""
        cls = name if "." in name else f"org.apache.kafka.tools.{name}"
        return self._java(cls, "--bootstrap-server", self.bootstrap, *args, check=check)

    def transactions(self):
        """Transactional id → state (Ongoing, CompleteCommit, …), by Kafka's own tool."""
        rows = [line.split() for line in self.tool("TransactionsCommand", "list").splitlines()[1:]]
        return {r[0]: r[-1] for r in rows if len(r) >= 4}

    def hanging_transactions(self, broker=1, max_timeout_min=1):
        """Rows of `kafka-transactions find-hanging`: open past the given time. None is good."""
        out = self.tool("TransactionsCommand", "find-hanging", "--broker-id", str(broker),
                        "--max-transaction-timeout", str(max_timeout_min))
        return [line.split() for line in out.splitlines()[1:] if line.strip()]


def main(argv):
    parser = argparse.ArgumentParser(description="a real Kafka for tests")
    parser.add_argument("command", choices=["serve", "fetch"])
    parser.add_argument("--nodes", type=int, default=1)
    args = parser.parse_args(argv)
    jars()
    if args.command == "fetch":
        return
    proc.exit_on_signals()
    cluster = Cluster(args.nodes).start()
    print(cluster.bootstrap, flush=True)
    try:
        while all(n.p.poll() is None for n in cluster.nodes):
            time.sleep(0.2)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
