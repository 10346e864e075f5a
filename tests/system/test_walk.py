# test_walk.py - docs/walk.md, done: every command of the page in its order, and what it says that they print.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from support import chatmill, proc
from support.kafka import Cluster

PAGE = proc.REPO / "docs/walk.md"
ALERTS = proc.REPO / "deploy/prometheus/alerts.yaml"
MARK = "=== end of block"


def blocks(kind):
    """(commands, what they print or None) of each fenced block with this info string."""
    out = []
    for info, body, shown in re.findall(r"^```sh ?(\w*)\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", PAGE.read_text(),
                                        re.M | re.S):
        if info == kind:
            out.append((body, shown or None))
    return out


def pattern(shown):
    """`…` alone is any lines, inside a line anything of it."""
    lines = []
    for line in shown.splitlines():
        lines.append("(?:.*\n)*?" if line == "…" else "[^\n]*".join(map(re.escape, line.split("…"))) + "\n")
    return "".join(lines)


class Walker:
    """One shell for the whole page. `systemctl stop|start kafka` is ours to do: there is no systemd here."""

    def __init__(self, folder, cluster, env):
        self.folder, self.cluster = folder, cluster
        self.asked, self.done = folder / "asked", folder / "done"
        tools = folder / "tools"
        tools.mkdir()
        systemctl = tools / "systemctl"
        systemctl.write_text(f"#!/bin/sh\nset -e\necho \"$1\" > '{self.asked}.part'\nmv '{self.asked}.part' '{self.asked}'\n"
                             f"until [ -e '{self.done}' ]; do sleep 0.05; done\nrm '{self.done}'\n")
        systemctl.chmod(0o755)
        # How long a broker takes to start is not what is tested: the group must not give up before.
        self.env = chatmill.environment(CHATMILL_KAFKA__SESSION_TIMEOUT_MS="60000", **env)
        self.env["PATH"] = f"{tools}:{env.get('PATH', os.environ['PATH'])}"

    def serve(self):
        if not self.asked.exists():
            return
        what = self.asked.read_text().strip()
        self.asked.unlink()
        self.cluster.terminate() if what == "stop" else self.cluster.restart()
        self.done.touch()

    def given_up(self):
        """Whether `run` or `sink` ended with an error: the loops of the page would wait for it without end."""
        logs = [self.folder / "run.log", self.folder / "sink.log"]
        return any(re.search(r"^chatmill(?: run| sink)?: ", f.read_text(errors="replace"), re.M) for f in logs if f.exists())

    def walk(self, parts, timeout_s=480):
        """Runs all; returns what each block printed."""
        script = self.folder / "walk.sh"
        script.write_text("set -euo pipefail\n" + "".join(f"{body}echo '{MARK}'\n" for body, _ in parts))
        out, err = self.folder / "walk.out", self.folder / "walk.err"
        with open(out, "wb") as o, open(err, "wb") as e:
            p = proc.spawn(["bash", script], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=o, stderr=e)
        end = time.monotonic() + timeout_s
        while p.poll() is None and time.monotonic() < end and not self.given_up():
            self.serve()
            time.sleep(0.05)
        proc.end(p)
        logs = "".join(f"--- {f.name}\n{f.read_text(errors='replace')[-2500:]}\n"
                       for f in (out, err, self.folder / "run.log", self.folder / "sink.log") if f.exists())
        assert p.returncode == 0, f"exit {p.returncode}\n{logs}"
        printed = out.read_text().split(MARK + "\n")
        assert len(printed) == len(parts) + 1
        return printed


def firing(metrics, folder):
    """Asks which alarms the shipped rules fire if this scrape stays as it is for four minutes."""
    series = []
    for line in metrics.read_text().splitlines():
        m = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
        if m:
            labels = ",".join(filter(None, [m[2], 'instance="walk"', 'job="chatmill"']))
            series.append({"series": f"{m[1]}{{{labels}}}", "values": f"{m[3]}x30"})
    assert len(series) > 30
    file = folder / "alarms.json"

    def agrees(names):
        """Whether these fire and no others, by promtool."""
        file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "15s", "tests": [{
            "interval": "15s", "input_series": series, "promql_expr_test": [{
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "4m",
                "exp_samples": [{"labels": f'{{alertname="{n}"}}', "value": 1} for n in names]}]}]}))
        return subprocess.run(["promtool", "test", "rules", file], capture_output=True).returncode == 0
    return agrees


def go(tmp_path, postgres, path=None):
    cluster = Cluster().start()
    try:
        run, sink = proc.free_ports(2)
        env = {"KAFKA": cluster.bootstrap, "PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGDATABASE": "chatmill",
               "PGUSER": "postgres", "RUN": f"127.0.0.1:{run}", "SINK": f"127.0.0.1:{sink}",
               "RULES": str(proc.REPO / "rules"), "ARCHIVE": str(proc.REPO / "deploy/sample/archive.jsonl.zst"),
               "PATH": path or f"{chatmill.binary().parent}:{os.environ['PATH']}"}
        (yours, _), = blocks("yours")
        assert set(re.findall(r"(\w+)=", yours)) == set(env) - {"PATH"}
        parts = blocks("")
        printed = Walker(tmp_path, cluster, env).walk(parts)
        for (body, shown), got in zip(parts, printed):
            if shown:
                assert re.fullmatch(pattern(shown), got), f"{body}\nprints\n{got}\nnot\n{shown}"
        assert sum(shown is not None for _, shown in parts) >= 6
        assert firing(tmp_path / "ready.prom", tmp_path)([])
        broken = firing(tmp_path / "broken.prom", tmp_path)
        assert broken(["ChatmillBrokersAway"]) and not broken([])
        assert firing(tmp_path / "mended.prom", tmp_path)([])
    finally:
        cluster.stop()


def test_the_page_can_be_walked(tmp_path, postgres):
    go(tmp_path, postgres)


@pytest.mark.long
def test_the_page_can_be_walked_with_the_package(tmp_path, postgres):
    """Install too: the package is built and installed as the page says, and removed afterwards."""
    if os.geteuid() != 0:
        pytest.skip("installing a package needs root")
    if shutil.which("chatmill", path="/usr/bin"):
        pytest.skip("a package chatmill is installed here already")
    (install, _), = blocks("install")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    tree = tmp_path / "tree"
    try:
        subprocess.run(["git", "clone", "-q", "--shared", proc.REPO, tree], check=True)
        done = subprocess.run(["bash", "-euc", install], cwd=tree, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        go(tmp_path, postgres, "/usr/local/bin:/usr/bin:/bin")
    finally:
        subprocess.run(["apt-get", "purge", "-q", "-y", "chatmill"], env=env, capture_output=True)
    assert not shutil.which("chatmill", path="/usr/bin")
