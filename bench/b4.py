# b4.py - B4: Kafka to Kafka, exactly once: `run` against the bare loop and its peers.
# SPDX-License-Identifier: Apache-2.0
import onkafka

TITLE = "run, Kafka to Kafka"
OURS, LIMIT = "chatmill run", "bare loop"
SAME = "rust same"  # the Rust peer that writes the records that run writes
PEERS = {"rust": "Rust: rdkafka + daachorse", SAME: "Rust, writing the same records",
         "streams": "Kafka Streams + double-array AC, EOS v2", "python": "Python: confluent-kafka + pyahocorasick"}
ALIKE = 0.95  # so much of run's events and of their bytes, at least
CPU_MOST = {1000: 1.4, 10000: 1.7, 100000: 2.2}
MEASURES = [["rate", "messages/s", 0], ["cpu", "CPU-s per million", 2]]


class Rows:
    """What was measured, by name; one whose output differs from the oracle's has no figures."""

    def __init__(self):
        self.rows, self.notes = {}, {}

    def add(self, name, figures):
        row = self.rows.setdefault(name, {})
        for key, value in figures.items():
            row.setdefault(key, []).append(value)

    def refuse(self, name, why):
        self.rows.setdefault(name, {})
        self.notes[name] = why

    def table(self):
        return [{"name": n, "note": self.notes.get(n, ""), **({} if n in self.notes else row)}
                for n, row in self.rows.items()]


def said(count, want, bytes_of):
    return (f"{count:,} messages of 300 bytes ({bytes_of / count:.0f} with the envelope), "
            f"{want['messages'] / count:.0%} hit, {want['hits'] / count:.2f} hits a message")


def warm_up(source):
    """A run that is not counted: a broker that has just started takes more of the two cores, and who
    comes first would pay for it."""
    first = onkafka.start_run(source)
    first.catch_up()
    first.end()
    return first


def wrote_of(name, wrote, count):
    return (f"{name} wrote {wrote['events']:,} events and {wrote['changes']:,} changes of state, "
            f"{(wrote['event_bytes'] + wrote['change_bytes']) / count:.0f} bytes of keys and values for each message")


def is_alike(wrote, ours):
    """Whether it wrote about as much as run. Changes of state follow from the pace: who is slower writes
    them more often, so that of them is only asked that there are any."""
    return wrote["changes"] > 0 and all(wrote[k] >= ALIKE * ours[k] for k in ("events", "event_bytes"))


def by_words(bench, kafka, archive, count, size, peers):
    words, origin = bench.pick(size)
    rules = bench.rules(words)
    oracle, want = bench.oracle(archive, rules / "words.txt")
    source = onkafka.Input(bench, kafka, rules, archive)
    rows, first = Rows(), warm_up(source)
    if not bench.agree(OURS, oracle, kafka, first.setup.topic["alerts"], ours=True):
        rows.refuse(OURS, "output differs from the oracle")
    payloads, records, wrote = onkafka.write_payloads(bench, first, count)
    told = [wrote_of("run", wrote, count)]
    for i in bench.turns(seconds=125):
        ran = onkafka.start_run(source)
        rows.add(OURS, ran.steady())
        ran.end()
        bare = onkafka.start_bare(source, payloads, records)
        rows.add(LIMIT, bare.steady())
        bare.end()
        for peer in peers:
            started = onkafka.start_peer(source, peer.split()[0], same=peer == SAME)
            rows.add(PEERS[peer], started.steady())
            if i == 0:
                started.catch_up()
            started.end()
            if i == 0 and not bench.agree(PEERS[peer], oracle, kafka, started.group):
                rows.refuse(PEERS[peer], "output differs from the oracle")
            if i == 0 and peer == SAME:
                its = onkafka.wrote_of(bench, started)[0]
                told.append(wrote_of(f"{PEERS[SAME]},", its, count))
                if not is_alike(its, wrote):
                    rows.refuse(PEERS[SAME], "writes less than run")
        bench.say(f"B4 {size} words, round {i + 1}: " + ", ".join(
            f"{n} {r['rate'][-1]:,.0f}/s {r['cpu'][-1]:.2f}" for n, r in rows.rows.items()))
    return {"name": f"{size:,} words ({origin})", "measures": MEASURES, "ratio": "cpu", "limit": LIMIT,
            "ours": OURS, "rows": rows.table(), "facts": {
                "archive_bytes": archive.stat().st_size / count, "events": wrote["events"] / count,
                "event_bytes": wrote["event_bytes"] / count, "change_bytes": wrote["change_bytes"] / count},
            "input": said(count, want, archive.stat().st_size),
            "wrote": "; ".join(told)}


