# test_dead_letters.py - good records between every kind of bad one, in a file and on a topic.
# SPDX-License-Identifier: Apache-2.0
import base64
import itertools
import json
import random
import urllib.error
import urllib.request

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import ConfigResource

from support import chatmill, make_sample, proc

RULES = """\
pack: dead
title: dead
rules:
  - id: price
    match: [多少钱]
    then: [{alert: {severity: low, category: price}}]
"""
CUSTOMER = "wm" + "D" * 30
START = 1700000000000


def good(number):
    m = {"msgid": f"good{number}", "action": "send", "from": CUSTOMER, "tolist": ["zhangsan"], "roomid": "",
         "msgtime": START + number * 1000, "msgtype": "text", "text": {"content": f"第{number}个多少钱"}}
    return json.dumps({"corpid": "ww1", "msgid": m["msgid"], "recv_ts": m["msgtime"], "message": m},
                      ensure_ascii=False).encode()


def two_mib():
    m = json.loads(good(0))
    m["message"]["msgid"] = m["msgid"] = "big"
    m["message"]["text"]["content"] = "多少钱" + "x" * (2 << 20)
    return json.dumps(m, ensure_ascii=False).encode()


def bad_records(corp):
    """(reason, bytes); `corp` says whether a record without one takes it from the configuration."""
    records = make_sample.dead_records(CUSTOMER) + [
        ("too_big", two_mib()),
        ("bad_json", b"{"), ("bad_json", b"[1,2"), ("bad_json", good(0) + b"x"), ("bad_json", b'"'),
        ("bad_utf8", good(0).replace("个".encode(), b"\xc0\xaf")),
        ("bad_utf8", good(0).replace("个".encode(), b"\xf5\x80\x80\x80")),
        ("bad_field", good(0).replace(b'"tolist": ["zhangsan"]', b'"tolist": [1]')),
    ]
    return [(e, r) for e, r in records if not (corp and e == "no_corp")]


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "dead.yaml").write_text(RULES)
    return folder


def test_in_a_file(tmp_path, rules):
    bad = bad_records(corp=False)
    lines, n = [good(0)], 1
    for _, raw in bad:
        lines += [raw, good(n)]
        n += 1
    # An empty line, one of blanks and a null are no records.
    lines += [b"", b"null", good(n), b"  ", good(n + 1)]
    path, dead = tmp_path / "in.jsonl", tmp_path / "dead.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    events = chatmill.lines(chatmill.run("scan", "--rules", rules, "--dead-letters", dead, path, check=0))
    assert [e["data"]["msgid"] for e in events] == [f"good{i}" for i in range(n + 2)]
    letters = chatmill.lines(dead.read_bytes())
    got = [(d["error"], base64.b64decode(d["raw_base64"])) for d in letters]
    assert [e for e, _ in got] == [e for e, _ in bad]
    assert [r for _, r in got] == [r for _, r in bad], "bytes changed"
    for d, (_, raw) in zip(letters, bad):
        assert d["file"].endswith("in.jsonl")
        assert d["line"] == lines.index(raw) + 1
        assert "多少钱" not in d["detail"]
        assert set(d) == {"error", "detail", "file", "line", "raw_base64"}


def test_on_a_topic(pipeline, rules, processes):
    topic, kafka = pipeline.topic["archive"], pipeline.kafka
    bad = bad_records(corp=True) + [("bad_json", b""), ("bad_json", b"   ")]
    pipeline.publish(rules)
    key, records, n = f"ww1/{CUSTOMER}".encode(), [], 0
    for i, (_, raw) in enumerate(bad):
        records.append(dict(key=key, value=good(n), timestamp=START))
        n += 1
        records.append(dict(key=key, value=raw, timestamp=START, headers=[("x-trace", b"t%d" % i)]))
    records.append(dict(key=key, value=None, timestamp=START))
    records.append(dict(key=key, value=b"null", timestamp=START))
    records.append(dict(key=key, value=good(n), timestamp=START))
    before = kafka.high_watermarks(topic)
    kafka.produce(topic, records, **{"compression.type": "none"})

    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    assert run.terminate() == 0, run.log()

    events = pipeline.events(["alerts"])
    assert [e["data"]["msgid"] for e in events] == [f"good{i}" for i in range(n + 1)]
    letters = sorted(pipeline.dead(), key=lambda r: int(dict(r.headers)["__connect.errors.offset"]))
    assert [dict(r.headers)["chatmill.error"].decode() for r in letters] == [e for e, _ in bad]
    partition = events[0]["_at"][1]
    for i, (r, (_, raw)) in enumerate(zip(letters, bad)):
        h = dict(r.headers)
        assert r.value == raw or (raw == b"" and not r.value)
        assert r.key == key
        assert h["x-trace"] == b"t%d" % i, "the record's own headers must stay"
        assert h["__connect.errors.topic"].decode() == topic
        at = int(h["__connect.errors.partition"]), int(h["__connect.errors.offset"])
        assert at == (partition_of(kafka, topic), before[at[0]] + 2 * i + 1)
        for name in ("stage", "exception.class.name", "exception.message"):
            assert h[f"__connect.errors.{name}"]
        assert "多少钱".encode() not in h["__connect.errors.exception.message"]
    assert partition in kafka.partitions(pipeline.topic["alerts"])
    assert "多少钱" not in run.log(), "message text in the log"
    assert CUSTOMER not in run.log(), "a key in the log"


