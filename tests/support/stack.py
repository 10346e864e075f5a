#!/usr/bin/python3
# stack.py - Kafka and PostgreSQL for a shell script: starts both, writes how to reach them, waits.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/support/stack.py serve ENVFILE
#   tests/support/stack.py caught-up ENVFILE PIPELINE PID…
#
# `caught-up` waits until `run` has committed all of the topic chat.archive and `sink` has all events
# in the database, while the given processes live.
#
# ENVFILE appears when both answer; it sets KAFKA, PGHOST, PGPORT, PGDATABASE and PGUSER. Ends, with
# all it started, on SIGTERM or when the script that started it goes away.
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import psycopg2  # noqa: E402
from support import chatmill, proc  # noqa: E402
from support.kafka import Client, Cluster, jars  # noqa: E402
from support.postgres import Postgres  # noqa: E402


TOPICS = {k: f"chat.{k}" for k in ("archive", "tags", "stages", "alerts", "deadletter", "rulesets")}


class Remote:
    """The PostgreSQL of another process."""

    def __init__(self, dsn):
        self.dsn = dsn

    def sql(self, text):
        with psycopg2.connect(self.dsn) as c, c.cursor() as cur:
            cur.execute(text)
            return cur.fetchall()


def caught_up(envfile, pipeline, pids):
    env = dict(part.split("=", 1) for line in Path(envfile).read_text().splitlines()
               for part in line.removeprefix("export ").split())
    names = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user"}
    watch = chatmill.Watch(pipeline, TOPICS, Client(env["KAFKA"]),
                           Remote(" ".join(f"{names[k]}={env[k]}" for k in names)))

    def check(condition):
        def alive_and():
            for pid in pids:
                os.kill(int(pid), 0)
            return condition()
        return alive_and
    start = time.monotonic()
    proc.wait_for(check(watch.run_caught_up), 120, "end of the archive reached by run", 0.1)
    print(f"run is through after {time.monotonic() - start:.1f} s", file=sys.stderr)
    proc.wait_for(check(watch.sink_caught_up), 60, "end of the events reached by sink", 0.1)
    print(f"sink is through after {time.monotonic() - start:.1f} s", file=sys.stderr)


def main(argv):
    if len(argv) > 2 and argv[0] == "caught-up":
        return caught_up(argv[1], argv[2], argv[3:])
    if len(argv) != 2 or argv[0] != "serve":
        raise SystemExit("usage: stack.py serve ENVFILE | caught-up ENVFILE PIPELINE PID…")
    parent = os.getppid()
    proc.exit_on_signals()
    proc.die_with_parent(signal.SIGTERM)
    jars()
    kafka, postgres = Cluster(), Postgres()
    try:
        postgres.start()
        kafka.start()
        ready = Path(argv[1] + ".part")
        ready.write_text(f"KAFKA={kafka.bootstrap}\nexport PGHOST=127.0.0.1 PGPORT={postgres.port} "
                         "PGDATABASE=chatmill PGUSER=postgres\n")
        ready.rename(argv[1])
        while os.getppid() == parent and postgres.p.poll() is None and kafka.nodes[0].p.poll() is None:
            time.sleep(0.2)
    finally:
        kafka.stop()
        postgres.stop()
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
