# sizing.py - docs/sizing.md's figures from the results: how many cores, how much memory and disk.
# SPDX-License-Identifier: Apache-2.0
#
# Everything here is arithmetic on medians of results/*.json; each line says of which. render.py puts
# it into docs/sizing.md between its markers.
import statistics

BEGIN, END = "<!-- figures: made by bench/render.py -->", "<!-- end of figures -->"
NEEDED = ("B4", "B5", "B6", "B7", "B8", "B9")
PEAK = 0.15  # of a day's messages come in its busiest hour
HEADROOM = 0.5  # at most this part of what is there is used at the peak
LOAD, TIMES = 20_000, 100  # messages/s of one machine at its peak (B6 has that rate too), and of how many such
STATE_MB = 4096  # of one worker: more takes long to restore


def median(results, scenario, table, row, measure):
    rows = results[scenario]["tables"][table]["rows"]
    values = next((r[measure] for r in rows if r["name"] == row and r.get(measure)), None)
    if values is None:
        raise LookupError(f"{scenario}: no {measure} of {row}")
    return statistics.median(values)


def table_named(results, scenario, start):
    for i, t in enumerate(results[scenario]["tables"]):
        if t["name"].startswith(start):
            return i
    raise LookupError(f"{scenario}: no table {start}")


def slope(results, kind):
    """CPU-s per million for one more of what the table of B7 grows by."""
    rows = [r for r in results["B7"]["tables"][table_named(results, "B7", kind)]["rows"]
            if r["series"] == "chatmill run" and r.get("cpu")]
    first, last = rows[0], rows[-1]
    return (statistics.median(last["cpu"]) - statistics.median(first["cpu"])) / (last["x"] - first["x"])


def memory(results):
    """(MB with few words and nobody known, bytes a word, bytes a customer, customers measured)"""
    rows = {r["name"]: statistics.median(r["mb"]) for r in results["B9"]["tables"][0]["rows"] if r.get("mb")}
    names = [n for n in rows if n.startswith("chatmill run: 100,000 words")]
    full_name = max(names, key=lambda n: rows[n])
    words = min(rows[n] for n in names)
    customers = int(full_name.split(", ")[-1].replace(" customers", "").replace(",", ""))
    base = rows["chatmill run: 100 words, 2,000 customers"]
    return base, (words - base) * 1e6 / 99_900, (rows[full_name] - words) * 1e6 / customers, customers


def figures(results):
    f = {}
    for words, key in ((1000, "cpu_1k"), (10_000, "cpu_10k"), (100_000, "cpu_100k")):
        f[key] = median(results, "B4", table_named(results, "B4", f"{words:,} words"), "chatmill run", "cpu")
    f["cpu_low"] = median(results, "B6", table_named(results, "B6", "at a steady"), "chatmill run", "cpu")
    f["byte"], f["hit"] = slope(results, "bytes"), slope(results, "hits")
    f["base_mb"], f["word"], f["customer"], f["customers"] = memory(results)
    wrote = results["B4"]["tables"][table_named(results, "B4", "1,000 words")]["facts"]
    f.update(wrote)
    f["sink"] = median(results, "B5", 0, "chatmill sink: fence, events, tags, offsets", "rate")
    f["restart"] = median(results, "B8", 1, "chatmill run, kill -9 to caught up", "seconds")
    f["changelog_mb"] = median(results, "B8", 1, "chatmill run: reading the changelog only", "mb")
    return f


