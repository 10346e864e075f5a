# b1.py - B1: fold and match alone against a bare hs_scan, and other matchers of many words.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
from pathlib import Path

from b4 import Rows

HERE = Path(__file__).resolve().parent
TITLE = "fold and match alone"
OURS, LIMIT = "chatmill fold + match", "bare hs_scan, empty callback"
PEERS = {"rust": "Rust: daachorse, charwise", "streams": "Java: AhoCorasickDoubleArrayTrie",
         "python": "Python: pyahocorasick"}


def argv_of(bench, peer):
    home = bench.peers(peer)
    return {"rust": [home / "rust", "match"],
            "python": [home / "python/bin/python", HERE / "peers/python/peer.py", "match"],
            "streams": ["java", "-Xmx2g", "-cp", f"{home}/streams/classes:{home}/streams/libs/*", "peer.Match"]}[peer]


def run(argv):
    return json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE).stdout)


def by_words(bench, texts, size, rounds):
    words, origin = bench.pick(size)
    path = bench.rules(words) / "words.txt"
    rows = Rows()
    done = run([bench.tool("match_b1"), texts, path, size, "--rounds", rounds])
    count = done["texts"]
    for name, key in ((OURS, "stage_us"), (LIMIT, "bare_us"), ("chatmill fold alone", "fold_us")):
        for us in done[key]:
            rows.add(name, {"ns": us * 1000 / count})
    for peer in [p for p in PEERS if bench.has(p)]:
        took = run([*argv_of(bench, peer), texts, path, rounds])
        for us in took["us"]:
            rows.add(PEERS[peer], {"ns": us * 1000 / count})
        if took["hits"] != done["bare_hits"]:
            rows.refuse(PEERS[peer], f"{took['hits']:,} hits, {done['bare_hits']:,} are right")
    bench.say(f"B1, {size} words: done")
    return {"name": f"{size:,} words ({origin})", "measures": [["ns", "ns a text", 0]], "ratio": "ns", "limit": LIMIT,
            "ours": OURS, "rows": rows.table(),
            "input": f"{count:,} texts, {done['bare_hits'] / count:.2f} hits a text; chatmill finds "
                     f"{done['hits'] - done['bare_hits']:+,} more by folding, at most 100 of a text"}


def scenario(bench):
    count = bench.size(100_000, table=50_000, quick=20_000)
    texts = bench.folder / "texts"
    with open(bench.archive(count), "rb") as f, open(texts, "w", encoding="utf-8") as out:
        for line in f:
            out.write(json.loads(line)["message"]["text"]["content"].replace("\n", " ").replace("\r", " ") + "\n")
    sizes = (100, 1000, 10000, 100000)
    tables = [by_words(bench, texts, size, bench.rounds(table=5)) for size in sizes]
    return {"tables": tables,
            "pictures": [{"file": "b1-ns", "kind": "bars", "title": "B1: CPU time of a text, by words",
                          "measure": "ns", "tables": list(range(len(sizes)))}],
            "about": ["The text of messages of 300 bytes. hs_scan gets text that is folded already, and reports a "
                      "place at most once; the stage folds, checks what stands around each hit, knows which word in "
                      "which spelling it is and where in the original text. From 2,000 words on it does not use "
                      "Hyperscan but its own trie over characters. The other matchers do not fold."]}
