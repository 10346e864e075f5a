# test_archive.py - sink.archive: every message stored once, and back byte for byte.
# SPDX-License-Identifier: Apache-2.0
import json
import random

import pytest

from support import chatmill
from support.events import TOPIC, event, record

PARTITIONS = 2
CUSTOMER = "wm" + "C" * 30


@pytest.fixture
def setup(tmp_path, kafka, postgres):
    s = chatmill.Setup(tmp_path, kafka, postgres, sink={"batch_rows": 400, "batch_ms": 50, "archive": True})
    for topic in [s.topic[t] for t in TOPIC.values()] + [s.topic["archive"]]:
        kafka.create_topic(topic, PARTITIONS)
    chatmill.run("db", "migrate", "-c", s.file, check=0)
    # From here on with no more rights than in production.
    s.more["postgres"] = postgres.keys("chatmill_sink")
    s.file = s.write("chatmill.yaml")
    return s


def message(n, customer=CUSTOMER, kind="text", sender=None, at_ms=None, **body):
    staff = "zhangsan"
    sender = sender or (customer if n % 2 else staff)
    m = {"msgid": f"{n}_1700000000_external", "action": "send", "from": sender,
         "tolist": [staff if sender == customer else customer], "roomid": "",
         "msgtime": at_ms or 1_700_000_000_000 + n * 1000, "msgtype": kind,
         kind: body or {"content": f"第{n}条 你好，请问这个多少钱？"}}
    return {"corpid": "ww1", "seq": n, "msgid": m["msgid"], "publickey_ver": 1,
            "recv_ts": m["msgtime"], "message": m}


def put(setup, messages, topic="archive"):
    records = []
    for m in messages:
        value = m if isinstance(m, bytes) else json.dumps(m, ensure_ascii=False).encode()
        records.append({"key": b"ww1/" + CUSTOMER.encode(), "value": value, "timestamp": 1_700_000_000_000})
    setup.kafka.produce(setup.topic[topic], records)
    return [r["value"] for r in records]


def caught_up(setup):
    rows = setup.postgres.sql("SELECT topic::text, partition, next_offset FROM chatmill.sink_offset")
    have = {(t, p): n for t, p, n in rows}
    return all(have.get((setup.topic[t], p), -1) >= end for t in ("archive", *TOPIC.values())
               for p, end in setup.kafka.high_watermarks(setup.topic[t]).items() if end)


def run_through(setup, processes):
    sink = setup.start("sink")
    processes.append(sink)
    chatmill.wait_alive(lambda: caught_up(setup), [sink], 60, "end of the topics")
    assert sink.terminate() == 0
    return sink


def cat(setup, *args):
    return chatmill.run("archive", "cat", "-c", setup.file, *args, check=0).stdout.splitlines()


def test_records_without_a_time_are_stored(setup, processes):
    values = [json.dumps(message(n)).encode() for n in range(2)]
    for time_ms, value in zip((0, -1), values):
        setup.kafka.produce_at(setup.topic["archive"], 0, time_ms, b"ww1/" + CUSTOMER.encode(), value)
    run_through(setup, processes)
    assert cat(setup) == values


