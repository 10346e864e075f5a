#!/usr/bin/python3
# described.py - the files that are made from the program's tables are what it prints today.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/described.py BINARY [--update]
import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
FILES = {"schemas/config.schema.json": "schema", "deploy/chatmill.yaml": "example",
         "docs/configuration.md": "markdown"}


METRICS = re.compile(r"(<!-- metrics: made by .* -->\n).*?(<!-- end of metrics -->)", re.S)


def printed(binary, *args):
    return subprocess.run([binary, *args], check=True, capture_output=True).stdout


def stale(binary, update):
    path = REPO / "docs/operations.md"
    table = printed(binary, "describe", "--format", "metrics").decode()
    page = path.read_text()
    now = METRICS.sub(lambda m: f"{m[1]}\n{table}\n{m[2]}", page)
    if table not in now:
        yield "docs/operations.md has no place for the metrics"
    elif update:
        path.write_text(now)
    elif now != page:
        yield "docs/operations.md does not hold what `chatmill describe --format metrics` prints"
    for name, fmt in FILES.items():
        now = printed(binary, "config", "describe", "--format", fmt)
        path = REPO / name
        if update:
            path.write_bytes(now)
        elif not path.exists() or path.read_bytes() != now:
            yield f"{name} is not what `chatmill config describe --format {fmt}` prints"


def unlisted():
    """Events of the log that docs/operations.md does not list, and the other way round."""
    page = (REPO / "docs/operations.md").read_text()
    table = page.split("## Events of the log", 1)[1].split("\n## ", 1)[0]
    listed = set(re.findall(r"^\| `(\w+)`", table, re.M))
    called = set()
    for path in (REPO / "src").rglob("*.c"):
        text = path.read_text()
        for m in re.finditer(r"log_(?:event|progress)\(\s*[^,]+,\s*([^,;)]+)", text):
            called |= set(re.findall(r'"([a-z][a-z0-9_]*)"', m[1]))
        if "log_event(LOG_WARN, event," in text:
            called |= set(re.findall(r'event = "(\w+)"', text))
    for name in sorted(called - listed):
        yield f"docs/operations.md does not list the event `{name}`"
    for name in sorted(listed - called):
        yield f"docs/operations.md lists the event `{name}`, which nothing logs"
    if len(called) < 20:
        yield f"only {len(called)} events were found in src/: this test has gone blind"


def main(argv):
    found = list(stale(argv[0], "--update" in argv)) + list(unlisted())
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