def whole_up(value):
    return max(1, -int(-value // 1))


def row(f, per_day):
    """What so many messages a day take, 10,000 words, one customer for 100 messages a day."""
    peak = per_day * PEAK / 3600
    # Small transactions cost more for each message: what was measured at 20,000/s holds below it.
    cores = peak * (f["cpu_low"] if peak <= LOAD else f["cpu_10k"]) / 1e6 / HEADROOM
    customers = per_day / 100
    mb = f["base_mb"] + (10_000 * f["word"] + customers * f["customer"]) / 1e6
    workers = whole_up(cores)
    return [f"{per_day:,}", f"{peak:,.0f}", f"{cores:.2g}", str(workers), str(max(8, 4 * workers)), f"{mb:,.0f}",
            f"{per_day * f['archive_bytes'] / 1e9:,.1f}", f"{per_day * f['event_bytes'] / 1e9:,.1f}",
            f"{per_day * f['events'] * PEAK / 3600 / f['sink']:.2g}"]


def cluster(f):
    """The plan for 100 times the load of one machine."""
    rate = LOAD * TIMES
    day = rate * 3600 / PEAK
    incoming, outgoing = rate * f["archive_bytes"] / 1e6, rate * (f["event_bytes"] + f["change_bytes"]) / 1e6
    customers = day / 100
    state_mb, cores = customers * f["customer"] / 1e6, rate * f["cpu_10k"] / 1e6 / HEADROOM
    workers = max(whole_up(cores), whole_up(state_mb / STATE_MB))
    each = customers / workers
    machines = whole_up(workers / 4)
    restore = f["restart"] * each / f["customers"]
    return [
        f"- Load: {LOAD:,} messages/s at the peak, {TIMES} times: {rate:,}/s, {day / 1e9:,.0f} billion a day when {PEAK:.0%} of a "
        f"day come in its busiest hour, {customers / 1e6:,.0f} million customers (one for 100 messages a day).",
        f"- Workers: {cores:,.1f} cores by CPU (B4, 10,000 words, at most {HEADROOM:.0%} busy), {whole_up(state_mb / STATE_MB):,} by "
        f"memory at {STATE_MB:,} MB of state each (B9): {workers:,}, as `workers: 4` in {machines:,} processes, each on a machine or "
        "pod of 4 cores, and one more for each 10, to whose cores partitions move when one is lost.",
        f"- Partitions: {4 * workers:,} of the archive and of the state topic (4 for each worker, so that a lost machine's "
        "share spreads evenly); chosen once, because keys stay where they are. B7 says what they cost.",
        f"- Brokers, bytes before compression: {incoming:,.0f} MB/s in, {outgoing:,.0f} MB/s of events and changes out; with three "
        f"copies they write {3 * (incoming + outgoing):,.0f} MB/s. At 150 MB/s of writing a broker (an assumption: measure yours): "
        f"{max(3, whole_up(3 * (incoming + outgoing) / 150)):,} brokers. Compression by the exporter divides that.",
        f"- State: {each / 1e6:.1f} million customers for each worker: {state_mb / workers:,.0f} MB of memory (B9), "
        f"{each * f['changelog_mb'] / f['customers']:,.0f} MB of changelog (B8), as much again on its disk for snapshots.",
        "- A lost worker: others restore its partitions from the changelog, at the pace of B8 "
        f"({f['restart']:.1f} s for {f['customers']:,} customers, joining and 20,000 messages included): {restore:,.0f} s if one worker "
        f"took them all, {restore / min(workers, 4):,.0f} s spread over four. One that comes back under its name reads its snapshot.",
        f"- Transactions: one for each worker every 100 ms: {workers * 10:,} a second. `commit_interval_ms` divides that; B4 says "
        "what it gives. `transaction.state.log.num.partitions` and `offsets.topic.num.partitions` stay at Kafka's 50.",
        f"- Database: {rate * f['events']:,.0f} events/s at the peak; a sink of one connection writes {f['sink']:,.0f} (B5): "
        f"{whole_up(rate * f['events'] / f['sink']):,} of them. Where that is more than one PostgreSQL takes: one pipeline and one "
        "database for each group of corps.",
    ]


def text(results):
    missing = [s for s in NEEDED if s not in results]
    if missing:
        return f"Not measured yet: {', '.join(missing)} (`bench/run.sh --table`)."
    f = figures(results)
    lines = ["## What was measured", "", "| what | figure | measured by |", "|---|---|---|"]
    for what, figure, source in (
            ("CPU of `run`, 1,000 words", f"{f['cpu_1k']:.2f} CPU-s per million messages", "bench/run.sh B4"),
            ("CPU of `run`, 10,000 words", f"{f['cpu_10k']:.2f} CPU-s per million messages", "bench/run.sh B4"),
            ("CPU of `run`, 100,000 words", f"{f['cpu_100k']:.2f} CPU-s per million messages", "bench/run.sh B4"),
            (f"CPU of `run` at {LOAD:,} messages/s", f"{f['cpu_low']:.2f} CPU-s per million messages", "bench/run.sh B6"),
            ("100 bytes more a message", f"{100 * f['byte']:+.2f} CPU-s per million messages", "bench/run.sh B7"),
            ("one hit more a message", f"{f['hit']:+.2f} CPU-s per million messages", "bench/run.sh B7"),
            ("a message in the archive, before compression", f"{f['archive_bytes']:.0f} bytes", "bench/run.sh B4"),
            ("events of a message, keys and values", f"{f['event_bytes']:.0f} bytes", "bench/run.sh B4"),
            ("changes of state of a message", f"{f['change_bytes']:.0f} bytes", "bench/run.sh B4"),
            ("memory of `run` with 100 words", f"{f['base_mb']:,.0f} MB", "bench/run.sh B9"),
            ("memory of a word", f"{f['word']:,.0f} bytes", "bench/run.sh B9"),
            ("memory of a customer", f"{f['customer']:,.0f} bytes", "bench/run.sh B9"),
            (f"kill -9 to caught up, {f['customers']:,} customers", f"{f['restart']:.1f} s", "bench/run.sh B8"),
            ("events into PostgreSQL, one connection", f"{f['sink']:,.0f} events/s", "bench/run.sh B5")):
        lines.append(f"| {what} | {figure} | `{source}` |")
    lines += ["", "## Messages a day", "",
              f"10,000 words, messages of 300 bytes, a customer for every 100 messages a day; {PEAK:.0%} of a day's messages in "
              f"its busiest hour, and cores at most {HEADROOM:.0%} busy then.", "",
              "| messages a day | at the peak, /s | cores for run | workers | partitions | memory of run, MB | archive, GB a "
              "day | events, GB a day | sinks |", "|" + "---|" * 9]
    for per_day in (1_000_000, 10_000_000, 100_000_000, 1_000_000_000):
        lines.append("| " + " | ".join(row(f, per_day)) + " |")
    lines += ["", f"## A cluster for {TIMES} times {LOAD:,} messages/s", ""] + cluster(f)
    return "\n".join(lines)
