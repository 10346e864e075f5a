#!/usr/bin/python3
# restart.py - memory and restarts with a million customers: all of the changelog, or snapshots.
# SPDX-License-Identifier: Apache-2.0
#
#   ninja -C build bench_tools && bench/restart.py --build build [--customers 1000000] [--rounds 5]
#
# Every customer has three tags, one ladder, two windows and two remembered messages. Measured are the
# resident memory of `run` (one worker, so that one restore reads all), then in turn, round by round: a
# reader of the changelog that looks at nothing (drain.c), a restore of the whole changelog, and one from
# snapshots and the changelog's tail. First on the changelog as it was written, then
# after Kafka has compacted it. Times of a restore are its own (event=restore_end): from the making of its
# consumer to the last record.
import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import measure  # noqa: E402
from support import chatmill, proc  # noqa: E402
from support.kafka import Cluster  # noqa: E402

PARTITIONS = 8
START_MS = 1700000000000
RULES = """\
pack: sales
tags: {意向: {values: [高意向, 低意向], exclusive: true, expires: 30d},
  行业: {values: [教育, 医疗]}, 标记: {values: [问价, 竞品]}}
ladders: {life: {stages: [兴趣, 资料, 评估]}}
rules:
  - {id: ask-price, match: [多少钱], window: {count: 3, within: 7d}, then: {alert: {severity: low, category: price}}}
  - {id: ask-again, match: [多少钱], window: {count: 5, per: month}, then: {alert: {severity: low, category: price}}}
  - {id: interest, match: [多少钱], then: [{tag: 高意向}, {tag: 问价}, {stage: 兴趣}]}
  - {id: school, match: [培训班], then: [{tag: 教育}]}
"""


def write_messages(path, customers):
    """Two messages of each customer; the second half gives the third tag."""
    with open(path, "w", encoding="utf-8") as f:
        for n in range(2 * customers):
            at = START_MS + n * 10
            text = "多少钱" if n < customers else "这个培训班多少钱"
            f.write('{"corpid":"ww1234567890abcdef","recv_ts":%d,"message":{"msgid":"%019d_%d_external","action":"send",'
                    '"from":"wmCUSTOMER%022d","tolist":["staff%d"],"roomid":"","msgtime":%d,"msgtype":"text",'
                    '"text":{"content":"%s"}}}\n' % (at, n, at, n % customers, n % 300, at, text))


