# svg.py - two kinds of pictures as SVG text: bars with their spread, and lines over a logarithmic axis.
# SPDX-License-Identifier: Apache-2.0
import math
import statistics
from xml.sax.saxutils import escape

COLOURS = ["#1f6f8b", "#b0b0b0", "#d08c3c", "#8b4a6b", "#5c8a4a", "#4a5c8a", "#a04040", "#707030"]
WIDTH = 760


def text(x, y, said, anchor="start", size=12, colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
            f'{escape(said)}</text>')


def page(height, title, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                      f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif" role="img">',
                      f"<title>{escape(title)}</title>", '<rect width="100%" height="100%" fill="#fff"/>',
                      text(16, 24, title, size=15), *parts, "</svg>", ""])


def short(value):
    if value >= 10000:
        return f"{value / 1000:,.0f} k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bars(title, label, groups):
    """groups: (name, [(row, values)]); a bar is the median, a line across it the spread."""
    most = max((max(v) for _, rows in groups for _, v in rows), default=1)
    names = list(dict.fromkeys(name for _, rows in groups for name, _ in rows))
    left, room, y, parts = 270, WIDTH - 270 - 90, 44, [text(16, 42, label, size=11, colour="#666")]
    for group, rows in groups:
        y += 22
        parts.append(text(16, y, group, size=13))
        for name, values in rows:
            middle = statistics.median(values)
            colour = COLOURS[names.index(name) % len(COLOURS)]
            parts.append(text(left - 8, y + 22, name, "end", 11))
            parts.append(f'<rect x="{left}" y="{y + 10}" width="{room * middle / most:.1f}" height="15" '
                         f'fill="{colour}"/>')
            if len(values) > 1:
                a, b = (left + room * v / most for v in (min(values), max(values)))
                parts.append(f'<path d="M{a:.1f} {y + 17.5}H{b:.1f}M{a:.1f} {y + 14}v7M{b:.1f} {y + 14}v7" '
                             'stroke="#222" fill="none"/>')
            end = left + room * (max(values) if len(values) > 1 else middle) / most
            parts.append(text(end + 6, y + 22, short(middle), size=11))
            y += 20
    return page(y + 24, title, parts)


def lines(title, x_label, label, series):
    """series: name → [(x, values)]; medians joined by lines, x logarithmic, y from 0."""
    height, left, top, right, bottom = 360, 70, 64, 220, 50
    xs = sorted({x for points in series.values() for x, _ in points})
    if not xs:
        return page(60, title, [])
    most = max(max(v) for points in series.values() for _, v in points) or 1
    low, high = math.log10(max(xs[0], 0.5)), math.log10(max(xs[-1], 1))

    def at(x, y):
        part = 0.5 if high == low else (math.log10(max(x, 0.5)) - low) / (high - low)
        return (left + part * (WIDTH - left - right), height - bottom - (height - top - bottom) * y / most)
    parts = [text(16, 46, label, size=11, colour="#666"),
             text((left + WIDTH - right) / 2, height - 10, x_label, "middle", 11, "#666")]
    for i in range(5):
        y = most * i / 4
        x0, y0 = at(xs[0], y)
        parts.append(f'<path d="M{left} {y0:.1f}H{WIDTH - right}" stroke="#e4e4e4"/>')
        parts.append(text(left - 8, y0 + 4, short(y) if y else "0", "end", 11))
    for x in xs:
        parts.append(text(at(x, 0)[0], height - bottom + 18, short(x), "middle", 11))
    for i, (name, points) in enumerate(series.items()):
        colour, points = COLOURS[i % len(COLOURS)], sorted(points)
        where = [at(x, statistics.median(v)) for x, v in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in where)
        parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in where]
        parts.append(f'<rect x="{WIDTH - right + 16}" y="{top + 20 * i}" width="12" height="12" fill="{colour}"/>')
        parts.append(text(WIDTH - right + 34, top + 20 * i + 10, name, size=11))
    return page(height, title, parts)
