# test_verify.py - `verify` agrees with an honest run, and finds each thing that is planted.
# SPDX-License-Identifier: Apache-2.0
#
# The planted differences stand on copies of the topics, made by a client that is none of chatmill's
# code; a second configuration names the copies.
import json
import random
import threading
import time

import pytest

from support import audit, chatmill, make_sample
from support.load import RULES, publish, records, seed_of_today, write_input, write_rules

EVENTS = ("tags", "stages", "alerts")


def verify(setup, *args, file=None, check=None):
    """(findings, summary) of --json."""
    done = chatmill.run("verify", "-c", file or setup.file, "--json", *args)
    assert done.returncode in (0, 1) if check is None else done.returncode == check, \
        f"exit {done.returncode}\n{done.stdout.decode()[:3000]}\n{done.stderr.decode()[-3000:]}"
    *findings, summary = chatmill.lines(done)
    assert (summary["result"] == "different") == bool(findings) == bool(done.returncode)
    return findings, summary


def customer_of(rows):
    """Of the messages that hit, some sender who is a customer."""
    for row in rows:
        if "付款".encode() in row and audit.is_customer(json.loads(row)["message"]["from"]):
            return json.loads(row)["message"]["from"]
    raise AssertionError("nobody")


def honest(setup, processes, seed, count=4000):
    """Load with everything that `run` knows: rules switched, dead letters, recalls, copies, control,
    clock and misrouted records, a kill -9 in the middle. Returns the rows."""
    rows, _ = write_input(setup.folder, count, seed)
    kafka, archive = setup.kafka, setup.topic["archive"]
    runs = [setup.start("run", file=setup.write("fast.yaml", commit_interval_ms=20))]
    processes.extend(runs)
    step = len(rows) // 4
    for i in range(4):
        title = RULES.replace("title: audit", f"title: audit {i}")
        folder = write_rules(setup, title if i % 2 else title.replace("报价", "发票"), f"rules{i}")
        publish(setup, folder)
        part = rows[i * step:(i + 1) * step]
        kafka.produce(archive, records(part[:step // 2]))
        if i == 1:
            runs[0].wait_log('"rules_switched"', 60)
            runs[0].kill()
            runs.append(setup.start("run"))
            processes.append(runs[-1])
        chatmill.run("control", *[["tag", "intent/high"], ["erase"], ["stage", "life", "again"],
                                  ["untag", "intent/high"]][i], "-c", setup.file, "--customer", customer_of(part),
                     "--at", make_sample.START_MS + i * 60_000, check=0)
        kafka.produce(archive, records(part[step // 2:]))
        wrong = dict(records([part[3]])[0], partition=i % setup.partitions)
        kafka.produce(archive, [wrong])
    chatmill.run("tick", "-c", setup.file, check=0)
    setup.wait_run(runs[-1])
    assert runs[-1].terminate() == 0, runs[-1].log()
    return rows


@pytest.fixture(scope="module")
def done(tmp_path_factory, kafka, postgres_server):
    """A pipeline with its tables that worked honestly and rests; judged by the rights of the sink."""
    sql = postgres_server.sql
    sql("DROP DATABASE IF EXISTS chatmill WITH (FORCE)", dbname="postgres")
    sql("CREATE DATABASE chatmill", dbname="postgres")
    setup = chatmill.Setup(tmp_path_factory.mktemp("verify"), kafka, postgres_server).apply()
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    processes = [setup.start("sink")]
    try:
        honest(setup, processes, seed_of_today())
        setup.wait_sink(processes[0])
        assert processes[0].terminate() == 0, processes[0].log()
    finally:
        for p in processes:
            p.kill()
    sql("DROP ROLE IF EXISTS verifier")
    sql("CREATE ROLE verifier LOGIN IN ROLE chatmill_sink")
    setup.file = setup.write("verifier.yaml", postgres=postgres_server.keys("verifier"))
    return setup


def test_honest(done):
    findings, summary = verify(done, check=0)
    got, sql = done.events(), done.postgres.sql
    assert len({e["data"]["ruleset"] for e in got}) == 4
    assert summary["events"] == len(got) > 1000
    assert summary["dead_letters"] == len(done.dead()) > 10
    counts = {t: sql(f"SELECT count(*) FROM chatmill.{t}")[0][0]
              for t in ("tag_event", "stage_event", "customer_tag", "customer_stage", "alert")}
    assert all(counts.values()) and sql("SELECT count(*) FROM chatmill.erased")[0][0] == 1
    # Who was erased left events without rows, and rows of later that are not asked about.
    assert 0.97 < summary["rows"] / sum(counts.values()) < 1.03, (counts, summary)
    assert summary["not_yet"] == summary["passed"] == summary["refused"] == 0
    text = chatmill.run("verify", "-c", done.file, check=0)
    assert not text.stdout and b"equal" in text.stderr


class Copies:
    """Copies of the output topics, each changed by a function from records to records."""

    def __init__(self, setup, name):
        self.setup, self.topic = setup, dict(setup.topic)
        self.name = f"{setup.name}.{name}"

    def of(self, kind, change=lambda records: records, partitions=None):
        """The same places, or of another number of partitions those of the keys."""
        topic = self.topic[kind] = f"{self.name}.{kind}"
        kafka = self.setup.kafka
        kafka.create_topic(topic, partitions or self.setup.partitions)
        kafka.produce(topic, [dict(key=r.key, value=r.value, headers=r.headers, timestamp=r.timestamp,
                                   **({} if partitions else {"partition": r.partition}))
                              for r in change(kafka.read(self.setup.topic[kind]))])
        return topic

    def file(self):
        """Without the tables, which were made of the originals."""
        return self.setup.write(f"{self.name}.yaml", postgres={}, output={
            k: self.topic[k] for k in (*EVENTS, "deadletter", "rulesets")})


def header(record, name):
    return dict(record.headers)[name].decode()


def with_header(record, name, value):
    return record._replace(headers=[(k, value if k == name else v) for k, v in record.headers])


def by_message(setup):
    """msgid → its events of cause rule, as (topic's short name, id)."""
    out = {}
    for e in setup.events():
        if e["data"]["cause"] == "rule":
            out.setdefault(e["data"]["msgid"], []).append((e["_at"][0], e["id"]))
    return out


def test_every_planted_difference_is_found_and_nothing_else(done):
    rng = random.Random(seed_of_today())
    messages = by_message(done)
    # The last event of a partition cannot be moved to its end.
    ends = set({r.partition: header(r, "ce_id") for r in done.kafka.read(done.topic["tags"])}.values())
    alone = [e[0][1] for e in messages.values() if [k for k, _ in e] == ["tags"] and e[0][1] not in ends]
    torn = [e for e in messages.values() if sorted(k for k, _ in e) == ["stages", "tags"]]
    lost, doubled, changed, retimed, rekeyed, moved = rng.sample(alone, 6)
    torn_stage = dict(rng.choice(torn))["stages"]
    planted = []

    def plant(finding, what):
        planted.append((finding, what))

    def in_tags(given):
        by_id = {header(r, "ce_id"): i for i, r in enumerate(given)}
        out = list(given)
        last = {r.partition: r for r in given}
        assert len(by_id) == len(given)
        out[by_id[changed]] = given[by_id[changed]]._replace(
            value=given[by_id[changed]].value.replace(b'"late":', b'"late": ', 1))
        out[by_id[retimed]] = with_header(given[by_id[retimed]], "ce_time", b"2023-11-14T22:13:20.123Z")
        other = next(r.key for r in given if r.partition == given[by_id[rekeyed]].partition
                     and r.key != given[by_id[rekeyed]].key)
        out[by_id[rekeyed]] = given[by_id[rekeyed]]._replace(key=other)
        out.append(given[by_id[doubled]])
        assert last[given[by_id[moved]].partition] is not given[by_id[moved]]
        out.append(given[by_id[moved]])
        stranger = with_header(given[0], "ce_id", b"00000000-0000-5000-8000-000000000001")
        out.append(stranger)
        out.append(given[1]._replace(headers=[]))
        return [r for i, r in enumerate(out) if i not in (by_id[lost], by_id[moved])]

    letters = done.dead()
    letter = {k: letters[i] for i, k in enumerate(("lost", "doubled", "changed", "reason"))}

    def place(r):
        return int(header(r, "__connect.errors.partition")), int(header(r, "__connect.errors.offset"))

    def in_dead(given):
        out = []
        for r in given:
            at = place(r)
            if at == place(letter["changed"]):
                r = r._replace(value=r.value + b" ")
            if at == place(letter["reason"]):
                r = with_header(r, "chatmill.error", b"no_corp")
            if at != place(letter["lost"]):
                out.append(r)
        out.append(letter["doubled"])
        return out + [with_header(given[0], "__connect.errors.offset", b"99999999")]

    copies = Copies(done, "planted")
    copies.of("tags", in_tags)
    copies.of("stages", lambda given: [r for r in given if header(r, "ce_id") != torn_stage])
    copies.of("alerts")
    copies.of("deadletter", in_dead)
    for finding, event in (("lost", lost), ("doubled", doubled), ("changed", changed), ("changed", retimed),
                           ("changed", rekeyed), ("out_of_order", moved), ("torn", torn_stage),
                           ("unexpected", "00000000-0000-5000-8000-000000000001"), ("unexpected", None)):
        plant(finding, event)
    for finding in ("lost", "doubled", "changed"):
        plant(f"dead_{finding}", place(letter[finding]))
    plant("dead_changed", place(letter["reason"]))
    plant("dead_unexpected", (place(letters[0])[0], 99999999))

    findings, summary = verify(done, file=copies.file(), check=1)
    got = [(f["finding"], (f["archive"]["partition"], f["archive"]["offset"])
            if f["finding"].startswith("dead") else f["id"]) for f in findings]
    assert sorted(map(str, got)) == sorted(map(str, planted))
    where = {e["id"]: e for e in done.events()}
    for f in findings:
        assert f["reason"] and f["topic"] in copies.topic.values(), f
        if f["finding"] in ("lost", "torn"):
            msgid = where[f["id"]]["data"]["msgid"]
            (record,) = [r for r in done.kafka.read(done.topic["archive"], start=None)
                         if (r.partition, r.offset) == (f["archive"]["partition"], f["archive"]["offset"])]
            assert json.loads(record.value)["message"]["msgid"] == msgid
    reasons = {f["id"]: f["reason"] for f in findings}
    assert "late" in reasons[changed] and "ce_time" in reasons[retimed] and "key" in reasons[rekeyed]
    assert "1 of the 2" in reasons[torn_stage]
    text = chatmill.run("verify", "-c", copies.file())
    assert text.returncode == 1 and len(text.stdout.splitlines()) == len(planted)
    for word in ("多少钱", "报价", "付款"):
        assert word.encode() not in text.stdout + text.stderr, "message text"

    # A range: what comes of one record, and of all others.
    (f,) = [f for f in findings if f["id"] == lost]
    p, at = f["archive"]["partition"], f["archive"]["offset"]
    found, _ = verify(done, "-p", p, "--from", at, "--to", at + 1, file=copies.file())
    assert [f["id"] for f in found if f["finding"] == "lost"] == [lost]
    found, _ = verify(done, "-p", p, "--from", at + 1, file=copies.file())
    assert lost not in [f["id"] for f in found]


def test_topics_of_other_partition_counts(done):
    """What one partition of the archive makes lies on many, and what lies on one comes of many."""
    copies = Copies(done, "other")
    gone = []

    def without_one(given):
        gone.append(header(given[len(given) // 3], "ce_id"))
        return given[:len(given) // 3] + given[len(given) // 3 + 1:]
    copies.of("tags", partitions=6)
    copies.of("stages", without_one, partitions=2)
    findings, summary = verify(done, file=copies.file(), check=1)
    assert [f["id"] for f in findings] == gone and findings[0]["finding"] in ("lost", "torn")
    assert summary["events"] == len(done.events()) - 1


def test_a_topic_that_lost_its_beginning(done):
    """Retention took the first half of the tags: what is left is compared, the rest is counted."""
    copies = Copies(done, "late")
    topic = copies.of("tags")
    kept = {}
    for p, end in done.kafka.high_watermarks(topic).items():
        kept[p] = end // 2
    spec = done.folder / "delete.json"
    spec.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": p, "offset": at} for p, at in kept.items()]}))
    done.kafka.tool("DeleteRecordsCommand", "--offset-json-file", spec)
    findings, summary = verify(done, file=copies.file(), check=0)
    assert not findings and summary["passed"] == sum(kept.values()) > 100


def test_an_archive_that_lost_its_beginning_proves_nothing(done):
    copies = Copies(done, "tail")
    topic = f"{copies.name}.archive"
    done.kafka.create_topic(topic, done.partitions)
    done.kafka.produce(topic, [dict(key=r.key, value=r.value, partition=r.partition, timestamp=r.timestamp,
                                    headers=r.headers) for r in done.kafka.read(done.topic["archive"])])
    spec = done.folder / "delete-archive.json"
    spec.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 1, "offset": 5}]}))
    done.kafka.tool("DeleteRecordsCommand", "--offset-json-file", spec)
    file = done.write("tail.yaml", postgres={}, input={**done.values()["input"], "topic": topic})
    refused = chatmill.run("verify", "-c", file, check=65)
    assert b"begins at offset 5" in refused.stderr and not refused.stdout
    assert chatmill.run("verify", "-c", file, "--no-past").returncode == 1


@pytest.mark.parametrize("args, status, word", [
    (["--since", "yesterday"], 64, b"24h"), (["--from", "x"], 64, b"--from"), (["-p", "99"], 64, b"partitions 0 to"),
    (["--sinec", "1h"], 64, b"--since")])
def test_wrong_usage(done, args, status, word):
    refused = chatmill.run("verify", "-c", done.file, *args, check=status)
    assert word in refused.stderr and not refused.stdout


def test_the_tables(done):
    """Rows are lost, changed and made up. The last test of these: the tables stay as they are."""
    setup, sql = done, done.postgres.sql

    def some(table, what, where="true"):
        return [r[0] for r in sql(f"SELECT {what} FROM chatmill.{table} WHERE {where} ORDER BY random() LIMIT 2")]

    def two(table):
        """Rows of two customers: place, whose, sequence. Of who was erased once no such row is compared."""
        return sql("SELECT * FROM (SELECT DISTINCT ON (external_userid) ctid::text, external_userid::text, sequence "
                   f"FROM chatmill.{table} WHERE since IS NOT NULL AND chatmill.subject_hmac(corpid, external_userid) "
                   "NOT IN (SELECT subject_hmac FROM chatmill.erased) ORDER BY external_userid) x "
                   "ORDER BY random() LIMIT 2")

    lost, changed = some("tag_event", "event_id::text")
    lost_stage, _ = some("stage_event", "event_id::text")
    lost_alert, changed_alert = some("alert", "alert_id::text")
    reviewed = sql("SELECT alert_id::text FROM chatmill.alert WHERE alert_id::text NOT IN (%s, %s) LIMIT 1",
                   (lost_alert, changed_alert))[0][0]
    tag_rows = two("customer_tag")
    stage_rows = two("customer_stage")

    def newest(table, row):
        return sql(f"SELECT event_id::text FROM chatmill.{table} WHERE external_userid = %s AND sequence = %s",
                   row[1:])[0][0]
    tags, stages = [newest("tag_event", r) for r in tag_rows], [newest("stage_event", r) for r in stage_rows]
    planted = [("row_lost", "tag_event", lost), ("row_changed", "tag_event", changed),
               ("row_lost", "stage_event", lost_stage), ("row_lost", "alert", lost_alert),
               ("row_changed", "alert", changed_alert),
               ("row_changed", "customer_tag", tags[0]),
               ("row_lost", "customer_tag", tags[1]),
               ("row_changed", "customer_stage", stages[0]),
               ("row_lost", "customer_stage", stages[1]),
               ("row_unexpected", "tag_event", "00000000-0000-5000-8000-000000000001"),
               ("row_unexpected", "customer_stage", None)]
    sql("DELETE FROM chatmill.tag_event WHERE event_id = %s", (lost,))
    sql("UPDATE chatmill.tag_event SET rule = 'other', "
        "cause = CASE cause WHEN 'recall' THEN 'rule' ELSE 'recall' END WHERE event_id = %s", (changed,))
    sql("DELETE FROM chatmill.stage_event WHERE event_id = %s", (lost_stage,))
    sql("DELETE FROM chatmill.alert WHERE alert_id = %s", (lost_alert,))
    sql("UPDATE chatmill.alert SET title = title || '!' WHERE alert_id = %s", (changed_alert,))
    sql("UPDATE chatmill.alert SET status = 'confirmed', note = 'seen' WHERE alert_id = %s", (reviewed,))
    sql("UPDATE chatmill.customer_tag SET since = since - interval '1 ms' WHERE ctid = %s", (tag_rows[0][0],))
    sql("DELETE FROM chatmill.customer_tag WHERE ctid = %s", (tag_rows[1][0],))
    sql("UPDATE chatmill.customer_stage SET stage = 'gone' || coalesce(stage, '') WHERE ctid = %s", (stage_rows[0][0],))
    sql("DELETE FROM chatmill.customer_stage WHERE ctid = %s", (stage_rows[1][0],))
    sql("INSERT INTO chatmill.tag_event SELECT '00000000-0000-5000-8000-000000000001', day, corpid, "
        'external_userid, "time", msgtime, 1, cause, late, "add", remove, userids, roomid, chat, sender, sender_role, '
        "msgid, pack, rule, ruleset, by, evidence FROM chatmill.tag_event LIMIT 1")
    sql("INSERT INTO chatmill.customer_stage SELECT corpid, 'wmnobody', ladder, stage, since, previous, pack, rule, "
        "msgid, 1 FROM chatmill.customer_stage LIMIT 1")

    findings, summary = verify(setup, check=1)
    assert sorted((f["finding"], f["table"], str(f["id"])) for f in findings) == sorted(
        (a, b, str(c)) for a, b, c in planted)
    reason = {(f["table"], f["id"]): f["reason"] for f in findings}
    assert "rule" in reason["tag_event", changed] and "cause" in reason["tag_event", changed]
    assert "title" in reason["alert", changed_alert]
    assert "since" in reason["customer_tag", tags[0]] and "stage" in reason["customer_stage", stages[0]]
    at = {e["id"]: e["_at"] for e in setup.events()}
    for f in findings:
        if f["finding"] != "row_unexpected":
            which, p, offset = at[f["id"]]
            assert (f["topic"], f["at"]) == (setup.topic[which], {"partition": p, "offset": offset})
    assert not verify(setup, "--no-database", check=0)[0]

    # What the database refused leaves no row, and what stood in months that were dropped neither.
    which, p, offset = at[lost]
    sql("INSERT INTO chatmill.sink_reject (topic, partition, \"offset\", sqlstate, message) "
        "VALUES (%s, %s, %s, '22021', 'test')", (setup.topic[which], p, offset))
    findings, summary = verify(setup, check=1)
    assert ("tag_event", lost) not in {(f["table"], f["id"]) for f in findings}
    assert (summary["refused"], summary["passed"]) == (1, 0)
    assert sql("SELECT chatmill.drop_months('2026-06-01')")
    events = sum(e["type"] != "chatmill.alert.v1" for e in setup.events())
    findings, summary = verify(setup, check=1)
    assert {f["table"] for f in findings} == {"alert", "customer_tag", "customer_stage"}
    assert summary["passed"] > 0.97 * events
    moved = sql("UPDATE chatmill.sink_offset SET next_offset = next_offset + 1000000 WHERE partition = 0 "
                "AND topic = %s RETURNING 1", (setup.topic["tags"],))
    assert moved and "sink_offset" in {f["table"] for f in verify(setup, check=1)[0]}


SWITCHED = """\
pack: switched
title: set {number}
rules:
  - id: always
    match: [多少钱]
    then: [{{alert: {{severity: low, category: price}}}}]
  - id: {turn}
    match: [{word}]
    then: [{{alert: {{severity: low, category: turn}}}}]
"""
TURNS = [("even", "报价"), ("odd", "发货"), ("third", "报价")]


class Steady(threading.Thread):
    """A hundred messages at a time, all with the words of every set, until told to stop."""

    def __init__(self, setup):
        super().__init__(daemon=True)
        self.setup, self.stop, self.count, self.failure = setup, threading.Event(), 0, None

    def messages(self, n):
        for i in range(self.count, self.count + n):
            customer = f"wm{i % 97:030d}"
            m = {"msgid": f"m{i}", "action": "send", "from": customer, "tolist": ["zhangsan"], "roomid": "",
                 "msgtime": make_sample.START_MS + i, "msgtype": "text",
                 "text": {"content": f"第{i}个：多少钱，报价，发货"}}
            value = json.dumps({"corpid": "ww1", "msgid": m["msgid"], "recv_ts": m["msgtime"], "message": m})
            yield dict(key=f"ww1/{customer}".encode(), value=value, timestamp=m["msgtime"])

    def run(self):
        try:
            while not self.stop.wait(0.2):
                self.setup.kafka.produce(self.setup.topic["archive"], self.messages(100), **{"linger.ms": 0})
                self.count += 100
        except Exception as e:  # seen by the test, which joins
            self.failure = e


def switched(setup, processes, count):
    """`count` sets, one a second, each after one that is wrong; the last is the first again."""
    def folder(i):
        turn, word = TURNS[i % len(TURNS)]
        path = setup.folder / f"set{i}"
        path.mkdir()
        (path / "rules.yaml").write_text(SWITCHED.format(number=i, turn=turn, word=word))
        return path
    wrong = setup.folder / "wrong"
    wrong.mkdir()
    (wrong / "rules.yaml").write_text(SWITCHED.format(number=99, turn="wrong", word="退货").replace("match", "mach"))
    folders = [folder(i) for i in range(count - 1)]
    turn_of = {publish(setup, folders[0]): TURNS[0][0]}
    runs = [setup.start("run"), setup.start("run")]
    processes.extend(runs)
    for r in runs:
        r.wait_log('"assigned"', 60)
    load = Steady(setup)
    load.start()
    for i in range(1, count):
        until = time.monotonic() + 1
        refused = chatmill.run("rules", "publish", "-c", setup.file, "--lead", "0s", wrong)
        assert refused.returncode == 65, refused
        digest = publish(setup, folders[i % (count - 1)])  # the last one goes back to the first
        turn_of[digest] = TURNS[i % (count - 1) % len(TURNS)][0]
        if i == count // 2:
            live = verify(setup, check=0)[1]  # while all goes on
            assert live["events"] > 0
        load.stop.wait(max(0, until - time.monotonic()))
        assert not load.failure and all(r.running() for r in runs), load.failure
    load.stop.set()
    load.join(60)
    setup.wait_run(*runs, timeout_s=120)
    for r in runs:
        assert r.terminate() == 0, r.log()[-3000:]

    want, in_force, seen = [], {}, set()
    for r in setup.kafka.read(setup.topic["archive"]):
        record = json.loads(r.value)
        if "ruleset" in record:
            in_force[r.partition] = record["ruleset"]
            continue
        digest = in_force[r.partition]
        seen.add(digest)
        want += [(record["msgid"], rule, digest) for rule in ("always", turn_of[digest])]
    got = [(e["data"]["msgid"], e["data"]["rule"], e["data"]["ruleset"]) for e in setup.events()]
    assert len(want) == 2 * load.count > 0 and len(turn_of) == count - 1
    assert len(seen) > (count - 1) // 2, "most sets judged nothing: no load"
    assert sorted(got) == sorted(want)
    findings, summary = verify(setup, check=0)
    assert summary["events"] == len(want) and not summary["not_yet"]


def test_sets_published_under_load(pipeline, processes):
    switched(pipeline, processes, 6)


@pytest.mark.long
def test_a_set_every_second_for_a_minute(pipeline, processes):
    switched(pipeline, processes, 60)
