# test_commands.py - topics, load, config: what they make and what they refuse.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import audit, chatmill, make_sample, proc

SAMPLE = proc.REPO / "deploy/sample/archive.jsonl.zst"


def test_every_command_has_help_and_unknown_ones_are_told():
    shown = chatmill.run("--help", check=0).stdout.decode()
    for command in ("scan", "run", "sink", "load", "topics", "db", "rules", "config"):
        assert command in shown
        assert chatmill.run(command, "--help").returncode == 0, command
    words = [line.split("  ")[1].split() for line in shown.split("commands:\n")[1].splitlines() if line[:2] == "  "]
    for command in [*words, ["describe"], ["config", "describe"]]:
        told = chatmill.run(*command, "--help", check=0).stdout.decode()
        assert told.startswith(f"usage: chatmill {' '.join(command)}") and "\nexample" in told, told
    assert chatmill.run("version", "--help", "x", check=0).stdout != chatmill.run("version", check=0).stdout
    assert chatmill.run("version", "x").returncode == 64
    done = chatmill.run("scna")
    assert done.returncode == 64 and b"scan" in done.stderr and not done.stdout
    version = chatmill.run("--version", check=0).stdout
    assert b"chatmill" in version
    assert chatmill.run("rules", "check", "--version", check=0).stdout == version


def test_explain_finds_the_message_and_says_if_there_are_more(tmp_path):
    """However many blank lines stand before it, and though the last line of a pipe has no end."""
    line = json.dumps({"msgid": "m1", "action": "send", "from": "wmCUSTOMER0000000000000000000001", "tolist": ["z"],
                       "msgtime": 1700000000000, "msgtype": "text", "text": {"content": "多少钱"}}).encode()
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yaml").write_text("pack: p\nrules: [{id: r, match: 多少钱}]\n")
    for stdin, more in ((line, False), (b"\n" * 100000 + line + b"\n \n", False), (line + b"\n" + line, True),
                        (line + b"\n\n" + b"\n" * 100000 + line + b"\n", True)):
        done = chatmill.run("rules", "explain", folder, "--message", "-", stdin=stdin, check=0)
        assert "«多少钱»" in done.stdout.decode(), stdin[-300:]
        assert (b"only the first" in done.stderr) == more, stdin[-300:]
    done = chatmill.run("rules", "explain", folder, "--message", "-", stdin=b"\n" * 100000, check=65)
    assert b"holds no message" in done.stderr


def test_check_says_that_there_are_more_findings(tmp_path):
    """Beyond a thousand they are only counted: the last line says so, for people and for programs."""
    def check(count, *options):
        rules = "".join(f"  - {{id: r{i}, mach: 多少钱}}\n" for i in range(count))
        (tmp_path / "a.yaml").write_text(f"pack: p\nrules:\n{rules}")
        return chatmill.run("rules", "check", *options, tmp_path, check=65)
    assert all("text" in finding for finding in chatmill.lines(check(10, "--json")))
    *found, last = chatmill.lines(check(600, "--json"))
    assert len(found) == 1000 and all("text" in finding for finding in found)
    assert last["more"] > 0 and check(600).stdout.decode().splitlines()[-1] == f"… and {last['more']} more"


def test_output_that_nobody_takes(tmp_path):
    """A full disk is a failure; a reader that left ends us as it ends every program of Unix."""
    scan = [chatmill.binary(), "scan", "--rules", proc.REPO / "rules", SAMPLE]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(scan, stdout=full, stderr=subprocess.PIPE, env=chatmill.environment(), timeout=120)
    assert done.returncode == 75 and b"standard output" in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(scan, stdout=writer, stderr=subprocess.PIPE, env=chatmill.environment(), timeout=120)
    os.close(writer)
    assert done.returncode == -signal.SIGPIPE and not done.stderr


@pytest.mark.parametrize("options", ["size=16k,nr_inodes=1", "ro"], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_may_be_mended(tmp_path, options):
    """A supervisor starts run again after 75, never after 78."""
    config = tmp_path / "chatmill.yaml"
    config.write_text(f'kafka: {{bootstrap.servers: "127.0.0.1:1"}}\nstate: {{dir: {tmp_path}/disk/state}}\n')
    (tmp_path / "disk").mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path / "disk"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        done = chatmill.run("run", "-c", config, check=75)
    finally:
        subprocess.run(["umount", "-l", tmp_path / "disk"], check=True)
    assert b"disk/state cannot be made" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["help"], ["version"], ["rules", "--help"],
                                   ["scan", "--help"], ["scan", "--version"], ["config", "show", "-c", os.devnull]])