def by_commit(bench, kafka, archive, count, size=1000):
    """What a commit costs, at 20, 100 and 1,000 ms, and what transactions cost the bare loop."""
    words, _ = bench.pick(size)
    source = onkafka.Input(bench, kafka, bench.rules(words), archive)
    rows, payloads = Rows(), {}
    warm_up(source)
    for i in bench.turns(seconds=200):
        for ms in (20, 100, 1000):
            ran = onkafka.start_run(source, commit_interval_ms=ms)
            rows.add(f"run, {ms:,} ms", ran.steady())
            ran.end()
            if ms not in payloads:  # longer transactions write fewer changes of state
                payloads[ms] = onkafka.write_payloads(bench, ran, count)
            bare = onkafka.start_bare(source, *payloads[ms][:2], ms)
            rows.add(f"bare loop, {ms:,} ms", bare.steady())
            bare.end()
        loose = onkafka.start_bare(source, *payloads[100][:2], 100, transactions=False)
        rows.add("bare loop, at least once, 100 ms", loose.steady())
        loose.end()
        bench.say(f"B4 commits, round {i + 1}: " + ", ".join(
            f"{n} {r['rate'][-1]:,.0f}/s" for n, r in rows.rows.items()))
    return {"name": f"how often is committed, {size:,} words", "measures": MEASURES, "ratio": "rate",
            "limit": "bare loop, 1,000 ms", "ours": None, "rows": rows.table(),
            "input": f"{count:,} messages of 300 bytes"}


def scenario(bench):
    peers = [p for p in PEERS if bench.has(p.split()[0])]
    sizes = (1000,) if bench.mode == "quick" else (1000, 10000, 100000)
    count = bench.size(1_500_000, table=1_000_000, quick=600_000)
    archive = bench.archive(count)
    tables, targets, pictures = [], [], []
    for size in sizes:
        kafka = bench.kafka()
        targets.append({"what": f"CPU of run / bare loop, {size:,} words", "table": len(tables),
                        "measure": "cpu", "row": OURS, "base": LIMIT, "most": CPU_MOST[size]})
        if size == 10000:
            for peer, least in (("rust", 1.5), (SAME, 1.5), ("streams", 3)):
                if peer in peers:
                    targets.append({"what": f"CPU of {PEERS[peer]} / run, 10,000 words", "table": len(tables),
                                    "measure": "cpu", "row": PEERS[peer], "base": OURS, "least": least})
        tables.append(by_words(bench, kafka, archive, count, size, peers))
        kafka.stop()
    pictures.append({"file": "b4-rate", "kind": "bars", "title": "B4: messages per second", "measure": "rate",
                     "tables": list(range(len(tables)))})
    pictures.append({"file": "b4-cpu", "kind": "bars", "title": "B4: CPU seconds per million messages",
                     "measure": "cpu", "tables": list(range(len(tables)))})
    if bench.mode != "quick":
        kafka = bench.kafka()
        # Commits of a second need a stream of several: more messages.
        many = bench.size(4_000_000, table=3_000_000)
        n = len(tables)
        tables.append(by_commit(bench, kafka, bench.archive(many), many))
        kafka.stop()
        for ms, least in ((100, 0.88), (20, 0.6)):
            targets.append({"what": f"throughput at {ms} ms / at 1,000 ms", "table": n, "measure": "rate",
                            "row": f"run, {ms} ms", "base": "run, 1,000 ms", "least": least})
    return {"tables": tables, "targets": targets, "pictures": pictures, "about": [
        f"{onkafka.PARTITIONS} partitions, {onkafka.WORKERS} workers (threads, processes for Python), "
        f"transactions of {onkafka.COMMIT_MS} ms, one broker, zstd level 1. The bare loop writes as many "
        "records as run, of the same bytes: keys, values, headers, changes of state. «Rust, writing the same "
        "records» writes run's events, with their headers and ids, and its changes of state; the other peers "
        "write one short event for a message that hit, and nothing else.",
        "`run` has no mode «at least once»: state and events would part company. What transactions cost can be "
        "seen at the bare loop with and without."]}
