#!/usr/bin/python3
# event_schema.py - schemas/event.schema.json against what `scan` really prints.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/event_schema.py [--binary build/chatmill]
#
# Every event of every type, cause and evidence mode fits the schema, also when the schema is closed
# to keys that it does not name; with any key taken out or turned into another kind it does not fit.
import argparse
import copy
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

REPO = Path(__file__).resolve().parents[1]
CUSTOMER = "wmCUSTOMER0000000000000000000001"
START = 1_700_000_000_000
RULES = """
pack: p
tags: {g: {values: {x: {wecom_id: et1}, y: {}}, expires: 1h}}
ladders: {life: {stages: [one, two], labels: {one: etA}}}
rules:
  - id: a
    match: [price]
    then: [{tag: x}, {stage: one}, {alert: {severity: high, category: c, group_for: 10m}}]
  - {id: room, chat: any, match: [room], then: [{alert: {category: c}}]}
"""
CAUSES = {("tag", c) for c in ("rule", "staff", "expiry", "recall", "manual")} \
    | {("stage", c) for c in ("rule", "recall", "manual")} \
    | {("alert", c) for c in ("rule", "group", "recall")} | {("hit", "rule"), ("erase", "manual")}


def message(n, text, staff="zhangsan", room="", **more):
    return {"corpid": "ww1", "message": {
        "msgid": f"m{n}", "action": "send", "from": CUSTOMER, "tolist": [staff], "roomid": room,
        "msgtime": START + n, "msgtype": "text", "text": {"content": text}, **more}}


def control(n, **more):
    return {"corpid": "ww1", "control": {"id": f"c{n}", "external_userid": CUSTOMER, "by": "orders",
                                         "at": START + n, **more}}


def recall(n, of):
    return message(n, "", action="recall", msgtype="revoke", revoke={"pre_msgid": f"m{of}"})


def records():
    hour = 3_600_000
    return [message(1, "ＰＲＩＣＥ " * 101), message(2, "price"), message(3, "price", "lisi"),
            message(4, "room", room="wr1"), recall(5, 1), recall(6, 2), recall(7, 3),
            message(8, "price"), {"corpid": "ww1", "clock": START + 2 * hour},
            control(3 * hour, add=["g/y"], ladder="life", stage="two"),
            control(4 * hour, remove=["g/y"]), control(5 * hour, erase=True)]


def scan(binary, mode):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "p.yaml").write_text(RULES, encoding="utf-8")
        done = subprocess.run(
            [binary, "scan", "--rules", folder, "--evidence", mode, "--events", "tag,stage,alert,hit,erase"],
            input="\n".join(map(json.dumps, records())).encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def closed(schema):
    """The same schema without room for keys that it does not name."""
    if isinstance(schema, dict):
        schema = {k: closed(v) for k, v in schema.items()}
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    return [closed(s) for s in schema] if isinstance(schema, list) else schema


def broken(event):
    """The event with each key left out, and with each value of another kind."""
    for path in ([], ["data"]):
        at = event
        for key in path:
            at = at[key]
        for key in at:
            if key in ("by", "truncated") or (key == "data" and path):
                continue
            for change in ("out", "kind"):
                copied = copy.deepcopy(event)
                inner = copied
                for step in path:
                    inner = inner[step]
                if change == "out":
                    del inner[key]
                else:
                    inner[key] = {"no": "such"}
                yield f"{key} {change}", copied


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPO / "build/chatmill"))
    binary = parser.parse_args().binary
    schema = json.loads((REPO / "schemas/event.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    open_schema, strict = jsonschema.Draft7Validator(schema), jsonschema.Draft7Validator(closed(schema))
    seen, failed, count = set(), 0, 0
    for mode in ("none", "masked", "full"):
        for event in scan(binary, mode):
            count += 1
            seen.add((event["type"].split(".")[1], event["data"]["cause"]))
            for error in strict.iter_errors(event):
                failed += 1
                print(f"{mode}: {json.dumps(event, ensure_ascii=False)[:300]}: {error.message[:200]}")
            if mode == "full":
                for what, wrong in broken(event):
                    if open_schema.is_valid(wrong):
                        failed += 1
                        print(f"accepted without {what}: {event['type']}")
    if seen != CAUSES:
        failed += 1
        print(f"never came: {sorted(CAUSES - seen)}; unknown: {sorted(seen - CAUSES)}")
    print(f"{count} events")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
