#!/usr/bin/python3
# wrap_corpus.py - a corpus of dialogues as an archive of WeCom messages, to measure rules on.
# SPDX-License-Identifier: Apache-2.0
#
#   wrap_corpus.py zh_crosswoz.jsonl.zst > archive.jsonl
#
# The corpus is NDJSON, plain or zstd, with conversation_id, turn, role (customer, agent; of others
# the turns alternate) and text. A conversation is a single chat with a customer of its own; ten
# seconds lie between turns, so that nothing falls due but what follows from the texts.
import json
import subprocess
import sys

START_MS = 1704070800000  # Monday, 1 January 2024, 09:00 in Shanghai


def lines(path):
    if path.endswith(".zst"):
        with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as p:
            yield from p.stdout
    else:
        with open(path, "rb") as f:
            yield from f


def main(paths):
    customers = {}
    for path in paths:
        for number, line in enumerate(lines(path)):
            row = json.loads(line)
            key = (row["corpus"], row["conversation_id"])
            index = customers.setdefault(key, len(customers) + 1)
            customer, staff = f"wmCORPUS{index:024d}", f"staff{index % 50}"
            role = row["role"]
            if role not in ("customer", "agent"):
                role = "customer" if row["turn"] % 2 == 0 else "agent"
            sender, reader = (customer, staff) if role == "customer" else (staff, customer)
            time = START_MS + index * 60_000 + row["turn"] * 10_000
            msgid = f"{row['corpus']}-{number}"
            print(json.dumps({"corpid": "ww1", "recv_ts": time, "message": {
                "msgid": msgid, "action": "send", "from": sender, "tolist": [reader], "roomid": "",
                "msgtime": time, "msgtype": "text", "text": {"content": row["text"]}}},
                ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1:])