def partition_of(kafka, topic):
    """The partition that holds the test's records: all have one key."""
    found = {r.partition for r in kafka.read(topic) if r.key and CUSTOMER.encode() in r.key}
    assert len(found) == 1
    return found.pop()


def test_a_record_on_the_wrong_partition_is_misrouted(pipeline, rules, processes):
    kafka, topic = pipeline.kafka, pipeline.topic["archive"]
    pipeline.publish(rules)
    key = f"ww1/{CUSTOMER}".encode()
    kafka.produce(topic, [dict(key=key, value=good(1), timestamp=START)])
    right = partition_of(kafka, topic)
    wrong = (right + 1) % pipeline.partitions
    kafka.produce(topic, [dict(key=key, value=good(2), timestamp=START, partition=wrong)])
    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    letters = pipeline.dead()
    assert [dict(r.headers)["chatmill.error"] for r in letters] == [b"misrouted"]
    assert letters[0].value == good(2)
    assert [e["data"]["msgid"] for e in pipeline.events(["alerts"])] == ["good1"]
    assert run.terminate() == 0


def test_what_fits_the_archive_fits_the_dead_letters(pipeline, rules, processes):
    """A record as large as the archive takes does not stop its partition (topics of `topics apply`)."""
    pipeline.publish(rules)
    run = pipeline.start("run")
    processes.append(run)
    rng = random.Random(3)
    for size in (10 << 20, (10 << 20) - 200):  # as a batch of one record the first is too large
        try:
            pipeline.kafka.produce(pipeline.topic["archive"], [{"key": b"ww1/x", "value": rng.randbytes(size)}])
        except Exception as e:
            assert "too large" in str(e), e
    pipeline.kafka.produce(pipeline.topic["archive"], [{"key": f"ww1/{CUSTOMER}".encode(), "value": good(1)}])
    pipeline.wait_run(run, timeout_s=120)
    assert [len(r.value) for r in pipeline.dead()] == [(10 << 20) - 200]
    assert len(pipeline.events()) == 1 and run.terminate() == 0


def test_what_is_read_again_is_not_counted_twice_as_misrouted(kafka, tmp_path, rules, processes):
    """95 misrouted records are allowed; that their transaction was undone and done again adds none."""
    setup = chatmill.Setup(tmp_path, kafka, partitions=2, workers=1, commit_interval_ms=5000, instance="x").apply()
    setup.publish(rules)
    kafka.produce(setup.topic["archive"], [dict(key=f"ww1/{CUSTOMER}".encode(), value=good(1), timestamp=START)])
    wrong = 1 - partition_of(kafka, setup.topic["archive"])
    run = setup.start("run")
    processes.append(run)
    setup.wait_run(run)
    kafka.produce(setup.topic["archive"], [dict(key=f"ww1/{CUSTOMER}".encode(), value=good(i), timestamp=START,
                                               partition=wrong) for i in range(95)])
    proc.wait_for(lambda: len(kafka.read(setup.topic["deadletter"], committed=False)) == 95, 120, "dead letters")
    thief = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{setup.name}-x-0-0"})
    thief.init_transactions(20)
    setup.wait_run(run)
    assert "transaction_failed" in run.log() and len(setup.dead()) == 95
    assert run.terminate() == 0


