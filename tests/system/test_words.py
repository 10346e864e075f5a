# test_words.py - what commands write onto the archive: control, tick, rekey, redrive.
# SPDX-License-Identifier: Apache-2.0
import collections
import json
import signal
import time

from support import audit, chatmill, make_sample, proc
from support.load import seed_of_today, write_input, write_rules

RULES = """\
pack: words
tags:
  intent: {values: [high, low], exclusive: true, expires: 30d}
ladders:
  life: {stages: [asked, bought], lost: gone}
rules:
  - id: price
    match: [多少钱]
    then: [{tag: high}, {stage: asked}]
"""
CUSTOMER = "wm" + "W" * 30


def start(pipeline, processes):
    pipeline.publish(write_rules(pipeline, RULES))
    run = pipeline.start("run")
    processes.append(run)
    return run


def row(number, ms):
    m = {"msgid": f"w{number}", "action": "send", "from": CUSTOMER, "tolist": ["zhangsan"], "roomid": "",
         "msgtime": ms, "msgtype": "text", "text": {"content": "多少钱"}}
    return json.dumps({"corpid": "ww1", "msgid": m["msgid"], "recv_ts": ms, "message": m}).encode()


def control(pipeline, *words):
    done = chatmill.run("control", *words[:1], "-c", pipeline.file, "--customer", CUSTOMER, *words[1:],
                        check=0)
    return done.stdout.decode().strip()


def test_a_person_overrules_the_rules(pipeline, processes):
    run = start(pipeline, processes)
    (pipeline.folder / "in.jsonl").write_bytes(row(1, int(time.time() * 1000) - 60000) + b"\n")
    pipeline.load(pipeline.folder / "in.jsonl")
    tag = control(pipeline, "tag", "intent/low", "--by", "anna")
    stage = control(pipeline, "stage", "life", "bought", "--id", "order-7")
    assert stage == "order-7"
    control(pipeline, "stage", "life", "bought", "--id", "order-7")  # the same word again
    untag = control(pipeline, "untag", "low")
    pipeline.wait_run(run)
    events = pipeline.events(["tags", "stages"])
    said = {e["data"]["msgid"]: e["data"] for e in events}
    assert set(said) == {"w1", tag, "order-7", untag} and len(events) == 5
    assert said[tag]["cause"] == "manual" and said[tag]["by"] == "anna" and said[tag]["rule"] == ""
    assert [t["tag"] for t in said[tag]["add"]] == ["low"]
    assert [t["tag"] for t in said[tag]["remove"]] == ["high"]
    assert (said[stage]["from_stage"], said[stage]["to_stage"]) == ("asked", "bought")
    wrong = chatmill.run("control", "erase", "-c", pipeline.file, "--customer", "zhangsan")
    assert wrong.returncode == 64 and b"staff" in wrong.stderr
    erased = control(pipeline, "erase")
    pipeline.wait_run(run)
    for w in ("tags", "stages", "alerts"):
        assert [e["data"]["msgid"] for e in pipeline.events([w])
                if e["type"] == "chatmill.erase.v1"] == [erased]


def test_a_tick_from_before_all_clocks_is_refused_by_its_option(pipeline):
    for behind in ("30000d", "1042w", "2900w"):  # 2900w: its number would be read as seconds
        done = chatmill.run("tick", "-c", pipeline.file, "--behind", behind)
        assert (done.returncode == 64) == (behind != "1042w"), done
        assert done.returncode == 0 or b"--behind: " + behind.encode() in done.stderr, done


def test_tick_lets_quiet_customers_expire(pipeline, processes):
    run = start(pipeline, processes)
    month = 31 * 86400 * 1000
    (pipeline.folder / "in.jsonl").write_bytes(row(1, int(time.time() * 1000) - month) + b"\n")
    pipeline.load(pipeline.folder / "in.jsonl")
    pipeline.wait_run(run)
    assert [e["data"]["cause"] for e in pipeline.events(["tags"])] == ["rule"]
    chatmill.run("tick", "-c", pipeline.file, check=0)
    proc.wait_for(lambda: len(pipeline.events(["tags"])) == 2, 120, "expiry after the tick")
    gone = pipeline.events(["tags"])[1]["data"]
    assert gone["cause"] == "expiry" and [t["tag"] for t in gone["remove"]] == ["high"]
    assert chatmill.run("tick", "-c", pipeline.file, "--behind", "soon").returncode == 64


