# live.py - messages sent at a steady rate while somebody works on them: latency, CPU, capacity.
# SPDX-License-Identifier: Apache-2.0
import json
import re
import subprocess
import time

import measure
from support import proc


def write_messages(bench, path, count=20000, texts=None, **shape):
    """Lines that pace fills in: numbers and times of fixed width; texts(i) replaces the text of line i.
    Single chats only, so that the customer is the key. Returns the path."""
    with open(path, "w", encoding="utf-8") as f:
        for i, row in enumerate(bench.stream(rooms=0.0, **shape).rows(count)):
            line = re.sub(r'"msgid":"[^"]*"', '"msgid":"p000000000000_external"', row.decode())
            if texts:
                m = json.loads(line)
                m["message"]["text"]["content"] = texts(i)
                line = json.dumps(m, ensure_ascii=False, separators=(",", ":"))
            f.write(line + "\n")
    return path


class Pace:
    """One stretch of a steady rate; numbers of messages never repeat within a bench."""

    def __init__(self, bench, started, messages, rate, seconds):
        source = started.source
        first = getattr(bench, "paced", 0)
        bench.paced = first + int(rate * seconds * 1.1) + 1000
        self.started, self.rate, self.seconds = started, rate, seconds
        self.p = proc.spawn([bench.tool("pace"), "--brokers", source.kafka.bootstrap, "--topic", source.topic,
                             "--messages", messages, "--rate", rate, "--seconds", seconds, "--first", first,
                             "--out", ",".join(started.out)], stdout=subprocess.PIPE)

    def cpu_per_million(self):
        """Of the competitor, over the stretch without its first and last second."""
        time.sleep(1.5)
        pid = self.started.p.pid
        at, cpu = time.monotonic(), measure.cpu_seconds(pid)
        time.sleep(max(0.5, self.seconds - 2.5))
        return (measure.cpu_seconds(pid) - cpu) / ((time.monotonic() - at) * self.rate) * 1e6

    def figures(self):
        out, _ = self.p.communicate(timeout=self.seconds + 90)
        if self.p.returncode:
            raise SystemExit(f"pace ended with {self.p.returncode}")
        return json.loads(out)


def capacity(bench, started, messages, seconds=6):
    """Messages per second that are worked off while as many as possible are sent on the same machine."""
    progress = started.progress()
    pace = Pace(bench, started, messages, 1_000_000, seconds)
    samples, end = [], time.monotonic() + seconds
    time.sleep(2)
    while time.monotonic() < end:
        samples.append((time.monotonic(), progress.total()))
        time.sleep(0.02)
    progress.close()
    pace.figures()
    return measure.slope(*zip(*samples))