@pytest.mark.asan
def test_stored_once_and_back_byte_for_byte(setup, processes):
    rng = random.Random(1)
    values = [json.dumps(message(n), ensure_ascii=rng.random() < 0.5).encode() for n in range(2500)]
    copies = [rng.choice(values) for _ in range(300)]  # exporters send twice
    put(setup, values[:1500] + copies[:100] + values[1500:] + copies[100:])
    put(setup, [b"{\"corpid\":", {"corpid": "ww1", "clock": 1_700_000_000_000}])  # no messages
    run_through(setup, processes)
    assert sorted(cat(setup)) == sorted(values)
    assert len(cat(setup, "--customer", CUSTOMER)) == 2500
    assert cat(setup, "--customer", "wm" + "X" * 30) == []
    assert cat(setup, "--msgid", "7_1700000000_external") == [values[7]]
    assert len(cat(setup, "--limit", "3")) == 3
    rows = setup.postgres.sql("SELECT conversation, external_userid::text, sender::text, role, type::text, text "
                              "FROM chatmill.message WHERE msgid = '8_1700000000_external'")
    assert rows == [(f"{CUSTOMER}/zhangsan", CUSTOMER, "zhangsan", "staff", "text",
                     "第8条 你好，请问这个多少钱？")]
    # The first thousand went without a dictionary, then there is one for the type.
    used = dict(setup.postgres.sql("SELECT dictionary, count(*)::int FROM chatmill.message GROUP BY 1"))
    assert set(used) == {0, 1}
    sizes = dict(setup.postgres.sql("SELECT dictionary, avg(length(raw))::int FROM chatmill.message GROUP BY 1"))
    plain = setup.postgres.sql("SELECT avg(pg_column_size(convert_from(v, 'UTF8')::jsonb))::int "
                               "FROM unnest(%s::bytea[]) v", (values,))[0][0]
    print("bytes of a record of", sum(map(len, values)) // len(values), "as jsonb:", plain, "by dictionary:", sizes)
    assert sizes[1] < sizes[0] * 0.75 and sizes[1] < plain * 0.5
    # No dictionary holds what people wrote.
    (dictionary,), = setup.postgres.sql("SELECT dictionary FROM chatmill.message_dictionary")
    assert "多少钱".encode() not in bytes(dictionary) and b"zhangsan" not in bytes(dictionary)


def test_of_one_room_or_corp(setup, processes):
    messages = [message(n) for n in range(6)]
    for n, m in enumerate(messages):
        m["message"]["roomid"] = ["", "wrROOM1", "wrROOM2"][n % 3]
        m["corpid"] = "ww1" if n < 3 else "ww2"
    values = put(setup, messages)
    run_through(setup, processes)
    assert cat(setup) == values
    assert cat(setup, "--room", "wrROOM1") == [values[1], values[4]]
    assert cat(setup, "--room", "wrROOM1", "--corp", "ww2") == [values[4]]
    assert cat(setup, "--room", "wrROOM3") == cat(setup, "--corp", "ww3") == []


def test_nul_is_kept_in_the_record(setup, processes):
    values = put(setup, [message(1, content="a\x00b")])
    run_through(setup, processes)
    assert cat(setup) == values
    assert setup.postgres.sql("SELECT text FROM chatmill.message") == [("a\ufffdb",)]


def test_large_records_come_back(setup, processes):
    """What input.record_bytes_max lets in, archive cat gives back; state.dir is made with its parents."""
    setup.more["input"] = {**setup.values()["input"], "record_bytes_max": 8 << 20}
    setup.more["state"] = {"dir": str(setup.folder / "made" / "on" / "the" / "way")}
    setup.file = setup.write("chatmill.yaml")
    values = put(setup, [message(1), message(2, content="长" * (1 << 20)), message(3)])
    assert len(values[1]) > 3 << 20
    run_through(setup, processes)
    assert cat(setup) == values


def test_views_show_messages(setup, processes):
    messages = [message(n) for n in range(20)]
    messages.append(message(20, kind="agree", userid="zhangsan", agree_time=1_700_000_020))
    put(setup, messages)
    alert = event("alert", CUSTOMER, 1, 1_700_000_009_000, 5, count=1, msgids=["x"], severity="high",
                  category="c", title="t", recalled=False)
    alert["data"]["msgid"] = "9_1700000000_external"
    setup.kafka.produce(setup.topic["alerts"], [record(alert)])
    run_through(setup, processes)
    places = setup.postgres.sql("SELECT place::int, msgid::text FROM chatmill.alert_context ORDER BY 1")
    assert places == [(i, f"{9 + i}_1700000000_external") for i in range(-5, 6)]
    row = setup.postgres.sql("SELECT messages_in, messages_out, open_alerts FROM chatmill.customer_360")
    assert row[0][0] + row[0][1] == 21 and row[0][2] == 1
    kinds = [r[0] for r in setup.postgres.sql("SELECT kind FROM chatmill.customer_timeline ORDER BY time, kind")]
    assert kinds.count("message") == 20 and kinds.count("consent") == 1 and kinds.count("alert") == 1


def test_erased_messages_stay_away(setup, processes):
    put(setup, [message(n) for n in range(50)])
    run_through(setup, processes)
    for t in TOPIC.values():
        setup.kafka.produce(setup.topic[t], [record(event("erase", CUSTOMER, 99, 1_700_000_030_000, 0,
                                                          cause="manual", by="desk", evidence=[]))])
    run_through(setup, processes)
    assert setup.postgres.sql("SELECT count(*)::int FROM chatmill.message") == [(20,)]
    setup.postgres.sql("UPDATE chatmill.sink_offset SET next_offset = 0")
    run_through(setup, processes)
    assert setup.postgres.sql("SELECT count(*)::int, min(msgtime) >= to_timestamp(1700000030) "
                              "FROM chatmill.message") == [(20, True)]


def test_archive_and_consent_drop_do_not_go_together(setup):
    file = setup.write("drop.yaml", consent={"default": "ignore", "ww2": "drop"})
    done = chatmill.run("sink", "-c", file)
    assert done.returncode == 78 and b"consent.ww2" in done.stderr


def test_texts_of_rule_sets_are_stored(setup, processes, tmp_path):
    """The database says what each digest of its events held, also of sets published while it runs."""
    setup.kafka.create_topic(setup.topic["rulesets"], 1, config={"cleanup.policy": "compact"})
    setup.file = setup.write("chatmill.yaml", input=dict(setup.values()["input"], partitions=PARTITIONS))

    def publish(word):
        (tmp_path / "rules").mkdir(exist_ok=True)
        (tmp_path / "rules/r.yaml").write_text(
            f"pack: sales\ntitle: s\ntags: {{intent: {{values: [high]}}}}\n"
            f"rules:\n  - id: price\n    match: [{word}]\n    then: [{{tag: high}}]\n")
        setup.publish(tmp_path / "rules")
        sets = chatmill.lines(chatmill.run("rules", "list", "-c", setup.file, "--json", check=0))
        known = {r["digest"] for r in sets}
        new, = known - digests
        digests.add(new)
        return new

    def event_of(digest, n):
        e = event("tag", CUSTOMER, n, 1_700_000_000_000 + n, n + 1, add=[], remove=[], ruleset=digest)
        setup.kafka.produce(setup.topic["tags"], [record(e)])

    def stored():
        return dict(setup.postgres.sql("SELECT digest::text, text FROM chatmill.ruleset"))
    digests, lost = set(), "sha256:" + "0" * 64
    first = publish("多少钱")
    event_of(first, 1)
    event_of(lost, 2)
    sink = setup.start("sink")
    processes.append(sink)
    chatmill.wait_alive(lambda: (stored().get(first) or "").count("多少钱") == 1, [sink], 60, "text of a rule set")
    second = publish("什么价")
    event_of(second, 3)
    chatmill.wait_alive(lambda: stored().get(second), [sink], 60, "text of the second rule set")
    texts = stored()
    assert set(texts) == {first, second, lost} and texts[lost] is None
    for digest in (first, second):
        shown = chatmill.run("rules", "show", "-c", setup.file, digest, check=0).stdout
        assert texts[digest] == shown.decode()
    assert sink.terminate() == 0
