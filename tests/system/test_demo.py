# test_demo.py - the two demos as a user starts them; nothing may be left running.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import time

import pytest

from support import proc


def children_of(marker):
    """Command lines of processes whose environment holds the marker."""
    found = []
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                if marker.encode() in open(f"/proc/{p}/environ", "rb").read():
                    found.append(open(f"/proc/{p}/cmdline").read().replace("\0", " "))
            except OSError:
                pass
    return found


def demo(*args, **kw):
    marker = f"DEMO_TEST_MARK={time.monotonic_ns()}"
    env = dict(os.environ, **dict([marker.split("=")]))
    env.pop("CHATMILL", None)
    return marker, env, [str(proc.REPO / "deploy/demo.sh"), *args]


def test_demo_on_a_file():
    marker, env, argv = demo()
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    events = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("{")]
    assert 3 <= len(events) <= 10
    assert all(e["specversion"] == "1.0" for e in events)
    assert children_of(marker) == []


def test_demo_with_a_stack():
    marker, env, argv = demo("--stack")
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    assert "wm" in text, "customer_360 shows no customer"
    assert "ladder" in text and "rows)" in text
    assert children_of(marker) == []


@pytest.mark.parametrize("signum", [
    pytest.param(signal.SIGINT, marks=pytest.mark.long), pytest.param(signal.SIGTERM, marks=pytest.mark.long),
    signal.SIGKILL])
def test_an_interrupted_stack_demo_leaves_nothing(signum):
    marker, env, argv = demo("--stack")
    p = proc.spawn(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)
    for line in p.stderr:
        if b"Kafka 127" in line:  # both servers run
            break
    assert any("kafka.Kafka" in c for c in children_of(marker))
    os.kill(p.pid, signum)
    proc.wait_for(lambda: not children_of(marker), 120, "end of all that the demo started")
    p.stderr.close()
    p.wait()