@pytest.mark.parametrize("out", [">/dev/full", ">&-"])
def test_whatever_cannot_be_written_is_told(words, out):
    done = subprocess.run(["sh", "-c", f'"$0" "$@" {out}', chatmill.binary(), *words], stderr=subprocess.PIPE,
                          env=chatmill.environment(), timeout=60)
    assert done.returncode == 75 and b"standard output" in done.stderr, done


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path):
    """What is opened first gets the number of a stream that was closed, and would get its output."""
    def scan(streams, *more):
        (tmp_path / "dead").unlink(missing_ok=True)
        words = ["scan", "-r", proc.REPO / "rules", "--dead-letters", "dead", "--summary", *more]
        done = subprocess.run(["sh", "-c", f'"$0" "$@" {streams}', chatmill.binary(), *words], cwd=tmp_path,
                              capture_output=True, env=chatmill.environment(), timeout=120)
        return done, (tmp_path / "dead").read_bytes()
    whole, dead = scan("", SAMPLE)
    assert whole.returncode == 0 and whole.stdout and dead
    assert all("error" in json.loads(line) for line in dead.splitlines())
    done, after = scan(">&-", SAMPLE)
    assert done.returncode == 75 and dead.startswith(after)
    done, after = scan("2>&-", SAMPLE)
    assert (done.returncode, done.stdout, after) == (0, whole.stdout, dead)
    done, after = scan("<&-", SAMPLE)
    assert (done.returncode, done.stdout, after) == (0, whole.stdout, dead)
    done, after = scan("<&-", "-")
    assert done.returncode == 66 and b"- cannot be read" in done.stderr and not after
    done, after = scan("<&- >&- 2>&-", SAMPLE)
    assert done.returncode == 75 and dead.startswith(after)


def test_a_bug_of_ours_is_70():
    """An abort() of its own, here one that waits for it at its start; one sent by another (a watchdog) stays one."""
    def before():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGABRT])
        os.kill(os.getpid(), signal.SIGABRT)
    done = subprocess.run([chatmill.binary(), "scan", "-r", proc.REPO / "rules"], preexec_fn=before, input=b"",
                          capture_output=True, env=chatmill.environment(), timeout=60)
    assert done.returncode == 70 and done.stderr.count(b"\n") == 1 and b"bug of chatmill" in done.stderr
    p = proc.spawn([chatmill.binary(), "scan", "-r", proc.REPO / "rules"], stdin=subprocess.PIPE,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=chatmill.environment())
    proc.wait_for(lambda: "hyperscan" in Path(f"/proc/{p.pid}/maps").read_text().lower()
                  or "/libhs" in Path(f"/proc/{p.pid}/maps").read_text(), 30, "the program to be there")
    p.send_signal(signal.SIGABRT)
    assert p.wait(120) == -signal.SIGABRT and b"bug" not in p.stderr.read()


def test_names_that_are_no_utf8(tmp_path):
    """Output is JSON whatever a file is called; what would stand in events is refused."""
    name = os.fsencode(tmp_path) + b"/n\xff\xe4\xb8x.json"
    with open(name, "w") as f:
        f.write("no json\n")
    scan = [chatmill.binary(), "scan", "-r", proc.REPO / "rules", "--dead-letters", tmp_path / "dead"]
    subprocess.run([*scan, name], check=True, env=chatmill.environment(), timeout=60)
    dead = json.loads((tmp_path / "dead").read_bytes().decode())
    assert dead["file"] == f"{tmp_path}/n\ufffd\ufffd\ufffdx.json" and dead["error"] == "bad_json"
    done = subprocess.run([*scan, "--corp", b"w\xffw", name], capture_output=True, env=chatmill.environment(), timeout=60)
    assert done.returncode == 64 and b"--corp" in done.stderr and not done.stdout
    done = subprocess.run([chatmill.binary(), "config", "show", "-c", os.devnull, "--json"], check=True, timeout=60,
                          capture_output=True,
                          env={**os.environb, b"CHATMILL_IDENTITY__STAFF": name, b"CHATMILL_KAFKA__X": b"\xff"})
    shown = {x["key"]: x["value"] for x in chatmill.lines(done)}
    assert shown["identity.staff"] == dead["file"] and shown["kafka.x"] == "\ufffd"


