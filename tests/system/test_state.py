# test_state.py - state shown, exported, and carried to another partition count.
# SPDX-License-Identifier: Apache-2.0
import collections
import json

import pytest
from confluent_kafka.admin import NewPartitions

from support import audit, chatmill, make_sample, proc
from support.load import publish, records, seed_of_today, write_input, write_rules


def gist(e):
    """What an event says that does not depend on which subjects share a clock."""
    d = e["data"]
    return json.dumps([e["id"], e["type"], e["subject"], d["cause"], d.get("add"), d.get("remove"),
                       d.get("to_stage")], sort_keys=True)


def test_state_moves_to_another_partition_count(pipeline, tmp_path, processes):
    """Half of the input on 4 partitions, export, import, the other half on 7: together what scan
    makes of the whole."""
    rules = write_rules(pipeline)
    publish(pipeline, rules)
    rows, path = write_input(pipeline.folder, 6000, seed_of_today())
    half = len(rows) // 2
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows[:half]))
    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    assert run.terminate() == 0
    export = pipeline.folder / "state.jsonl"
    export.write_bytes(chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout)
    subjects = [d for d in map(json.loads, export.read_text().splitlines()) if "subject" in d]
    assert len(subjects) > 100

    (tmp_path / "new").mkdir()
    wider = chatmill.Setup(tmp_path / "new", pipeline.kafka, partitions=7, name=pipeline.name + "w").apply()
    publish(wider, rules)
    chatmill.run("state", "import", "-c", wider.file, export, check=0)
    again = chatmill.run("state", "import", "-c", wider.file, export)
    assert again.returncode == 78 and b"already" in again.stderr
    broken = export.read_text().replace(subjects[0]["subject"], subjects[1]["subject"], 1)
    done = chatmill.run("state", "import", "-c", wider.file, "--force", stdin=broken.encode())
    assert done.returncode == 65, done
    chatmill.run("state", "import", "-c", wider.file, "--force", export, check=0)
    copy = chatmill.run("state", "export", "-c", wider.file, check=0).stdout.decode().splitlines()
    assert sorted(d["subject"] for d in map(json.loads, copy) if "subject" in d) == sorted(
        d["subject"] for d in subjects)

    wider.kafka.produce(wider.topic["archive"], records(rows[half:]))
    run = wider.start("run")
    processes.append(run)
    wider.wait_run(run)
    for more in ([], ["--no-past"]):
        done = chatmill.run("verify", "-c", wider.file, "--no-database", *more, check=65)
        assert b"`state import`" in done.stderr, done
    want, _ = audit.expected(rules, path, 1, tmp_path / "dead.jsonl")
    difference = audit.Difference("events", map(gist, want), map(gist, pipeline.events() + wider.events()))
    assert difference.total > 500 and not difference, str(difference)


@pytest.mark.parametrize("places", [
    ["import_subjects"], pytest.param(["import_begun", "import_subjects", "import_markers"], marks=pytest.mark.long)],
    ids=["once", "everywhere"])
def test_an_import_that_broke_off_is_refused_and_repeated(places, pipeline, tmp_path, processes):
    """Dies at each of its steps: `run` refuses what is there, a second import wants --force, and with
    it the state is that of the export, whatever was there before."""
    publish(pipeline, write_rules(pipeline))
    rows, _ = write_input(pipeline.folder, 2000, seed_of_today())
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows))
    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    assert run.terminate() == 0
    export = chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout
    lines = export.splitlines(keepends=True)
    want = sorted(x for x in lines if b'"subject"' in x)
    (tmp_path / "new").mkdir()
    new = chatmill.Setup(tmp_path / "new", pipeline.kafka, partitions=3, name=pipeline.name + "i").apply()
    publish(new, pipeline.folder / "rules")  # without rules run would wait for them
    for i, place in enumerate(places):
        done = chatmill.run("state", "import", "-c", new.file, *(["--force"] if i else []),
                            stdin=export, CHATMILL_FAULT=f"{place}:1")
        assert done.returncode == 137, done
        run = new.start("run")
        processes.append(run)
        proc.wait_for(lambda: not run.running(), 60, "refusal")
        assert run.p.returncode == 78 and "import" in run.log(), run.log()[-2000:]
        done = chatmill.run("state", "import", "-c", new.file, stdin=export)
        assert done.returncode == 78 and b"--force" in done.stderr, done
    # The last one has one customer less: who was there and is not in it is forgotten.
    gone = next(x for x in lines if b'"subject"' in x)
    chatmill.run("state", "import", "-c", new.file, "--force", stdin=b"".join(x for x in lines if x != gone),
                 check=0)
    copy = chatmill.run("state", "export", "-c", new.file, check=0).stdout.splitlines(keepends=True)
    assert sorted(x for x in copy if b'"subject"' in x) == sorted(set(want) - {gone})
    run = new.start("run")
    processes.append(run)
    new.wait_run(run)
    assert run.terminate() == 0, run.log()


