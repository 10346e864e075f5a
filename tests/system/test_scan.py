# test_scan.py - `chatmill scan` against an oracle in Python, and each of its options.
# SPDX-License-Identifier: Apache-2.0
import collections
import datetime
import json
import re
import subprocess
import unicodedata
import uuid

import pytest

from support import chatmill, make_sample, proc

SAMPLE = proc.REPO / "deploy/sample/archive.jsonl.zst"
RULES = proc.REPO / "rules"
NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")

WORDS = ["多少", "地址", "餐馆", "WiFi", "5分", "谢谢", "报价单", "电话"]
ORACLE_RULES = """\
pack: oracle
title: oracle
fold: %s
rules:
  - id: words
    match: [%s]
    then: [{alert: {severity: low, category: words}}]
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample as plain lines, in a file."""
    path = tmp_path_factory.mktemp("sample") / "archive.jsonl"
    path.write_bytes(b"\n".join(make_sample.read_lines(SAMPLE)))
    return path


@pytest.fixture(scope="module")
def messages(sample):
    """Usable messages by msgid: those of the corpus and ours, without the dead ones."""
    found = {}
    for line in sample.read_bytes().split(b"\n"):
        if b'"cw-' in line or (b'"syn' in line and b"syn-dead" not in line):
            envelope = json.loads(line)
            found[envelope["msgid"]] = envelope["message"]
    return found


def rules_folder(tmp_path, text):
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "pack.yaml").write_text(text)
    return folder


def scan(*args, **kw):
    return chatmill.run("scan", *args, **{"check": 0, **kw})


# ---- the oracle: what a reader of the contract would write in Python

def searched(message):
    """(path, text) of all that a person would read, for the types in the sample."""
    kind = message.get("msgtype")
    if kind == "text":
        yield "text.content", message["text"]["content"]
    elif kind == "mixed":
        for i, item in enumerate(message["mixed"]["item"]):
            if item["type"] == "text":
                yield f"mixed.item[{i}].content.content", json.loads(item["content"])["content"]
    elif kind == "link":
        for key in ("title", "description", "link_url"):
            yield f"link.{key}", message["link"][key]
    elif kind == "file":
        yield "file.filename", message["file"]["filename"]
    elif kind == "location":
        for key in ("title", "address"):
            yield f"location.{key}", message["location"][key]


def folded(text, fold):
    """List of (folded character, index of the source character)."""
    if fold == "none":
        return [(c, i) for i, c in enumerate(text)]
    out = []
    for i, c in enumerate(text):
        if unicodedata.category(c) == "Cf" or "\ufe00" <= c <= "\ufe0f" or c == "\u034f":
            continue
        out += [(f, i) for f in unicodedata.normalize("NFKC", c).casefold()]
    return out


def edges_fit(chars, start, end, word):
    """A letter or digit at the edge of a word must not touch its like."""
    def kind(c):
        return "letter" if c.isascii() and c.isalpha() else "digit" if c.isdigit() else None
    before = chars[start - 1] if start else ""
    after = chars[end] if end < len(chars) else ""
    return not ((before and kind(word[0]) and kind(before) == kind(word[0]))
                or (after and kind(word[-1]) and kind(after) == kind(word[-1])))


def quoted_until(text):
    """End of a quoted reply; the sample has none, and its rules are tested elsewhere."""
    assert not re.match(r"[“「]", text)
    return 0


def oracle_hits(message, fold):
    for path, text in searched(message):
        text = re.sub(r"\[[^\[\]]{1,8}\]", lambda m: "\0" * len(m[0]), text)  # emoticons are no text
        quoted_until(text)
        pairs = folded(text, fold)
        chars = "".join(c for c, _ in pairs)
        for word in WORDS:
            want = "".join(c for c, _ in folded(word, fold))
            at = chars.find(want)
            while at >= 0:
                if edges_fit(chars, at, at + len(want), want):
                    yield path, pairs[at][1], pairs[at + len(want) - 1][1] + 1, word
                at = chars.find(want, at + 1)


