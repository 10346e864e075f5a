#!/usr/bin/python3
# measure_rules.py - how often each rule hits ordinary talk, as the table of rules/README.md.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/support/measure_rules.py [--binary build/chatmill] CORPUS.jsonl.zst…
#
# A star marks a rule that hits more than 1 in 200 messages of a corpus.
import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


def measure(binary, corpus):
    """Messages, and hits by rule."""
    wrap = subprocess.run([sys.executable, REPO / "tests/support/wrap_corpus.py", corpus],
                          check=True, capture_output=True)
    scan = subprocess.run([binary, "scan", "--rules", REPO / "rules", "--events", "hit", "-"],
                          input=wrap.stdout, check=True, capture_output=True)
    hits = collections.Counter()
    for line in scan.stdout.splitlines():
        data = json.loads(line)["data"]
        hits[f"{data['pack']}/{data['rule']}"] += 1
    return wrap.stdout.count(b"\n"), hits


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPO / "build/chatmill"))
    parser.add_argument("corpora", nargs="+")
    args = parser.parse_args(argv)
    names = [Path(c).name.split(".")[0] for c in args.corpora]
    columns = [measure(args.binary, c) for c in args.corpora]
    print("| rule | " + " | ".join(names) + " |")
    print("|---|" + "---:|" * len(names))
    print("| (messages) | " + " | ".join(str(n) for n, _ in columns) + " |")
    for rule in sorted(set().union(*(h for _, h in columns))):
        cells = [f"{h[rule]}{' *' if h[rule] * 200 > n else ''}" for n, h in columns]
        print(f"| {rule} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
