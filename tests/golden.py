#!/usr/bin/python3
# golden.py - runs the program on each case of tests/golden and compares what comes out, byte by byte.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/golden.py [--binary build/chatmill] [--update] [CASE…]
#
# A case is a folder:
#   args              one argument a line, run in a copy of the folder; @ROOT@ is the repository
#   stdin             what the program reads, if there is such a file
#   expected          its standard output
#   expected.err      its standard error, if there is such a file
#   expected.status   its exit status, if not 0
#   expected.files/   files that it must have written, by name
# Other files are the case's own inputs. `--update` writes what came out: read the difference in git
# before committing it.
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
CASES = REPO / "tests/golden"
TIMEOUT_S = 60
# A rule set's digest changes with every table that judges; what it is made of is tested elsewhere.
DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


def run(case, binary):
    """What the case gives: a mapping of file name under the case to bytes."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / case.name
        shutil.copytree(case, work)
        args = [a.replace("@ROOT@", str(REPO)) for a in (case / "args").read_text().splitlines() if a]
        stdin = case / "stdin"
        env = {k: v for k, v in os.environ.items() if not k.startswith("CHATMILL_")}
        env.update(NO_COLOR="1", LC_ALL="C.UTF-8", TZ="UTC")
        done = subprocess.run([str(binary), *args], cwd=work, env=env, timeout=TIMEOUT_S,
                              input=stdin.read_bytes() if stdin.exists() else b"", capture_output=True)
        out = {"expected": done.stdout}
        if (case / "expected.err").exists():
            out["expected.err"] = done.stderr.replace(str(REPO).encode(), b"@ROOT@")
        if done.returncode:
            out["expected.status"] = b"%d\n" % done.returncode
        wanted = case / "expected.files"
        if wanted.exists():
            for f in sorted(wanted.iterdir()):
                made = work / f.name
                out[f"expected.files/{f.name}"] = made.read_bytes() if made.exists() else b""
        return {name: DIGEST.sub(b"sha256:DIGEST", data) for name, data in out.items()}, done.stderr


def expected(case):
    found = {f.name: f for f in case.glob("expected*") if f.is_file()}
    found.update({f"expected.files/{f.name}": f for f in (case / "expected.files").glob("*")})
    return {name: f.read_bytes() for name, f in found.items()}


def first_difference(want, got):
    want, got = want.split(b"\n"), got.split(b"\n")
    for i in range(max(len(want), len(got))):
        a = want[i] if i < len(want) else b"(end)"
        b = got[i] if i < len(got) else b"(end)"
        if a != b:
            return (f"line {i + 1}\n    expected {a[:600].decode(errors='replace')}\n"
                    f"    got      {b[:600].decode(errors='replace')}")
    return "nothing"


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPO / "build/chatmill"))
    parser.add_argument("--update", action="store_true")
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args(argv)
    binary = Path(args.binary).resolve()
    cases = [CASES / c for c in args.cases] or sorted(p.parent for p in CASES.glob("*/args"))
    failed = 0
    for case in cases:
        try:
            got, stderr = run(case, binary)
        except subprocess.TimeoutExpired:
            got, stderr = {}, b"did not end within %d s" % TIMEOUT_S
        if args.update:
            for name, data in got.items():
                (case / name).write_bytes(data)
            if "expected.status" not in got:
                (case / "expected.status").unlink(missing_ok=True)
            continue
        want = expected(case)
        different = [n for n in sorted(want.keys() | got.keys()) if want.get(n) != got.get(n)]
        if not different:
            continue
        failed += 1
        print(f"FAILED golden/{case.name}")
        for n in different:
            print(f"  {n}: {first_difference(want.get(n, b''), got.get(n, b''))}")
        print("  standard error: " + stderr[-1500:].decode(errors="replace"))
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
