# b3.py - B3: a file into events: `scan` against a bare loop of its first three stages, and peers.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
from pathlib import Path

import measure
from b4 import MEASURES, Rows, said
from support import chatmill

HERE = Path(__file__).resolve().parent
TITLE = "scan, file to events"
OURS, LIMIT = "chatmill scan --jobs 1", "decode + fold + match in one loop"
PEERS = {"rust": "Rust: sonic-rs + daachorse", "python": "Python: orjson + pyahocorasick"}


def figures(count, wall, cpu):
    return {"rate": count / wall, "cpu": cpu / count * 1e6}


def measure_scan(rules, cache, archive, count, out, jobs=1):
    """The start is measured apart, on one line, and taken off: it is B8's."""
    argv = [chatmill.binary(), "scan", "--jobs", jobs, "--rules", rules, "--cache", cache, archive]
    with open(out, "wb") as f:
        start = measure.timed([*argv, "--limit", 1], stdout=f)
    with open(out, "wb") as f:
        whole = measure.timed(argv, stdout=f)
    return figures(count, whole[0] - start[0], whole[1] - start[1])


def measure_loop(bench, rules, archive):
    done = json.loads(subprocess.run([bench.tool("loop"), rules, archive], check=True,
                                     stdout=subprocess.PIPE).stdout)
    return figures(done["messages"], done["wall_s"], done["cpu_s"])


def measure_peer(bench, peer, archive, words, count, out):
    """Its start, on an empty file, is taken off too."""
    home = bench.peers(peer)
    argv = [home / "rust"] if peer == "rust" else \
        [home / "python/bin/python", HERE / "peers/python/peer.py"]
    start = measure.timed([*argv, "file", "/dev/null", words])
    with open(out, "wb") as f:
        whole = measure.timed([*argv, "file", archive, words], stdout=f)
    return figures(count, whole[0] - start[0], whole[1] - start[1])


def by_words(bench, archive, count, size, peers):
    words, origin = bench.pick(size)
    rules = bench.rules(words)
    cache = bench.new("cache")[1]
    oracle, want = bench.oracle(archive, rules / "words.txt")
    rows, out = Rows(), bench.folder / "events.jsonl"

    def check(name, i, ours=False):
        if i == 0 and not bench.agree(name, oracle, file=out, ours=ours):
            rows.refuse(name, "output differs from the oracle")
    measure_scan(rules, cache, archive, count, out)  # warm: page cache, compiled rules
    for i in bench.turns(seconds=40):
        rows.add(OURS, measure_scan(rules, cache, archive, count, out))
        check(OURS, i, ours=True)
        rows.add(LIMIT, measure_loop(bench, rules, archive))
        for peer in peers:
            rows.add(PEERS[peer], measure_peer(bench, peer, archive, rules / "words.txt", count, out))
            check(PEERS[peer], i)
        if bench.mode != "quick":
            rows.add("chatmill scan --jobs 2", measure_scan(rules, cache, archive, count, out, 2))
            check("chatmill scan --jobs 2", i, ours=True)
    out.unlink()
    return {"name": f"{size:,} words ({origin})", "measures": MEASURES, "ratio": "cpu", "limit": LIMIT,
            "ours": OURS, "rows": rows.table(), "input": said(count, want, archive.stat().st_size)}


def scenario(bench):
    peers = [p for p in ("rust", "python") if bench.has(p)]
    count = bench.size(1_000_000, table=400_000, quick=300_000)
    archive = bench.archive(count)
    sizes = (1000,) if bench.mode == "quick" else (1000, 10000, 100000)
    tables = [by_words(bench, archive, count, size, peers) for size in sizes]
    targets = [{"what": f"messages/s of scan / bare loop, {size:,} words", "table": i, "measure": "rate",
                "row": OURS, "base": LIMIT, "least": 0.75} for i, size in enumerate(sizes)]
    return {"tables": tables, "targets": targets, "about": [
        "One thread each; the start (compiling or loading rules and words) is taken off all. The bare loop makes no "
        "events and keeps no state: scan does its work, then react and encode. Peers keep no state either."],
        "pictures": [{"file": "b3-rate", "kind": "bars", "title": "B3: scan, messages per second, one thread",
                      "measure": "rate", "tables": list(range(len(tables)))}]}
