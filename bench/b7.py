# b7.py - B7: what grows with words, bytes, partitions, customers and hits, and how fast.
# SPDX-License-Identifier: Apache-2.0
import json
import random

import onkafka
from b4 import Rows
from context import ALERTS, TAGS

TITLE = "growth"
MEASURES = [["cpu", "CPU-s per million", 2], ["rate", "messages/s", 0]]
OURS, STREAMS = "chatmill run", "Kafka Streams"
KINDS = ("words", "bytes", "partitions", "customers", "hits")


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def absent_words(bench, count, own):
    """Words that the texts do not hold, so that more of them find no more: of the dictionaries what the
    sample never says; characters put together by chance where there are none."""
    texts = bench.stream().texts
    said = {t[i:i + n] for t in texts for n in range(2, 9) for i in range(len(t) - n + 1)}
    try:
        words, _ = bench.pick(count + count // 4)
        found = [w for w in words if w not in said]
    except SystemExit:
        found = []
    rng, letters = random.Random(1), sorted({c for t in texts for c in t if "一" <= c <= "鿿"})
    known = set(found) | set(own)
    while len(found) < count:
        word = "".join(rng.choice(letters) for _ in range(rng.choice((2, 3, 3, 4))))
        if word not in said and word not in known:
            known.add(word)
            found.append(word)
    return found[:count]


def with_hits(bench, count, hits, words):
    """An archive in which each message holds so many words, at the same size."""
    rng, path = random.Random(hits), bench.folder / f"hits{hits}.jsonl"
    with open(path, "wb") as f:
        for row in bench.stream(mean_bytes=500).rows(count):
            m = json.loads(row)
            text = m["message"]["text"]["content"]
            planted = "，".join(rng.choice(words) for _ in range(hits))
            m["message"]["text"]["content"] = text[:max(0, len(text) - len(planted))] + planted
            f.write(dump(m) + b"\n")
    return path


def populate(bench, stream, word):
    """One message with a hit for each customer of the stream: what fills the state. Returns the file."""
    path = bench.folder / f"populate{len(stream.customers)}.jsonl"
    with open(path, "wb") as f:
        for i, customer in enumerate(stream.customers):
            time_ms = stream.now + i
            f.write(dump({"corpid": stream.corp, "seq": i, "msgid": f"q{i}", "publickey_ver": 1, "recv_ts": time_ms,
                          "message": {"msgid": f"q{i}", "action": "send", "from": customer, "tolist": ["zhangsan"],
                                      "roomid": "", "msgtime": time_ms, "msgtype": "text",
                                      "text": {"content": f"你好，{word}？"}}}) + b"\n")
    stream.now += len(stream.customers)
    return path


def measure_points(bench, points, seconds, peer_at=()):
    """points: (x, name, Input). Rows in turn over the rounds; Kafka Streams only at some x."""
    rows = {(s, x): Rows() for x, _, _ in points for s in (OURS, STREAMS)}
    for i in bench.turns(table=2, seconds=seconds):
        for x, name, source in points:
            ran = onkafka.start_run(source)
            rows[OURS, x].add(name, ran.steady())
            ran.end()
            if x in peer_at and bench.has("streams"):
                peer = onkafka.start_peer(source, "streams")
                rows[STREAMS, x].add(f"{STREAMS}, {name}", peer.steady())
                peer.end()
        bench.say(f"B7 {points[0][1]} …, round {i + 1}: " + ", ".join(
            f"{r['cpu'][-1]:.2f}" for rs in rows.values() for r in rs.rows.values()))
    return [{**row, "x": x, "series": series} for (series, x), rs in rows.items() for row in rs.table()]


def by_words(bench, kafka, count):
    own = bench.own_words()
    archive = bench.archive(count, words=own, hit_rate=0.1)
    absent = absent_words(bench, 100_000 - len(own), own)
    points = [(n, f"{n:,} words", onkafka.Input(bench, kafka, bench.rules(own + absent[:n - len(own)]), archive))
              for n in (100, 1000, 10_000, 100_000)]
    return measure_points(bench, points, 60, peer_at=(100, 100_000))


def by_bytes(bench, kafka, count):
    rules = bench.rules(bench.own_words())
    points = []
    for n in (300, 600, 2000):
        archive = bench.archive(count if n < 1000 else count // 2, words=bench.own_words(), hit_rate=0.1, mean_bytes=n)
        points.append((n, f"messages of {n:,} bytes", onkafka.Input(bench, kafka, rules, archive)))
    return measure_points(bench, points, 42)


def by_partitions(bench, kafka, count):
    rules = bench.rules(bench.own_words())
    archive = bench.archive(count, words=bench.own_words(), hit_rate=0.1)
    return measure_points(bench, [
        (n, f"{n} partition{'s' if n > 1 else ''}", onkafka.Input(bench, kafka, rules, archive, partitions=n))
        for n in (1, 8, 64)], 40)


def by_customers(bench, kafka, count):
    """Each customer has state before what is measured comes; one message in fifty changes some."""
    own, sizes = bench.own_words(), (1000, 100_000, 1_000_000)
    if bench.count:
        sizes = (1000, min(100_000, bench.count), bench.count)
    rules = bench.rules(own, TAGS)
    rows = {n: Rows() for n in sizes}
    setups = {}
    for n in sizes:
        stream = bench.stream(customers=n, words=own, hit_rate=0.02)
        source = onkafka.Input(bench, kafka, rules, populate(bench, stream, own[0]))
        ran = onkafka.start_run(source)
        ran.catch_up(600)
        ran.end()
        setups[n] = (source, ran.setup, stream)
    part = bench.folder / "part.jsonl"
    for _ in bench.turns(table=2, seconds=80):
        for n, (source, setup, stream) in setups.items():
            before = source.end()
            with open(part, "wb") as f:  # each round goes on where the last one ended
                f.writelines(row + b"\n" for row in stream.rows(count))
            source.load(part)
            ran = onkafka.start_run(source, setup)
            rows[n].add(f"{n:,} customers", ran.steady(before))
            ran.end()
    return [{**row, "x": n, "series": OURS} for n, rs in rows.items() for row in rs.table()]


def by_hits(bench, kafka, count):
    own = bench.own_words()
    rules = bench.rules(own, ALERTS)
    return measure_points(bench, [
        (n, f"{n} hit{'' if n == 1 else 's'} a message", onkafka.Input(bench, kafka, rules, with_hits(bench, count, n, own)))
        for n in (0, 1, 5, 20)], 40)


def scenario(bench):
    count = bench.size(1_000_000, table=300_000, quick=200_000)
    tables, targets, pictures = [], [], []
    for kind in KINDS:
        kafka = bench.kafka()
        rows = globals()[f"by_{kind}"](bench, kafka, count)
        kafka.stop()
        ours = [r for r in rows if r["series"] == OURS]
        if kind in ("words", "partitions", "customers"):
            most = {"words": 2.5, "partitions": 1.15, "customers": 1.2}[kind]
            targets.append({"what": f"CPU, {ours[0]['name']} → {ours[-1]['name']}", "table": len(tables),
                            "measure": "cpu", "row": ours[-1]["name"], "base": ours[0]["name"], "most": most})
        pictures.append({"file": f"b7-{kind}", "kind": "lines", "title": f"B7: CPU by {kind}", "measure": "cpu",
                         "x": kind, "tables": [len(tables)]})
        tables.append({"name": kind, "measures": MEASURES, "ratio": "cpu", "limit": ours[0]["name"], "rows": rows})
    return {"tables": tables, "targets": targets, "pictures": pictures, "about": [
        f"{count:,} messages of 300 bytes, 100 words, one message in ten hits, 8 partitions, 2 workers (1 on one "
        "partition), unless the row says otherwise. words: the added words stand in no text, so that the hits stay the "
        "same. bytes: half as many messages of 2,000. customers: each has a tag before what is measured comes, and "
        "one message in fifty changes one. hits: messages of 500 bytes."]}
