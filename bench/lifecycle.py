#!/usr/bin/python3
# lifecycle.py - what tags, stages, windows and waits cost `run`, against the same rules with alerts only.
# SPDX-License-Identifier: Apache-2.0
#
#   ninja -C build bench_tools && bench/lifecycle.py --build build [--count 1000000] [--customers 20000] [--rounds 5]
#
# Both sets match the same words on the same messages; one tags, moves a ladder, counts in a window and waits
# for the staff's answer, the other alerts. In turn, round by round, each with topics of its own; rates and CPU of the
# steady middle, by the offsets committed (measure.py).
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import measure  # noqa: E402
from support import chatmill, make_sample, proc  # noqa: E402
from support.kafka import Cluster  # noqa: E402

PARTITIONS, LIMIT = 8, 0.7
WORDS = ["多少钱", "报价", "太贵了", "付款", "续费", "退货", "发货", "回扣"]
HEAD = """\
pack: life
tags:
  intent: {values: [high, low], exclusive: true, expires: 30d}
  topic: {values: [price, delivery]}
ladders: {life: {stages: [asked, looked, bought, again], lost: gone}}
rules:
"""
# id, other keys, what it does to the customer
RULES = [("price", "match: [多少钱, 报价]", "[{tag: high}, {tag: price}, {stage: asked}]"),
         ("dear", "match: [太贵了]", "[{tag: low}, {stage: looked}]"),
         ("bought", "match: [付款]", "[{tag: high}, {stage: bought}]"),
         ("again", "match: [续费]", "[{stage: again}]"),
         ("back", "match: [退货]", "[{stage: asked, back: true}, {untag: price}]"),
         ("often", "match: [发货], window: {count: 3, within: 7d}", "[{tag: delivery}]"),
         ("late", "match: [多少钱], from: customer, wait: {for: staff, over: 30m}", "[{untag: low}]")]
ALERT = "{alert: {severity: low, category: life}}"
LIFE, ALERTS = "life-cycle rules", "the same with alerts only"


def rules_text(name):
    return HEAD + "".join(f"  - {{id: {i}, {match}, then: {then if name == LIFE else ALERT}}}\n"
                          for i, match, then in RULES)


class Archive:
    """The messages, with one of the sets in force before them."""

    def __init__(self, kafka, folder, name, path):
        self.kafka, self.folder, self.number = kafka, folder / name.split()[0], 0
        (self.folder / "rules").mkdir(parents=True)
        (self.folder / "rules/life.yaml").write_text(rules_text(name))
        self.setup = chatmill.Setup(self.folder, kafka, name=name.split()[0], partitions=PARTITIONS).apply()
        chatmill.run("rules", "publish", "-c", self.setup.file, "--lead", "0s", self.folder / "rules", check=0)
        chatmill.run("load", "-c", self.setup.file, path, check=0, timeout_s=600)
        self.end = sum(kafka.high_watermarks(self.setup.topic["archive"]).values())

    def run(self, tool):
        self.number += 1
        folder = self.folder / str(self.number)
        folder.mkdir()
        setup = chatmill.Setup(folder, self.kafka, name=f"{self.setup.name}{self.number}", partitions=PARTITIONS)
        setup.topic.update({k: self.setup.topic[k] for k in ("archive", "rulesets")})
        setup.file = setup.write("chatmill.yaml", workers=2)
        setup.apply()
        p = setup.start("run")
        out = measure.steady(p.p, measure.Progress(self.kafka, setup.name, setup.topic["archive"]), self.end)
        if p.terminate():
            raise SystemExit(p.log()[-2000:])
        for key, topics in (("events", [setup.topic[k] for k in ("tags", "stages", "alerts")]),
                            ("changelog", [f"chatmill.{setup.name}.state"])):
            drained = [json.loads(subprocess.run([tool, self.kafka.bootstrap, t], check=True,
                                                 stdout=subprocess.PIPE).stdout) for t in topics]
            out[key] = sum(d["records"] for d in drained)
            out[f"{key}_bytes"] = sum(d["bytes"] for d in drained)
        return out


def main():
    parser = argparse.ArgumentParser(prog="bench/lifecycle.py")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(", ".join(f"{k} {v}" for k, v in measure.machine().items()))
    folder = Path(tempfile.mkdtemp(prefix="chatmill-life-"))
    cluster = Cluster(heap="1g").start()
    try:
        path = folder / "messages.jsonl"
        stream = make_sample.Stream(seed=1, customers=args.customers, hit_rate=0.1, words=WORDS)
        with open(path, "wb") as f:
            f.writelines(row + b"\n" for row in stream.rows(args.count))
        archives = {name: Archive(cluster, folder, name, path) for name in (LIFE, ALERTS)}
        rows = {name: [] for name in archives}
        for _ in range(args.rounds):
            for name, archive in archives.items():
                rows[name].append(archive.run(args.build / "bench/drain"))
        print(f"\n{args.count:,} messages of {args.customers:,} customers, one in ten holds a word\n\n"
              "| | messages/s, median (spread) | CPU-s per million | events | changelog records | changelog bytes a message |"
              "\n|---|---|---|---|---|---|")
        for name, runs in rows.items():
            rates = [r["rate"] for r in runs]
            print(f"| {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f}) "
                  f"| {statistics.median(r['cpu'] for r in runs):.2f} | {runs[0]['events']:,} "
                  f"| {statistics.median(r['changelog'] for r in runs):,.0f} "
                  f"| {statistics.median(r['changelog_bytes'] for r in runs) / args.count:.0f} |")
        ratios = [a["rate"] / b["rate"] for a, b in zip(rows[LIFE], rows[ALERTS])]
        print(f"\nratio {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}), limit {LIMIT}")
        return 0 if statistics.median(ratios) >= LIMIT else 1
    finally:
        cluster.stop()
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    proc.exit_on_signals()
    sys.exit(main())
