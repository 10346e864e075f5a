#!/usr/bin/python3
# input_schema.py - schemas/input.schema.json against examples, the generator and decode itself.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/input_schema.py --dump build/tests/decode/dump_decode
#
# Every valid example and every generated canonical record fits the schema and is read; every
# invalid one does not fit and is refused.
import argparse
import json
import subprocess
import sys
from pathlib import Path

import jsonschema

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent / "schemas/input.schema.json"


def lines(path):
    return [x for x in path.read_bytes().splitlines() if x]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dump", required=True)
    args = p.parse_args()
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    made = subprocess.run([sys.executable, HERE / "support/gen_messages.py", "--seed", "3", "--types"],
                          capture_output=True, check=True).stdout.splitlines()
    groups = [("valid", True, lines(HERE / "schemas/input.valid.ndjson")),
              ("generated", True, [x for x in made if isinstance(json.loads(x).get("message"), dict)
                                   and "corpid" in json.loads(x)]),
              ("invalid", False, lines(HERE / "schemas/input.invalid.ndjson"))]
    failed = 0
    for name, good, records in groups:
        dumped = subprocess.run([args.dump], input=b"\n".join(records) + b"\n", capture_output=True,
                                check=True).stdout.splitlines()
        if len(dumped) != len(records) or not records:
            sys.exit(f"{name}: {len(records)} records, {len(dumped)} answers")
        for n, (record, answer) in enumerate(zip(records, dumped)):
            fits, read = validator.is_valid(json.loads(record)), "error" not in json.loads(answer)
            if fits != good or read != good:
                print(f"{name} {n + 1}: schema {fits}, decode {answer.decode()[:80]}: {record.decode()[:150]}")
                failed += 1
        print(f"{name}: {len(records)} records")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
