#!/usr/bin/python3
# embed.py - writes the numbered migrations as one C file, so that the binary carries them.
# SPDX-License-Identifier: Apache-2.0
import re
import sys
from pathlib import Path


def literal(text):
    for line in text.splitlines(keepends=True):
        yield '\t"%s"\n' % (line.replace("\\", "\\\\").replace('"', '\\"')
                            .replace("\n", "\\n").replace("\t", "\\t"))


def main(out, *paths):
    with open(out, "w", encoding="utf-8") as f:
        f.write('/* Made by schemas/embed.py from schemas/migrations. */\n'
                '#include "store/migrate.h"\n\nconst struct migration migrations[] = {\n')
        for number, path in enumerate(sorted(Path(p) for p in paths), 1):
            match = re.fullmatch(r"(\d{4})_[a-z_]+\.sql", path.name)
            if not match or int(match[1]) != number:
                raise SystemExit(f"{path}: expected the name {number:04d}_NAME.sql")
            f.write(f'{{{number}, "{path.name}",\n')
            f.writelines(literal(path.read_text(encoding="utf-8")))
            f.write("},\n")
        f.write("};\nconst int migration_count = (int)(sizeof migrations / sizeof migrations[0]);\n")


main(*sys.argv[1:])
