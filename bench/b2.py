# b2.py - B2: the decode stage alone, against simdjson, memchr and two other parsers.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

from b4 import Rows

TITLE = "decode alone"
OURS, LIMIT = "chatmill decode()", "simdjson on demand"


def scenario(bench):
    done = subprocess.run([bench.tool("decode_b2"), str(bench.rounds(full=9, table=9, quick=3))], check=True, stdout=subprocess.PIPE)
    first, *lines = [json.loads(line) for line in done.stdout.splitlines()]
    tables = {}
    for line in lines:
        name = f"{line['shape']} ({line['bytes']} with the envelope)"
        rows = tables.setdefault(name, Rows())
        for ns in line["ns"]:
            rows.add(line["peer"], {"ns": ns})
        if line["differs"]:
            rows.refuse(line["peer"], "reads something else")
    return {"tables": [{"name": name, "measures": [["ns", "ns a message", 0]], "ratio": "ns", "limit": LIMIT,
                        "ours": OURS, "rows": rows.table()} for name, rows in tables.items()],
            "pictures": [{"file": "b2-ns", "kind": "bars", "title": "B2: decode, CPU time of a message",
                          "measure": "ns", "tables": list(range(len(tables)))}],
            "about": [f"CPU time; simdjson's kernels here: {first['simdjson']}. Everybody but memchr reads the same "
                      "fields; only chatmill checks the whole document, finds roles and subject, and looks into the "
                      "JSON inside the strings of a forwarded record."]}