@pytest.fixture
def stranger():
    """A folder that everybody may enter, and a way to run the program in it as nobody."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    def run(*args):
        return subprocess.run([chatmill.binary(), *map(str, args)], cwd=folder, user=65534, group=65534, extra_groups=[],
                              capture_output=True, env=chatmill.environment(), timeout=60)
    run.folder = folder
    if os.geteuid() == 0:
        try:
            seen = run("--version").returncode
        except PermissionError:
            seen = None
        if seen != 0:
            pytest.skip("nobody may not enter the folder of the program")
    else:
        pytest.skip("only root may become another user")
    yield run
    shutil.rmtree(folder)


def test_what_may_not_be_opened_is_77(stranger):
    """Not 66, which says that there is no such file, and not 78."""
    folder = stranger.folder
    shutil.copytree(proc.REPO / "rules", folder / "rules")
    shutil.copytree(proc.REPO / "rules", folder / "secret_rules")
    (folder / "in.json").write_text("")
    for name in ("secret", "c.yaml"):
        (folder / name).write_text("pipeline: x\n")
    (folder / "named.yaml").write_text("postgres: {password: {file: secret}}\n")
    (folder / "staff.yaml").write_text("identity: {staff: secret}\n")
    (folder / "state.yaml").write_text("kafka: {bootstrap.servers: '127.0.0.1:1'}\nstate: {dir: locked/state}\n")
    (folder / "locked").mkdir()
    for name in ("secret", "c.yaml", "locked", "secret_rules"):
        (folder / name).chmod(0o600)
    for args in (["scan", "-r", "rules", "secret"], ["scan", "-r", "secret_rules", "in.json"],
                 ["scan", "-r", "rules", "--staff", "secret", "in.json"],
                 ["scan", "-r", "rules", "--dead-letters", "new", "in.json"],
                 ["rules", "test", "rules", "--junit", "new"], ["rules", "test", "rules", "--baseline", "secret"],
                 ["config", "check", "-c", "c.yaml"], ["config", "check", "-c", "named.yaml"],
                 ["db", "status", "-c", "named.yaml"], ["archive", "cat", "-c", "c.yaml"],
                 ["run", "-c", "state.yaml"], ["sink", "-c", "state.yaml"], ["load", "-c", "state.yaml", "secret"]):
        done = stranger(*args)
        assert done.returncode == 77, (args, done)
        assert b"denied" in done.stderr, (args, done)


def test_topics_plan_says_and_apply_makes(tmp_path, kafka):
    setup = chatmill.Setup(tmp_path, kafka)
    before = kafka.topics()
    plan = chatmill.run("topics", "plan", "-c", setup.file)
    assert plan.returncode in (0, 1)
    assert setup.topic["archive"].encode() in plan.stdout
    listed = chatmill.lines(chatmill.run("topics", "plan", "-c", setup.file, "--json", check=1))
    assert [f"{x['state']}\t{x['topic']}\t{x['how']}" for x in listed] == plan.stdout.decode().splitlines()
    assert kafka.topics() == before, "plan must make nothing"
    chatmill.run("topics", "apply", "-c", setup.file, check=0)
    made = kafka.topics() - before
    assert made >= set(setup.topic.values()) | {f"chatmill.{setup.name}.state"}
    for name in (setup.topic["archive"], f"chatmill.{setup.name}.state"):
        assert len(kafka.partitions(name)) == setup.partitions
    config = kafka.tool("TopicCommand", "--describe", "--topic", f"chatmill.{setup.name}.state")
    assert "cleanup.policy=compact" in config
    chatmill.run("topics", "apply", "-c", setup.file, check=0)
    assert kafka.topics() == before | made, "a second apply must change nothing"


def test_topics_apply_leaves_room_that_somebody_made(tmp_path, kafka):
    """Larger records than planned stay allowed, smaller ones do not."""
    setup = chatmill.Setup(tmp_path, kafka)
    larger, smaller = setup.topic["archive"], setup.topic["tags"]
    for topic, size in ((larger, 20971520), (smaller, 1000000)):
        kafka.create_topic(topic, setup.partitions, config={"max.message.bytes": str(size),
                                                             "retention.ms": "1000"})
    said = chatmill.run("topics", "apply", "-c", setup.file, check=0).stdout.decode()
    altered = {tuple(x.split("\t")[1:]) for x in said.splitlines() if x.startswith("alter")}
    assert {(topic, how) for topic, how in altered if how.startswith("max.")} == {
        (smaller, "max.message.bytes=10485760, was 1000000")}
    assert (larger, "retention.ms=-1, was 1000") in altered
    assert "max.message.bytes=20971520" in kafka.tool("TopicCommand", "--describe", "--topic", larger)
    assert "max.message.bytes=10485760" in kafka.tool("TopicCommand", "--describe", "--topic", smaller)
    chatmill.run("topics", "plan", "-c", setup.file, check=0)


def test_load_keys_and_stamps_as_run_wants(pipeline):
    """Keys are those that Python works out; the partition is that of Java's hash."""
    done = chatmill.run("load", "-c", pipeline.file, SAMPLE, check=0)
    assert done.stdout == b""
    got = [r for r in pipeline.kafka.read(pipeline.topic["archive"]) if r.value]
    rows = [r for r in make_sample.read_lines(SAMPLE) if b'"msgid":"cw-' in r or b'"msgid":"syn' in r]
    rows = [r for r in rows if b"syn-dead" not in r]
    by_value = {r.value: r for r in got}
    for raw in rows:
        r = by_value[raw]
        assert r.key == audit.key(raw), raw
        assert r.timestamp == json.loads(raw)["recv_ts"]
    # The Python client's murmur2 partitioner is judged by Kafka's own users, not by us.
    echo = pipeline.name + ".echo"
    pipeline.kafka.create_topic(echo, pipeline.partitions)
    pipeline.kafka.produce(echo, [dict(key=r.key, value=r.value) for r in got if r.key])
    where = {r.value: r.partition for r in pipeline.kafka.read(echo)}
    assert all(where[r.value] == r.partition for r in got if r.key)
    # The order of a subject's messages is that of the file.
    place = {raw: i for i, raw in enumerate(rows)}
    last = {}
    for r in got:
        if r.value in place:
            assert last.get(r.key, -1) < place[r.value]
            last[r.key] = place[r.value]


