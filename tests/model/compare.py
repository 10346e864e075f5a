#!/usr/bin/env python3
# compare.py - `chatmill scan` against the model, on random conversations and random rules.
# SPDX-License-Identifier: Apache-2.0
"""compare.py PROGRAM [--seed N] [--count N] [--keep DIR]: exit 1 at the first difference, with
the seed of the case and, under --keep, its files."""
import argparse
import json
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate import Conversation, Packs  # noqa: E402
from model import Model  # noqa: E402


def murmur2(data):
    """Of Kafka's Java clients."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k ^= k >> 24
        h = (h * m & mask) ^ (k * m & mask)
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def time_text(ms):
    at = datetime.fromtimestamp(ms // 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def expected(event):
    """An event of the model as the program writes it."""
    e = dict(event, time=time_text(event["time"]))
    e["type"] = f"chatmill.{e['type']}.v1"
    return e


def plain_tags(tags):
    return [{k: v for k, v in t.items() if v or k in ("group", "tag")} for t in tags]


def got(line):
    """An event of the program as flat as one of the model."""
    e = json.loads(line)
    flat = {k: e[k] for k in ("type", "id", "time", "subject", "sequence") if k in e}
    flat.update(e["data"])
    return flat


def differences(want, have):
    """Names of the fields in which the program differs."""
    for key, value in want.items():
        other = have.get(key)
        if key == "evidence":
            other = [{k: x[k] for k in ("start", "end", "word")} for x in have.get(key, [])]
        elif key in ("add", "remove"):
            value, other = plain_tags(value), plain_tags(other or [])
        elif key == "by" and not value:
            continue
        if value != other:
            yield key, value, other


def case(seed, folder):
    rng = random.Random(seed)
    packs = Packs(rng)
    lines = Conversation(rng, packs, rng.choice([10, 40, 120])).lines
    partitions = rng.choice([1, 1, 3])
    rules = folder / "rules"
    rules.mkdir()
    packs.write(rules)
    archive = folder / "archive.jsonl"
    archive.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines))
    model = Model(packs.packs, partitions, lambda corp, subject:
                  (murmur2(f"{corp}/{subject}".encode()) & 0x7FFFFFFF) % partitions)
    for line in lines:
        model.take(line)
    return model, rules, archive, partitions


def compare(program, seed, folder):
    """None, or what differs, as text."""
    model, rules, archive, partitions = case(seed, folder)
    done = subprocess.run([program, "scan", "--rules", rules, "--events",
                           "tag,stage,alert,hit,erase", "--partitions", str(partitions), archive],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return f"scan ended with {done.returncode}: {done.stderr[-2000:]}", 0
    have = [got(line) for line in done.stdout.splitlines()]
    want = [expected(e) for e in model.events]
    for i, (w, h) in enumerate(zip(want, have)):
        found = list(differences(w, h))
        if found:
            text = "".join(f"  {k}: model {a!r}, scan {b!r}\n" for k, a, b in found)
            return f"event {i} differs:\n{text}model: {w}\nscan: {h}", len(want)
    if len(want) != len(have):
        at = min(len(want), len(have))
        return (f"the model says {len(want)} events, scan {len(have)}; the first of the rest:\n"
                f"{(want + have)[at] if len(want) > at else have[at]}"), len(want)
    return None, len(want)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("program")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--keep", type=Path)
    o = options.parse_args()
    events = 0
    for seed in range(o.seed, o.seed + o.count):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            if o.keep:
                folder = o.keep / str(seed)
                folder.mkdir(parents=True)
            found, count = compare(o.program, seed, folder)
        events += count
        if found:
            print(f"seed {seed}: {found}", file=sys.stderr)
            return 1
    print(f"{o.count} conversations, {events} events: scan and the model agree "
          f"(seeds {o.seed} to {o.seed + o.count - 1})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
