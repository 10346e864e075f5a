# test_run.py - `run` dies at every place of a transaction, shares its partitions, changes its rules.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
import subprocess
import time

import pytest

from support import chatmill, proc
from support.load import RULES, check, publish, records, seed_of_today, write_input, write_rules

PLACES = ["after_send_offsets", "in_commit", "in_revoke",
          *(pytest.param(p, marks=pytest.mark.long)
            for p in ("begin", "after_produce", "after_commit", "in_restore"))]


@pytest.mark.parametrize("place", PLACES)
def test_dies_at(place, pipeline, processes):
    """Dies as by kill -9 when it passes the place for the third time; what the next one makes of it
    is what `scan` says."""
    rules = write_rules(pipeline)
    rows, path = write_input(pipeline.folder, 4000, seed_of_today())
    publish(pipeline, rules)
    half = len(rows) // 2
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows[:half]))
    if place == "in_restore":  # there must be something to restore
        first = pipeline.start("run")
        processes.append(first)
        pipeline.wait_run(first)
        first.kill()
    count = 1 if place == "in_revoke" else 3
    # Small transactions, so that each place is passed often.
    file = pipeline.write("fault.yaml", commit_interval_ms=5, workers=1)
    doomed = pipeline.start("run", file=file, CHATMILL_FAULT=f"{place}:{count}")
    processes.append(doomed)
    if place == "in_revoke":
        doomed.wait_log('"assigned"')
        other = pipeline.start("run")  # a newcomer takes partitions away
        processes.append(other)
    number = half
    deadline = time.monotonic() + 60
    while doomed.running():  # more input, so that there are more transactions
        assert time.monotonic() < deadline, doomed.log()[-3000:]
        if number < len(rows) - 200:
            pipeline.kafka.produce(pipeline.topic["archive"], records(rows[number:number + 20]))
            number += 20
        time.sleep(0.05)
    assert doomed.p.returncode == 137, doomed.log()[-3000:]
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows[number:]))
    survivor = pipeline.start("run")
    processes.append(survivor)
    pipeline.wait_run(survivor)
    check(pipeline, rules, path)


def test_partitions_move_between_processes(pipeline, processes):
    """1 → 3 → 1 processes while input comes: rebalances in the middle of transactions."""
    rules = write_rules(pipeline)
    rows, path = write_input(pipeline.folder, 12000, seed_of_today())
    publish(pipeline, rules)
    runs = [pipeline.start("run")]
    processes.append(runs[0])
    runs[0].wait_log('"assigned"')
    step = len(rows) // 12
    for i in range(12):
        pipeline.kafka.produce(pipeline.topic["archive"], records(rows[i * step:(i + 1) * step]))
        if i in (2, 4):
            runs.append(pipeline.start("run"))
            processes.append(runs[-1])
        if i in (7, 9):
            assert runs.pop().terminate() == 0
        time.sleep(0.4)
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows[12 * step:]))
    pipeline.wait_run(*runs, timeout_s=90)
    check(pipeline, rules, path)
    assert runs[0].log().count('"revoked"') >= 2, "no rebalance reached the first process"


@pytest.mark.parametrize("count, sets", [(6000, 4), pytest.param(60_000, 12, marks=pytest.mark.long)])
def test_rules_change_at_one_place_of_the_log(count, sets, pipeline, processes):
    """Rule sets published under load, on two processes, with a kill between: every event names the
    set in force at its message's offset."""
    runs = [pipeline.start("run"), pipeline.start("run")]
    processes.extend(runs)
    rows, _ = write_input(pipeline.folder, count, seed_of_today())
    step = count // sets
    for i, n in enumerate(range(0, count, step)):
        folder = write_rules(pipeline, RULES.replace("title: audit", f"title: audit {i}"), f"rules{i}")
        publish(pipeline, folder)
        pipeline.kafka.produce(pipeline.topic["archive"], records(rows[n:n + step]))
        if i == sets // 2:
            runs[0].kill()
            runs[0] = pipeline.start("run")
            processes.append(runs[0])
    pipeline.wait_run(*runs, timeout_s=120)
    in_force, at = {}, {}
    for r in pipeline.kafka.read(pipeline.topic["archive"]):
        try:
            record = json.loads(r.value)
        except (ValueError, RecursionError):  # a dead letter
            continue
        if "ruleset" in record:
            in_force[r.partition] = record["ruleset"]
        elif "msgid" in record:
            # A message that comes twice has its effect where it stands first.
            at.setdefault(record["msgid"], in_force[r.partition])
    events = pipeline.events()
    assert len(events) > 300
    assert len({e["data"]["ruleset"] for e in events}) == sets
    wrong = [e for e in events if e["data"]["cause"] == "rule"
             and e["data"]["ruleset"] != at[e["data"]["msgid"]]]
    assert not wrong, wrong[:3]
    listed = chatmill.run("rules", "list", "-c", pipeline.file, "--json", check=0)
    assert [s["in_force"] for s in chatmill.lines(listed)] == [False] * (sets - 1) + [True]