def test_ticks_at_once_have_one_effect(pipeline, processes):
    """Two hosts tick in the same moment, and one whose clock is far behind: nothing falls due twice, no
    clock goes back, nothing is refused."""
    run = start(pipeline, processes)
    month = 31 * 86400 * 1000
    (pipeline.folder / "in.jsonl").write_bytes(row(1, int(time.time() * 1000) - month) + b"\n")
    pipeline.load(pipeline.folder / "in.jsonl")
    pipeline.wait_run(run)
    both = [pipeline.start("tick"), pipeline.start("tick")]
    processes += both
    assert [t.p.wait(120) for t in both] == [0, 0], [t.log() for t in both]
    chatmill.run("tick", "-c", pipeline.file, "--behind", "100d", check=0)
    pipeline.wait_run(run)
    assert [e["data"]["cause"] for e in pipeline.events(["tags"])] == ["rule", "expiry"]
    # A day ago is behind the clock now: late, and the tag that it brings is due 29 days from here.
    (pipeline.folder / "in.jsonl").write_bytes(row(2, int(time.time() * 1000) - 86400 * 1000) + b"\n")
    pipeline.load(pipeline.folder / "in.jsonl")
    pipeline.wait_run(run)
    said = [(e["data"]["cause"], e["data"]["late"]) for e in pipeline.events(["tags"])]
    assert said[2:] == [("rule", True)]
    assert not pipeline.dead()
    chatmill.run("verify", "-c", pipeline.file, "--no-database", check=0)


def test_rekey_copies_exactly_once_and_run_reads_it(pipeline, processes):
    """Killed in the middle with -9 and started again; then every record is there once, keyed."""
    rows, path = write_input(pipeline.folder, 30000, seed_of_today())
    raw = f"{pipeline.name}.raw"
    pipeline.kafka.create_topic(raw, 3)
    pipeline.kafka.produce(raw, [dict(key=b"x%d" % (i % 7), value=r, timestamp=make_sample.START_MS,
                                      headers=[("from", b"raw")]) for i, r in enumerate(rows)])
    first = pipeline.start("rekey", "--from", raw)
    processes.append(first)
    archive = pipeline.topic["archive"]
    proc.wait_for(lambda: not first.running() or
                  sum(pipeline.kafka.high_watermarks(archive).values()) > 1000, 30, "records", 0.01)
    first.kill()
    chatmill.run("rekey", "-c", pipeline.file, "--from", raw, check=0)
    pipeline.kafka.settle([archive])
    copied = pipeline.kafka.read(archive)
    assert sorted(r.value for r in copied) == sorted(rows)
    assert all(("from", b"raw") in r.headers for r in copied)
    keyed = [r for r in copied if r.key]
    assert len(keyed) > 29000
    assert all(r.key == audit.key(r.value) for r in keyed)
    # The order of each partition of the old topic is kept on each partition of the new one. Rows
    # that stand twice in the input have no place of their own.
    counts = collections.Counter(rows)
    place = {r.value: (r.partition, r.offset) for r in pipeline.kafka.read(raw)}
    last = {}
    for r in copied:
        if counts[r.value] == 1:
            partition, offset = place[r.value]
            assert offset > last.get((r.partition, partition), -1)
            last[r.partition, partition] = offset
    run = start(pipeline, processes)
    pipeline.wait_run(run)
    assert not [d for d in pipeline.dead() if dict(d.headers)["chatmill.error"] == b"misrouted"]


