# test_config_check.py - `config check --servers`: what is wrong on real servers is found, named, and mended as told.
# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from confluent_kafka.admin import ConfigResource
from support import chatmill, proc
from support.kafka import Cluster


@pytest.fixture(scope="module")
def kafka():
    """A broker of its own, that knows rights: who has no rule against him may do everything."""
    cluster = Cluster(**{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                         "allow.everyone.if.no.acl.found": "true"}).start()
    yield cluster
    cluster.stop()


def check(setup, status, *args, file=None):
    """Findings on standard error; nothing on standard output."""
    done = chatmill.run("config", "check", "-c", file or setup.file, "--servers", *args, check=status)
    assert not done.stdout
    return done.stderr.decode()


def as_sink(setup, name="sink.yaml", **changes):
    """The configuration with which the sink should work: its own role."""
    return setup.write(name, postgres=setup.postgres.keys("chatmill_sink"), **changes)


def test_nothing_to_say_and_nothing_changed(pipeline_db):
    """All well: 0. Asking writes no record, commits nothing, joins no group."""
    setup, file = pipeline_db, as_sink(pipeline_db)
    said = check(setup, 0, file=file)
    assert "error" not in said and "warning" not in said and said.rstrip().endswith("ok")
    for topic in [*setup.topic.values(), f"chatmill.{setup.name}.state"]:
        assert set(setup.kafka.high_watermarks(topic).values()) == {0}, topic
    for group in (setup.name, setup.name + "-sink"):
        assert not any(setup.kafka.committed(group, setup.topic["archive"]).values())
    assert setup.postgres.sql("SELECT count(*) FROM chatmill.pipeline") == [(0,)]
    assert "superuser" in check(setup, 0)  # the role of the tests: a warning is no error
    assert "warning" not in check(setup, 0, "--for", "run")


def test_topics(tmp_path, kafka):
    """Missing topics, partition counts and settings; `topics apply` mends what it can."""
    setup = chatmill.Setup(tmp_path, kafka)
    said = check(setup, 78)
    assert said.count("is not there; `chatmill topics apply` makes it") == 7
    t = setup.topic
    kafka.create_topic(t["archive"], 3)
    kafka.create_topic(f"chatmill.{setup.name}.state", 4, config={"cleanup.policy": "delete"})
    kafka.create_topic(t["rulesets"], 1, config={"max.message.bytes": "1000"})
    said = check(setup, 78)
    assert f"topic {t['archive']} has 3 partitions, input.partitions is 4: write input.partitions: 3" in said
    assert f"state has 4 partitions and the archive {t['archive']} has 3" in said
    assert re.search(r"error: .*state has cleanup.policy=delete instead of compact; `chatmill topics apply` sets it", said)
    assert re.search(rf"error: .*{t['rulesets']} has max.message.bytes=1000 instead of 10485760", said)
    assert re.search(rf"warning: .*{t['archive']} has retention.ms=", said) is None  # -1 is the broker's default
    setup.more["input"] = {**setup.values()["input"], "partitions": 3}
    setup.file = setup.write("chatmill.yaml")
    kafka.delete_topic(f"chatmill.{setup.name}.state")
    proc.wait_for(lambda: f"chatmill.{setup.name}.state" not in kafka.topics(), 120, "state topic to be gone")
    chatmill.run("topics", "apply", "-c", setup.file, check=0)
    assert "warning" not in check(setup, 0)


def test_dead_letters_are_larger_than_their_records(tmp_path, kafka):
    setup = chatmill.Setup(tmp_path, kafka).apply()
    admin = kafka.admin()  # must outlive its futures
    for f in admin.alter_configs([ConfigResource("topic", setup.topic["archive"],
                                                 set_config={"max.message.bytes": str(15 << 20)})]).values():
        f.result()
    said = check(setup, 78)
    assert f"give {setup.topic['deadletter']} max.message.bytes={(15 << 20) + 65536} or more" in said
    chatmill.run("topics", "apply", "-c", setup.file, check=0)
    check(setup, 0)


def rule(kafka, verdict, *what):
    kafka.tool("kafka.admin.AclCommand", "--add", f"--{verdict}-principal", "User:ANONYMOUS", *what)


def test_rights_on_kafka(pipeline):
    """What an ACL denies is found by asking, and named; 77 when rights are all that is wrong."""
    t, name, kafka = pipeline.topic, pipeline.name, pipeline.kafka
    check(pipeline, 0)
    rule(kafka, "allow", "--operation", "All", "--topic", "*", "--group", "*", "--transactional-id", "*", "--cluster")
    rule(kafka, "deny", "--operation", "Write", "--topic", t["tags"], "--transactional-id", name,
         "--resource-pattern-type", "prefixed")
    rule(kafka, "deny", "--operation", "Read", "--topic", t["archive"], "--group", name)
    rule(kafka, "deny", "--operation", "DescribeConfigs", "--topic", t["alerts"])

    def denied():  # one after the other comes into force
        done = chatmill.run("config", "check", "-c", pipeline.file, "--servers")
        said = done.stderr.decode()
        return said if done.returncode == 77 and "warning:" in said and said.count("yaml: error:") == 4 else None
    said = proc.wait_for(denied, 120, "the last ACL in force")
    assert f"error: {t['tags']}: " in said and "grant Write on the topic" in said
    assert f"{t['archive']}" in said and "grant Read on the topic" in said
    assert f"error: {name}: " in said and "grant Read on the group" in said
    assert f"grant Write and Describe on transactional ids that begin with {name}-" in said
    assert f"warning: kafka: the settings of {t['alerts']} may not be seen (DescribeConfigs)" in said


