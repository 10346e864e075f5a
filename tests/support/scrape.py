# scrape.py - what a chatmill that runs says over HTTP: metrics and readiness.
# SPDX-License-Identifier: Apache-2.0
import json
import re
import subprocess
import urllib.error
import urllib.request

from support import proc


def get(port, path, timeout_s=10):
    """Status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout_s) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def scrape(port):
    """Every sample of /metrics: {name: {labels: value}}; labels as written."""
    out = {}
    for line in get(port, "/metrics")[1].splitlines():
        m = re.fullmatch(r"([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)", line)
        if m:
            out.setdefault(m[1], {})[m[2] or ""] = float(m[3])
    return out


def lint(port):
    text = get(port, "/metrics")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done
    return text


def is_ready(port):
    try:
        return get(port, "/readyz")[0] == 200
    except OSError:
        return False


def reasons(port):
    """Why it is not ready."""
    try:
        return json.loads(get(port, "/readyz")[1])["reasons"]
    except OSError:
        return None


def is_told_ready(port, value):
    """Whether /metrics comes to say so; its text may be a fifth of a second old."""
    proc.wait_for(lambda: scrape(port)["chatmill_ready"] == {"": value}, 60, f"chatmill_ready {value}")
    return True


def start_run(setup, processes, **more):
    (port,) = proc.free_ports(1)
    file = setup.write(f"http{port}.yaml", http={"listen": f"127.0.0.1:{port}"}, **more)
    run = setup.start("run", file=file)
    processes.append(run)
    return run, port
