# test_snapshot.py - a restart reads its snapshot and the tail of the changelog, or all of it and says why.
# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from support import chatmill, proc
from support.load import check, publish, records, seed_of_today, write_input, write_rules

OFTEN = "200ms"


def often(pipeline, **more):
    """Snapshots without end, and small transactions, so that there is a changelog to speak of."""
    return pipeline.write("often.yaml", commit_interval_ms=5, state={"dir": str(pipeline.folder / "state"), "snapshot_interval": OFTEN},
                          **more)


def lines(run, event):
    whole = run.log().rpartition("\n")[0]  # the last line may be in the making
    return [d for d in map(json.loads, filter(lambda x: x.startswith("{"), whole.splitlines()))
            if d["event"] == event]


def files(pipeline):
    return sorted((pipeline.folder / "state/snapshots").glob("*.snapshot"))


def wait_saved(pipeline, run):
    """Until each partition has a snapshot that was done behind the last marker of its changelog."""
    changelog = pipeline.kafka.read(f"chatmill.{pipeline.name}.state")
    markers = {r.partition: r.offset for r in changelog if r.key == b"\0pos"}

    def saved():
        last = {d["partition"]: d for d in lines(run, "snapshot_written")}
        return all(p in last and last[p]["end"] > at for p, at in markers.items())
    proc.wait_for(saved, 60, "a snapshot of each partition")


def left_to_read(pipeline, run):
    """How many records a restart has to read behind the snapshots of this run, which has ended; of how many."""
    topic = f"chatmill.{pipeline.name}.state"
    pipeline.kafka.settle([topic])
    changelog = pipeline.kafka.read(topic)
    last = {d["partition"]: d["start"] for d in lines(run, "snapshot_written")}
    return sum(r.offset >= last[r.partition] for r in changelog), len(changelog)


def run_through(pipeline, processes, file, rows):
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows))
    run = pipeline.start("run", file=file)
    processes.append(run)
    pipeline.wait_run(run)
    return run


def first_half(pipeline, processes, count=6000):
    """Half of the input is worked off and every partition is saved."""
    rules = write_rules(pipeline)
    publish(pipeline, rules)
    rows, path = write_input(pipeline.folder, count, seed_of_today())
    file = often(pipeline)
    run = run_through(pipeline, processes, file, rows[:count // 2])
    wait_saved(pipeline, run)
    # Not killed: one snapshot more may be on disk than its log has told.
    assert run.terminate() == 0, run.log()
    return rules, rows, path, file, left_to_read(pipeline, run)


def test_a_restart_reads_the_tail_only(pipeline, processes):
    rules, rows, path, file, (tail, stored) = first_half(pipeline, processes)
    folder = pipeline.folder / "state/snapshots"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(files(pipeline)) == pipeline.partitions
    assert all(f.stat().st_mode & 0o777 == 0o600 for f in files(pipeline))
    run = run_through(pipeline, processes, file, rows[3000:])
    assert len(lines(run, "snapshot_used")) == pipeline.partitions
    assert not lines(run, "snapshot_unused")
    assert sum(d["records"] for d in lines(run, "restore_end")) == tail < stored / 2
    check(pipeline, rules, path)
    assert run.terminate() == 0, run.log()


def damage(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def version(file):
    data = bytearray(file.read_bytes())
    data[8] += 1
    file.write_bytes(data)


@pytest.mark.long
def test_a_wrong_snapshot_means_a_full_restore(pipeline, processes):
    """Each partition has another thing wrong with its snapshot; the log says what."""
    rules, rows, path, file, _ = first_half(pipeline, processes)
    names = files(pipeline)
    whole = names[0].read_bytes()
    damage(names[0])
    cut(names[1])
    version(names[2])
    names[3].write_bytes(whole)
    run = run_through(pipeline, processes, file, rows[3000:])
    said = {d["partition"]: d["err"] for d in lines(run, "snapshot_unused")}
    assert not lines(run, "snapshot_used")
    for partition, why in enumerate(["damaged", "damaged", "another version", "another topic or partition"]):
        assert why in said[partition], said
    check(pipeline, rules, path)


def exported(pipeline):
    out = chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout
    return sorted(line for line in out.splitlines() if b'"subject"' in line)


@pytest.mark.long
def test_a_changelog_made_anew_is_not_that_of_the_snapshot(pipeline, processes):
    """Same name, same cluster, as long as the old one: only its lineage is another."""
    rules, rows, path, file, _ = first_half(pipeline, processes)
    topic = f"chatmill.{pipeline.name}.state"
    admin = pipeline.kafka.admin()
    for f in admin.delete_topics([topic]).values():
        f.result()
    proc.wait_for(lambda: topic not in admin.list_topics(timeout=5).topics, 120, "end of the topic", 0.2)
    pipeline.apply()
    # The archive from its beginning, and then more: the group's offsets are ahead for a while only.
    off = pipeline.write("off.yaml", state={"dir": str(pipeline.folder / "state2"), "snapshot_interval": "0s"},
                         commit_interval_ms=5)
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows[3000:]))
    run = pipeline.start("run", file=off)
    processes.append(run)
    pipeline.wait_run(run)
    assert run.terminate() == 0, run.log()
    want = exported(pipeline)
    run = pipeline.start("run", file=file)
    processes.append(run)
    run.wait_log('"assigned"', count=2)
    said = [d["err"] for d in lines(run, "snapshot_unused")]
    assert len(said) == pipeline.partitions and not any("damaged" in s for s in said), said
    assert any("lineage" in s for s in said), said
    assert run.terminate() == 0, run.log()
    assert exported(pipeline) == want and len(want) > 100


def test_dies_while_a_snapshot_is_written(pipeline, processes):
    """At each place, one after the other; whatever is on disk then, the outcome is that of scan."""
    rules = write_rules(pipeline)
    publish(pipeline, rules)
    rows, path = write_input(pipeline.folder, 4000, seed_of_today())
    file = often(pipeline, workers=1)
    places = ["snapshot_piece:1", "snapshot_written:2", "snapshot_synced:1", "snapshot_renamed:3",
              "snapshot_piece:3"]
    step = len(rows) // (len(places) + 1)
    for i, place in enumerate(places):
        pipeline.kafka.produce(pipeline.topic["archive"], records(rows[i * step:(i + 1) * step]))
        doomed = pipeline.start("run", file=file, CHATMILL_FAULT=place)
        processes.append(doomed)
        proc.wait_for(lambda: not doomed.running(), 60, f"death at {place}")
        assert doomed.p.returncode == 137, doomed.log()[-3000:]
    run = run_through(pipeline, processes, file, rows[len(places) * step:])
    assert lines(run, "snapshot_used") and not lines(run, "snapshot_unused"), run.log()[-3000:]
    wait_saved(pipeline, run)
    assert run.terminate() == 0, run.log()
    assert not list((pipeline.folder / "state/snapshots").glob("*.part"))
    check(pipeline, rules, path)


@pytest.mark.long
def test_a_disk_that_takes_no_snapshot_stops_nothing(pipeline, processes):
    (pipeline.folder / "state").mkdir()
    (pipeline.folder / "state/snapshots").write_text("in the way")
    rules = write_rules(pipeline)
    publish(pipeline, rules)
    rows, path = write_input(pipeline.folder, 2000, seed_of_today())
    run = run_through(pipeline, processes, often(pipeline), rows)
    run.wait_log("snapshot_failed")
    check(pipeline, rules, path)
    assert run.terminate() == 0, run.log()