@pytest.mark.parametrize("fold", ["none", "standard"])
def test_hits_are_those_of_the_oracle(tmp_path, sample, messages, fold):
    folder = rules_folder(tmp_path, ORACLE_RULES % (fold, ", ".join(WORDS)))
    events = chatmill.lines(scan("--rules", folder, "--events", "hit", "--evidence", "full", sample))
    got = {}
    for e in events:
        assert e["type"] == "chatmill.hit.v1"
        d = e["data"]
        got[d["msgid"]] = sorted((h["field"], h["char_start"], h["char_end"], h["word"])
                                 for h in d["evidence"])
        texts = dict(searched(messages[d["msgid"]]))
        for h in d["evidence"]:
            text = texts[h["field"]]
            original = text[h["char_start"]:h["char_end"]]
            assert text.encode()[h["start"]:h["end"]].decode() == original == h["text"]
    # Chats among colleagues are not searched by default, nor are recalls.
    want = {}
    for msgid, m in messages.items():
        people = [m.get("from", "")] + m.get("tolist", [])
        if any(p[:2] in ("wm", "wo") for p in people) and m["action"] == "send":
            hits = sorted(oracle_hits(m, fold))
            if hits:
                want[msgid] = hits
    assert len(want) > 3000
    assert got == want


def test_ids_sequence_time_and_subject(sample, messages):
    events = chatmill.lines(scan("--rules", RULES, sample))
    assert len(events) > 50
    last = {}
    for e in events:
        d = e["data"]
        kind = e["type"]
        assert kind in ("chatmill.tag.v1", "chatmill.stage.v1", "chatmill.alert.v1")
        assert e["subject"] == f"ww1/{d['external_userid'] or d['roomid']}" or d["chat"] == "internal"
        target = d["ladder"] if kind == "chatmill.stage.v1" else ""
        if d["cause"] == "expiry":
            continue  # its name holds the tag, of which the event may have several
        when = datetime.datetime.fromisoformat(e["time"].replace("Z", "+00:00"))
        fell_due = round(when.timestamp() * 1000)
        if fell_due != d["msgtime"]:  # a wait, or the close of a grouping
            target += f"@{fell_due}"
        name = "\x1f".join([kind, d["corpid"], e["subject"].split("/", 1)[1], d["msgid"], d["pack"],
                            d["rule"], target, d["cause"]])
        assert e["id"] == str(uuid.uuid5(NAMESPACE, name)), name
        assert re.fullmatch(r"\d{20}", e["sequence"])
        assert e["sequence"] > last.get(e["subject"], "")
        last[e["subject"]] = e["sequence"]
        if d["msgid"] in messages:
            assert d["msgtime"] == messages[d["msgid"]]["msgtime"]
            assert d["from"] == messages[d["msgid"]]["from"]
    assert len({e["id"] for e in events}) == len(events)


def test_starter_rules_show_something_of_everything(sample):
    events = chatmill.lines(scan("--rules", RULES, sample))
    kinds = collections.Counter(e["type"] for e in events)
    assert kinds["chatmill.tag.v1"] > 20
    assert kinds["chatmill.stage.v1"] > 20
    assert kinds["chatmill.alert.v1"] > 5
    causes = collections.Counter(e["data"]["cause"] for e in events)
    assert causes["recall"] > 0
    assert any(e["data"].get("add") and e["data"].get("remove") for e in events), "no exclusive swap"


# ---- options

def test_same_bytes_for_every_number_of_jobs_and_for_zstd(sample):
    plain = scan("--rules", RULES, "--jobs", "1", sample).stdout
    assert plain
    for jobs in ("1", "2", "4"):
        assert scan("--rules", RULES, "--jobs", jobs, SAMPLE).stdout == plain
    assert scan("--rules", RULES, stdin=sample.read_bytes()).stdout == plain
    assert scan("--rules", RULES, "-", stdin=SAMPLE.read_bytes()).stdout == plain


