# b9.py - B9: memory with many words and customers; rules switched under load.
# SPDX-License-Identifier: Apache-2.0
import time

import live
import measure
import onkafka
from b4 import Rows
from b8 import OURS, STREAMS, Million, few_customers
from support import chatmill

TITLE = "memory, and rules switched under load"
STATE, WORDS = "of it customers, by run's own count", "of it the compiled words, by run's own log"
LIMIT = "limit: compiled words + 64 bytes a customer"
CALM, SWITCHED = "no switch", "two switches"
RATE = 20_000


def base_memory(bench, million):
    """With 100 words and nobody known: program, libraries, the client's queues."""
    source = onkafka.Input(bench, million.kafka, bench.rules(bench.own_words()), few_customers(bench))
    names = {OURS: lambda: onkafka.start_run(source)}
    if bench.has("streams"):
        names[STREAMS] = lambda: onkafka.start_peer(source, "streams")
    for name, start in names.items():
        started = start()
        started.catch_up()
        million.memory.add(f"{name}: 100 words, 2,000 customers", measure.memory_mb([started.p.pid])[0])
        started.end()


def switch_rules(source, folders, seconds):
    """Publishes each folder in turn while `seconds` pass."""
    for folder in folders:
        time.sleep(seconds / (len(folders) + 1) - 2)
        chatmill.run("rules", "publish", "-c", source.setup.file, "--lead", "2s", folder, check=0)


def switches(bench, kafka):
    """Every message hits under either set, once: what is sent and does not come out is lost."""
    seconds = 10 if bench.count else 20 if bench.mode == "full" else 10
    own = bench.own_words()
    words, _ = bench.pick(10_000)
    sets = [bench.rules(own + [w for w in words[i * 10:] if w not in set(own)]) for i in range(3)]
    source = onkafka.Input(bench, kafka, sets[0])
    messages = live.write_messages(bench, bench.folder / "all-hit", texts=lambda i: f"请问{own[i % len(own)]}")
    rows = Rows()
    started = onkafka.start_run(source)
    live.Pace(bench, started, messages, 2000, 3).figures()  # joined and warm
    for i in bench.turns(table=2, seconds=80):
        for name, folders in ((CALM, []), (SWITCHED, [sets[1 + i % 2], sets[2 - i % 2]])):
            pace = live.Pace(bench, started, messages, RATE, seconds)
            switch_rules(source, folders, seconds)
            got = pace.figures()
            rows.add(name, {"p99": got["p99"], "max": got["max"], "gap": got["gap_max"],
                            "lost": got["sent"] - got["read"]})
    started.end()
    log = started.setup.folder / "run0.log"
    switched = log.read_text().count('"event":"rules_switched"') + log.read_text().count("event=rules_switched")
    want = source.partitions * (1 + 2 * len(rows.rows[SWITCHED]["lost"]))
    if switched < want:
        raise SystemExit(f"B9: {switched} switches of partitions in the log, {want} were published")
    return rows.table()


def scenario(bench):
    if not bench.million:
        bench.million = Million(bench)
    million = bench.million
    base_memory(bench, million)
    rows = million.memory.table()
    rows.sort(key=lambda r: (STREAMS in r["name"], r["mb"][-1]))
    rows += [{"name": STATE, "note": "", "mb": [million.state_mb]},
             {"name": WORDS, "note": "", "mb": [million.words_mb]},
             {"name": LIMIT, "note": "", "mb": [million.words_mb + 64 * million.customers / 1e6]}]
    switch_rows = switches(bench, million.kafka)
    full = f"100,000 words, {million.customers:,} customers"
    tables = [{"name": "memory (resident)", "measures": [["mb", "MB at rest", 0], ["busy", "MB when just caught up", 0], ["peak", "MB at most", 0]], "rows": rows, "ratio": "mb",
               "limit": f"{OURS}: {full}"},
              {"name": f"rules of 10,000 words switched at {RATE:,} messages/s", "rows": switch_rows,
               "measures": [["p99", "p99 ms", 0], ["max", "worst ms", 0], ["gap", "longest silence ms", 0],
                            ["lost", "lost matches", 0]]}]
    targets = [{"what": "lost matches", "table": 1, "measure": "lost", "row": SWITCHED, "most": 0},
               {"what": "doubled matches (less than nothing lost)", "table": 1, "measure": "lost", "row": SWITCHED,
                "least": 0}]
    if STREAMS in million.started:
        targets += [{"what": f"memory {when}, run / Kafka Streams", "table": 0, "measure": key, "row": f"{OURS}: {full}",
                     "base": f"{STREAMS}: {full}", "most": 0.167} for key, when in (("mb", "at rest"), ("peak", "at most"))]
    return {"tables": tables, "targets": targets,
            "pictures": [{"file": "b9-memory", "kind": "bars", "title": "B9: resident memory, MB", "measure": "mb",
                          "tables": [0]}],
            "about": ["Differences between rows of one program are its parts: words, then customers; the client's queues are "
                      "full in all of them. Kafka Streams has "
                      "-Xms256m -Xmx2g and keeps its state in memory; what its collector has not given back counts, as "
                      "it does for whoever pays for the machine. At rest: 15 seconds after all was caught up. While rules are switched every message has one hit "
                      "under either set, and every event is read: sent minus read is what was lost."]}
