#!/usr/bin/python3
# run.py - the body of run.sh: builds the lanes, runs every kind of test, makes one count of all.
# SPDX-License-Identifier: Apache-2.0
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))
from support import proc  # noqa: E402

Result = collections.namedtuple("Result", "name outcome count detail")
Job = collections.namedtuple("Job", "p file log xml")
# Files that take longest start first; so many run at once.
FIRST = ("test_sink", "test_run", "test_exactly_once", "test_away", "test_operate", "test_signals")
PLACES = 3
NOTHING_CHOSEN = 5  # pytest's exit status when no test of a file was asked for
# A lane that hangs is ended and counts as one failure.
UNITS_S, SHORT_S, LONG_S = 900, 1500, 9000


def say(text):
    print(f"=== {text}", flush=True)


def run(argv, timeout_s, **kw):
    """Exit status; the whole process group is gone afterwards."""
    p = proc.spawn(argv, stdin=subprocess.DEVNULL, **kw)
    try:
        p.wait(timeout_s)
    except subprocess.TimeoutExpired:
        print(f"ended after {timeout_s} s: {argv[0]}", file=sys.stderr)
    timed_out = p.poll() is None
    proc.end(p)
    return 124 if timed_out else p.returncode


def build(lane, results):
    """The folder of the lane; a failure is counted, and None."""
    start = time.monotonic()
    done = subprocess.run([TESTS / "support/build.sh", lane], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        results.append(Result(f"build {lane}", "failed", 1, ""))
        return None
    say(f"built {lane} in {time.monotonic() - start:.0f} s")
    return Path(done.stdout.strip().splitlines()[-1])


def meson_results(lane, folder):
    """One count for each Criterion test, one for a program that counts nothing itself."""
    for line in (folder / "meson-logs/testlog.json").read_text().splitlines():
        t = json.loads(line)
        name = f"{lane}: {t['name'].split(' / ')[-1]}"
        text = t.get("stdout", "") + t.get("stderr", "")
        m = re.search(r"Tested: .*?(\d+).*?Passing: .*?(\d+).*?Failing: .*?(\d+).*?Crashing: .*?(\d+)",
                      re.sub(r"\x1b\[[0-9;]*m", "", text))
        if t["result"] == "SKIP":
            yield Result(name, "skipped", 1, text.strip()[-300:])
        elif t["result"] == "OK":
            yield Result(name, "passed", int(m[2]) if m else 1, "")
        else:
            bad = int(m[3]) + int(m[4]) if m else 0
            if m and bad:
                yield Result(name, "passed", int(m[2]), "")
            yield Result(name, "failed", max(1, bad), text[-4000:])


def units(lane, folder):
    say(f"units, {lane}")
    log = folder / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    env = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    status = run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", "2"], UNITS_S, env=env)
    if not log.exists():
        return [Result(f"{lane}: meson test", "failed", 1, f"exit {status}, no log")]
    results = list(meson_results(lane, folder))
    if not any(r.name == f"{lane}: base" for r in results):
        results.append(Result(f"{lane}: units", "failed", 1, "Criterion's tests are not in this build"))
    if status and not any(r.outcome == "failed" for r in results):
        results.append(Result(f"{lane}: meson test", "failed", 1, f"exit {status}"))
    return results


def golden(lane, folder):
    say(f"golden files, {lane}")
    env = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    done = subprocess.run([TESTS / "golden.py", "--binary", folder / "chatmill"], env=env,
                          stdout=subprocess.PIPE, text=True, timeout=UNITS_S)
    print(done.stdout, end="", flush=True)
    m = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
    if not m:
        return [Result(f"{lane}: golden", "failed", 1, done.stdout[-2000:])]
    return [Result(f"{lane}: golden", "passed", int(m[1]), ""),
            Result(f"{lane}: golden", "failed", int(m[2]), done.stdout[-4000:])]


def system(folder, long_too, only, lane=None):
    """Each file of tests in a process, with a broker and a database of its own; several at once, as
    they mostly wait. The full size measures times, so there one runs after the other. With `lane`
    only the tests that bear this mark."""
    say(f"system tests on real Kafka and PostgreSQL{', full size' if long_too else ''}{lane and ', ' + lane or ''}")
    places, limit_s = (1, LONG_S) if long_too else (PLACES, SHORT_S)
    out = proc.private_folder("report")
    files = sorted((TESTS / "system").glob("test_*.py"), key=lambda f: (f.stem not in FIRST, f.name))
    marks = lane or ("long or not long" if long_too else "not long")
    if lane:
        files = [f for f in files if f"@pytest.mark.{lane}" in f.read_text()]
    waiting, running, results = list(files), [], []
    end = time.monotonic() + limit_s
    while waiting or running:
        while waiting and len(running) < places:
            running.append(start_file(waiting.pop(0), out, folder, marks, only))
        for job in [j for j in running if j.p.poll() is not None]:
            running.remove(job)
            results += file_results(job)
        if time.monotonic() > end:
            results += [Result(f"system: {f.stem}", "failed", 1, f"not done after {limit_s} s")
                        for f in waiting + [j.file for j in running]]
            for job in running:
                print(job.log.read_text(errors="replace")[-4000:])
                proc.end(job.p)
            break
        time.sleep(0.2)
    return results


def start_file(file, out, folder, marks, only):
    log, xml = out / f"{file.stem}.log", out / f"{file.stem}.xml"
    argv = ["/usr/bin/python3", "-m", "pytest", file, "-p", "no:cacheprovider", "-q", "-rs", "--durations=3",
            f"--junit-xml={xml}", "--rootdir", TESTS, "-m", marks]
    if only:
        argv += ["-k", only]
    env = dict(os.environ, CHATMILL=str(folder / "chatmill"), PYTHONDONTWRITEBYTECODE="1",
               UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    with open(log, "wb") as f:
        return Job(proc.spawn(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=env), file, log, xml)


def file_results(job):
    """What one file of tests gave; prints what it printed."""
    proc.end(job.p)
    status = job.p.returncode
    if status == NOTHING_CHOSEN:
        return []
    print(f"--- {job.file.name}\n{job.log.read_text(errors='replace')}", flush=True)
    if not job.xml.exists():
        return [Result(f"system: {job.file.stem}", "failed", 1, f"exit {status}, no report")]
    results = []
    for case in ET.parse(job.xml).getroot().iter("testcase"):
        name = f"system: {case.get('classname')}.{case.get('name')}"
        bad, skipped = case.find("failure"), case.find("skipped")
        bad = case.find("error") if bad is None else bad
        if bad is not None:
            results.append(Result(name, "failed", 1, ""))
        elif skipped is not None:
            results.append(Result(name, "skipped", 1, skipped.get("message") or ""))
        else:
            results.append(Result(name, "passed", 1, ""))
    if status not in (0, 1) and not any(r.outcome == "failed" for r in results):
        results.append(Result(f"system: {job.file.stem}", "failed", 1, f"exit {status}"))
    return results


def main(argv):
    parser = argparse.ArgumentParser(prog="tests/run.sh")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", metavar="WORD")
    args = parser.parse_args(argv)
    proc.exit_on_signals()
    start, results = time.monotonic(), []
    release = build("release", results)
    if release and args.only:
        results += system(release, True, args.only)
    elif release:
        results += units("release", release) + golden("release", release)
        asan = build("asan", results)
        if asan:
            results += units("asan", asan) + golden("asan", asan) + system(asan, False, None, "asan")
        shipped = build("shipped", results) if args.long else None
        if shipped:
            results += units("shipped", shipped) + golden("shipped", shipped) + system(shipped, True, None)
        elif not args.long:
            results += system(release, False, None)

    count = collections.Counter()
    for r in results:
        count[r.outcome] += r.count
    print()
    for r in results:
        if r.outcome == "skipped":
            print(f"SKIPPED {r.name}: {r.detail}")
    for r in results:
        if r.outcome == "failed" and r.count:
            print(f"FAILED {r.name}\n{r.detail}")
    say(f"{time.monotonic() - start:.0f} s")
    last = f"{count['passed']} passed, {count['failed']} failed"
    print(last + (f", {count['skipped']} skipped" if count["skipped"] else ""), flush=True)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