def test_an_archive_loaded_before_its_rules_is_judged(pipeline, processes):
    rules = write_rules(pipeline)
    rows, path = write_input(pipeline.folder, 2000, seed_of_today())
    pipeline.load(path)
    run = pipeline.start("run", "--publish", rules)
    processes.append(run)
    pipeline.wait_run(run)
    check(pipeline, rules, path)


def test_run_waits_for_rules(pipeline, processes):
    run = pipeline.start("run")
    processes.append(run)
    run.wait_log("rules_none")
    rules = write_rules(pipeline)
    rows, path = write_input(pipeline.folder, 2000, seed_of_today())
    pipeline.load(path)
    publish(pipeline, rules)
    pipeline.wait_run(run)
    check(pipeline, rules, path)


def test_wrong_rules_are_never_published(pipeline):
    folder = write_rules(pipeline, "pack: x\nrules:\n  - id: a\n    mach: [b]\n")
    done = chatmill.run("rules", "publish", "-c", pipeline.file, "--lead", "0s", folder)
    assert done.returncode == 65 and b"match" in done.stderr, done
    assert not pipeline.kafka.read(pipeline.topic["rulesets"])
    assert not pipeline.kafka.read(pipeline.topic["archive"])


def end_of(run, status, word, timeout_s=120):
    proc.wait_for(lambda: not run.running(), timeout_s, "end of run")
    assert run.p.returncode == status, (run.p.returncode, run.log()[-3000:])
    assert word in run.log(), run.log()[-3000:]


def test_foreign_keys_stop_run_with_advice(pipeline, processes):
    publish(pipeline, write_rules(pipeline))
    rows, _ = write_input(pipeline.folder, 3000, seed_of_today())
    pipeline.kafka.produce(pipeline.topic["archive"],
                           [dict(key=b"k%d" % i, value=r) for i, r in enumerate(rows)])
    run = pipeline.start("run")
    processes.append(run)
    end_of(run, 78, "rekey")


def test_a_changed_partition_count_stops_run(pipeline, processes):
    from confluent_kafka.admin import NewPartitions
    publish(pipeline, write_rules(pipeline))
    admin = pipeline.kafka.admin()
    for f in admin.create_partitions([NewPartitions(pipeline.topic["archive"], 6)]).values():
        f.result()
    run = pipeline.start("run")
    processes.append(run)
    end_of(run, 78, "partitions")


def test_of_two_with_one_name_one_survives(pipeline, processes):
    """Another state.dir on the same instance: both take slot 0 and thus the same names."""
    publish(pipeline, write_rules(pipeline))
    first = pipeline.start("run")
    processes.append(first)
    first.wait_log('"assigned"', count=2)
    other = pipeline.write("other.yaml", state={"dir": str(pipeline.folder / "state2")})
    second = pipeline.start("run", file=other)
    processes.append(second)
    end_of(first, 75, "name of this group member")
    rules = pipeline.folder / "rules"
    rows, path = write_input(pipeline.folder, 2000, seed_of_today())
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows))
    pipeline.wait_run(second)
    check(pipeline, rules, path)