class Bench:
    def __init__(self, kafka, folder, build):
        self.kafka, self.build = kafka, build
        port = proc.free_ports(1)[0]
        self.http = f"127.0.0.1:{port}"
        self.setup = chatmill.Setup(folder, kafka, name="b8", partitions=PARTITIONS, workers=1,
                                    http={"listen": self.http})
        self.topic = f"chatmill.{self.setup.name}.state"
        self.state = folder / "state"
        self.off, self.on = self.file("off", "0s"), self.file("on", "1s")
        # Used and never written: the restarts that are measured all find the same files.
        self.use = self.file("use", "1d")

    def file(self, name, interval):
        return self.setup.write(f"{name}.yaml", state={"dir": str(self.state), "snapshot_interval": interval})

    def metric(self, name):
        text = urllib.request.urlopen(f"http://{self.http}/metrics", timeout=10).read().decode()
        return sum(float(m) for m in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def start(self, file):
        p = self.setup.start("run", file=file)
        p.wait_log('"assigned"', 300)
        return p

    def restore(self, file, snapshots):
        p = self.start(file)
        p.terminate()
        log = [json.loads(x) for x in p.log().splitlines() if x.startswith("{")]
        end = next(d for d in log if d["event"] == "restore_end")
        used = sum(d["event"] == "snapshot_used" for d in log)
        if used != (PARTITIONS if snapshots else 0):
            raise SystemExit(f"{used} snapshots used: {p.log()[-2000:]}")
        return end["took_ms"] / 1000, end["records"], end["bytes"]

    def bare(self):
        out = subprocess.run([self.build / "bench/drain", self.kafka.bootstrap, self.topic], check=True,
                             capture_output=True).stdout
        d = json.loads(out)
        return d["seconds"], d["records"], d["bytes"]

    def save(self):
        """Snapshots of all partitions, by a `run` that changes nothing."""
        p = self.start(self.on)
        p.wait_log('"snapshot_written"', 300, count=PARTITIONS)
        p.terminate()
        return sum(f.stat().st_size for f in (self.state / "snapshots").glob("*.snapshot"))

    def compact(self, customers):
        from confluent_kafka.admin import ConfigResource, RESOURCE_TOPIC
        config = {"cleanup.policy": "compact", "min.compaction.lag.ms": "0", "segment.ms": "1000",
                  "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "604800000",
                  "max.compaction.lag.ms": "1000"}
        admin = self.kafka.admin()
        for f in admin.alter_configs([ConfigResource(RESOURCE_TOPIC, self.topic, config)]).values():
            f.result()
        p = self.start(self.off)
        for _ in range(60):  # a segment is closed by the record after it
            chatmill.run("tick", "-c", self.off, check=0)
            time.sleep(2)
            if self.bare()[1] <= customers * 1.01 + 1000:
                break
        else:
            raise SystemExit("Kafka did not compact the changelog")
        p.terminate()

    def rounds(self, name, count):
        """Bare, whole and from snapshots in turn; medians."""
        size = self.save()
        rows = {"a reader that looks at nothing": [], "restore of the whole changelog": [],
                "restore from snapshots": []}
        for _ in range(count):
            rows["a reader that looks at nothing"].append(self.bare())
            rows["restore of the whole changelog"].append(self.restore(self.off, False))
            rows["restore from snapshots"].append(self.restore(self.use, True))
        print(f"\n{name}; snapshots {size / 1e6:.0f} MB\n\n| | seconds, median (spread) | records | MB | ratio to bare |"
              "\n|---|---|---|---|---|")
        bare = statistics.median(r[0] for r in next(iter(rows.values())))
        for what, runs in rows.items():
            times = [r[0] for r in runs]
            print(f"| {what} | {statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f}) | {runs[0][1]:,} "
                  f"| {runs[0][2] / 1e6:.0f} | {statistics.median(times) / bare:.2f} |")
        medians = [statistics.median(r[0] for r in runs) for runs in rows.values()]
        return medians[1] / medians[0], medians[2] / medians[1]


def main():
    parser = argparse.ArgumentParser(prog="bench/restart.py")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(", ".join(f"{k} {v}" for k, v in measure.machine().items()))
    folder = Path(tempfile.mkdtemp(prefix="chatmill-b8-"))
    cluster = Cluster(heap="1g", **{"log.cleaner.backoff.ms": 500}).start()
    try:
        bench = Bench(cluster, folder, args.build)
        bench.setup.apply()
        (folder / "rules").mkdir()
        (folder / "rules/sales.yaml").write_text(RULES)
        chatmill.run("rules", "publish", "-c", bench.setup.file, "--lead", "0s", folder / "rules", check=0)
        write_messages(folder / "messages.jsonl", args.customers)
        chatmill.run("load", "-c", bench.setup.file, folder / "messages.jsonl", check=0, timeout_s=600)
        (folder / "messages.jsonl").unlink()
        p = bench.start(bench.off)
        bench.setup.wait_run(p, timeout_s=1200)
        time.sleep(2)  # metrics are looked at twice a second
        keys, size, rss = (bench.metric(m) for m in ("chatmill_state_keys", "chatmill_state_bytes",
                                                     "process_resident_memory_bytes"))
        print(f"{keys:,.0f} customers, 3 tags, 1 ladder, 2 windows, 2 remembered messages each: {size / keys:.0f} bytes "
              f"of state a customer; resident memory of run {rss / 1e6:.0f} MB, {rss / keys:.0f} bytes a customer")
        p.terminate()
        first, _ = bench.rounds("Changelog as it was written", args.rounds)
        bench.compact(args.customers)
        second, short = bench.rounds("Changelog after compaction", args.rounds)
        print(f"\nrestore against bare: {first:.2f} and {second:.2f} (limit 2); snapshots against the whole: "
              f"{short:.2f} (limit 0.5)")
        return 0 if max(first, second) <= 2 and short <= 0.5 else 1
    finally:
        cluster.stop()
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    proc.exit_on_signals()
    sys.exit(main())
