# test_failover.py - servers of PostgreSQL that change over, fill up, fall silent or lose an answer.
# SPDX-License-Identifier: Apache-2.0
import os
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from support import proc
from support.pg_proxy import Proxy
from support.postgres import Postgres
from support.sinks import check, generate, send, set_up, wait_through


@pytest.fixture
def own_postgres():
    """Servers put in here are ended with the test; the first is there, with sinks to come."""
    servers = [Postgres(synchronous_standby_names="*", synchronous_commit="local").start()]
    yield servers
    for s in servers:
        s.stop()


def test_a_promoted_standby_is_found(tmp_path, kafka, own_postgres, processes):
    """Two hosts; the primary dies, its standby is promoted, the old one returns read-only."""
    primary, = own_postgres
    standby = primary.standby()
    own_postgres.append(standby)
    s = set_up(tmp_path, kafka, primary, host="127.0.0.1,127.0.0.1", port=f"{primary.port},{standby.port}")
    # From here on a commit is one of both servers: what the sink has heard of survives the primary.
    primary.sql("ALTER ROLE chatmill_sink SET synchronous_commit = on")
    events, oracle = generate(31, 6000)
    send(s, events[:2000])
    sink = s.start("sink")
    processes.append(sink)
    wait_through(s, sink)
    send(s, events[2000:4000])
    primary.kill()
    sink.wait_log("database_away")
    standby.promote()
    s.postgres = standby
    wait_through(s, sink)
    assert "database_back" in sink.log()

    # The old primary comes back and does not know: nobody may write to it.
    primary.settings["default_transaction_read_only"] = "on"
    primary.restart()
    before = primary.sql("SELECT sum(next_offset) FROM chatmill.sink_offset")
    standby.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chatmill_sink'")
    send(s, events[4000:])
    wait_through(s, sink)
    assert sink.terminate() == 0
    check(s, oracle)
    assert before == primary.sql("SELECT sum(next_offset) FROM chatmill.sink_offset")


def test_a_silent_host_is_passed_over(tmp_path, kafka, postgres, processes):
    """The first host takes connections and never answers (a frozen machine): the second one serves."""
    events, oracle = generate(32, 600)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        s = set_up(tmp_path, kafka, postgres, host="127.0.0.1,127.0.0.1", connect_timeout="2",
                   port=f"{silent.getsockname()[1]},{postgres.port}")
        send(s, events)
        sink = s.start("sink")
        processes.append(sink)
        wait_through(s, sink)
    assert "no answer to a connection" in sink.log()
    check(s, oracle)


def test_a_lost_answer_to_commit_is_no_second_batch(tmp_path, kafka, postgres, processes):
    """The server commits, the answer never comes: the offsets tell, nothing is doubled."""
    proxy = Proxy(postgres.port)
    try:
        s = set_up(tmp_path, kafka, postgres, port=str(proxy.port))
        events, oracle = generate(33, 2000)
        sink = s.start("sink")
        processes.append(sink)
        for i in range(0, 2000, 1000):
            proxy.lose_commits = 1
            send(s, events[i:i + 1000])
            wait_through(s, sink)
        assert proxy.lost == 2, sink.log()
        assert sink.terminate() == 0
        skipped = [w for w in sink.log().split() if "skipped" in w][-1]
        assert int("".join(c for c in skipped.split("skipped")[-1] if c.isdigit())) > 0, sink.log()
        check(s, oracle)
    finally:
        proxy.close()


@pytest.fixture
def small_disk():
    """A file system of 64 MiB."""
    folder = proc.private_folder("small")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=777", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def ready(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status
    except urllib.error.HTTPError as e:
        return e.code


def test_a_full_disk_is_waited_for(tmp_path, kafka, small_disk, own_postgres, processes):
    """The tables' disk is full: the sink says so, is not ready, and goes on when there is room."""
    server, = own_postgres
    place = small_disk / "tablespace"
    place.mkdir()
    if server.user:
        os.chown(place, server.user.pw_uid, server.user.pw_gid)
    server.sql("DROP DATABASE chatmill", dbname="postgres")
    server.sql(f"CREATE TABLESPACE small LOCATION '{place}'", dbname="postgres")
    server.sql("CREATE DATABASE chatmill TABLESPACE small", dbname="postgres")
    s = set_up(tmp_path, kafka, server)
    events, oracle = generate(34, 6000)
    port = proc.free_ports(1)[0]
    sink = s.start("sink", CHATMILL_HTTP__LISTEN=f"127.0.0.1:{port}")
    processes.append(sink)
    send(s, events[:500])
    wait_through(s, sink)
    with open(small_disk / "filler", "wb") as filler:
        try:
            while filler.write(b"x" * 65536):
                filler.flush()
        except OSError:
            pass
    send(s, events[500:])
    sink.wait_log("53100")
    proc.wait_for(lambda: ready(port) == 503, 120, "word that the sink is not ready")
    assert sink.running()
    (small_disk / "filler").unlink()
    wait_through(s, sink)
    assert ready(port) == 200
    assert sink.terminate() == 0
    check(s, oracle)
    assert server.sql("SELECT count(*) FROM chatmill.sink_reject") == [(0,)]
    server.stop()  # before its disk goes
