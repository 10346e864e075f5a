# test_tap.py - events as they pass: live, filtered, masked, no more than one can take, and a clean end.
# SPDX-License-Identifier: Apache-2.0
import collections
import fcntl
import json
import os
import pty
import re
import signal
import subprocess

import pytest
from support import audit, chatmill, make_sample, proc

RULES = """\
pack: sales
title: sales
tags:
  intent: {values: [high]}
ladders:
  life: {stages: [asked, bought]}
rules:
  - id: price
    match: [多少钱]
    then: [{tag: high}, {stage: asked}]
  - id: phone
    title: a phone
    match: [{regex: '1[0-9]{10}'}]
    then: [{alert: {severity: medium, category: phone}}]
"""
MORE = """\
pack: risk
title: risk
rules:
  - id: kickback
    match: [回扣]
    then: [{alert: {severity: critical, category: kickback}}]
  - id: price
    match: [太贵了]
    then: [{alert: {severity: low, category: price}}]
"""
PHONE = "13800138000"
TEXTS = ["多少钱", f"打我电话{PHONE}", "给你回扣", "太贵了", "\x1b[2J多少钱\x07"]


def write(setup, first, count, corp="ww1"):
    """NDJSON of `count` messages; every text for a customer of its own."""
    rows = []
    for n in range(first, first + count):
        m = {"msgid": f"t{n}", "action": "send", "from": f"wm{n:030}", "tolist": ["zhangsan"], "roomid": "",
             "msgtime": make_sample.START_MS + n, "msgtype": "text", "text": {"content": TEXTS[n % len(TEXTS)]}}
        rows.append(json.dumps({"corpid": corp, "msgid": m["msgid"], "recv_ts": m["msgtime"], "message": m},
                               ensure_ascii=False))
    path = setup.folder / f"rows{first}.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def filled(tmp_path_factory, kafka):
    """A pipeline that quotes in full, with hits, and events of two corps on its topics; for all tests here."""
    setup = chatmill.Setup(tmp_path_factory.mktemp("tap"), kafka, evidence="full", output={})
    setup.more["output"] = {**{k: setup.topic[k] for k in ("tags", "stages", "alerts", "deadletter", "rulesets")},
                            "hits": setup.name + ".hits"}
    setup.topic["hits"] = setup.name + ".hits"
    setup.file = setup.write("chatmill.yaml")
    setup.apply()
    setup.rules = setup.folder / "rules"
    setup.rules.mkdir()
    (setup.rules / "sales.yaml").write_text(RULES)
    (setup.rules / "risk.yaml").write_text(MORE)
    setup.publish(setup.rules)
    setup.p = setup.start("run")
    setup.load(write(setup, 0, 20))
    setup.load(write(setup, 100, 10, "ww2"))
    setup.wait_run(setup.p)
    yield setup
    proc.end(setup.p.p)


def on_topics(setup):
    return setup.events(("tags", "stages", "alerts", "hits"))


class Tap:
    """`chatmill tap` with its standard output and error in files; listening when made."""

    def __init__(self, setup, *args):
        self.out, self.err = (setup.folder / f"tap.{k}" for k in ("out", "err"))
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.p = proc.spawn([chatmill.binary(), "tap", "-c", setup.file, *args], stdin=subprocess.DEVNULL,
                                stdout=out, stderr=err, env=chatmill.environment())
        proc.wait_for(lambda: b"listening" in self.err.read_bytes(), 60, "tap that listens")

    def events(self):
        whole = self.out.read_bytes().rpartition(b"\n")[0]
        return chatmill.lines(whole)

    def wait(self, count):
        proc.wait_for(lambda: len(self.events()) >= count, 60, f"{count} events shown")
        return self.events()

    def end(self, signum):
        os.kill(self.p.pid, signum)
        assert self.p.wait(120) == 0
        return self.err.read_text()


def tap(setup, *args):
    """A tap that ends by --limit; its events."""
    return chatmill.lines(chatmill.run("tap", "-c", setup.file, "--since", "1h", "--rate", 100000, *args, check=0))


def test_shows_what_comes_masked_and_joins_nothing(filled):
    """Only what comes after its start, each event once, as `scan --evidence masked` writes it; the group
    has the members of `run` and no more, and no offset of it moves by tap."""
    before = len(on_topics(filled))
    with_tap = Tap(filled)
    path = write(filled, 200, 40)
    filled.load(path)
    filled.wait_run(filled.p)
    count = len(on_topics(filled)) - before
    assert count > 40
    seen = with_tap.wait(count)
    members = filled.kafka.admin().list_groups(filled.name, timeout=10)[0].members
    assert len(members) == 2, "the two workers"
    said = with_tap.end(signal.SIGTERM)
    assert f"{count} events shown, 0 left out" in said
    assert len({e["id"] for e in seen}) == len(seen) == count
    want = chatmill.lines(chatmill.run("scan", "--rules", filled.rules, "--partitions", filled.partitions,
                                       "--events", "tag,stage,alert,hit", "--evidence", "masked",
                                       filled.folder / "rows0.jsonl", filled.folder / "rows100.jsonl", path, check=0))
    ids = {e["id"] for e in seen}
    assert not audit.Difference("events", [audit.canonical(e) for e in want if e["id"] in ids],
                                [audit.canonical(e) for e in seen])
    full = [e for e in on_topics(filled) if PHONE in json.dumps(e["data"])]
    assert full, "no phone was quoted in full: nothing to mask"
    assert PHONE not in with_tap.out.read_text() and PHONE not in said


