#!/usr/bin/python3
# views.py - how fast the views answer at 1 M customers and 10 M events; prints times and plans.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/views.py                            fills a database (10 min, 15 GB below TMPDIR) and measures
#   bench/views.py --folder DIR               keeps the database in DIR; measures it again if it is there
#   bench/views.py --customers 10000 --events 100000 --messages 10000     small
#
# Every question is one that a person or a board asks, as chatmill_reader, on a connection of its own;
# its time is what the client waits, planning included. "first" is the first answer of a server that
# has just started; then come 20 further ones, each about another customer, alert or employee. The
# output is Markdown: docs/database.md keeps the last one.
import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
import psycopg2  # noqa: E402
from support import chatmill, proc  # noqa: E402
from support.postgres import Postgres  # noqa: E402

MORE = 20
LIMIT_MS = 20.0
# fsync is off for the filling alone; readers do not notice it.
SETTINGS = {"shared_buffers": "1GB", "effective_cache_size": "4GB", "random_page_cost": "1.1"}
FILLING = {"max_wal_size": "8GB", "wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off"}

# name → (SQL, where its parameters come from). `one` is any customer, `busy` those with most events.
QUESTIONS = [
    ("`customer_360` of one customer", "SELECT * FROM chatmill.customer_360 WHERE corpid = %s "
     "AND external_userid = %s", "one"),
    ("`customer_360` of the busiest customers", "SELECT * FROM chatmill.customer_360 WHERE corpid = %s "
     "AND external_userid = %s", "busy"),
    ("`customer_timeline` of one customer", "SELECT * FROM chatmill.customer_timeline WHERE corpid = %s "
     "AND external_userid = %s ORDER BY time", "one"),
    ("`customer_timeline` of the busiest customers", "SELECT * FROM chatmill.customer_timeline "
     "WHERE corpid = %s AND external_userid = %s ORDER BY time", "busy"),
    ("`customer_timeline`, the newest 50 of the busiest", "SELECT * FROM chatmill.customer_timeline "
     "WHERE corpid = %s AND external_userid = %s ORDER BY time DESC LIMIT 50", "busy"),
    ("`alert_board`: the newest 50 open alerts of a company", "SELECT * FROM chatmill.alert_board "
     "WHERE corpid = %s AND status = 'open' LIMIT 50", "corp"),
    ("`alert_board`: the newest 50 of any status", "SELECT * FROM chatmill.alert_board "
     "WHERE corpid = %s LIMIT 50", "corp"),
    ("`alert_board`: one alert", "SELECT * FROM chatmill.alert_board WHERE alert_id = %s", "alert"),
    ("`alert_board`: alerts of one customer", "SELECT * FROM chatmill.alert_board WHERE corpid = %s "
     "AND customer = %s", "one"),
    ("`alert_context` of one alert", "SELECT * FROM chatmill.alert_context WHERE alert_id = %s "
     "ORDER BY place", "alert"),
    ("`stage_funnel`: the board of a company today", "SELECT ladder, stage, sum(entered - exited) "
     "FROM chatmill.stage_funnel WHERE corpid = %s GROUP BY 1, 2", "corp"),
    ("`stage_funnel`: a company's last 30 days", "SELECT * FROM chatmill.stage_funnel WHERE corpid = %s "
     "AND day > current_date - 30 ORDER BY ladder, stage, day", "corp"),
    ("`staff_alerts`: one employee, by week", "SELECT * FROM chatmill.staff_alerts WHERE corpid = %s "
     "AND staff = %s ORDER BY week", "staff"),
    ("`staff_alerts`: all of a company last week", "SELECT * FROM chatmill.staff_alerts WHERE corpid = %s "
     "AND week = date_trunc('week', now() - interval '7 days')::date ORDER BY alerts DESC", "corp"),
    ("`staff_alerts`: all of a company, eight weeks", "SELECT * FROM chatmill.staff_alerts "
     "WHERE corpid = %s AND week >= current_date - 56 ORDER BY week, alerts DESC", "corp"),
]


