#!/usr/bin/python3
# bench_tables.py - the benchmarks' tables: what render.py makes of results, and that it sees lies.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))
import render  # noqa: E402

RESULT = {
    "id": "B0", "title": "made up", "command": "bench/run.sh B0", "at": "2026-01-01 00:00 UTC", "seconds": 1,
    "machine": {"cpu": "none", "cores": 2, "load": 0, "kernel": "", "versions": "none"},
    "tables": [{"name": "t", "measures": [["cpu", "CPU", 2]], "ratio": "cpu", "limit": "bare", "ours": "we",
                "rows": [{"name": "we", "cpu": [3.0, 2.0, 40.0]}, {"name": "bare", "cpu": [2.0, 1.0, 10.0]},
                         {"name": "liar", "note": "output differs", "cpu": []}]}],
    "targets": [{"what": "ratio", "table": 0, "measure": "cpu", "row": "we", "base": "bare", "most": 2},
                {"what": "none", "table": 0, "measure": "cpu", "row": "liar", "base": "bare", "most": 2},
                {"what": "missed", "table": 0, "measure": "cpu", "row": "we", "most": 2.5}],
    "pictures": [{"file": "b0-bars", "kind": "bars", "title": "bars", "measure": "cpu", "tables": [0]}],
}


def check(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got!r}, not {want!r}")


def main():
    table = RESULT["tables"][0]
    # Round by round 1.5, 2, 4: the median of the ratios, not the ratio of the medians (1.5).
    check("ratio", render.ratio(table, "cpu", "we", "bare"), 2.0)
    check("row", render.cells_of(table, table["rows"][0]), ["we", "3.00 (2.00–40.00)", "2.00", ""])
    check("refused", render.cells_of(table, table["rows"][2])[1], "no figure: output differs")
    check("targets", [t[2:] for t in render.targets_of(RESULT)], [("2.00", "yes"), ("–", ""), ("3.00", "no")])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "results").mkdir()
        (folder / "README.md").write_text(f"before\n{render.BEGIN}\nold\n{render.END}\nafter\n")
        (folder / "results/B0.json").write_text(json.dumps(RESULT))
        check("stale", render.check(folder), 1)
        render.write(folder)
        text = (folder / "README.md").read_text()
        check("text around", (text.startswith("before\n"), text.endswith("\nafter\n")), (True, True))
        check("made", render.check(folder), 0)
        subprocess.run(["python3", "-c", "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])",
                        folder / "results/b0-bars.svg"], check=True)
        (folder / "README.md").write_text(text.replace("3.00", "2.00"))
        check("a changed figure", render.check(folder), 1)
        render.write(folder)
        (folder / "results/old.svg").write_text("")
        check("a picture of nothing", render.check(folder), 1)
    print("tables, ratios, targets and pictures are as they should be")


if __name__ == "__main__":
    main()
