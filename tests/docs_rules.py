#!/usr/bin/python3
# docs_rules.py - the rules and tests in documents are checked and tested with the program.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/docs_rules.py [--binary build/chatmill] DOCUMENT…
#
# A block of YAML whose first line is a comment with a path (# my-rules/NAME.yaml) is that file. The
# blocks of a section (##) are one folder, which must pass `rules check --strict` and `rules test`,
# with every rule hit.
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```yaml\n# my-rules/(\S+)\n(.*?)^```$", re.M | re.S)


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPO / "build/chatmill"))
    parser.add_argument("documents", nargs="+")
    args = parser.parse_args(argv)
    passed = failed = 0
    for document in args.documents:
        for section in re.split(r"^## ", Path(document).read_text(), flags=re.M)[1:]:
            blocks = BLOCK.findall(section)
            if not blocks:
                continue
            with tempfile.TemporaryDirectory() as folder:
                for name, text in blocks:
                    (Path(folder) / name).write_text(text)
                for command in (["check", "--strict"], ["test"]):
                    done = subprocess.run([args.binary, "rules", *command, folder], text=True,
                                          capture_output=True, timeout=60)
                    if done.returncode == 0 and "no test hits" not in done.stdout:
                        passed += 1
                        continue
                    failed += 1
                    print(f"FAIL {section.splitlines()[0]}: rules {command[0]}\n"
                          + (done.stdout + done.stderr).replace(folder, "my-rules"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
