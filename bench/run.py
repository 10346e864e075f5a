#!/usr/bin/python3
# run.py - measures scan, run and the bare loop in turn, in one run; the body of bench/run.sh.
# SPDX-License-Identifier: Apache-2.0
#
# Each round measures every scenario once, so that what else the machine does falls on all alike.
# Rates of `run` and the bare loop are those of the steady part, seen from outside by the offsets they
# commit: without start, join and end. CPU time is that of the process over the same span, from /proc;
# the broker is apart.
import argparse
import json
import os
import platform
import re
import resource
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from support import chatmill, make_sample, proc  # noqa: E402
from support.kafka import Cluster  # noqa: E402

PARTITIONS, WORKERS = 8, 2
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_one(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


cpu_seconds = cpu_seconds_of_one  # b4.py counts children too


def describe():
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    load = os.getloadavg()[0]
    print(f"machine: {model[1] if model else platform.machine()}, {os.cpu_count()} cores, "
          f"load {load:.1f} at start; Linux {platform.release()}")
    version = subprocess.run([chatmill.binary(), "--version"], capture_output=True, text=True).stdout
    print("versions: " + ", ".join(version.split("\n")).strip(", "))


class Progress:
    """Sum of a group's committed offsets on a topic; one consumer, kept open, that never joins."""

    def __init__(self, kafka, group, topic):
        from confluent_kafka import Consumer, TopicPartition
        # read_uncommitted: otherwise the question waits for a moment without open transaction.
        self.consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group,
                                  "isolation.level": "read_uncommitted",
                                  "enable.auto.commit": False, "log_level": 0})
        self.partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]

    def total(self):
        return sum(max(0, p.offset) for p in self.consumer.committed(self.partitions, timeout=10))

    def close(self):
        self.consumer.close()


def steady(process, progress, end_total, timeout_s=120):
    """(messages per second, CPU seconds per million messages) between 15 % and 85 % of the way: at
    both ends the client's queue of fetched messages is full, so that it neither helps nor hinders."""
    samples = []
    deadline = time.monotonic() + timeout_s
    try:
        while not samples or samples[-1][0] < end_total:
            if process.poll() is not None:
                raise SystemExit(f"a process under measurement ended with {process.returncode}")
            total, now = progress.total(), time.monotonic()
            if not samples or total > samples[-1][0]:  # the moment of a commit, to 5 ms
                samples.append((total, now, cpu_seconds(process.pid)))
            if now > deadline:
                raise SystemExit(f"not through after {timeout_s} s: {total} of {end_total}")
            time.sleep(0.005)
    finally:
        progress.close()
    middle = [s for s in samples if 0.15 * end_total <= s[0] <= 0.85 * end_total]
    if len(middle) < 3:
        raise SystemExit(f"too few commits to measure a steady part ({len(middle)}): raise --count")
    done, span, cpu = (b - a for a, b in zip(middle[0], middle[-1]))
    return done / span, cpu / done * 1e6