def test_compiled_rules_are_kept_and_a_damaged_file_is_not_believed(tmp_path, sample):
    folder, plain = tmp_path / "cache", scan("--rules", RULES, sample).stdout

    def kept():
        assert scan("--rules", RULES, "--cache", folder, sample).stdout == plain
        (file,) = folder.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700
        return file
    file = kept()
    number, data = file.stat().st_ino, file.read_bytes()
    assert kept().stat().st_ino == number, "written again"
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0x10
    file.write_bytes(damaged)
    assert kept().read_bytes() == data and file.stat().st_ino != number


def test_two_files_are_one_stream(tmp_path, sample):
    whole = sample.read_bytes().split(b"\n")
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(whole[:9000]) + b"\n")
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(whole[9000:]))
    both = scan("--rules", RULES, tmp_path / "a.jsonl", tmp_path / "b.jsonl").stdout
    assert both == scan("--rules", RULES, sample).stdout


def test_events_option_chooses(sample):
    every = scan("--rules", RULES, "--events", "tag,stage,alert", sample).stdout
    assert every == scan("--rules", RULES, sample).stdout
    for kind in ("tag", "stage", "alert"):
        some = chatmill.lines(scan("--rules", RULES, "--events", kind, sample))
        assert {e["type"] for e in some} == {f"chatmill.{kind}.v1"}
        assert some == [e for e in map(json.loads, every.splitlines())
                        if e["type"] == f"chatmill.{kind}.v1"]


def test_evidence_option(tmp_path):
    folder = rules_folder(tmp_path, ORACLE_RULES % ("standard", "回拨13800138000吧, 多少"))
    m = {"msgid": "m1", "action": "send", "from": "wm" + "A" * 30, "tolist": ["zhangsan"],
         "msgtime": 1700000000123, "msgtype": "text",
         "text": {"content": "多少，请回拨13800138000吧"}}
    line = json.dumps(m).encode()

    def texts(mode):
        e = chatmill.lines(scan("--rules", folder, "--corp", "ww1", "--evidence", mode, stdin=line))
        return [h.get("text") for h in e[0]["data"]["evidence"]]
    assert texts("full") == ["多少", "回拨13800138000吧"]
    assert texts("masked") == ["多少", "回拨*吧"]
    assert texts("none") == [None, None]
    assert b"13800138000" not in re.sub(rb'"word":"[^"]*"', b"",
                                        scan("--rules", folder, "--corp", "ww1", stdin=line).stdout)


def test_limit(sample):
    few = scan("--rules", RULES, "--limit", "3000", sample)
    head = b"\n".join(sample.read_bytes().split(b"\n")[:3000])
    assert few.stdout == scan("--rules", RULES, stdin=head).stdout


def test_bare_message_takes_its_corp_from_the_option(tmp_path):
    folder = rules_folder(tmp_path, ORACLE_RULES % ("none", "多少"))
    m = {"msgid": "m1", "action": "send", "from": "wm" + "A" * 30, "tolist": ["zhangsan"],
         "msgtime": 1700000000123, "msgtype": "text", "text": {"content": "这个多少钱"}}
    line = json.dumps(m).encode()
    event = chatmill.lines(scan("--rules", folder, "--corp", "wwX", stdin=line))[0]
    assert event["subject"].startswith("wwX/")
    dead = tmp_path / "dead"
    assert scan("--rules", folder, "--dead-letters", dead, stdin=line).stdout == b""
    assert [d["error"] for d in chatmill.lines(dead.read_bytes())] == ["no_corp"]


def test_staff_file_overrules_the_prefix(tmp_path):
    folder = rules_folder(tmp_path, ORACLE_RULES.replace("    match", "    from: staff\n    match")
                          % ("none", "多少"))
    odd = "wm" + "S" * 30
    m = {"msgid": "m1", "action": "send", "from": odd, "tolist": ["wm" + "A" * 30],
         "msgtime": 1700000000123, "msgtype": "text", "text": {"content": "多少"}}
    line = json.dumps(m).encode()
    (tmp_path / "staff.csv").write_text(odd + ",销售\n")
    args = ("--rules", folder, "--corp", "ww1")
    assert scan(*args, stdin=line).stdout == b""
    assert len(chatmill.lines(scan(*args, "--staff", tmp_path / "staff.csv", stdin=line))) == 1