def test_idle_costs_little(pipeline, processes):
    publish(pipeline, write_rules(pipeline))
    run = pipeline.start("run")
    processes.append(run)
    run.wait_log('"ready"', 60)
    tick = os.sysconf("SC_CLK_TCK")

    def cpu_s():
        fields = open(f"/proc/{run.p.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / tick

    def share(seconds):
        before = cpu_s()
        time.sleep(seconds)
        return (cpu_s() - before) / seconds
    # 1 % of a core each for two workers is the aim; 3 % on a busy machine is no short poll either. The
    # best of three windows counts: what is left of the start, or a snapshot, falls into one.
    shares = []
    while len(shares) < 3 and (not shares or min(shares) >= 0.03):
        shares.append(share(6))
    assert min(shares) < 0.03, shares


def put_foreign_set(setup, bundle):
    """A published set as a program with other semantics would have put it there."""
    digest = "sha256:" + hashlib.sha256(bundle).hexdigest()
    frame = subprocess.run(["zstd", "-q", "-c"], input=bundle, capture_output=True, check=True).stdout
    now = b"%d" % (time.time() * 1000)
    setup.kafka.produce(setup.topic["rulesets"], [dict(
        key=digest + "/0", value=frame, partition=0,
        headers=[("chatmill.pieces", b"1"), ("chatmill.bytes", b"%d" % len(frame)), ("chatmill.by", b"x"),
                 ("chatmill.at", now), ("chatmill.published", now), ("chatmill.first", now)])])
    record = json.dumps({"ruleset": digest, "by": "x", "at": int(now)})
    setup.kafka.produce(setup.topic["archive"],
                        [dict(value=record, partition=p) for p in range(setup.partitions)])
    return digest


def test_a_set_of_other_semantics_judges_nothing_but_may_be_replaced(pipeline, processes):
    rules = write_rules(pipeline)
    digest = publish(pipeline, rules)
    bundle = chatmill.run("rules", "show", "-c", pipeline.file, digest, check=0).stdout
    assert "sha256:" + hashlib.sha256(bundle).hexdigest() == digest
    at = bundle.rindex(b"fold unicode")  # the semantics end the bundle
    foreign = put_foreign_set(pipeline, bundle[:at] + bundle[at:].replace(b"unicode", b"runes!!"))
    run = pipeline.start("run")
    processes.append(run)
    run.wait_log("rules_unusable", count=pipeline.partitions)
    # Started again it finds the unusable set in its state, and still nothing to judge.
    assert run.terminate() == 0
    run = pipeline.start("run")
    processes.append(run)
    run.wait_log("rules_unusable", count=pipeline.partitions)
    rows, path = write_input(pipeline.folder, 1000, seed_of_today())
    publish(pipeline, rules)
    pipeline.load(path)
    pipeline.wait_run(run)
    check(pipeline, rules, path)
    # A message that it would have to judge stops run.
    put_foreign_set(pipeline, bundle[:at] + bundle[at:].replace(b"unicode", b"glyphs!"))
    pipeline.load(path)
    end_of(run, 78, "rules")
    assert foreign in run.log()


def test_who_published_is_cut_at_a_character(pipeline, processes):
    """127 bytes of --by are kept: half a character would make dead letters of all rules records."""
    rules = write_rules(pipeline)
    chatmill.run("rules", "publish", "-c", pipeline.file, "--lead", "0s", "--by", "ö" * 100, rules, check=0)
    records = pipeline.kafka.read(pipeline.topic["archive"])
    assert [json.loads(r.value)["by"] for r in records] == ["ö" * 63] * pipeline.partitions
    listed, = chatmill.lines(chatmill.run("rules", "list", "-c", pipeline.file, "--json", check=0))
    assert listed["by"] == "ö" * 63
    run = pipeline.start("run")
    processes.append(run)
    rows, path = write_input(pipeline.folder, 1000, seed_of_today())
    pipeline.load(path)
    pipeline.wait_run(run)
    check(pipeline, rules, path)


def test_a_rules_record_of_a_set_that_is_not_there_stops_run(pipeline, processes):
    publish(pipeline, write_rules(pipeline))
    record = json.dumps({"ruleset": "sha256:" + 64 * "0", "by": "x", "at": 1700000000000})
    pipeline.kafka.produce(pipeline.topic["archive"], [dict(value=record, partition=0)])
    run = pipeline.start("run")
    processes.append(run)
    end_of(run, 78, "is not on", timeout_s=90)
