# measure.py - how the benchmarks measure: processor time, steady rates, what a machine this is.
# SPDX-License-Identifier: Apache-2.0
#
# Rates of what runs on Kafka are those of the steady part, seen from outside by the offsets that it
# commits, as anybody can see them: no start, no join, and the client's queue of fetched messages is
# full at both ends. CPU time is that of the process and its children over the same span, from /proc;
# the broker is apart.
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from support import chatmill  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
START, END = 0.15, 0.85  # of the way: between them is the steady part


def machine():
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    said = subprocess.run([chatmill.binary(), "--version"], capture_output=True, text=True).stdout
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1), "kernel": platform.release(),
            "versions": ", ".join(said.split("\n")).strip(", ") + ", Kafka 3.9.1"}


def cpu_seconds(pid):
    """Of a process and its living children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    total = (int(fields[11]) + int(fields[12])) / TICKS
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            total += sum(cpu_seconds(int(child)) for child in task.read_text().split())
        except FileNotFoundError:  # a thread that has just ended
            pass
    return total


def rss_bytes(pid, what="VmRSS"):
    """VmRSS: now; VmHWM: the most that it ever was."""
    return int(re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


QUIET_S = 15  # a process may give back what a busy time took


def memory_mb(pids):
    """Of each process: resident now, resident after a quiet time, and the most there ever was."""
    busy = [rss_bytes(pid) / 1e6 for pid in pids]
    time.sleep(QUIET_S)
    return [{"busy": b, "mb": rss_bytes(pid) / 1e6, "peak": rss_bytes(pid, "VmHWM") / 1e6}
            for b, pid in zip(busy, pids)]


def timed(argv, **kw):
    """(wall seconds, CPU seconds, what it printed) of a command that ends by itself."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(a) for a in argv], check=True, stdin=subprocess.DEVNULL, **kw)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


class Progress:
    """Sum of a group's committed offsets on a topic; one consumer, kept open, that never joins."""

    def __init__(self, kafka, group, topic):
        from confluent_kafka import Consumer, TopicPartition
        # read_uncommitted: otherwise the question waits for a moment without open transaction.
        self.consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group,
                                  "isolation.level": "read_uncommitted",
                                  "enable.auto.commit": False, "log_level": 0})
        self.partitions = [TopicPartition(topic, p) for p in kafka.partitions(topic)]

    def total(self):
        return sum(max(0, p.offset) for p in self.consumer.committed(self.partitions, timeout=10))

    def close(self):
        self.consumer.close()


def watch(process, progress, end_total, timeout_s=180):
    """Samples (total, time, CPU seconds) at each commit that moves on, until all is done."""
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
    return samples


def slope(xs, ys):
    """Of the straight line through the points, by least squares: all commits count, not two."""
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    return (sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) /
            sum((x - mean_x) ** 2 for x in xs))


def steady(process, progress, end_total, start_total=0):
    """{"rate": messages per second, "cpu": CPU seconds per million messages} of the steady part
    between two sums of offsets: at both ends the client's queue of fetched messages is full, so that
    it neither helps nor hinders. From `start_total` on it counts; what was before is not ours."""
    samples = watch(process, progress, end_total)
    span = end_total - start_total
    middle = [s for s in samples if START * span <= s[0] - start_total <= END * span]
    if len(middle) < 3:
        print(f"few commits in the steady part ({len(middle)}): measured from the first to the last commit; "
              "raise --count", file=sys.stderr)
        middle = [s for s in samples if s[0] > start_total]
    if len(middle) < 2:
        raise SystemExit("too few commits to measure anything: raise --count")
    totals, times, cpus = zip(*middle)
    return {"rate": slope(times, totals), "cpu": slope(totals, cpus) * 1e6}