def test_what_a_topic_never_takes_ends_run_and_is_named(kafka, tmp_path, rules, processes):
    """It went on for ever behind "Erroneous state", and /readyz said 200."""
    port = proc.free_ports(1)[0]
    setup = chatmill.Setup(tmp_path, kafka, partitions=1, workers=1, commit_interval_ms=5000,
                           http={"listen": f"127.0.0.1:{port}"}).send_early().apply()
    alerts = setup.topic["alerts"]
    admin = kafka.admin()  # must outlive its futures
    for f in admin.alter_configs([ConfigResource("topic", alerts, set_config={"max.message.bytes": "90"})]).values():
        f.result()
    setup.publish(rules)
    run = setup.start("run")
    processes.append(run)
    said, numbers = set(), itertools.count()

    def ended():
        kafka.produce(setup.topic["archive"], [dict(key=f"ww1/{CUSTOMER}".encode(), value=good(next(numbers)))])
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
        except urllib.error.HTTPError as e:
            said.add(e.read().decode())
        except OSError:
            pass
        return not run.running()
    proc.wait_for(ended, 90, "end of run", 0.05)
    assert run.p.returncode == 78, run.log()
    failed = [json.loads(ln)["err"] for ln in run.log().splitlines() if '"transaction_failed"' in ln]
    assert len(failed) == 5 and all(f"{alerts} [0]" in e and "too large" in e for e in failed), failed
    assert f"{alerts} [0]" in run.log().splitlines()[-1]
    assert any("3 transactions in a row failed" in s for s in said), said


def test_what_no_dead_letter_can_hold_goes_without_its_bytes(kafka, tmp_path, rules, processes):
    """Compressed they fit the archive, and who knows how well we compress: partitions go on."""
    setup = chatmill.Setup(tmp_path, kafka, partitions=1, workers=1).apply()
    topic, key = setup.topic["archive"], f"ww1/{CUSTOMER}".encode()
    setup.publish(rules)
    large, first = b'{"a":"' + b"x" * (16 << 20) + b'"}', kafka.high_watermarks(topic)[0]
    many = [(f"h{i}", b"%d" % i) for i in range(300)]
    wide = [("wide", b"y" * (12 << 20)), ("null", None)]
    records = [dict(key=key, value=good(0)), dict(key=key, value=large, headers=many),
               dict(key=key, value=b"{", headers=many), dict(key=key, value=b"{", headers=wide),
               dict(key=key, value=good(1))]
    kafka.produce(topic, records, **{"compression.type": "gzip", "message.max.bytes": 64 << 20})
    run = setup.start("run")
    processes.append(run)
    setup.wait_run(run, timeout_s=90)
    assert [e["data"]["msgid"] for e in setup.events(["alerts"])] == ["good0", "good1"]
    letters = sorted(setup.dead(), key=lambda r: int(dict(r.headers)["__connect.errors.offset"]))
    left_out, whole, bare = letters
    assert (left_out.key, left_out.value or b"", left_out.headers[:300]) == (key, b"", many)
    assert dict(left_out.headers)["chatmill.error"] == b"too_big"
    assert left_out.headers[307:] == [("chatmill.left_out", b"value"), ("chatmill.value_bytes", b"%d" % len(large))]
    assert (whole.key, whole.value, whole.headers[:300], len(whole.headers)) == (key, b"{", many, 307)
    assert (bare.key or b"", bare.value or b"") == (b"", b"")
    assert bare.headers[7:] == [("chatmill.left_out", b"key,headers,value"), ("chatmill.value_bytes", b"1")]
    at = dict(left_out.headers)
    assert (at["__connect.errors.topic"], at["__connect.errors.offset"]) == (topic.encode(), b"%d" % (first + 1))
    assert run.terminate() == 0

    done = chatmill.run("verify", "-c", setup.file, "--no-database", "--json")
    assert done.returncode == 0, done
    assert chatmill.lines(done)[-1]["dead_letters"] == 3
    listed = chatmill.lines(chatmill.run("dlq", "list", "-c", setup.file, "--json", check=0))
    assert sorted(x.get("left_out", "") for x in listed) == ["", "key,headers,value", "value"]
    place = f"{left_out.partition}/{left_out.offset}"
    raw = chatmill.run("dlq", "show", "-c", setup.file, "--raw", place, check=65)
    assert f"is on {topic} at 0/{first + 1}".encode() in raw.stderr and not raw.stdout
    back = chatmill.run("dlq", "redrive", "-c", setup.file, "--all", check=65)
    assert b"2 of the dead letters cannot be sent back" in back.stderr
    (again,) = [r for r in kafka.read(topic) if dict(r.headers).get("chatmill.redrive")]
    assert again.value == b"{" and again.headers == [*many, ("chatmill.redrive", b"1")]
