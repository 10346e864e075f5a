#!/usr/bin/python3
# run_criterion.py - runs one Criterion program and fails also when a sanitizer reports something.
# SPDX-License-Identifier: Apache-2.0
#
# Criterion 2.4.1 has the result of a test before LeakSanitizer looks, so that a leak leaves exit
# status 0. Here the reports go to files; a file means failure.
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(argv):
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            env[name] = f"{env.get(name, '')}:log_path={folder}/report".lstrip(":")
        # Tests of one program one after the other: Meson runs the programs side by side.
        done = subprocess.run([*argv, "--jobs", "1"], env=env)
        reports = sorted(Path(folder).glob("report*"))
        for r in reports:
            print(r.read_text(errors="replace"), file=sys.stderr)
        if reports:
            print(f"{len(reports)} sanitizer reports", file=sys.stderr)
        return 1 if done.returncode or reports else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
