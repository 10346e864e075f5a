# test_refused.py - rows that the database refuses, people who were erased, readers who hold locks.
# SPDX-License-Identifier: Apache-2.0
#
# Where two of the sink's features meet: each alone is shown in test_sink.py.
import json
import time

import psycopg2
import pytest

from support import chatmill, sinks
from support.events import START_MS, TOPIC, event, poison, record
from support.sinks import send, wait_through

GONE, STAYS = "wm" + "g" * 30, "wm" + "s" * 30


@pytest.fixture
def setup(tmp_path, kafka, postgres):
    return sinks.set_up(tmp_path, kafka, postgres)


def run_through(setup, processes, **more):
    sink = setup.start("sink", **more)
    processes.append(sink)
    wait_through(setup, sink)
    assert sink.terminate() == 0
    return sink


def tag(customer, number, at_ms=START_MS, **data):
    return event("tag", customer, number, at_ms, at_ms * 1_000_000 + number, add=[{"group": "意向", "tag": "高意向"}],
                 remove=[], **data)


def alert(customer, number, at_ms=START_MS, **data):
    values = {"severity": "high", "category": "飞单", "title": "私下交易", "recalled": False, "count": 1,
              "msgids": [f"m{number}"], **data}
    return event("alert", customer, number, at_ms, at_ms * 1_000_000 + number, **values)


def erase(customer, at_ms):
    return event("erase", customer, 999, at_ms, 0, cause="manual", by="desk", evidence=[])


def rejected(setup):
    return setup.postgres.sql("SELECT convert_from(key, 'UTF8') FROM chatmill.sink_reject ORDER BY 1")


def test_what_was_refused_of_the_erased_goes(setup, processes):
    """In the batch of the erasure, and when offsets are set back."""
    ways = ["name too long", "sequence out of range", "no event"]
    for customer in (GONE, STAYS):
        send(setup, [poison(tag(customer, n), way) for n, way in enumerate(ways)])
    setup.kafka.produce(setup.topic["tags"], [record(erase(GONE, START_MS + 5000))])
    run_through(setup, processes)
    stays = [(f"ww1/{STAYS}",)] * len(ways)
    assert rejected(setup) == stays
    setup.postgres.sql("UPDATE chatmill.sink_offset SET next_offset = 0")
    run_through(setup, processes)
    assert rejected(setup) == stays
    # Who comes back is a new person, whose refused rows are kept again.
    send(setup, [poison(tag(GONE, 10 + n, START_MS + 9000), way) for n, way in enumerate(ways)])
    run_through(setup, processes)
    assert rejected(setup) == [(f"ww1/{GONE}",)] * len(ways) + stays


def test_a_hit_with_a_nul_lands(setup, processes):
    """jsonb has no NUL: U+FFFD stands for it. What looks like an escape and is none stays."""
    def about(text):
        return [{"field": "text.content", "start": 0, "end": 10, "char_start": 0, "char_end": 4, "text": text,
                 "word": "加微信", "folds": ["gap"], "forwarded": False}]
    send(setup, [alert(GONE, 1, evidence=about("加\x00微信\x00")), tag(GONE, 2, evidence=about("\\\x00加")),
                 alert(STAYS, 3, evidence=about("\\u0000"))])
    run_through(setup, processes)
    assert rejected(setup) == []
    assert setup.postgres.sql("SELECT evidence->0->>'text' FROM chatmill.alert ORDER BY msgid") == [
        ("加\ufffd微信\ufffd",), ("\\u0000",)]
    assert setup.postgres.sql("SELECT evidence->0->>'text' FROM chatmill.tag_event") == [("\\\ufffd加",)]
    assert setup.postgres.sql("SELECT tag::text FROM chatmill.customer_tag") == [("高意向",)]


def put(setup, customer, value):
    setup.kafka.produce(setup.topic["archive"], [{"key": f"ww1/{customer}".encode(),
                                                  "value": json.dumps(value).encode()}])


