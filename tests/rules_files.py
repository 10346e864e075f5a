#!/usr/bin/python3
# rules_files.py - good and bad rule files: the loader and the schema must agree about each.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/rules_files.py [--binary build/chatmill] [--update]
#
# tests/golden/rules/valid/*.yaml are accepted by both (a folder there is a folder of rules).
# tests/golden/rules/invalid/*.yaml are refused; the findings of `rules check`, word for word, are
# in NAME.expected. The schema refuses them too, unless the first line of the file says why it
# cannot: «# schema: accepts, …». `--update` writes the findings: read the difference.
import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import yaml

REPO = Path(__file__).resolve().parents[1]
GOLDEN = REPO / "tests/golden/rules"


def check(binary, path):
    """Exit status and findings of a file, or of a folder, of rules."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "r"
        if path.is_dir():
            shutil.copytree(path, rules)
        else:
            rules.mkdir()
            shutil.copy(path, rules)
        shutil.copytree(GOLDEN / "words", rules / "words", dirs_exist_ok=True)
        done = subprocess.run([str(binary), "rules", "check", "r"], cwd=folder, capture_output=True,
                              text=True, timeout=60)
        return done.returncode, done.stdout


def schema_errors(schema, path):
    """What the schema has against a file, every scalar read as a text, as the loader does."""
    try:
        documents = list(yaml.load_all(path.read_text(), Loader=yaml.BaseLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        return [f"not YAML: {e}"]
    if len(documents) != 1:
        return ["not one document"]
    return [e.message[:200] for e in schema.iter_errors(documents[0])]


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPO / "build/chatmill"))
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args(argv)
    raw = json.loads((REPO / "schemas/rules.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(raw)
    schema = jsonschema.Draft7Validator(raw)
    binary = Path(args.binary).resolve()
    failures, count = [], 0

    def fail(path, why):
        failures.append(f"{path.relative_to(REPO)}: {why}")

    valid = sorted((GOLDEN / "valid").iterdir()) + [REPO / "rules"]
    for path in valid:
        count += 1
        status, findings = check(binary, path)
        if status:
            fail(path, f"status {status}: {findings}")
        for file in [path] if path.is_file() else sorted(path.rglob("*.y*ml")):
            if file.name.endswith(".test.yaml"):
                continue
            for error in schema_errors(schema, file):
                fail(file, f"schema: {error}")
    for path in sorted(p for p in (GOLDEN / "invalid").iterdir() if p.suffix != ".expected"):
        count += 1
        status, findings = check(binary, path)
        if status != 65:
            fail(path, f"status {status}, not 65: {findings}")
        expected = path.with_suffix(".expected")
        if args.update:
            expected.write_text(findings)
        elif not expected.exists() or expected.read_text() != findings:
            fail(path, f"findings are not those of {expected.name}:\n{findings}")
        files = [path] if path.is_file() else sorted(path.rglob("*.y*ml"))
        if any(b"# schema: accepts, " in f.read_bytes().split(b"\n")[0] for f in files):
            for error in (e for f in files for e in schema_errors(schema, f)):
                fail(path, f"the schema sees it: {error}")
        elif not any(schema_errors(schema, f) for f in files):
            fail(path, "the schema accepts it")
    for failure in failures:
        print(f"FAIL {failure}")
    print(f"{count - len({f.split(':')[0] for f in failures})} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
