#!/usr/bin/python3
# postgres.py - a private PostgreSQL server for tests and the demo: own folder, port and end.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/support/postgres.py serve       prints a libpq connection string, runs until killed
#
# PostgreSQL refuses to run as root; as root it is started as the user `postgres` of the Debian
# package, otherwise as whoever calls. Every connection is trusted: the socket and the port are on
# this machine, the data is a test's.
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import proc  # noqa: E402


def bin_dir():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[4]))
    if not found:
        raise SystemExit("no PostgreSQL server here: run tests/support/install.sh stack")
    return found[-1].parent


class Postgres:
    """One server. start() makes the cluster and the database `chatmill`."""

    def __init__(self, folder=None, **settings):
        self.folder = Path(folder) if folder else proc.private_folder("pg")
        self.bin = bin_dir()
        self.user = None
        if os.geteuid() == 0:
            self.user = pwd.getpwnam("postgres")
        self.port = None
        self.p = None
        # fsync is off: a test kills processes, not the kernel, so that what was written stays.
        self.settings = {"fsync": "off", "listen_addresses": "127.0.0.1", "max_connections": "60",
                         "shared_buffers": "64MB", "log_min_messages": "warning",
                         "log_lock_waits": "on", **settings}

    def _as_user(self):
        if not self.user:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def start(self):
        home = self.folder / "pg"
        home.mkdir()
        if self.user:
            os.chown(home, self.user.pw_uid, self.user.pw_gid)
        subprocess.run([self.bin / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust",
                        "-E", "UTF8", "--locale=C.UTF-8", "-N"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as_user())
        for attempt in range(3):
            self.port = proc.free_ports(1)[0]
            self._launch()
            try:
                self.wait_up()
                break
            except proc.Timeout:
                if attempt == 2:
                    raise
        self.sql("CREATE DATABASE chatmill", dbname="postgres")
        return self

    def standby(self, **settings):
        """A streaming standby of this server, in a folder of its own; promote() makes it the primary."""
        other = Postgres(**settings)
        home = other.folder / "pg"
        home.mkdir()
        if other.user:
            os.chown(home, other.user.pw_uid, other.user.pw_gid)
        subprocess.run([self.bin / "pg_basebackup", "-d", self.dsn("postgres"), "-D", home / "data", "-R",
                        "-X", "stream", "-c", "fast"], check=True, cwd="/", **self._as_user())
        other.port = proc.free_ports(1)[0]
        other._launch()
        other.wait_up()
        return other

    def promote(self):
        self.sql("SELECT pg_promote(true, 30)", dbname="postgres")

    def _launch(self):
        home = self.folder / "pg"
        options = [x for k, v in self.settings.items() for x in ("-c", f"{k}={v}")]
        log = open(self.folder / "postgres.log", "ab")
        self.p = proc.spawn([self.bin / "postgres", "-D", home / "data", "-k", home, "-p", self.port,
                             *options], death=signal.SIGQUIT, cwd="/", stdout=log, stderr=log,
                            stdin=subprocess.DEVNULL, **self._as_user())
        log.close()

    def wait_up(self, timeout_s=30):
        import psycopg2

        def up():
            if self.p.poll() is not None:
                raise proc.Timeout("PostgreSQL ended: " + self.log()[-2000:])
            try:
                psycopg2.connect(self.dsn("postgres")).close()
                return True
            except psycopg2.OperationalError:
                return False
        proc.wait_for(up, timeout_s, "answer from PostgreSQL")

    def log(self):
        return (self.folder / "postgres.log").read_text(errors="replace")

    def dsn(self, dbname="chatmill", user="postgres"):
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={user}"

    def keys(self, user="postgres"):
        """The same as a mapping, for `postgres:` of a configuration file."""
        return {"host": "127.0.0.1", "port": str(self.port), "dbname": "chatmill", "user": user}

    def sql(self, text, args=None, dbname="chatmill", user="postgres"):
        """Runs one statement by itself; returns its rows, or None."""
        import psycopg2
        c = psycopg2.connect(self.dsn(dbname, user))
        try:
            c.autocommit = True
            with c.cursor() as cur:
                cur.execute(text, args)
                return cur.fetchall() if cur.description else None
        finally:
            c.close()

    def stop(self, signum=signal.SIGINT):
        """SIGINT is PostgreSQL's fast shutdown, SIGQUIT the immediate one."""
        if self.p:
            proc.end(self.p, signum)
            self.p = None

    def kill(self):
        """kill -9 of the server; its children see that and leave."""
        os.kill(self.p.pid, signal.SIGKILL)
        self.p.wait()
        proc.end(self.p)
        self.p = None

    def restart(self):
        """Starts again on the same port and data, after stop() or kill()."""
        lock = self.folder / "pg/data/postmaster.pid"
        end = time.monotonic() + 20
        while True:
            self._launch()
            try:
                self.wait_up()
                return
            except proc.Timeout:  # children of a killed server may still hold the shared memory
                if time.monotonic() > end or not lock.exists():
                    raise


def main(argv):
    if argv != ["serve"]:
        raise SystemExit("usage: postgres.py serve")
    proc.exit_on_signals()
    server = Postgres().start()
    print(server.dsn(), flush=True)
    try:
        server.p.wait()
    finally:
        server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
