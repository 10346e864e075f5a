# test_canary.py - words planted in every field of messages and secrets never come up in logs, metrics, errors.
# SPDX-License-Identifier: Apache-2.0
import json
import os

from support import audit, chatmill, make_sample, proc
from support.load import write_rules
from support.scrape import get, is_ready, scrape, start_run

RULES = """\
pack: canary
title: canary
rules:
  - id: price
    match: [多少钱]
    then: [{tag: topic/price}, {alert: {severity: low, category: price}}]
tags:
  topic: {values: [price]}
"""
WORD = "CANARY7f3a"


def plant(value, path="x"):
    """Every string in `value`, keys too, carries the word; a canary in an unknown field beside it."""
    if isinstance(value, dict):
        out = {k: plant(v, f"{path}.{k}") for k, v in value.items()}
        out["extra_" + WORD] = WORD
        return out
    if isinstance(value, list):
        return [plant(v, path) for v in value]
    return f"{value}{WORD}" if isinstance(value, str) and path not in KEPT else value


# What must stay as it is for the record to be what it is.
KEPT = {"x.message.action", "x.message.msgtype"}


def rows():
    """Good records, records of other types, recalls, and every kind of dead letter."""
    def envelope(n, **m):
        message = {"msgid": f"c{n}", "action": "send", "from": "wm" + "C" * 30, "tolist": ["zhangsan"],
                   "roomid": "", "msgtime": make_sample.START_MS + n, "msgtype": "text",
                   "text": {"content": "多少钱"}}
        message.update(m)
        return {"corpid": "ww1", "msgid": message["msgid"], "recv_ts": message["msgtime"], "message": message}
    good = [envelope(0), envelope(1, msgtype="weird", weird={"a": "多少钱", "b": ["多少钱"]}),
            envelope(2, msgtype="link", link={"title": "t", "description": "d", "link_url": "u", "image_url": "i"}),
            envelope(3, roomid="wr1"), envelope(4, action="recall", pre_msgid="c0"), envelope(5, msgtime=0)]
    for row in good:
        yield json.dumps(plant(row), ensure_ascii=False).encode()
    for _, raw in make_sample.dead_records("wm" + "D" * 30):
        yield raw + WORD.encode() if raw[-1:] != b"}" else raw[:-1] + f',"z{WORD}":"{WORD}"}}'.encode()
    yield f'{{"corpid":"{WORD}"'.encode()
    yield WORD.encode() * 3


def key(raw):
    """That of an exporter; what is no message has any."""
    try:
        return audit.key(raw)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return WORD.encode()


def test_canaries_stay_silent(pipeline, processes, postgres):
    rules = write_rules(pipeline, RULES)
    pipeline.publish(rules)
    secret = pipeline.folder / "password"
    secret.write_text("SECRET" + WORD)
    postgres_keys = dict(postgres.keys(), password={"file": str(secret)})
    kafka = {"bootstrap.servers": pipeline.kafka.bootstrap, "sasl.password": "SASL" + WORD,
             "ssl.key.password": {"env": "CANARY_KEY"}, "debug": "all"}
    run, port = None, None
    said = []

    def note(done):
        said.append(done.stderr)
        return done
    os.environ["CANARY_KEY"] = "ENV" + WORD
    try:
        run, port = start_run(pipeline, processes, kafka=kafka, postgres=postgres_keys)
        proc.wait_for(lambda: is_ready(port), 60, "readiness")
        records = list(rows())
        pipeline.kafka.produce(pipeline.topic["archive"], [
            dict(key=key(r), value=r, timestamp=make_sample.START_MS) for r in records])
        pipeline.wait_run(run)
        proc.wait_for(lambda: sum(scrape(port)["chatmill_records_total"].values()) >= len(records), 120, "counts")
        seen = [get(port, p)[1] for p in ("/metrics", "/readyz", "/livez", "/version")]
        assert run.terminate() == 0
        file = pipeline.write("secrets.yaml", kafka=kafka, postgres=postgres_keys)
        shown = note(chatmill.run("config", "show", "-c", file, check=0)).stdout
        note(chatmill.run("config", "check", "-c", file))
        data = pipeline.folder / "rows.jsonl"
        data.write_bytes(b"\n".join(records) + b"\n")
        note(chatmill.run("scan", "--rules", rules, "--corp", "ww1", "--summary", data))
        # Every event differs from what would be made without evidence, and is named.
        judged = note(chatmill.run("verify", "-c", pipeline.write("none.yaml", evidence="none"), check=1))
        assert b"differs in evidence" in judged.stdout
        said.append(judged.stdout)
        note(chatmill.run("load", "-c", pipeline.file, data))
    finally:
        del os.environ["CANARY_KEY"]
    # The test of the test: the canaries were there to be told.
    assert any(WORD.encode() in r.value for r in pipeline.dead())
    log = run.log()
    assert '"event":"worker_ended"' in log
    assert any(WORD in json.dumps(e) for e in pipeline.events()), "no canary was used"
    # A corp's name is a label of the newest time; nothing else of a message may be.
    for name, text in [("log", log), ("config show", shown.decode())] + [("page", s) for s in seen] + [
            ("standard error", s.decode(errors="replace")) for s in said]:
        lines = [ln[:300] for ln in text.splitlines()
                 if WORD in ln and "chatmill_newest_message_timestamp_seconds" not in ln]
        assert not lines, (name, lines[:3])
