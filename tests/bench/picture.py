# SPDX-License-Identifier: MIT
"""The charts of a report as one SVG: horizontal bars with their spread, one chart under the other."""
from xml.sax.saxutils import escape

from report import number

WIDTH, LABEL, BAR, STEP = 760, 250, 360, 22
STYLE = """text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
.note { fill: #57606a } rect { fill: #2f6fb0 } line { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } rect { fill: #4f97dd }
line { stroke: #e6edf3 } }"""


def charts(rows):
    result = {}
    for row in rows:
        if row["chart"]:
            result.setdefault(row["chart"], []).append(row)
    return result


def draw_row(row, top, y):
    width, left, right = (BAR * row[key] / top for key in ("median", "least", "most"))
    middle = y + STEP / 2 - 2
    yield f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(row["what"])}</text>'
    yield f'<rect x="{LABEL}" y="{y + 2}" width="{max(width, 1):.1f}" height="{STEP - 8}" rx="2"/>'
    if row["rounds"] > 1:
        yield f'<line x1="{LABEL + left:.1f}" x2="{LABEL + right:.1f}" y1="{middle}" y2="{middle}"/>'
    yield (f'<text class="note" x="{LABEL + max(width, right) + 8:.1f}" y="{y + 13}">'
           f'{number(row["median"])} {escape(row["unit"])}</text>')


def draw(rows, caption):
    y, body = 28, []
    body.append(f'<text class="note" x="12" y="{y - 8}">{escape(caption)}</text>')
    for title, bars in charts(rows).items():
        y += 26
        body.append(f'<text class="title" x="12" y="{y}">{escape(title)}</text>')
        y += 8
        top = max(row["most"] for row in bars)
        for row in bars:
            body += draw_row(row, top, y)
            y += STEP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 12}" width="{WIDTH}" '
            f'height="{y + 12}"><style>{STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n")