def measure_scan(path, count):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([chatmill.binary(), "scan", "--jobs", "1", "--rules", HERE / "rules", path],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    span = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return count / span, cpu / count * 1e6


def measure_run(kafka, folder, number, shared, end_total, keep_outputs):
    setup = chatmill.Setup(folder / f"run{number}", kafka, name=f"bench{number}", partitions=PARTITIONS)
    setup.topic.update(shared)
    setup.file = setup.write("chatmill.yaml", workers=WORKERS)
    setup.apply()
    p = setup.start("run")
    result = steady(p.p, Progress(kafka, setup.name, shared["archive"]), end_total)
    status = p.terminate()
    if status:
        raise SystemExit(f"run ended with {status}:\n{p.log()[-2000:]}")
    outputs = None
    if keep_outputs:
        topics = [setup.topic[k] for k in ("tags", "stages", "alerts", "deadletter")]
        outputs = [r for t in topics + [f"chatmill.{setup.name}.state"] for r in kafka.read(t)]
    return result, outputs


def measure_bare(build, kafka, folder, number, shared, end_total, records):
    out = f"bare{number}"
    kafka.create_topic(out, PARTITIONS)
    log = open(folder / f"{out}.log", "wb")
    p = proc.spawn([build / "bench/bare", "--brokers", kafka.bootstrap, "--topic", shared["archive"],
                    "--out", out, "--group", out, "--workers", WORKERS, "--records", records,
                    "--payloads", folder / "payloads"], stderr=log, stdout=log)
    result = steady(p, Progress(kafka, out, shared["archive"]), end_total)
    proc.end(p)
    return result


def write_payloads(outputs, count, folder):
    """What the bare loop writes: sizes as `run` writes them; returns records for 1,000 messages."""
    step = max(1, len(outputs) // 4000)
    with open(folder / "payloads", "wb") as f:
        for r in outputs[::step][:4096]:
            f.write(struct.pack("<I", len(r.value or b"")) + (r.value or b""))
    records = round(len(outputs) * 1000 / count)
    mean = sum(len(r.value or b"") for r in outputs) / max(1, len(outputs))
    print(f"run writes {records} records of {mean:.0f} bytes on average for 1,000 messages")
    return records


def prepare(kafka, folder, path, rules=HERE / "rules", name="bench"):
    """Topics with a rule set in force and the messages behind it; returns names and offsets' sum."""
    first = chatmill.Setup(folder, kafka, name=name, partitions=PARTITIONS).apply()
    chatmill.run("rules", "publish", "-c", first.file, "--lead", "0s", rules, check=0)
    chatmill.run("load", "-c", first.file, path, check=0, timeout_s=300)
    shared = {k: first.topic[k] for k in ("archive", "rulesets")}
    return shared, sum(kafka.high_watermarks(shared["archive"]).values())


def table(rows, count):
    print(f"\n{'scenario':34}{'messages/s':>12}{'spread':>16}{'CPU s/million':>15}{'spread':>14}{'ratio':>8}")
    medians = {}
    for name, base, values in rows:
        rates, cpus = [v[0] for v in values], [v[1] for v in values]
        medians[name] = statistics.median(rates)
        ratio = f"{medians[name] / medians[base]:.2f}" if base in medians else ""
        print(f"{name:34}{medians[name]:12,.0f}{f'{min(rates):,.0f}–{max(rates):,.0f}':>16}"
              f"{statistics.median(cpus):15.2f}{f'{min(cpus):.2f}–{max(cpus):.2f}':>14}{ratio:>8}")
    print("ratio: messages per second against the bare loop of the same run")


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", required=True)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the raw figures there")
    args = parser.parse_args(argv)
    os.environ["CHATMILL"] = str(args.build / "chatmill")
    proc.exit_on_signals()
    describe()
    folder = proc.private_folder("bench")
    path = folder / "archive.jsonl"
    words = [w for w in (HERE / "rules/words.txt").read_text().split("\n") if w and w[0] != "#"]
    stream = make_sample.Stream(seed=1, words=words, hit_rate=0.1)
    with open(path, "wb") as f:
        f.writelines(row + b"\n" for row in stream.rows(args.count))
    print(f"input: {args.count:,} messages of 300 bytes on average ({path.stat().st_size / args.count:.0f} "
          f"with the envelope), seed 1, 2,000 customers, {len(words)} words, 10 % hold one on purpose; "
          f"{PARTITIONS} partitions, {WORKERS} workers, one broker")

    kafka = Cluster(heap="1g").start()
    shared, end_total = prepare(kafka, folder, path)
    scan, run, bare = [], [], []
    records = None
    for i in range(args.rounds):
        (folder / f"run{i}").mkdir()
        scan.append(measure_scan(path, args.count))
        result, outputs = measure_run(kafka, folder, i, shared, end_total, records is None)
        run.append(result)
        if outputs is not None:
            records = write_payloads(outputs, args.count, folder)
        bare.append(measure_bare(args.build, kafka, folder, i, shared, end_total, records))
        print(f"round {i + 1}: scan {scan[-1][0]:,.0f}/s, run {run[-1][0]:,.0f}/s, bare {bare[-1][0]:,.0f}/s",
              file=sys.stderr)
    table([("bare loop, exactly once, 100 ms", "", bare),
           ("run, exactly once, 100 ms", "bare loop, exactly once, 100 ms", run),
           ("scan, one core", "bare loop, exactly once, 100 ms", scan)], args.count)
    if args.json:
        args.json.write_text(json.dumps({"scan": scan, "run": run, "bare": bare}) + "\n")
    kafka.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