def test_partitions_give_each_its_clock(sample):
    """Each event of one partition has at most the sequence of the clock of all; same decisions."""
    one = chatmill.lines(scan("--rules", RULES, sample))
    eight = chatmill.lines(scan("--rules", RULES, "--partitions", "8", sample))

    def decided(events):
        return collections.Counter((e["id"], json.dumps(e["data"].get("add")), e["data"]["cause"])
                                   for e in events if e["data"]["cause"] not in ("expiry", "group"))
    assert sum(decided(eight).values()) > 50
    # Expiries fall due by the partition's clock, so only most decisions need be the same.
    both = decided(one) & decided(eight)
    assert sum(both.values()) > 0.95 * sum(decided(one).values())


def test_summary_is_on_standard_error(sample):
    done = scan("--rules", RULES, "--summary", sample)
    assert done.stdout == scan("--rules", RULES, sample).stdout
    text = done.stderr.decode()
    lines = len([x for x in sample.read_bytes().split(b"\n") if x])
    assert re.search(r"(?i)messages?\b", text)
    assert f"{lines:,}" in text or str(lines) in text or str(lines - 17) in text or f"{lines - 17:,}" in text
    assert "bad_utf8" in text


# ---- errors

@pytest.mark.parametrize("args, status, hint", [
    (["--rules", "no-such-folder"], 66, "no-such-folder"),
    (["--rules", str(RULES), "no-such-file"], 66, "no-such-file"),
    ([], 64, "--rules"),
    (["--rules", str(RULES), "--evidnce", "full"], 64, "--evidence"),
    (["--rules", str(RULES), "--evidence", "ful"], 64, "full"),
    (["--rules", str(RULES), "--events", "tags"], 64, "tag"),
    (["--rules", str(RULES), "--jobs", "many"], 64, "jobs"),
    (["--rules", str(RULES), "--corp", "w" * 300], 64, "--corp"),
    (["--rules", str(RULES), "--corp", "a/b"], 64, "--corp"),
    (["--rules", str(RULES), "--dead-letters", "-"], 64, "--dead-letters -"),
])
def test_wrong_use_is_told(args, status, hint):
    done = chatmill.run("scan", *args)
    assert done.returncode == status, done.stderr
    assert hint in done.stderr.decode()
    assert done.stdout == b""


def test_bad_rules_are_65_with_file_and_line(tmp_path):
    folder = rules_folder(tmp_path, "pack: p\nrules:\n  - id: a\n    mach: 多少\n")
    done = chatmill.run("scan", "--rules", folder)
    assert done.returncode == 65
    assert re.search(r"pack\.yaml:4:\d+: error: .*match", done.stderr.decode())


# ---- files as they come

LINE = {"corpid": "ww1", "action": "send", "from": "wm" + "C" * 30, "tolist": ["zhangsan"], "msgtype": "text",
        "text": {"content": "多少钱"}}
ALERTS = "pack: p\nrules:\n  - {id: a, match: [多少钱], then: {alert: {}}}\n"


def lines_of(count):
    return [json.dumps({**LINE, "msgid": f"m{n}", "msgtime": make_sample.START_MS + n}).encode() for n in range(count)]


