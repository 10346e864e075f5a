# b5.py - B5: events into PostgreSQL: the sink's way against COPY, COPY + upsert, psycopg and JDBC.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
from pathlib import Path

from b4 import Rows

HERE = Path(__file__).resolve().parent
TITLE = "sink, events into PostgreSQL"
OURS, LIMIT, COPY = "chatmill sink: fence, events, tags, offsets", "COPY + upsert", "binary COPY of the events alone"
PEERS = {"python": "psycopg 3, executemany", "streams": "JDBC batches"}
BATCH = 5000
EVENT = ("event_id, day, corpid, external_userid, \"time\", msgtime, sequence, cause, late, \"add\", remove, userids, "
         "roomid, chat, sender, sender_role, msgid, pack, rule, ruleset, by, evidence")
EVENT_TYPES = ("uuid date text text timestamptz timestamptz int8 text bool jsonb jsonb text[] text text text text text "
               "text text text text jsonb").split()
TAG = ("corpid, external_userid, \"group\", tag, wecom_id, userids, since, removed_at, pack, rule, msgid, sequence")
TAG_TYPES = "text text text text text text[] timestamptz timestamptz text text text int8".split()
ROWS = f"""COPY (SELECT {EVENT}, corpid, external_userid, c->>'group', c->>'tag', coalesce(c->>'wecom_id', ''),
CASE WHEN added THEN userids ELSE '{{}}' END, CASE WHEN added THEN "time" END, CASE WHEN NOT added THEN "time" END, pack, rule, msgid, sequence
FROM (SELECT *, jsonb_array_length("add") > 0 AS added,
coalesce("add"->0, remove->0) AS c FROM chatmill.tag_event) t ORDER BY sequence) TO STDOUT"""
# What a user would write: events once, of each tag what the newest event says.
INSERT = (f"INSERT INTO chatmill.tag_event ({EVENT}) VALUES ({', '.join('?::' + t for t in EVENT_TYPES)}) "
          "ON CONFLICT (event_id, day) DO NOTHING")
UPSERT = (f"INSERT INTO chatmill.customer_tag AS t ({TAG}) SELECT {', '.join('?::' + t for t in TAG_TYPES)} "
          "ON CONFLICT (corpid, external_userid, \"group\", tag) DO UPDATE SET "
          "wecom_id = CASE EXCLUDED.wecom_id WHEN '' THEN t.wecom_id ELSE EXCLUDED.wecom_id END, "
          "userids = CASE WHEN EXCLUDED.since IS NULL THEN t.userids ELSE EXCLUDED.userids END, "
          "since = coalesce(EXCLUDED.since, t.since), removed_at = EXCLUDED.removed_at, pack = EXCLUDED.pack, "
          "rule = EXCLUDED.rule, msgid = EXCLUDED.msgid, sequence = EXCLUDED.sequence "
          "WHERE t.sequence < EXCLUDED.sequence")
SUM = ("SELECT (SELECT count(*) || md5(string_agg(e::text, '' ORDER BY event_id)) FROM chatmill.tag_event e), "
       f"(SELECT count(*) || md5(string_agg(({TAG})::text, '' ORDER BY corpid, external_userid, \"group\", tag)) "
       "FROM chatmill.customer_tag)")


def write_rows(postgres, path):
    """The events that the sink's way left in the tables, as peers take them."""
    import psycopg2
    c = psycopg2.connect(postgres.dsn())
    with open(path, "w", encoding="utf-8") as f, c, c.cursor() as cursor:
        f.write(f"{INSERT}\n{UPSERT}\n{len(EVENT_TYPES)}\n")
        cursor.copy_expert(ROWS, f)
    c.close()


def ours(bench, postgres, events):
    argv = [bench.tool("store_b5"), postgres.dsn(), events, events // 5, 1]
    return json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE).stdout)


def start_of(bench, peer, postgres, path):
    home = bench.peers(peer)
    if peer == "python":
        return [home / "python/bin/python", HERE / "peers/python/insert.py", postgres.dsn(), path, BATCH]
    url = f"jdbc:postgresql://127.0.0.1:{postgres.port}/chatmill?user=postgres&reWriteBatchedInserts=true"
    return ["java", "-Xmx1g", "-cp", f"{home}/streams/classes:{home}/streams/libs/*", "peer.Jdbc", url, path, BATCH]


def scenario(bench):
    events = bench.size(100_000, table=50_000, quick=20_000)
    postgres = bench.postgres()
    rows, want = Rows(), None
    path = bench.folder / "rows.tsv"
    for i in bench.turns(seconds=60):
        done = ours(bench, postgres, events)
        for name, key in ((COPY, "copy"), (LIMIT, "upsert"), (OURS, "store")):
            rows.add(name, {"rate": done[key][0]})
        if i == 0:
            write_rows(postgres, path)
            want = postgres.sql(SUM)
        for peer in [p for p in PEERS if bench.has(p)]:
            postgres.sql("TRUNCATE chatmill.tag_event, chatmill.customer_tag, chatmill.sink_offset")
            postgres.sql("CHECKPOINT")
            took = subprocess.run([str(a) for a in start_of(bench, peer, postgres, path)], check=True,
                                  stdout=subprocess.PIPE).stdout
            rows.add(PEERS[peer], {"rate": events / json.loads(took)["seconds"]})
            if i == 0 and postgres.sql(SUM) != want:
                rows.refuse(PEERS[peer], "the tables differ from the sink's")
    postgres.stop()
    return {"tables": [{"name": f"{events:,} tag events of {events // 5:,} customers", "ours": OURS, "limit": LIMIT,
                        "measures": [["rate", "events/s", 0]], "ratio": "rate", "rows": rows.table()}],
            "pictures": [{"file": "b5-rate", "kind": "bars", "title": "B5: events per second into PostgreSQL",
                          "measure": "rate", "tables": [0]}],
            "about": ["One connection, fsync on, a transaction for every 5,000 events, from empty tables. The two "
                      "limits get their rows encoded before the clock starts; neither fences nor keeps offsets."]}