FILTERS = [
    (["--type", "tag"], lambda e: e["type"] == "chatmill.tag.v1"),
    (["--type", "alert,stage"], lambda e: e["type"] in ("chatmill.alert.v1", "chatmill.stage.v1")),
    (["--rule", "price"], lambda e: e["data"]["rule"] == "price"),
    (["--rule", "risk/price,phone"], lambda e: (e["data"]["pack"], e["data"]["rule"]) in
     (("risk", "price"), ("sales", "phone"))),
    (["--pack", "risk", "--corp", "ww1"], lambda e: e["data"]["pack"] == "risk" and e["data"]["corpid"] == "ww1"),
    (["--severity", "medium"], lambda e: e["data"].get("severity") in ("medium", "high", "critical")),
    (["--corp", "ww2", "--type", "hit"], lambda e: e["data"]["corpid"] == "ww2" and e["type"] == "chatmill.hit.v1"),
]


def test_filters(filled):
    everything = on_topics(filled)
    assert collections.Counter(e["id"] for e in tap(filled, "-n", len(everything))) == collections.Counter(
        e["id"] for e in everything)
    for options, wanted in FILTERS:
        want = sorted(e["id"] for e in everything if wanted(e))
        assert 0 < len(want) < len(everything)
        assert sorted(e["id"] for e in tap(filled, *options, "-n", len(want))) == want, options


def test_a_line_for_people_does_what_it_is_told(filled):
    """On a terminal: one line an event, no escape of a message gets through, no number either."""
    count = len(on_topics(filled))
    here, there = pty.openpty()
    p = proc.spawn([chatmill.binary(), "tap", "-c", filled.file, "--since", "1h", "-n", count, "--rate", count],
                   stdin=subprocess.DEVNULL, stdout=there, stderr=subprocess.PIPE, env=chatmill.environment())
    os.close(there)
    shown = b""
    while True:
        try:
            more = os.read(here, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(here)
    assert p.wait(120) == 0
    lines = shown.decode().splitlines()
    assert len(lines) == count
    assert re.search(r"Z alert ww1/wm0{27}\d\d\d sales/phone medium a phone «\*»", "\n".join(lines))
    assert re.search(r"Z tag   ww1/wm\d{30} sales/price \+intent/high «多少钱»", "\n".join(lines))
    assert re.search(r"Z stage ww2/wm\d{30} sales/price life: - → asked «多少钱»", "\n".join(lines))
    assert PHONE not in shown.decode() and b"\x1b" not in shown and b"\x07" not in shown


def test_says_what_it_leaves_out(filled):
    """Of what comes at once no more than --rate is shown, and the rest is counted."""
    count = len(on_topics(filled))
    with_tap = Tap(filled, "--since", "1h", "--rate", "7")

    def counted():
        return sum(map(int, re.findall(r"tap: (\d+) events left out", with_tap.err.read_text())))
    proc.wait_for(lambda: counted() + len(with_tap.events()) == count, 60, "every event shown or counted")
    said = with_tap.end(signal.SIGINT)
    shown = len(with_tap.events())
    assert 7 <= shown < count
    assert f"tap: {shown} events shown, {count - shown} left out" in said


def test_a_reader_that_goes_ends_it(filled):
    """`| head -1` ends well; a reader who leaves while nothing comes too; a pipe that nobody empties
    keeps no signal away."""
    done = subprocess.run(["bash", "-c", f"set -o pipefail; '{chatmill.binary()}' tap -c '{filled.file}' --since 1h "
                                         "| head -1"], capture_output=True, timeout=60, env=chatmill.environment())
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1, done
    for quiet in (True, False):
        here, there = os.pipe()
        fcntl.fcntl(there, fcntl.F_SETPIPE_SZ, 4096)
        errors = filled.folder / f"quiet{quiet}"
        with open(errors, "wb") as err:
            p = proc.spawn([chatmill.binary(), "tap", "-c", filled.file, *([] if quiet else ["--since", "1h"])],
                           stdout=there, stderr=err, env=chatmill.environment())
        os.close(there)
        proc.wait_for(lambda e=errors: b"listening" in e.read_bytes(), 60, "tap that listens")
        if quiet:
            os.close(here)
        else:
            os.kill(p.pid, signal.SIGTERM)
        assert p.wait(120) == 0, errors.read_text()
        if not quiet:
            os.close(here)


def test_wrong_words(pipeline):
    for options, status, words in (
            (["--type", "tags"], 64, "did you mean tag?"), (["--severity", "hi"], 64, "did you mean high?"),
            (["--since", "yesterday"], 64, "--since takes a time"), (["--rate", "0"], 64, "--rate"),
            (["--type", "hit"], 78, "output.hits is null")):
        done = chatmill.run("tap", "-c", pipeline.file, *options, check=status)
        assert words in done.stderr.decode() and not done.stdout, done
