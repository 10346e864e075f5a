# chatmill.py - the program under test: runs it, writes its configuration, reads what it says.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from support import proc

PARTITIONS = 4


def binary():
    path = Path(os.environ.get("CHATMILL") or proc.REPO / "build/chatmill")
    assert path.exists(), f"no {path}: build first, or set CHATMILL"
    return path


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CHATMILL", "PG"))}
    env.update(NO_COLOR="1", **more)
    return env


def run(*args, stdin=b"", timeout_s=120, cwd=None, check=None, **env):
    """Runs to the end. With `check`, the exit status must be that."""
    done = subprocess.run([str(binary()), *map(str, args)], input=stdin, capture_output=True, cwd=cwd,
                          timeout=timeout_s, env=environment(**env))
    if check is not None and done.returncode != check:
        raise AssertionError(f"chatmill {' '.join(map(str, args))}: exit {done.returncode}, not {check}\n"
                             f"{done.stderr.decode(errors='replace')[-4000:]}")
    return done


def lines(done_or_bytes):
    data = getattr(done_or_bytes, "stdout", done_or_bytes)
    return [json.loads(line) for line in data.splitlines() if line]


class Process:
    """A chatmill that keeps running; its standard error is in a file."""

    def __init__(self, *args, log, cwd=None, **env):
        self.args, self.log_file = args, Path(log)
        out = open(self.log_file, "ab")
        self.p = proc.spawn([binary(), *args], cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                            env=environment(**env))
        out.close()

    def log(self):
        return self.log_file.read_text(errors="replace")

    def running(self):
        return self.p.poll() is None

    def kill(self):
        proc.kill9(self.p)

    def terminate(self, timeout_s=120):
        """SIGTERM; returns the exit status."""
        if self.running():
            os.kill(self.p.pid, signal.SIGTERM)
        try:
            self.p.wait(timeout_s)
        except subprocess.TimeoutExpired:
            proc.kill9(self.p)
            raise AssertionError(f"chatmill {self.args} ignored SIGTERM:\n{self.log()[-3000:]}")
        return self.p.returncode

    def wait_log(self, text, timeout_s=120, count=1):
        def seen():
            if self.log().count(text) >= count:
                return True
            if not self.running():
                raise AssertionError(f"ended with {self.p.returncode} before {text!r}:\n{self.log()[-3000:]}")
            return False
        proc.wait_for(seen, timeout_s, f"{text!r} in the log of chatmill {self.args[0]}")


class Watch:
    """How far a pipeline has got, seen from outside."""

    def __init__(self, name, topic, kafka, postgres=None):
        self.name, self.topic, self.kafka, self.postgres = name, topic, kafka, postgres

    def run_caught_up(self):
        """Whether `run` has committed everything that stands on the archive topic."""
        done = self.kafka.committed(self.name, self.topic["archive"])
        return self.kafka.nothing_after(self.topic["archive"], done)

    def sink_caught_up(self):
        """Whether `sink` has everything that stands on the event topics in the database."""
        rows = self.postgres.sql('SELECT topic, "partition", next_offset FROM chatmill.sink_offset')
        for w in ("tags", "stages", "alerts"):
            done = {p: at for topic, p, at in rows if topic == self.topic[w]}
            if not self.kafka.nothing_after(self.topic[w], done):
                return False
        return True


class Setup(Watch):
    """One pipeline with topics of its own on a shared broker, and a folder."""

    def __init__(self, folder, kafka, postgres=None, name=None, partitions=PARTITIONS, **more):
        name = name or f"t{os.getpid()}x{time.monotonic_ns() % 10**9}"
        topics = ("archive", "tags", "stages", "alerts", "deadletter", "rulesets")
        super().__init__(name, {k: f"{name}.{k}" for k in topics}, kafka, postgres)
        self.folder, self.partitions, self.more = Path(folder), partitions, more
        self.file = self.write("chatmill.yaml")

    def values(self, **changes):
        t = self.topic
        v = {"pipeline": self.name, "workers": 2,
             "kafka": {"bootstrap.servers": self.kafka.bootstrap},
             "input": {"topic": t["archive"], "corpid": "ww1", "partitions": self.partitions,
                       "replication": 1},
             "output": {"tags": t["tags"], "stages": t["stages"], "alerts": t["alerts"],
                        "deadletter": t["deadletter"], "rulesets": t["rulesets"]},
             "state": {"dir": str(self.folder / "state")}}
        if self.postgres:
            v["postgres"] = self.postgres.keys()
        v.update(self.more)
        v.update(changes)
        return v

    def write(self, name, **changes):
        """JSON is YAML; a second file of the same pipeline may differ in some values."""
        path = self.folder / name
        path.write_text(json.dumps(self.values(**changes), indent=1, ensure_ascii=False) + "\n")
        return path

    def send_early(self):
        """A short linger, so that a transaction stands on the topics before it is committed, for
        tests that want to find it there: by itself `run` sends most of it with the commit."""
        self.more["kafka"] = {"bootstrap.servers": self.kafka.bootstrap, "linger.ms": "5"}
        self.file = self.write("chatmill.yaml")
        return self

    def apply(self):
        run("topics", "apply", "-c", self.file, check=0)
        return self

    def start(self, command, *args, file=None, log=None, **env):
        number = len(list(self.folder.glob(f"{command}*.log")))
        return Process(command, "-c", file or self.file, *args,
                       log=log or self.folder / f"{command}{number}.log", cwd=self.folder, **env)

    def load(self, path):
        return run("load", "-c", self.file, path, check=0)

    def publish(self, folder, lead="0s"):
        """Rules in force from here on; returns the process. What `rules publish` wrote stands when its
        transaction has ended on every partition, which is a little later than the command."""
        done = run("rules", "publish", "-c", self.file, "--lead", lead, folder, check=0)
        self.kafka.settle([self.topic["archive"], self.topic["rulesets"]])
        return done

    def events(self, which=("tags", "stages", "alerts"), committed=True):
        """All events, as they stand on the topics; list of mappings like those of scan."""
        out = []
        for w in which:
            for r in self.kafka.read(self.topic[w], committed):
                head = {k: v.decode() for k, v in r.headers if k.startswith("ce_")}
                event = {k[3:]: v for k, v in head.items()}
                event["data"] = json.loads(r.value)
                event["_key"] = (r.key or b"").decode()
                event["_at"] = (w, r.partition, r.offset)
                out.append(event)
        return out

    def dead(self):
        return self.kafka.read(self.topic["deadletter"])

    def wait_run(self, *processes, timeout_s=120):
        wait_alive(self.run_caught_up, processes, timeout_s, "end of the archive reached by run")

    def wait_sink(self, *processes, timeout_s=120):
        wait_alive(self.sink_caught_up, processes, timeout_s, "end of the events reached by sink")


def wait_alive(condition, processes, timeout_s, what):
    """Waits for condition() while all of these processes live."""
    def check():
        for p in processes:
            if not p.running():
                raise AssertionError(f"chatmill {p.args[0]} ended with {p.p.returncode}:\n"
                                     f"{p.log()[-3000:]}")
        return condition()
    try:
        proc.wait_for(check, timeout_s, what, 0.1)
    except proc.Timeout as e:
        logs = "\n".join(f"--- {p.args[0]}:\n{p.log()[-2500:]}" for p in processes)
        raise AssertionError(f"{e}\n{logs}") from None
