#!/usr/bin/python3
# tidy.py - checks what the compiler does not: layers, doors, heads of files, words that stay out.
# SPDX-License-Identifier: Apache-2.0
import os
import re
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SPDX = "SPDX-License-Identifier: Apache-2.0"

# Headers of foreign libraries and the only places that may include them.
DOORS = {
    r"hs(/.*)?\.h": ("src/match/", "bench/"),
    r"librdkafka/.*": ("src/kafka/", "bench/"),
    r"libpq-fe\.h|libpq/.*": ("src/store/",),
    r"simdjson(\.h|/.*)": ("src/decode/json_index.cc", "bench/"),
    r"yaml\.h": ("src/base/yaml.c",),
    r"jansson\.h": ("src/base/jobject.c", "tests/", "bench/"),
    r"openssl/.*": ("src/base/digest.c",),
    r"zstd\.h|zdict\.h": ("src/base/zstd.c",),
    r"xxhash\.h": ("src/base/hash.c",),
    r"utf8proc\.h|opencc/.*": ("src/rules/make_spelling.c",),
    r"microhttpd\.h": ("src/http.c",),
    r"time\.h|sys/time\.h": ("src/base/clock.c", "src/base/clock.h", "tests/", "bench/"),
}
STAGES = {"consume", "decode", "fold", "match", "react", "send", "store"}
NOUNS = {"kafka", "rules", "state"}
# The headers by which a folder of src/ is used from outside; the others are its own. base/ is words
# for all; tests and bench look inside.
FOLDER_DOORS = {
    "consume": "file topic",
    "decode": "decode event json_index",  # the last for the version of simdjson
    "fold": "fold",
    "match": "match",
    "react": "react",
    "send": "encode letter topic",
    "store": "store archive audit migrate pg",
    "kafka": "admin consumer headers producer rights settings",
    "rules": "directory hours lint load name_table ruleset sample spelling suite variants vec zone",
    "state": "changelog codec names saver shard subject",
    "verify": "verify",
    "cmd": "cmd commands version",
}

FORBIDDEN = [
    (r"\b(XXX|FIXME|HACK)\b", "a word that stands for unfinished work"),
    (r"\bTODO\b(?!\(#\d+\))", "TODO without the number of an issue: TODO(#12)"),
    (r"(?<![\w.])/(work|root|tmp/cm)/", "a path of one machine"),
]


def tracked():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=REPO, check=True, capture_output=True).stdout
    return [p for p in out.decode().split("\0") if p and (REPO / p).is_file()]


def comment_lines(path, lines):
    """The first two lines that count: after the line that names the interpreter."""
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    return (lines + ["", ""])[:2]


def check_head(path, lines):
    first, second = comment_lines(path, lines)
    name = Path(path).name
    if path.endswith((".c", ".h", ".cc")):
        if not first.startswith(f"/* {name} - "):
            yield 1, f"the first line is not '/* {name} - what it is'"
        if SPDX not in second:
            yield 2, f"the second line is not '/* {SPDX} */'"
        if path.startswith("src/") and path.endswith(".h") and "Thread:" not in "\n".join(lines).split("*/")[0]:
            yield 1, "the head does not say which thread: 'Thread: any.', 'Thread: belongs to one worker.'"
    elif path.endswith((".py", ".sh")):
        if not first.startswith(f"# {name} - "):
            yield 1, f"the first line of words is not '# {name} - what it is'"
        if SPDX not in second:
            yield 2, f"the second line of words is not '# {SPDX}'"


def may_include(path, header):
    """None, or why the file may not include "header" (a path below src/)."""
    parts = Path(path).parts
    if parts[0] != "src":
        return None
    where = parts[1]
    top = header.split("/")[0]
    if where == "base" and top != "base":
        return "base/ includes only base/"
    if path == "src/model.h" and top != "base":
        return "model.h includes only base/"
    if where in STAGES and top not in {"base", "model.h", where} | NOUNS:
        return f"the stage {where}/ includes only base/, model.h, itself and kafka/ rules/ state/"
    if where in NOUNS and top in STAGES:
        return f"{where}/ is used by stages and includes none ({top}/)"
    doors = FOLDER_DOORS.get(top)
    if doors and top != where and header.removeprefix(f"{top}/").removesuffix(".h") not in doors.split():
        return f"{top}/ is used through {', '.join(f'{d}.h' for d in doors.split())}"
    return None


def check_includes(path, lines):
    for number, line in enumerate(lines, 1):
        m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not m:
            continue
        if m[1] == '"':
            why = may_include(path, m[2])
            if why:
                yield number, why
            continue
        for pattern, places in DOORS.items():
            if re.fullmatch(pattern, m[2]) and not path.startswith(places):
                yield number, f"<{m[2]}> is included only in {', '.join(places)}"


def check_words(path, lines):
    if path == "tests/tidy.py":
        return
    for number, line in enumerate(lines, 1):
        for pattern, why in FORBIDDEN:
            if re.search(pattern, line):
                yield number, why
        if path.startswith("src/") and path.endswith(".c") and re.match(r"\s*goto\s", line):
            yield number, "goto: OWNED and TAKE undo what must be undone"


def check_pages(path, lines, pages):
    """A page that is named is there: by its path from the top or from the file, or by its name."""
    if not path.startswith(("src/", "tests/", "docs/")):
        return
    for number, line in enumerate(lines, 1):
        for name in re.findall(r"[\w./-]*\w\.md\b", line):
            near = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if name not in pages and near not in pages:
                yield number, f"{name} is not in the repository"


def main():
    findings, files, paths = [], 0, tracked()
    pages = {p for p in paths if p.endswith(".md")}
    pages |= {Path(p).name for p in pages}
    for path in paths:
        data = (REPO / path).read_bytes()
        if b"\0" in data[:8000] or path.startswith("tests/golden/"):
            continue
        try:
            lines = data.decode().split("\n")
        except UnicodeDecodeError:
            continue
        files += 1
        checks = [check_words(path, lines), check_pages(path, lines, pages)]
        if path.endswith((".c", ".h", ".cc", ".py", ".sh")):
            checks.append(check_head(path, lines))
        if path.endswith((".c", ".h", ".cc")):
            checks.append(check_includes(path, lines))
        findings += [f"{path}:{n}: {why}" for check in checks for n, why in check]
    for f in findings:
        print(f)
    print(f"{files} files, {len(findings)} findings", file=sys.stderr)
    return 1 if findings or not files else 0


if __name__ == "__main__":
    sys.exit(main())