@pytest.mark.parametrize("change, hint", [
    ({"pipelin": "x"}, "pipeline"),
    ({"workers": 0}, "workers"),
    ({"kafka": {"bootstrap.servers": "x:1", "enable.idempotence": "false"}}, "enable.idempotence"),
    ({"kafka": {"bootstrap.servers": "x:1", "isolation.level": "read_uncommitted"}}, "isolation.level"),
    ({"kafka": {"bootstrap.server": "x:1"}}, "bootstrap.servers"),
    ({"kafka": {"bootstrap.servers": "x:1", "enable.ssl.certificate.verification": "false"}},
     "enable.ssl.certificate.verification"),
    ({"evidence": "all"}, "masked"),
    ({"commit_interval_ms": "soon"}, "commit_interval_ms"),
])
def test_config_check_names_what_is_wrong(tmp_path, change, hint):
    class Nowhere:
        bootstrap = "127.0.0.1:1"
    setup = chatmill.Setup(tmp_path, Nowhere)
    assert chatmill.run("config", "check", "-c", setup.file).returncode == 0
    done = chatmill.run("config", "check", "-c", setup.write("bad.yaml", **change))
    assert done.returncode == 78, done
    assert hint in done.stderr.decode()
    assert "bad.yaml" in done.stderr.decode()


def test_example_configuration_and_shipped_rules_are_right():
    chatmill.run("config", "check", "-c", proc.REPO / "deploy/chatmill.yaml", check=0)
    chatmill.run("rules", "check", "--strict", proc.REPO / "rules", check=0)


def test_environment_overrides_the_file(tmp_path):
    class Nowhere:
        bootstrap = "127.0.0.1:1"
    setup = chatmill.Setup(tmp_path, Nowhere)
    done = chatmill.run("config", "check", "-c", setup.file, CHATMILL_WORKERS="0")
    assert done.returncode == 78 and b"workers" in done.stderr
