#!/usr/bin/python3
# b4.py - B4: `run` on Kafka, exactly once, against its peers and the bare loop, in one run.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/run.sh B4 [--words 1000,10000,100000] [--count N] [--rounds N] [--peers rust,streams,python]
#
# Rates and CPU as in run.py: the steady middle, by the offsets that each commits, CPU of the process
# and its children from /proc; the broker is apart. Every peer's output is compared with an oracle of
# its own (pyahocorasick over the same texts) as a multiset of (msgid, start, end, word); one that
# differs gets no figure and the run fails.
import argparse
import collections
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import run as base  # noqa: E402
import words as words_of  # noqa: E402
from support import chatmill, make_sample, proc  # noqa: E402
from support.kafka import Cluster  # noqa: E402

COMMIT_MS = 100


def cpu_of_tree(pid):
    """CPU seconds of a process and its living children."""
    total = base.cpu_seconds_of_one(pid)
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            total += cpu_of_tree(int(child))
    return total


def write_rules(folder, words):
    folder.mkdir()
    (folder / "words.txt").write_text("\n".join(words) + "\n")
    (folder / "bench.yaml").write_text(
        "pack: bench\nlists: {words: {file: words.txt}}\nrules:\n"
        "  - {id: words, match: {list: words}, from: any, chat: any, quoted: include, emoticons: include,\n"
        "     then: {alert: {severity: low, category: bench}}}\n")
    return folder


def oracle(texts_by_msgid, words, python):
    """The multiset of what must be found, by another library in a process of its own."""
    script = (
        "import sys, json, ahocorasick\n"
        "data = json.load(sys.stdin)\n"
        "a = ahocorasick.Automaton()\n"
        "for w in data['words']: a.add_word(w, w)\n"
        "a.make_automaton()\n"
        "for m, t in data['texts'].items():\n"
        "    for end, w in a.iter(t):\n"
        "        s = len(t[:end - len(w) + 1].encode())\n"
        "        print(json.dumps([m, s, s + len(w.encode()), w], ensure_ascii=False))\n")
    done = subprocess.run([python, "-c", script], check=True, capture_output=True,
                          input=json.dumps({"words": words, "texts": texts_by_msgid}).encode())
    return collections.Counter(tuple(json.loads(line)) for line in done.stdout.splitlines())


def found(records, plain_only=False):
    hits, cut = collections.Counter(), set()
    for r in records:
        data = json.loads(r.value)
        if data.get("truncated"):
            cut.add(data["msgid"])
        for e in data["evidence"]:
            if not (plain_only and e["folds"]):
                hits[(data["msgid"], e["start"], e["end"], e["word"])] += 1
    return hits, cut


def compare(name, records, want, ours=False):
    """Ends the program when the output differs. Ours may list at most 100 hits of a message."""
    got, cut = found(records, plain_only=ours)
    if cut:
        want = collections.Counter({k: n for k, n in want.items() if k[0] not in cut})
        got = collections.Counter({k: n for k, n in got.items() if k[0] not in cut})
    if got != want:
        missing, more = want - got, got - want
        raise SystemExit(f"{name}: output differs from the oracle: {sum(missing.values())} missing, "
                         f"{sum(more.values())} too many, e.g. {list((missing or more).items())[:2]}")


def start_peer(name, peers, kafka, folder, group, topic, out, words_file):
    common = [kafka.bootstrap, topic, out, group, str(base.WORKERS), str(COMMIT_MS), words_file]
    if name == "rust":
        args = [peers / "rust", *common]
    elif name == "python":
        args = [peers / "python/bin/python", HERE / "peers/python/peer.py", *common]
    else:
        args = ["java", "-Xms1g", "-Xmx2g", "-cp", f"{peers}/streams/classes:{peers}/streams/libs/*", "peer.Peer",
                *common, folder / group]
    log = open(folder / f"{group}.log", "wb")
    return proc.spawn(args, stdout=log, stderr=log)


