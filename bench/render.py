#!/usr/bin/python3
# render.py - results/*.json into the tables of README.md, pictures, and the figures of docs/sizing.md.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/render.py            writes both
#   bench/render.py --check    exit 1 when they are not what the results say (tests/meson.build)
#
# A result is what suite.py writes: tables of rows with the raw figures of every round; medians,
# spreads, ratios and whether a target was met are worked out here and nowhere else. A ratio is the
# median of the ratios of the rounds, because what disturbs a round disturbs all of it.
import json
import statistics
import sys
from pathlib import Path

import sizing
import svg

BEGIN, END = "<!-- results: made by bench/render.py -->", "<!-- end of results -->"


def number(value, digits):
    return f"{value:,.{digits}f}"


def spread(values, digits):
    """«median (least–most)»; the median alone of one value."""
    if not values:
        return "–"
    middle = number(statistics.median(values), digits)
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values), digits)}–{number(max(values), digits)})"


def row_of(table, name):
    return next((r for r in table["rows"] if r["name"] == name), {})


def ratio(table, measure, row, base):
    """Of two rows, round by round; None without figures."""
    a, b = row_of(table, row).get(measure), row_of(table, base).get(measure)
    if not a or not b:
        return None
    if len(a) != len(b):
        return statistics.median(a) / statistics.median(b)
    return statistics.median(x / y for x, y in zip(a, b) if y)


def header(table):
    ours, limit, key = table.get("ours"), table.get("limit"), table.get("ratio")
    names = {m[0]: m[1] for m in table["measures"]}
    cells = [table.get("what", "")] + [m[1] for m in table["measures"]]
    if limit:
        cells.append(f"{names[key]} ÷ {limit}")
    if ours:
        cells.append(f"{names[key]} ÷ {ours}")
    return cells


def cells_of(table, row):
    cells = [row["name"]]
    if row.get("note"):
        return cells + [f"no figure: {row['note']}"] + [""] * (len(header(table)) - 2)
    cells += [spread(row.get(m[0], []), m[2]) for m in table["measures"]]
    for base in (table.get("limit"), table.get("ours")):
        if base:
            value = None if row["name"] == base else ratio(table, table["ratio"], row["name"], base)
            cells.append("" if value is None else f"{value:.2f}")
    return cells


def target_of(result, target):
    """(what, limit as text, value or None, met)"""
    table = result["tables"][target["table"]]
    if target.get("base"):
        value = ratio(table, target["measure"], target["row"], target["base"])
    else:
        values = row_of(table, target["row"]).get(target["measure"])
        value = statistics.median(values) if values else None
    least, most = target.get("least"), target.get("most")
    limit = f"≥ {least:,g}" if least is not None else f"≤ {most:,g}"
    met = value is not None and (value >= least if least is not None else value <= most)
    return target["what"], limit, value, met


def digits_for(value):
    return 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0


def targets_of(result):
    for target in result.get("targets", []):
        what, limit, value, met = target_of(result, target)
        shown = "–" if value is None else number(value, digits_for(value))
        yield what, limit, shown, "" if value is None else "yes" if met else "no"


def pad(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                               for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in rows)


def text_of(result):
    """For the terminal."""
    out = [f"{result['id']}, {result['title']}: {result['seconds']} s"]
    for table in result["tables"]:
        out += ["", "  ".join(x for x in (table["name"], table.get("input"), table.get("wrote")) if x)]
        out.append(pad([header(table)] + [cells_of(table, r) for r in table["rows"]]))
    targets = list(targets_of(result))
    if targets:
        out += ["", pad([("target", "limit", "measured", "met")] + targets)]
    return "\n".join(out)


def markdown_table(rows):
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in r) + " |" for r in rows]
    return lines[:1] + ["|" + "---|" * len(rows[0])] + lines[1:]


def markdown_of(result):
    machine = result["machine"]
    out = [f"### {result['id']}: {result['title']}", "",
           f"`{result['command']}`, {result['at']}, {result['seconds']} s; {machine['cpu']}, {machine['cores']} "
           f"cores, load {machine['load']} at the start; {machine['versions']}", ""]
    for line in result.get("about", []):
        out += [line, ""]
    for table in result["tables"]:
        told = "; ".join(x for x in (table.get("input"), table.get("wrote")) if x)
        out += [f"**{table['name']}**" + (f": {told}" if told else ""), ""]
        out += markdown_table([header(table)] + [cells_of(table, r) for r in table["rows"]]) + [""]
    targets = list(targets_of(result))
    if targets:
        out += markdown_table([("target", "limit", "measured", "met"), *targets]) + [""]
    out += [f"![{p['title']}](results/{p['file']}.svg)" for p in result.get("pictures", [])]
    return "\n".join(out).rstrip() + "\n"


def pictures_of(result):
    """(file name, text of the picture)"""
    for p in result.get("pictures", []):
        tables = [result["tables"][i] for i in p["tables"]]
        label = next(m[1] for m in tables[0]["measures"] if m[0] == p["measure"])
        if p["kind"] == "bars":
            groups = [(t["name"], [(r["name"], r[p["measure"]]) for r in t["rows"] if r.get(p["measure"])])
                      for t in tables]
            yield f"{p['file']}.svg", svg.bars(p["title"], label, groups)
        else:
            lines = {}
            for t in tables:
                for r in t["rows"]:
                    if r.get(p["measure"]):
                        lines.setdefault(r["series"], []).append((r["x"], r[p["measure"]]))
            yield f"{p['file']}.svg", svg.lines(p["title"], p["x"], label, lines)


def read(folder):
    return [json.loads(f.read_text()) for f in sorted((folder / "results").glob("B*.json"))]


def between(path, begin, end, body):
    """The text of the file with `body` between its markers."""
    before, rest = path.read_text().split(begin)
    return f"{before}{begin}\n\n{body}\n{end}{rest.split(end)[1]}"


def made(folder):
    """Path → text of all that is made from the results."""
    results = read(folder)
    body = "\n".join(markdown_of(r) for r in results)
    files = {folder / "README.md": between(folder / "README.md", BEGIN, END, body)}
    guide = folder.parent / "docs/sizing.md"
    if guide.exists():
        files[guide] = between(guide, sizing.BEGIN, sizing.END, sizing.text({r["id"]: r for r in results}) + "\n")
    for result in results:
        for name, text in pictures_of(result):
            files[folder / "results" / name] = text
    return files


def write(folder):
    for path, text in made(folder).items():
        path.write_text(text)


def check(folder):
    files = made(folder)
    wrong = [p.name for p, text in files.items() if not p.exists() or p.read_text() != text]
    wrong += [p.name for p in (folder / "results").glob("*.svg") if p not in files]
    for name in wrong:
        print(f"{name} is not what bench/results says: run bench/render.py")
    return 1 if wrong else 0


if __name__ == "__main__":
    HERE = Path(__file__).resolve().parent
    if sys.argv[1:] == ["--check"]:
        sys.exit(check(HERE))
    write(HERE)