def test_schema_and_roles(tmp_path, kafka, postgres):
    """No schema, an old one, a role without a right, with too many, somebody else's schema, a standby."""
    setup = chatmill.Setup(tmp_path, kafka, postgres).apply()
    assert "no schema chatmill; run `chatmill db migrate`" in check(setup, 78)
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    file = as_sink(setup)
    check(setup, 0, file=file)
    # Every right that the migrations give is asked for: without them each is missed, by name.
    granted = [(f"{what} on {name}", f"GRANT {what} ON chatmill.{name} TO chatmill_sink") for name, what in postgres.sql(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'chatmill_sink' AND table_schema = 'chatmill'")]
    granted += [(f"UPDATE ({column}) on alert", f"GRANT UPDATE ({column}) ON chatmill.alert TO chatmill_sink")
                for column, in postgres.sql("SELECT column_name FROM information_schema.column_privileges WHERE grantee = "
                                            "'chatmill_sink' AND privilege_type = 'UPDATE' AND table_name = 'alert'")]
    functions = [f for f, in postgres.sql(
        "SELECT replace(oid::regprocedure::text, 'chatmill.', '') FROM pg_proc WHERE pronamespace = 'chatmill'::regnamespace "
        "AND has_function_privilege('chatmill_sink', oid, 'EXECUTE') AND prorettype <> 'trigger'::regtype")]
    granted += [(f"EXECUTE on function {f}".replace("timestamp with time zone", "timestamptz"),
                 f"GRANT EXECUTE ON FUNCTION chatmill.{f} TO chatmill_sink") for f in functions]
    assert len(granted) > 40
    postgres.sql("REVOKE ALL ON ALL TABLES IN SCHEMA chatmill FROM chatmill_sink")
    postgres.sql("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA chatmill FROM chatmill_sink")
    postgres.sql("GRANT SELECT ON chatmill.migration TO chatmill_sink")
    said = check(setup, 77, file=file)
    missed = re.findall(r"error: postgres: chatmill_sink lacks (.*?) of schema chatmill: GRANT it", said)
    assert sorted(missed) == sorted(what for what, _ in granted if what != "SELECT on migration")
    postgres.sql("; ".join(grant for _, grant in granted))
    assert "error" not in check(setup, 0, file=file)
    postgres.sql("REVOKE USAGE ON SCHEMA chatmill FROM chatmill_sink")
    assert "chatmill_sink may not use the schema chatmill: GRANT USAGE ON SCHEMA chatmill TO chatmill_sink" in check(
        setup, 77, file=file)
    postgres.sql("GRANT USAGE ON SCHEMA chatmill TO chatmill_sink")
    postgres.sql("GRANT DELETE ON chatmill.customer_tag TO chatmill_sink")
    postgres.sql("INSERT INTO chatmill.pipeline (name) VALUES ('other')")
    said = check(setup, 78, file=file)
    assert "warning: postgres: chatmill_sink may delete rows" in said
    assert f"serves the pipeline 'other', not '{setup.name}'" in said
    postgres.sql("CREATE ROLE nobody LOGIN")
    try:
        stranger = setup.write("nobody.yaml", postgres=postgres.keys("nobody"))
        assert "nobody may not use the schema chatmill: GRANT chatmill_sink TO nobody" in check(setup, 77, file=stranger)
    finally:
        postgres.sql("DROP ROLE nobody")
    postgres.sql("DELETE FROM chatmill.migration WHERE version = (SELECT max(version) FROM chatmill.migration)")
    last = postgres.sql("SELECT max(version) FROM chatmill.migration")[0][0]
    assert f"the schema is at version {last}, this program needs {last + 1}: run `chatmill db migrate`" in check(
        setup, 78, file=file)
    postgres.sql("INSERT INTO chatmill.migration (version, name, checksum) VALUES (999, 'later', 'x')")
    check(setup, 78, file=file)
    postgres.sql("ALTER DATABASE chatmill SET default_transaction_read_only = on")
    said = check(setup, 69, file=file)
    assert "session is read-only" in said and "it takes no writes" in said and "is it there" not in said, said


def test_servers_away(pipeline_db):
    """69, and what the other server says is told all the same."""
    (port,) = proc.free_ports(1)
    setup = pipeline_db
    file = setup.write("nodb.yaml", postgres={**setup.postgres.keys(), "port": str(port)})
    assert "is it there, and is its address right?" in check(setup, 69, file=file)
    setup.postgres.sql("DROP SCHEMA chatmill CASCADE")
    file = setup.write("nokafka.yaml", kafka={"bootstrap.servers": f"127.0.0.1:{port}"})
    taps = proc.spawn([chatmill.binary(), "tap", "-c", file], env=chatmill.environment())
    said = check(setup, 69, file=file)
    assert "no schema chatmill" in said and said.count("is it there") == 1
    assert taps.wait(120) == 69
    # Without --servers nobody is asked.
    chatmill.run("config", "check", "-c", file, check=0)
    assert b"add --servers" in chatmill.run("config", "check", "-c", file, "--for", "run", check=64).stderr
    assert b"--for is run or sink" in chatmill.run("config", "check", "-c", file, "--servers", "--for", "load",
                                                   check=64).stderr