def test_rekey_follows_until_a_signal(pipeline, processes):
    raw, archive = f"{pipeline.name}.raw", pipeline.topic["archive"]
    pipeline.kafka.create_topic(raw, 2)
    rows = [row(n, make_sample.START_MS + n) for n in range(40)]
    follower = pipeline.start("rekey", "--from", raw, "--follow")
    processes.append(follower)
    for end in (20, 40):
        pipeline.kafka.produce(raw, [dict(key=b"x", value=r) for r in rows[end - 20:end]])
        chatmill.wait_alive(lambda: len(pipeline.kafka.read(archive)) >= end, [follower], 60, f"{end} copies")
    # A signal ends it as it ends any command; what was copied is not copied again.
    assert follower.terminate() == -signal.SIGTERM, follower.log()
    chatmill.run("rekey", "-c", pipeline.file, "--from", raw, check=0)
    pipeline.kafka.settle([archive])
    copied = pipeline.kafka.read(archive)
    assert [r.value for r in copied] == rows and {r.key for r in copied} == {audit.key(rows[0])}


def test_dead_letters_are_listed_shown_and_sent_back(pipeline, processes):
    """Two good records on wrong partitions and a broken one: redriven twice, one effect."""
    run = start(pipeline, processes)
    now = int(time.time() * 1000)
    good = [row(1, now), row(2, now + 1)]
    right = pipeline.kafka
    right.produce(pipeline.topic["archive"], [
        dict(key=b"foreign", value=r, partition=p, headers=[("trace", b"t")])
        for p, r in zip((0, 1, 2, 3), good * 2)][:4])
    right.produce(pipeline.topic["archive"], [dict(key=b"x", value=b'{"cut', partition=0)])
    pipeline.wait_run(run)

    def listed(*more):
        return chatmill.lines(chatmill.run("dlq", "list", "-c", pipeline.file, "--json", *more, check=0))
    wrong = listed("--error", "misrouted")
    assert len(wrong) == 3 and len(listed()) == 4  # one of the four stood where it belongs
    name = f"{wrong[0]['partition']}/{wrong[0]['offset']}"
    shown = chatmill.lines(chatmill.run("dlq", "show", "-c", pipeline.file, name, name, check=0))[0]
    assert shown["headers"] == {"trace": "t"} and shown["key"] == "foreign"
    raw = chatmill.run("dlq", "show", "-c", pipeline.file, "--raw", name, check=0).stdout
    assert raw in good
    assert len(listed("--since", "1h")) == 4 and not listed("--until", "1h")
    times = sorted(d["time"] for d in listed())
    assert len(listed("--since", times[-1])) + len(listed("--until", times[-1])) == 4
    assert b"--since takes a time like" in chatmill.run("dlq", "list", "-c", pipeline.file, "--since", "noon", check=64).stderr
    ends = right.high_watermarks(pipeline.topic["archive"])
    dry = chatmill.run("dlq", "redrive", "-c", pipeline.file, "--error", "misrouted", "--since", "1h", "--dry-run", check=0)
    assert sorted(line.split(b"\t")[0].decode() for line in dry.stdout.splitlines()) == sorted(
        f"{d['partition']}/{d['offset']}" for d in wrong) and b"3 dead letters would be sent" in dry.stderr
    assert right.high_watermarks(pipeline.topic["archive"]) == ends
    assert chatmill.run("dlq", "redrive", "-c", pipeline.file, "--until", "1h", check=0).stderr.startswith(b"0 dead letters")
    for _ in range(2):
        chatmill.run("dlq", "redrive", "-c", pipeline.file, "--error", "misrouted", check=0)
    pipeline.wait_run(run)
    assert sorted(e["data"]["msgid"] for e in pipeline.events(["stages"])) == ["w1"]
    back = [r for r in right.read(pipeline.topic["archive"]) if ("chatmill.redrive", b"1") in r.headers]
    assert len(back) == 6 and all(r.key == audit.key(r.value) and ("trace", b"t") in r.headers for r in back)
    assert len(listed("--error", "misrouted")) == 3
    assert chatmill.run("dlq", "redrive", "-c", pipeline.file).returncode == 64
    assert chatmill.run("dlq", "show", "-c", pipeline.file, "0/999999").returncode == 66
    assert b"misrouted" in chatmill.run("dlq", "list", "-c", pipeline.file, "--error", "misroute").stderr
