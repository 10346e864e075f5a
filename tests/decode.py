#!/usr/bin/python3
# decode.py - compares what decode says of records with golden files and with an oracle.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/decode.py golden --dump build/tests/dump_decode [--update]
#   tests/decode.py random --dump build/tests/dump_decode [--seeds 20]
#
# golden: tests/decode/NAME.ndjson and NAME.expected, line by line. NAME.types was made by
# gen_messages.py --types; odd.ndjson is written by hand, with a comment line # before each group.
# random: gen_messages.py and its oracle, which is not this code.
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
GENERATOR = HERE / "support/gen_messages.py"
CORP = ["--corp", "wwDEFAULT"]


def dumped(dump, data):
    done = subprocess.run([dump, *CORP], input=data, capture_output=True, timeout=300)
    if done.returncode:
        sys.exit(f"dump_decode: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def golden(args):
    failed, cases = 0, sorted((HERE / "decode").glob("*.ndjson"))
    if not cases:
        sys.exit("tests/decode holds no case")
    for case in cases:
        lines = b"".join(x for x in case.read_bytes().splitlines(True) if not x.startswith(b"#"))
        got, want = dumped(args.dump, lines), case.with_suffix(".expected")
        if args.update:
            want.write_bytes(got)
            continue
        wanted = want.read_bytes().splitlines()
        got = got.splitlines()
        for n, (a, b) in enumerate(zip(wanted, got)):
            if a != b:
                print(f"{case.name}: message {n + 1}\n  want {a.decode()}\n  got  {b.decode()}")
                failed += 1
        if len(wanted) != len(got):
            print(f"{case.name}: {len(got)} messages, expected {len(wanted)}")
            failed += 1
        print(f"{case.name}: {len(got)} messages")
    return failed


def differences(want, got):
    """What the oracle says and decode does not; spans and notes are not its business."""
    for key in set(want) | (set(got) - {"notes", "only_closing"}):
        a, b = want.get(key), got.get(key)
        if key == "texts" and b:
            b = [{k: v for k, v in t.items() if k in ("path", "content", "forwarded")} for t in b]
        if key in ("recv", "msgtime") and a is None:
            continue  # of the line before
        if a != b:
            yield f"{key}: want {a!r}, got {b!r}"


def generated(args):
    failed = total = 0
    for seed in range(1, args.seeds + 1):
        with tempfile.NamedTemporaryFile() as expected:
            lines = subprocess.run([sys.executable, GENERATOR, "--seed", str(seed), "--count", "500",
                                    "--expected", expected.name], capture_output=True, check=True).stdout
            wanted = expected.read().splitlines()
        got = dumped(args.dump, lines).splitlines()
        if len(got) != len(wanted):
            sys.exit(f"seed {seed}: {len(got)} messages, expected {len(wanted)}")
        for n, (a, b) in enumerate(zip(wanted, got)):
            total += 1
            for line in differences(json.loads(a), json.loads(b)):
                print(f"seed {seed}, message {n + 1}: {line}")
                failed += 1
        if failed > 20:
            break
    print(f"{total} messages, {failed} differences")
    return failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["golden", "random"])
    p.add_argument("--dump", required=True)
    p.add_argument("--update", action="store_true")
    p.add_argument("--seeds", type=int, default=20)
    args = p.parse_args()
    return 1 if (golden if args.what == "golden" else generated)(args) else 0


if __name__ == "__main__":
    sys.exit(main())
