# b6.py - B6: from a message's time to a read_committed reader, at steady rates; CPU at rest.
# SPDX-License-Identifier: Apache-2.0
import time

import live
import measure
import onkafka
from b4 import Rows

TITLE = "latency, and CPU at low rates"
OURS, LIMIT, STREAMS = "chatmill run", "bare echo", "Kafka Streams"
ONE = "chatmill run, workers: 1"  # what docs/sizing.md says is enough for REST_RATE
LOADS = (10, 50, 80)
LATENCY = [["p50", "p50 ms", 0], ["p99", "p99 ms", 0], ["max", "worst ms", 0], ["cpu", "CPU-s per million", 2]]
REST_RATE = 20000
# With 2,000 each would say ten things a second for minutes, and all of it is remembered for 7 days.
CUSTOMERS = 100000


def idle_percent(pid, seconds):
    before, start = measure.cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (measure.cpu_seconds(pid) - before) / (time.monotonic() - start) * 100


def start(name, source, every):
    if name in (OURS, ONE):
        return onkafka.start_run(source, **({"workers": 1} if name == ONE else {}))
    return onkafka.start_echo(source, every) if name == LIMIT else onkafka.start_peer(source, "streams")


def stretch(bench, started, messages, rate, seconds):
    pace = live.Pace(bench, started, messages, rate, seconds)
    cpu = pace.cpu_per_million()
    got = pace.figures()
    started.catch_up(300)  # what one could not keep up with must not delay the next stretch
    if not got["measured"]:
        return None
    return {**{k: got[k] for k in ("p50", "p99", "max")}, "cpu": cpu}


def warm_up(bench, started, messages):
    """Joined, rules compiled, code hot."""
    live.Pace(bench, started, messages, 2000, 2).figures()
    started.catch_up(300)
    live.Pace(bench, started, messages, REST_RATE, 2).figures()
    started.catch_up(300)


def add(rows, name, figures):
    if figures:
        rows.add(name, figures)
    else:
        rows.refuse(name, "nothing came out within seconds: does not keep up")


def scenario(bench):
    seconds = {"full": 20, "table": 8, "quick": 4}[bench.mode] if not bench.count else 4
    kafka = bench.kafka()
    source = onkafka.Input(bench, kafka, bench.rules(bench.own_words()))
    messages = live.write_messages(bench, bench.folder / "paced", words=bench.own_words(), hit_rate=0.1,
                                   customers=CUSTOMERS, count=CUSTOMERS)
    first = start(OURS, source, 0)
    warm_up(bench, first, messages)
    full = live.capacity(bench, first, messages)
    if full <= 0:
        raise SystemExit("B6: run commits nothing while messages are sent")
    first.catch_up(300)
    first.end()
    rates = {load: round(full * load / 100) for load in LOADS}
    bench.say(f"B6: run keeps up with {full:,.0f} messages/s sent on the same machine")
    by_load, rest = {load: Rows() for load in LOADS}, Rows()
    names = [OURS, ONE, LIMIT] + ([STREAMS] if bench.has("streams") else [])
    for i in bench.turns(table=1):
        for name in names:
            started = start(name, source, 10)
            warm_up(bench, started, messages)
            for load in LOADS if name != ONE else ():
                add(by_load[load], name, stretch(bench, started, messages, rates[load], seconds))
            at_rest = stretch(bench, started, messages, REST_RATE, seconds)
            add(rest, name, at_rest and {"cpu": at_rest["cpu"], "p99": at_rest["p99"],
                                         "idle": idle_percent(started.p.pid, seconds)})
            started.end()
        bench.say(f"B6 round {i + 1}: p99 at half load " + ", ".join(
            f"{n} {r['p99'][-1]} ms" for n, r in by_load[50].rows.items()))
    kafka.stop()
    tables = [{"name": f"{load} % load, {rates[load]:,} messages/s", "measures": LATENCY, "ratio": "p99",
               "limit": LIMIT, "ours": OURS, "rows": by_load[load].table()} for load in LOADS]
    tables.append({"name": f"at a steady {REST_RATE:,} messages/s, and at rest", "ratio": "cpu", "limit": LIMIT,
                   "ours": OURS, "rows": rest.table(),
                   "measures": [["cpu", "CPU-s per million", 2], ["p99", "p99 ms", 0],
                                ["idle", "% of a core without messages", 2]]})
    return {"tables": tables, "about": [
        f"{full:,.0f} messages/s is the load of 100 %: what run works off while a sender on the same two cores sends "
        f"as fast as it can. 100 words, {CUSTOMERS:,} customers, one message in ten hits, transactions of 100 ms. From "
        "the time that the sender wrote into the message, before it batched (2 ms), to a read_committed reader. The "
        "bare echo sends every tenth record on as it is. All get the same rates; who cannot keep up shows it by his "
        "latency."],
        "targets": [{"what": "p99 of run at half load, ms", "table": 1, "measure": "p99", "row": OURS, "most": 130},
                    {"what": "CPU-s per million at 20,000 messages/s, one worker", "table": 3, "measure": "cpu",
                     "row": ONE, "most": 6},
                    {"what": "CPU-s per million at 20,000 messages/s, two workers", "table": 3, "measure": "cpu",
                     "row": OURS, "most": 6},
                    {"what": "% of a core at rest", "table": 3, "measure": "idle", "row": OURS, "most": 1}],
        "pictures": [{"file": "b6-p99", "kind": "bars", "title": "B6: p99 from message to reader, ms",
                      "measure": "p99", "tables": [0, 1, 2]},
                     {"file": "b6-cpu", "kind": "bars", "title": "B6: CPU seconds per million, by load",
                      "measure": "cpu", "tables": [0, 1, 2, 3]}]}