def parameters(sql, customers):
    """What is asked for, by kind: a list of MORE + 1 argument lists each."""
    def customer(n):
        return f"ww{n % 4}", f"wm{n:030d}"
    alerts = sql("SELECT alert_id::text FROM chatmill.alert WHERE msgtime > now() - interval '1 month' "
                 f"ORDER BY alert_id LIMIT {MORE + 1}")
    return {"one": [customer((n * 7919 + customers // 3) % customers) for n in range(MORE + 1)],
            "busy": [customer(n) for n in range(MORE + 1)],
            "corp": [(f"ww{n % 4}",) for n in range(MORE + 1)],
            "staff": [(f"ww{n % 4}", f"staff{n % 4}-{n % 200}") for n in range(MORE + 1)],
            "alert": alerts}


def as_reader(server):
    c = psycopg2.connect(server.dsn())
    c.autocommit = True
    cur = c.cursor()
    cur.execute("SET ROLE chatmill_reader")
    return c, cur


def timed(cur, sql, args):
    start = time.perf_counter()
    cur.execute(sql, args)
    rows = cur.fetchall()
    return (time.perf_counter() - start) * 1000, len(rows)


def shorten(plan):
    """The plan without what stands there for every further partition and without company filters."""
    out, seen = [], set()
    for line in plan:
        kind = re.sub(r"_(\d{6}|default)\w*|\s+|_\d+\b|\(actual.*", "", line)
        if kind in seen and re.search(r"_(\d{6}|default)|Index Cond|Filter", line):
            continue
        seen.add(kind)
        out.append(line)
    return out


def measure(server, customers):
    server.stop()
    server.restart()
    asked = parameters(server.sql, customers)
    rows, plans = [], []
    for name, sql, kind in QUESTIONS:
        c, cur = as_reader(server)
        args = asked[kind]
        first = timed(cur, sql, args[0])[0]
        more = [timed(cur, sql, a) for a in args[1:]]
        times = [t for t, _ in more]
        rows.append((name, statistics.median(n for _, n in more), first, statistics.median(times), max(times)))
        cur.execute("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + sql, args[1])
        plans.append((name, [r[0] for r in cur.fetchall()]))
        c.close()
    return rows, plans


def describe(server, filled_s):
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    count = {t: server.sql(f"SELECT count(*) FROM chatmill.{t}")[0][0]
             for t in ("customer_stage", "customer_tag", "tag_event", "stage_event", "alert", "message",
                       "stage_day", "alert_week")}
    size = server.sql("SELECT pg_size_pretty(pg_database_size('chatmill'))")[0][0]
    version = server.sql("SHOW server_version")[0][0]
    print(f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}; PostgreSQL {version}, shared_buffers {SETTINGS['shared_buffers']}"
          + (f"; filled in {filled_s:.0f} s" if filled_s else "") + f"; {size}:\n"
          + ", ".join(f"`{t}` {n:,}" for t, n in count.items()) + ".\n")


def fill(server, folder, args):
    file = folder / "chatmill.json"
    file.write_text('{"postgres": {"host": "127.0.0.1", "port": "%d", "dbname": "chatmill", '
                    '"user": "postgres"}}' % server.port)
    chatmill.run("db", "migrate", "-c", file, check=0)
    start = time.monotonic()
    subprocess.run(["psql", "-X", "-q", "-o", os.devnull, "-v", f"customers={args.customers}",
                    "-v", f"events={args.events}", "-v", f"messages={args.messages}",
                    "-f", HERE / "views/fill.sql", server.dsn()], check=True)
    return time.monotonic() - start


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args(argv)
    proc.exit_on_signals()
    folder = args.folder or proc.private_folder("views")
    folder.mkdir(exist_ok=True, mode=0o711)
    filled_s = 0
    server = Postgres(folder, **SETTINGS, **FILLING)
    if (folder / "pg/data/PG_VERSION").exists():
        server.port = proc.free_ports(1)[0]
        server.restart()
        chatmill_file = folder / "chatmill.json"
        chatmill.run("db", "migrate", "-c", chatmill_file, check=0, CHATMILL_POSTGRES__PORT=str(server.port),
                     timeout_s=1800)
        server.sql("ANALYZE")
    else:
        server.start()
        filled_s = fill(server, folder, args)
    try:
        for name in FILLING:
            del server.settings[name]
        rows, plans = measure(server, args.customers)
        describe(server, filled_s)
        print("| question | rows | first, ms | median, ms | slowest of 20, ms |\n|---|---|---|---|---|")
        for name, count, first, median, worst in rows:
            print(f"| {name} | {count:.0f} | {first:.1f} | {median:.1f} | {worst:.1f} |")
        for name, plan in plans:
            print(f"\n{name}:\n```\n" + "\n".join(shorten(plan)) + "\n```")
        slow = [name for name, _, _, median, _ in rows if median > LIMIT_MS]
        print(f"\nover {LIMIT_MS:.0f} ms: " + ("; ".join(slow) or "none"), file=sys.stderr)
    finally:
        server.stop()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