def months(setup):
    return [m for m, in setup.postgres.sql(
        "SELECT right(relname, 6) FROM pg_class WHERE relname ~ '^tag_event_\\d{6}$' AND relkind = 'r' ORDER BY 1")]


def test_no_row_waits_for_months_to_come(setup, processes):
    """Somebody reads for long (a backup) when the months ahead are to be made."""
    now_ms = int(time.time() * 1000)
    send(setup, [tag(GONE, 1, now_ms)])
    run_through(setup, processes)
    ahead = months(setup)
    assert len(ahead) == 3
    for table in ("tag_event", "stage_event", "message"):
        for month in ahead[1:]:
            setup.postgres.sql(f"DROP TABLE chatmill.{table}_{month}")
    with psycopg2.connect(setup.postgres.dsn()) as reader:
        for table in ("tag_event", "stage_event", "message"):
            reader.cursor().execute(f"SELECT count(*) FROM chatmill.{table}_default")
        send(setup, [tag(STAYS, 2, now_ms + 1)])
        sink = setup.start("sink")
        processes.append(sink)
        wait_through(setup, sink)
        sink.wait_log("sink_months_later", 60)
        assert months(setup) == ahead[:1]
        assert "database_away" not in sink.log()
    reader.close()
    assert sink.terminate() == 0
    assert setup.postgres.sql("SELECT count(*)::int FROM chatmill.tag_event") == [(2,)]
    send(setup, [tag(STAYS, 3, now_ms + 2)])
    run_through(setup, processes)
    assert months(setup) == ahead


@pytest.mark.parametrize("rows", [1, 500])
def test_a_recall_counts_where_its_alert_stands(setup, processes, rows):
    """Wherever batches end: the week and the people of the first event."""
    sunday = 1_699_833_590_000  # 2023-11-12 23:59:50 UTC
    first = alert(GONE, 1, sunday, userids=["zhangsan"])
    again = alert(GONE, 2, sunday + 60_000, userids=["lisi"], severity="low", alert_id=first["id"], rule="r1",
                  cause="recall", recalled=True)
    send(setup, [first, again])
    run_through(setup, processes, file=setup.write("rows.yaml", sink={"batch_rows": rows, "batch_ms": 50}))
    assert setup.postgres.sql("SELECT staff::text, week::text, alerts::int, severe::int, recalled::int "
                              "FROM chatmill.staff_alerts") == [("zhangsan", "2023-11-06", 1, 1, 1)]


def test_erased_of_the_archive_by_its_own_record(tmp_path, kafka, postgres, processes):
    """Another sink has the topics of events: the control record stands behind the person's messages."""
    s = chatmill.Setup(tmp_path, kafka, postgres, sink={"batch_rows": 400, "batch_ms": 50, "archive": True})
    for topic in [s.topic[t] for t in TOPIC.values()] + [s.topic["archive"]]:
        kafka.create_topic(topic, 1)
    chatmill.run("db", "migrate", "-c", s.file, check=0)
    s.more["postgres"] = postgres.keys("chatmill_sink")
    s.file = s.write("chatmill.yaml")
    for customer in (GONE, STAYS):
        m = {"msgid": f"m-{customer}", "action": "send", "from": customer, "tolist": ["zhangsan"], "roomid": "",
             "msgtime": START_MS, "msgtype": "text", "text": {"content": "你好"}}
        put(s, customer, {"corpid": "ww1", "recv_ts": START_MS, "message": m})
    put(s, GONE, {"corpid": "ww1", "control": {"id": "c1", "external_userid": GONE, "erase": True, "by": "desk",
                                               "at": START_MS + 5000}})
    sink = s.start("sink")
    processes.append(sink)

    def done():
        return postgres.sql("SELECT next_offset::int FROM chatmill.sink_offset WHERE topic = %s",
                            (s.topic["archive"],)) == [(3,)]
    chatmill.wait_alive(done, [sink], 60, "end of the archive")
    assert sink.terminate() == 0
    assert postgres.sql("SELECT external_userid::text FROM chatmill.message") == [(STAYS,)]