def test_zstd_is_known_by_skippable_frames_and_from_slow_pipes(tmp_path):
    """pzstd begins with a skippable frame (RFC 8878, section 3.1.2); a pipe may bring two bytes at first."""
    rules = rules_folder(tmp_path, ALERTS)
    plain = tmp_path / "a.jsonl"
    plain.write_bytes(b"\n".join(lines_of(300)) + b"\n")
    packed = subprocess.run(["zstd", "-qc", plain], stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "a.zst").write_bytes(b"\x5a\x2a\x4d\x18\x04\x00\x00\x00four" + packed)
    want = scan("--rules", rules, plain).stdout
    assert want.count(b"\n") == 300
    assert scan("--rules", rules, tmp_path / "a.zst").stdout == want
    p = subprocess.Popen([chatmill.binary(), "scan", "--rules", rules], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for piece in (packed[:2], packed[2:3], packed[3:]):
        p.stdin.write(piece)
        p.stdin.flush()
    assert p.communicate()[0] == want and p.returncode == 0


def test_what_a_pipe_has_brought_is_not_kept_waiting(tmp_path):
    """Events of whole lines come while the pipe is open, and --limit ends without its end."""
    rules = rules_folder(tmp_path, ALERTS)
    for options in ([], ["--jobs", "2"]):
        p = subprocess.Popen([chatmill.binary(), "scan", "--rules", rules, *options], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        for n, line in enumerate(lines_of(3)):
            p.stdin.write(line + b"\n" + b'{"corpid":')  # the next line has begun
            p.stdin.flush()
            assert json.loads(p.stdout.readline())["data"]["msgid"] == f"m{n}"
            p.stdin.write(b"\n")
        p.stdin.close()
        assert p.wait(120) == 0
    p = subprocess.Popen([chatmill.binary(), "scan", "--rules", rules, "--limit", "1"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    p.stdin.write(b"\n".join(lines_of(3)) + b"\n")
    p.stdin.flush()
    assert p.wait(120) == 0 and p.stdout.read().count(b"\n") == 1
    p.stdin.close()


def test_dead_letters_do_not_go_into_an_input(tmp_path):
    rules = rules_folder(tmp_path, ALERTS)
    file = tmp_path / "in.jsonl"
    file.write_bytes(lines_of(1)[0] + b"\nno json\n")
    before = file.read_bytes()
    for link in ("same", "hard", "soft"):
        dead = {"same": file, "hard": tmp_path / "hard", "soft": tmp_path / "soft"}[link]
        if link == "hard":
            dead.hardlink_to(file)
        if link == "soft":
            dead.symlink_to(file)
        refused = scan("--rules", rules, "--dead-letters", dead, file, check=64)
        assert b"an input itself" in refused.stderr and file.read_bytes() == before
    # Nor is an old one emptied for an input that is not there.
    old = tmp_path / "old.dead"
    old.write_text("kept\n")
    scan("--rules", rules, "--dead-letters", old, tmp_path / "none", check=66)
    assert old.read_text() == "kept\n"


def test_a_batch_is_as_long_as_its_messages_are_many(tmp_path):
    """too_big is said of a message, not of the line that brings thousands of them."""
    rules = rules_folder(tmp_path, ALERTS)
    items = [{"seq": n, "msg": {k: v for k, v in json.loads(line).items() if k != "corpid"}}
             for n, line in enumerate(lines_of(6000))]
    large = {"seq": 1, "msg": {**items[0]["msg"], "msgid": "large", "text": {"content": "多" * (1 << 20)}}}
    file = tmp_path / "batch.jsonl"
    file.write_text(json.dumps({"errcode": 0, "corpid": "ww1", "chatdata": [*items, large]}) + "\n")
    assert file.stat().st_size > 4 << 20
    done = scan("--rules", rules, "--dead-letters", tmp_path / "dead", file)
    assert len(chatmill.lines(done)) == 6000
    assert [json.loads(line)["error"] for line in (tmp_path / "dead").read_text().splitlines()] == ["too_big"]
    file.write_text(json.dumps({**json.loads(lines_of(1)[0]), "text": {"content": '"chatdata"' * (1 << 17)}}) + "\n")
    scan("--rules", rules, "--dead-letters", tmp_path / "dead", file)
    assert [json.loads(line)["error"] for line in (tmp_path / "dead").read_text().splitlines()] == ["too_big"]


def test_spellings_of_one_key_that_are_null_do_no_harm(tmp_path):
    """E6 names every type, null but for one; a key that is there twice is bad_field all the same."""
    rules = rules_folder(tmp_path, ALERTS)
    base = {**LINE, "msgid": "m1", "msgtime": make_sample.START_MS, "msgtype": "meeting_notification"}
    del base["text"]
    file = tmp_path / "e6.jsonl"
    file.write_text(json.dumps({**base, "info": {"content": "多少钱"}, "meeting_notification": None,
                                "meeting_control": None}) + "\n" +
                    json.dumps({**base, "msgid": "m2"})[:-1] + ',"info":null,"info":null}\n')
    done = scan("--rules", rules, "--dead-letters", tmp_path / "dead", file)
    assert [e["data"]["msgid"] for e in chatmill.lines(done)] == ["m1"]
    assert [json.loads(line)["error"] for line in (tmp_path / "dead").read_text().splitlines()] == ["bad_field"]


def test_erasures_are_told_and_numbers_go_on(tmp_path):
    """Whichever events are asked for; and what comes after one is newer than what came before."""
    rules = rules_folder(tmp_path, ALERTS)
    base = {**LINE, "msgid": "m1", "msgtime": make_sample.START_MS}
    control = {"corpid": "ww1", "control": {"id": "o1", "external_userid": LINE["from"], "erase": True, "by": "dpo",
                                            "at": make_sample.START_MS - 1000}}
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(json.dumps(r) for r in (base, {**base, "msgid": "m2"}, control, {
        **base, "msgid": "m3", "msgtime": make_sample.START_MS - 500})) + "\n")
    events = chatmill.lines(scan("--rules", rules, "--events", "alert", file))
    assert [e["type"].split(".")[1] for e in events] == ["alert", "alert", "erase", "alert"]
    numbers = [e["sequence"] for e in events if "sequence" in e]
    assert numbers == sorted(set(numbers)) and len(numbers) == 3
    scan("--rules", rules, "--events", "", file, check=64)


def test_a_clock_is_counted_once(tmp_path):
    rules = rules_folder(tmp_path, ALERTS)
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines_of(1)[0] + b'\n{"corpid":"ww1","clock":1700000000000}\nnull\nx\n')
    said = scan("--rules", rules, "--summary", "--partitions", "4", file).stderr.decode()
    assert re.search(r"^ +4  records$", said, re.M) and re.search(r"^ +1  clock records$", said, re.M)


def test_limits_of_a_customer_are_counted(tmp_path):
    """64 staff of a tag are kept, and 1,000 messages remembered."""
    rules = rules_folder(tmp_path, "pack: p\ntags:\n  t: {values: [high]}\n"
                                   "rules:\n  - {id: a, match: [多少钱], then: [{tag: high}]}\n")
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(json.dumps({**LINE, "msgid": f"m{n}", "msgtime": make_sample.START_MS + n,
                                          "tolist": [f"staff{min(n, 65)}"]}) for n in range(1001)) + "\n")
    said = scan("--rules", rules, "--summary", file).stderr.decode()
    assert re.findall(r"^ +(\d+)  limits reached: (.*)$", said, re.M) == [
        ("937", "staff of a tag"), ("1", "messages remembered of a customer")], said


def test_evidence_of_long_texts_is_cut_and_said(tmp_path):
    """A regex may take in all of a long text: no event grows beyond what a topic takes."""
    rules = rules_folder(tmp_path, ORACLE_RULES % ("none", ", ".join(f"{{regex: '.*{c}.*'}}" for c in "一二三四")))
    text = "x" + "多" * 100_000 + "一二三四"
    message = {"msgid": "m1", "action": "send", "from": "wm" + "C" * 30, "tolist": ["zhangsan"], "roomid": "",
               "msgtime": 1_700_000_000_000, "msgtype": "text", "text": {"content": text}}
    (tmp_path / "a.jsonl").write_text(json.dumps({"corpid": "ww1", "message": message}, ensure_ascii=False) + "\n")
    out = scan("--rules", rules, "--evidence", "full", tmp_path / "a.jsonl").stdout
    data = json.loads(out)["data"]
    (hit,) = data["evidence"]
    size = len(text.encode())
    assert (hit["start"], hit["end"], hit["char_end"]) == (0, size, len(text))
    assert hit["text"] == "x" + "多" * ((64 * 1024 - 1) // 3)
    assert data["truncated"] is True
