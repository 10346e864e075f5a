# test_dry_run.py - `rules publish --dry-run`: says what `rules diff` says of the same messages, writes nothing.
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from support import chatmill, make_sample

OLD = """\
pack: sales
title: sales
tags:
  intent: {values: [high, low]}
rules:
  - id: price
    match: [多少钱]
    then: [{tag: high}]
  - id: gone
    match: [你好]
    then: [{tag: low}]
"""
NEW = """\
pack: sales
title: sales
tags:
  intent: {values: [high, low]}
rules:
  - id: price
    match: [多少钱, 报价]
    then: [{tag: high}]
  - id: twice
    match: {near: {of: [太贵, 便宜], messages: 3}}
    then: [{tag: low}]
"""
TEXTS = ["多少钱", "报价单发我 13800138000", "你好", "太贵了", "便宜点", "再见"]
STEP_MS = 30000


def row(n):
    time_ms = make_sample.START_MS + n * STEP_MS
    m = {"msgid": f"d{n}", "action": "send", "from": f"wm{n // 12:030}", "tolist": ["zhangsan"], "roomid": "",
         "msgtime": time_ms, "msgtype": "text", "text": {"content": TEXTS[n % len(TEXTS)]}}
    return json.dumps({"corpid": "ww1", "msgid": m["msgid"], "recv_ts": time_ms, "message": m}, ensure_ascii=False)


def counts(done):
    return {r["rule"]: (r["old"], r["new"], r["added"], r["removed"], r["unchanged"]) for r in chatmill.lines(done)}


@pytest.fixture
def folders(pipeline):
    made = {}
    for name, text in (("old", OLD), ("new", NEW), ("bad", NEW.replace("match: [多少钱, 报价]", "match: []"))):
        made[name] = pipeline.folder / name
        made[name].mkdir()
        (made[name] / "sales.yaml").write_text(text)
    return made


def test_dry_run_on_the_archive(pipeline, folders):
    setup = pipeline

    def dry(name, status, *args):
        return chatmill.run("rules", "publish", "-c", setup.file, "--dry-run", *args, folders[name], check=status)
    assert b"no rule set was published yet" in dry("new", 1).stderr
    rows = [row(n) for n in range(240)]  # two hours
    (setup.folder / "all.jsonl").write_text("\n".join(rows) + "\n")
    setup.load(setup.folder / "all.jsonl")
    digest = setup.publish(folders["old"]).stdout
    topics = [setup.topic["archive"], setup.topic["rulesets"]]
    before = [setup.kafka.high_watermarks(t) for t in topics]
    for minutes, first in ((30, 240 - 61), (60, 240 - 121), (600, 0)):
        path = setup.folder / f"last{minutes}.jsonl"
        path.write_text("\n".join(rows[first:]) + "\n")
        want = counts(chatmill.run("rules", "diff", "--json", folders["old"], folders["new"], path, check=1))
        done = dry("new", 1, "--minutes", minutes, "--json")
        assert counts(done) == want
        assert f"{len(rows) - first} messages, 0 dead letters" in done.stderr.decode()
        assert want["sales/price"][2] and want["sales/gone"][3] and want["sales/twice"][2], "nothing to see"
        assert b"13800138000" not in done.stdout and "报价".encode() in done.stdout
    assert dry("new", 1).stdout.startswith(b"sales/gone (gone): 0 added, ")
    same = dry("old", 0)
    assert b"(the same)" in same.stderr and digest.strip() in same.stderr
    dry("bad", 65)
    assert [setup.kafka.high_watermarks(t) for t in topics] == before
    wrong = chatmill.run("rules", "publish", "-c", setup.file, "--minutes", "5", folders["new"], check=64)
    assert b"--minutes is for --dry-run" in wrong.stderr
    assert b"--minutes is at most 52704000" in dry("new", 64, "--minutes", 2**62).stderr
    assert dry("new", 1, "--minutes", 52704000, "--json").stdout == dry("new", 1, "--minutes", 600, "--json").stdout
    assert [setup.kafka.high_watermarks(t) for t in topics] == before


def test_records_without_a_time_are_compared(pipeline, folders):
    setup = pipeline
    setup.publish(folders["old"])
    for n, time_ms in enumerate((0, -1, 0, -1, 0, -1)):
        setup.kafka.produce_at(setup.topic["archive"], n % 2, time_ms, b"ww1/wm", row(n).encode())
    done = chatmill.run("rules", "publish", "-c", setup.file, "--dry-run", "--json", folders["new"], check=1)
    assert "6 messages, 0 dead letters" in done.stderr.decode()
    assert counts(done)["sales/price"] == (True, True, 1, 0, 1)


def test_examples_are_the_first_of_the_log(pipeline, folders):
    """However the partitions come mixed: here the first one's hits stand behind what one fetch brings."""
    setup = pipeline
    setup.publish(folders["old"])

    def record(partition, n, text):
        m = {"msgid": f"{partition}-{n}", "action": "send", "from": f"wm{partition:030}", "tolist": ["zhangsan"],
             "roomid": "", "msgtime": make_sample.START_MS, "msgtype": "text", "text": {"content": text}}
        return dict(partition=partition, key=b"ww1/wm", timestamp=make_sample.START_MS, value=json.dumps(
            {"corpid": "ww1", "msgid": m["msgid"], "message": m}, ensure_ascii=False))
    fill = [record(0, n, "再见" * 500) for n in range(1000)]  # 3 MB
    hits = [record(p, 1000 + n, "报价") for p in (1, 0) for n in range(2)]
    setup.kafka.produce(setup.topic["archive"], fill + hits)
    done = chatmill.run("rules", "publish", "-c", setup.file, "--dry-run", "--json", folders["new"], check=1)
    price = next(r for r in chatmill.lines(done) if r["rule"] == "sales/price")
    assert price["added"] == 4
    assert [e["msgid"] for e in price["added_examples"]] == ["0-1000", "0-1001", "1-1000"]