def measure_peer(name, peers, kafka, folder, number, topic, end_total, words_file, keep):
    group = f"{name}{number}"
    kafka.create_topic(group, base.PARTITIONS)
    p = start_peer(name, peers, kafka, folder, group, topic, group, words_file)
    result = base.steady(p, base.Progress(kafka, group, topic), end_total)
    proc.end(p)
    return result, kafka.read(group) if keep else None


def measure_words(args, kafka, folder, count_words, peers):
    folder = folder / f"w{count_words}"
    folder.mkdir()
    stream = make_sample.Stream(seed=1, hit_rate=0.0, mean_bytes=args.bytes)
    words, source = words_of.pick(count_words, stream.texts)
    rules = write_rules(folder / "rules", words)
    path, texts = folder / "archive.jsonl", {}
    with open(path, "wb") as f:
        for row in stream.rows(args.count):
            f.write(row + b"\n")
            m = json.loads(row)["message"]
            texts[m["msgid"]] = m["text"]["content"]
    want = oracle(texts, words, peers / "python/bin/python")
    hit = len({k[0] for k in want})
    print(f"\n{count_words:,} words ({source}), {args.count:,} messages of {args.bytes} bytes, "
          f"{hit / args.count:.0%} hit, {sum(want.values()) / args.count:.2f} hits a message, "
          f"transactions of {COMMIT_MS} ms, {base.PARTITIONS} partitions, {base.WORKERS} workers")
    # prepare() publishes the rules of a folder; the messages stand behind the rules record.
    shared, end_total = base.prepare(kafka, folder, path, rules, name=f"bench{count_words}")
    rows = collections.defaultdict(list)
    records = None
    for i in range(args.rounds):
        first = i == 0
        (folder / f"run{count_words}x{i}").mkdir()
        result, outputs = base.measure_run(kafka, folder, f"{count_words}x{i}", shared, end_total, first)
        rows["chatmill run"].append(result)
        if first:
            compare("chatmill run", [r for r in outputs if r.topic.endswith("alerts")], want, ours=True)
            records = base.write_payloads(outputs, args.count, folder)
        rows["bare loop"].append(base.measure_bare(args.build, kafka, folder, f"{count_words}x{i}", shared,
                                                   end_total, records))
        for name in args.peers:
            result, outputs = measure_peer(name, peers, kafka, folder, f"{count_words}x{i}",
                                           shared["archive"], end_total, rules / "words.txt", first)
            rows[name].append(result)
            if first:
                compare(name, outputs, want)
        print("round %d: " % (i + 1) + ", ".join(f"{n} {v[-1][0]:,.0f}/s {v[-1][1]:.2f}" for n, v in rows.items()),
              file=sys.stderr)
    base.table([("bare loop", "", rows["bare loop"])] +
               [(n, "bare loop", v) for n, v in rows.items() if n != "bare loop"], args.count)
    ours = base.statistics.median(v[1] for v in rows["chatmill run"])
    for n, v in rows.items():
        if n != "chatmill run":
            print(f"CPU of chatmill run / {n}: {ours / base.statistics.median(x[1] for x in v):.2f}")
    return {"words": count_words, "hit": hit / args.count, "rows": rows}


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--words", default="1000,10000")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="rust,streams,python", type=lambda s: [p for p in s.split(",") if p])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    os.environ["CHATMILL"] = str(args.build / "chatmill")
    proc.exit_on_signals()
    base.describe()
    done = subprocess.run([HERE / "peers/build.sh", "python", *args.peers], check=True, stdout=subprocess.PIPE)
    peers = Path(done.stdout.decode().split("\n")[-2])
    folder = proc.private_folder("bench")
    base.cpu_seconds = cpu_of_tree
    results = []
    for count in map(int, args.words.split(",")):
        kafka = Cluster(heap="1g").start()
        results.append(measure_words(args, kafka, folder, count, peers))
        kafka.stop()
        shutil.rmtree(folder / f"w{count}", ignore_errors=True)
    if args.json:
        args.json.write_text(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
