#!/usr/bin/python3
# instructions.py - how many instructions each step takes for a message, against a band of 5 %.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/instructions.py STEPS              compares with instructions.json; exit 77: cannot be told
#   tests/instructions.py STEPS --renew      writes what was counted there
#
# STEPS is tests/steps of a release build of one pass. callgrind counts what our own functions execute, not those
# of libraries: Hyperscan, simdjson and the C library choose their code by the processor, ours is the
# same everywhere. It is not the same with another compiler, so that the file says which one it was;
# with another one nothing can be told, and the test is skipped with that reason.
import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))
from support import make_sample  # noqa: E402

FILE = TESTS / "instructions.json"
RULES = TESTS.parent / "bench/rules"
STEPS = ("decode", "fold", "match", "react", "encode")
MANY = "match, trie"  # the same texts when so many words are looked for that a trie finds them
RECORDS, BAND, MANY_WORDS = 3000, 0.05, 10_000
SKIPPED = 77


def compiler():
    first = subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return f"{first}, {platform.machine()}"


def own_cost(text, program):
    """Instructions in functions of `program` itself: the format of callgrind (its manual, «Callgrind
    Format Specification»): names are compressed as «(id) name», then «(id)»; lines of cost are
    positions and a count; the line behind calls= is the cost of the callee, not ours."""
    names, ours, total, skip = {}, False, 0, False
    for line in text.split("\n"):
        if line.startswith("ob="):
            m = re.match(r"ob=\((\d+)\)(?: (.*))?", line)
            if m[2]:
                names[m[1]] = m[2]
            ours = names[m[1]] == program
        elif line.startswith("cob="):
            m = re.match(r"cob=\((\d+)\)(?: (.*))?", line)
            if m[2]:
                names[m[1]] = m[2]
        elif line.startswith("calls="):
            skip = True
        elif line[:1] in "0123456789+-*" and line:
            if not skip and ours:
                total += int(line.split()[-1])
            skip = False
    return total


def with_many_words(folder, stream):
    """The rules and words that begin like the texts and end like none."""
    letters = sorted({c for t in stream.texts for c in t if "一" <= c <= "鿿"})
    rules = folder / "rules"
    shutil.copytree(RULES, rules)
    (rules / "more.txt").write_text("".join(
        f"{letters[i % len(letters)]}{letters[i * 7 % len(letters)]}{chr(0xac00 + i)}\n" for i in range(MANY_WORDS)))
    (rules / "more.yaml").write_text("pack: more\nlists: {w: {file: more.txt}}\nrules: [{id: a, match: {list: w}}]\n")
    return rules


def count_all(program, folder):
    words = [w for w in (RULES / "words.txt").read_text().split("\n") if w and w[0] != "#"]
    stream, sample = make_sample.Stream(words=words, hit_rate=0.2), folder / "sample.jsonl"
    with open(sample, "wb") as f:
        f.writelines(row + b"\n" for row in stream.rows(RECORDS))
    counted = count(program, folder / "few", RULES, sample)
    many = count(program, folder / "many", with_many_words(folder, stream), sample)
    return {**counted, MANY: many["match"]}


def count(program, folder, rules, sample):
    folder.mkdir()
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                           *[x for s in STEPS for x in (f"--dump-before=step_{s}", f"--dump-after=step_{s}")],
                           program, rules, sample, str(RECORDS)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"valgrind ended with {done.returncode}: {done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    if said["records"] != RECORDS or not said["events"]:
        sys.exit(f"the sample is not worked off: {said}")
    counted = {}
    for part in folder.glob("out.*"):
        text = part.read_text()
        m = re.search(r"^desc: Trigger: --dump-after=step_(\w+)", text, re.M)
        if m:
            counted[m[1]] = counted.get(m[1], 0) + own_cost(text, str(program))
    missing = [s for s in STEPS if not counted.get(s)]
    if missing:
        sys.exit(f"nothing was counted for {', '.join(missing)}")
    return {s: round(counted[s] / (said["events"] if s == "encode" else RECORDS), 1) for s in STEPS}


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("steps", type=Path)
    parser.add_argument("--renew", action="store_true")
    args = parser.parse_args(argv)
    if subprocess.run(["which", "valgrind"], capture_output=True).returncode:
        print("skipped: no valgrind here (tests/support/install.sh tests)")
        return SKIPPED
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    if not args.renew and known.get("compiler") != compiler():
        print(f"skipped: the numbers are of {known.get('compiler')}, this is {compiler()}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        now = count_all(args.steps.resolve(), Path(folder))
    if args.renew:
        FILE.write_text(json.dumps({"compiler": compiler(), "instructions": now}, indent=1) + "\n")
    wrong = 0
    for step in now:
        was = known.get("instructions", {}).get(step, 0) if not args.renew else now[step]
        off = now[step] / was - 1 if was else float("inf")
        bad = abs(off) > BAND
        wrong += bad
        print(f"{step:12}{now[step]:10.1f} instructions, {was:.1f} known, {off:+.1%}"
              f"{'  OUT OF THE BAND' if bad else ''}")
    if wrong:
        print("More is slower: find out why. Less is better: keep it, by tests/instructions.py STEPS --renew")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