def test_an_import_at_the_end_judges_what_comes(pipeline, tmp_path, processes):
    """What stands on the new archive before the import was judged elsewhere; each customer goes on as he was."""
    def rows(name, text):
        out = []
        for n in range(5):
            m = {"msgid": f"{name}{n}", "action": "send", "from": f"wm{n:030}", "tolist": ["zhangsan"], "roomid": "",
                 "msgtime": make_sample.START_MS + ord(name) * 1000, "msgtype": "text", "text": {"content": text}}
            out.append(json.dumps({"corpid": "ww1", "msgid": m["msgid"], "message": m}).encode())
        return records(out)
    rules = write_rules(pipeline)
    publish(pipeline, rules)
    pipeline.kafka.produce(pipeline.topic["archive"], rows("a", "多少钱"))
    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    assert run.terminate() == 0
    export = chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout
    (tmp_path / "new").mkdir()
    new = chatmill.Setup(tmp_path / "new", pipeline.kafka, partitions=3, name=pipeline.name + "e").apply()
    publish(new, rules)
    new.kafka.produce(new.topic["archive"], rows("b", "续费"))
    chatmill.run("state", "import", "-c", new.file, "--at-end", stdin=export, check=0)
    new.kafka.produce(new.topic["archive"], rows("c", "付款"))
    run = new.start("run")
    processes.append(run)
    chatmill.wait_alive(lambda: len(new.events(["stages"])) >= 5, [run], 60, "stages")
    assert run.terminate() == 0, run.log()
    said = [(e["data"]["msgid"], e["data"]["from_stage"], e["data"]["to_stage"]) for e in new.events(["stages"])]
    assert sorted(said) == [(f"c{n}", "asked", "bought") for n in range(5)]


def test_a_wrong_file_costs_no_state(pipeline, processes):
    """A slip in the name, or a file that is no export, is told before anything is written."""
    before = chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout
    other = pipeline.folder / "other.jsonl"
    other.write_text('{"subject":"ww1/x","value":""}\n')
    (pipeline.folder / "empty").write_text("")
    for path, status in ((pipeline.folder / "typo.jsonl", 66), (other, 65), (pipeline.folder / "empty", 65)):
        chatmill.run("state", "import", "-c", pipeline.file, "--force", path, check=status)
        chatmill.run("state", "import", "-c", pipeline.file, path, check=status)
    assert set(pipeline.kafka.high_watermarks(f"chatmill.{pipeline.name}.state").values()) == {0}
    assert chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout == before


def test_an_import_for_which_run_would_have_to_go_back_is_refused(pipeline, processes):
    """It made a state that `run` refuses, of one that it did not."""
    publish(pipeline, write_rules(pipeline))
    rows, _ = write_input(pipeline.folder, 200, seed_of_today())
    pipeline.kafka.produce(pipeline.topic["archive"], records(rows))
    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    assert run.terminate() == 0
    state = f"chatmill.{pipeline.name}.state"
    before = pipeline.kafka.high_watermarks(state)
    export = chatmill.run("state", "export", "-c", pipeline.file, check=0).stdout
    done = chatmill.run("state", "import", "-c", pipeline.file, "--force", stdin=export, check=78)
    assert b"--at-end" in done.stderr and pipeline.topic["archive"].encode() in done.stderr
    assert pipeline.kafka.high_watermarks(state) == before
    chatmill.run("state", "import", "-c", pipeline.file, "--force", "--at-end", stdin=export, check=0)
    run = pipeline.start("run")
    processes.append(run)
    run.wait_log('"event":"ready"')
    assert run.terminate() == 0


