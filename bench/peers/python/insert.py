#!/usr/bin/python3
# insert.py - tag events into PostgreSQL by psycopg's executemany, for B5.
# SPDX-License-Identifier: Apache-2.0
#
# Usage: insert.py DSN ROWS BATCH     prints {"seconds": …}
# ROWS as for peer/Jdbc.java. psycopg 3 sends what executemany gets in a pipeline, without waiting for
# each row's answer.
import json
import sys
import time

import psycopg


def main(argv):
    dsn, path, batch = argv[0], argv[1], int(argv[2])
    with open(path, encoding="utf-8") as f:
        event_sql, tag_sql, events, *lines = f.read().rstrip("\n").split("\n")
    statements = [s.replace("?", "%s") for s in (event_sql, tag_sql)]
    rows = [[None if c == "\\N" else c for c in line.split("\t")] for line in lines]
    cut = int(events)
    with psycopg.connect(dsn) as c:
        start = time.monotonic()
        with c.cursor() as cursor:
            for at in range(0, len(rows), batch):
                part = rows[at:at + batch]
                cursor.executemany(statements[0], [r[:cut] for r in part])
                cursor.executemany(statements[1], [r[cut:] for r in part])
                c.commit()
        print(json.dumps({"seconds": time.monotonic() - start}))


if __name__ == "__main__":
    main(sys.argv[1:])
