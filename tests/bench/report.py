# SPDX-License-Identifier: MIT
"""Rows of figures, with the spread of their rounds and the bar that they should reach: as a table, as JSON."""
import sys
from statistics import median


def note(text):
    """The progress line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:110]}", end="", file=sys.stderr, flush=True)
    else:
        print(f"  {text}", file=sys.stderr, flush=True)


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.095 else 4}f}"


class Report:
    def __init__(self):
        self.rows = []

    def row(self, part, what, values, unit, least=None, most=None, chart=None):
        values = list(values)
        value = median(values)
        bar = None if least is None and most is None else (least is None or value >= least) and (
            most is None or value <= most)
        self.rows.append({"part": part, "what": what, "median": value, "least": min(values), "most": max(values),
                          "rounds": len(values), "unit": unit, "bar_least": least, "bar_most": most, "reached": bar,
                          "chart": chart})

    def table(self):
        yield f"{'':2}{'':46}{'median':>10} {'unit':<11} {'from':>9} {'to':>9}  {'bar':<10}"
        part = None
        for row in sorted(self.rows, key=lambda row: row["part"]):
            if part not in (None, row["part"]):
                yield ""
            part = row["part"]
            bar = (f"≥ {number(row['bar_least'])}" if row["bar_least"] is not None else
                   f"≤ {number(row['bar_most'])}" if row["bar_most"] is not None else "")
            verdict = {True: "reached", False: "MISSED", None: ""}[row["reached"]]
            yield (f"{part:2}{row['what']:46}{number(row['median']):>10} {row['unit']:<11} "
                   f"{number(row['least']):>9} {number(row['most']):>9}  {bar:<9} {verdict}").rstrip()


__all__ = ["Report", "note", "number", "median"]