def test_an_import_takes_all_corps(pipeline):
    clocks = {f"c{i}": make_sample.START_MS + i for i in range(3000)}
    part = {"next_offset": 0, "ruleset": "", "clocks": clocks}
    export = [{"format": "chatmill.state", "version": 3}, {"partition": 0, **part},
              {"partition": 1, **part, "clocks": dict(reversed([*clocks.items(), ("c0", 1)]))}]
    chatmill.run("state", "import", "-c", pipeline.file, check=0,
                 stdin="".join(json.dumps(x) + "\n" for x in export).encode())
    again = chatmill.lines(chatmill.run("state", "export", "-c", pipeline.file, check=0))
    assert [x["clocks"] for x in again if "clocks" in x] == [clocks] * pipeline.partitions


def test_state_of_one_customer(pipeline, processes):
    publish(pipeline, write_rules(pipeline))
    customer = "wm" + "S" * 30
    m = {"msgid": "s1", "action": "send", "from": customer, "tolist": ["zhangsan"], "roomid": "",
         "msgtime": make_sample.START_MS, "msgtype": "text", "text": {"content": "多少钱"}}
    row = json.dumps({"corpid": "ww1", "msgid": "s1", "message": m}).encode()
    pipeline.kafka.produce(pipeline.topic["archive"], records([row]))
    run = pipeline.start("run")
    processes.append(run)
    pipeline.wait_run(run)
    shown = chatmill.lines(chatmill.run("state", "show", "-c", pipeline.file, customer, check=0))[0]
    assert collections.Counter(t["tag"] for t in shown["tags"]) == {"high": 1, "price": 1}
    assert shown["stages"] == {"life": "asked"} and shown["remembered"] == 1
    assert chatmill.run("state", "show", "-c", pipeline.file, customer + "x").returncode == 66


def test_the_archive_gets_more_partitions(tmp_path, kafka, processes):
    """As docs/operations.md has it: every refusal names state.topic, an import that `run` would not take is
    refused, and with a new state topic the customers are known as before."""
    setup = chatmill.Setup(tmp_path, kafka, partitions=1).apply()
    rules = write_rules(setup)
    publish(setup, rules)
    rows, path = write_input(setup.folder, 2000, seed_of_today())
    half = len(rows) // 2
    kafka.produce(setup.topic["archive"], records(rows[:half]))
    run = setup.start("run")
    processes.append(run)
    setup.wait_run(run)
    assert run.terminate() == 0
    export = tmp_path / "state.jsonl"
    export.write_bytes(chatmill.run("state", "export", "-c", setup.file, check=0).stdout)

    admin = kafka.admin()  # must outlive its futures
    for f in admin.create_partitions([NewPartitions(setup.topic["archive"], 2)]).values():
        f.result()
    proc.wait_for(lambda: len(kafka.partitions(setup.topic["archive"])) == 2, 30, "two partitions")
    values = setup.values()
    wider = setup.write("wider.yaml", input=dict(values["input"], partitions=2))
    for command in (["run"], ["topics", "apply"], ["state", "import"], ["state", "import", "--force"],
                    ["config", "check", "--servers"]):
        done = chatmill.run(*command, "-c", wider, *([export] if "import" in command else []), check=78)
        assert b"state.topic" in done.stdout + done.stderr, done

    wider = setup.write("wider.yaml", input=dict(values["input"], partitions=2),
                        state=dict(values["state"], topic=f"{setup.name}.state2"))
    chatmill.run("topics", "apply", "-c", wider, check=0)
    chatmill.run("state", "import", "-c", wider, "--at-end", export, check=0)
    kafka.produce(setup.topic["archive"], records(rows[half:]))
    run = setup.start("run", file=wider)
    processes.append(run)
    setup.wait_run(run)
    want, _ = audit.expected(rules, path, 1, tmp_path / "dead.jsonl")
    difference = audit.Difference("events", map(gist, want), map(gist, setup.events()))
    assert difference.total > 100 and not difference, str(difference)
    assert run.terminate() == 0, run.log()
