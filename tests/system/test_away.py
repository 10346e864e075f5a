# test_away.py - Kafka or PostgreSQL away, at start and in the middle: said, waited for, gone on.
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from support import audit, chatmill, make_sample, proc
from support.kafka import Cluster
from support.postgres import Postgres

RULES = """\
pack: away
title: away
tags:
  intent: {values: [high]}
rules:
  - id: price
    match: [多少钱]
    then: [{tag: high}, {alert: {severity: low, category: price}}]
"""


@pytest.fixture
def own_kafka():
    """A broker of the test's own, which it may take away."""
    cluster = Cluster().start()
    yield cluster
    cluster.stop()


@pytest.fixture
def own_postgres():
    server = Postgres().start()
    yield server
    server.stop()


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "away.yaml").write_text(RULES)
    return folder


def rows(count, seed):
    return list(make_sample.Stream(seed=seed, customers=100, hit_rate=0.5).rows(count))


def feed(setup, some):
    setup.kafka.produce(setup.topic["archive"], [
        dict(key=audit.key(r), value=r, timestamp=make_sample.START_MS) for r in some])


def ids(events):
    return sorted(e["id"] for e in events)


def expected_ids(setup, rules, some):
    path = setup.folder / "all.jsonl"
    path.write_bytes(b"".join(r + b"\n" for r in some))
    return ids(audit.expected(rules, path, setup.partitions, setup.folder / "dead")[0])


def test_broker_away_at_start_and_in_the_middle(tmp_path, own_kafka, rules, processes):
    # How long a broker takes to start is not what is tested: the group must not give up before.
    setup = chatmill.Setup(tmp_path, own_kafka)
    setup.more["kafka"] = {"bootstrap.servers": own_kafka.bootstrap, "session.timeout.ms": "60000"}
    setup.file = setup.write("chatmill.yaml")
    setup.apply()
    setup.publish(rules)
    some = rows(4000, 1)
    feed(setup, some[:2000])
    own_kafka.terminate()

    run = setup.start("run")
    processes.append(run)
    run.wait_log("broker_", 60)
    assert run.running(), run.log()
    own_kafka.restart()
    setup.wait_run(run, timeout_s=90)

    said = run.log().count("broker_")
    own_kafka.kill()
    proc.wait_for(lambda: run.log().count("broker_") > said or not run.running(), 60, "word of the broker")
    assert run.running(), run.log()
    own_kafka.restart()
    feed(setup, some[2000:])
    setup.wait_run(run, timeout_s=90)
    assert run.terminate() == 0, run.log()
    assert ids(setup.events()) == expected_ids(setup, rules, some)


def test_database_away_at_start_and_in_the_middle(tmp_path, kafka, own_postgres, rules, processes):
    setup = chatmill.Setup(tmp_path, kafka, own_postgres).apply()
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    setup.publish(rules)
    some = rows(4000, 2)
    feed(setup, some[:2000])
    run = setup.start("run")
    processes.append(run)
    setup.wait_run(run)

    own_postgres.stop()
    sink = setup.start("sink")
    processes.append(sink)
    proc.wait_for(lambda: "event=" in sink.log() or '"event"' in sink.log() or not sink.running(), 30,
                  "word of the sink")
    assert sink.running(), sink.log()
    own_postgres.restart()
    setup.wait_sink(sink, timeout_s=90)

    own_postgres.kill()
    feed(setup, some[2000:])
    setup.wait_run(run)
    size = len(sink.log())
    proc.wait_for(lambda: len(sink.log()) > size or not sink.running(), 60, "word of the sink")
    assert sink.running(), sink.log()
    own_postgres.restart()
    setup.wait_sink(sink, timeout_s=90)
    assert sink.terminate() == 0, sink.log()
    assert run.terminate() == 0, run.log()

    want = audit.expected(rules, tmp_path_file(setup, some), setup.partitions, setup.folder / "dead")[0]
    tags = [e["id"] for e in want if e["type"] == "chatmill.tag.v1"]
    assert len(tags) > 30
    rows_ = own_postgres.sql("SELECT event_id FROM chatmill.tag_event")
    assert sorted(str(r[0]) for r in rows_) == sorted(tags)
    assert audit.database(own_postgres.sql) == audit.tables(want)


def tmp_path_file(setup, some):
    path = setup.folder / "all.jsonl"
    path.write_bytes(b"".join(r + b"\n" for r in some))
    return path


@pytest.mark.parametrize("command", ["topics apply", pytest.param("rules list", marks=pytest.mark.long),
                                     pytest.param("load", marks=pytest.mark.long)])
def test_commands_that_do_not_wait_end_with_69(tmp_path, command, rules):
    port = proc.free_ports(1)[0]

    class Nowhere:
        bootstrap = f"127.0.0.1:{port}"
    setup = chatmill.Setup(tmp_path, Nowhere)
    name, *rest = command.split()
    (tmp_path / "in.jsonl").write_bytes(rows(1, 3)[0] + b"\n")
    args = [name, *rest, "-c", setup.file] + ([tmp_path / "in.jsonl"] if command == "load" else [])
    done = chatmill.run(*args, timeout_s=100)
    assert done.returncode == 69, done.stderr
    assert b"127.0.0.1" in done.stderr or b"broker" in done.stderr


def test_no_password_in_the_configuration_shown(tmp_path):
    """Neither that of PostgreSQL, from a file, nor that of Kafka, from the environment."""
    secret, other = "s3cr3t-of-the-test", "0ther-of-the-test"
    (tmp_path / "secret").write_text(secret + "\n")

    class Nowhere:
        bootstrap = "127.0.0.1:1"
    values = chatmill.Setup(tmp_path, Nowhere).values(
        postgres={"host": "127.0.0.1", "port": "1", "dbname": "x", "user": "x",
                  "password": {"file": str(tmp_path / "secret")}},
        kafka={"bootstrap.servers": "127.0.0.1:1", "sasl.password": {"env": "OTHER"}})
    path = tmp_path / "secret.yaml"
    path.write_text(json.dumps(values))
    shown = chatmill.run("config", "show", "-c", path, OTHER=other)
    assert shown.returncode == 0
    assert b"sasl.password" in shown.stdout
    for word in (secret, other):
        assert word.encode() not in shown.stdout + shown.stderr
