# SPDX-License-Identifier: MIT
"""Text for a person: it fits the terminal and cannot steer it, and the command ends without a traceback."""
import html
import math
import os
import re
import signal
import sys
import textwrap
import unicodedata

from apm.common import Refused
from apm.settings import BadSettings

UNITS = [("ns", 1, 1000), ("µs", 1e3, 1000), ("ms", 1e6, 1000), ("s", 1e9, 60)]  # name, ns, how many are too many
PAIRS = [("m", "s", 1, 60, 3600), ("h", "m", 60, 60, 2880), ("d", "h", 3600, 24, math.inf)]  # of 1, 60, 3600 seconds
COLOURS = {"red": 31, "green": 32, "yellow": 33, "dim": 2, "bold": 1}
SPECIAL = {"\n": "⏎", "\t": " ", "\u2028": "⏎", "\u2029": "⏎"}


# ---- text ----

def printable(text):
    """One line in which nothing that a stranger wrote steers the terminal."""
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(SPECIAL.get(c) or ("\ufffd" if unicodedata.category(c)[0] == "C" else c) for c in text)


def width(text):
    """The columns that it takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def cut(text, columns):
    """At most so many columns; … stands for what is left out."""
    if len(text) <= columns and width(text) <= columns:
        return text
    kept, room = "", columns - 1
    for char in text:
        room -= width(char)
        if room < 0:
            break
        kept += char
    return kept + "…" if columns > 0 else ""


def fit(text, columns):
    """Exactly so many columns."""
    text = cut(text, columns)
    return text + " " * (columns - width(text))


def said(text, columns=60):
    """Returns what a stranger answered, in short: of HTML its title, or what stands between the tags."""
    text = text[:10000]
    title = re.search(r"<title[^>]*>([^<]+)", text, re.IGNORECASE)
    text = title[1] if title else re.sub(r"(?is)<(script|style)\b.*?(</\1|$)|<!--.*?(-->|$)", "<", text)
    if "<" in text:
        text = " ".join(part.partition(">")[2] if i else part for i, part in enumerate(text.split("<")))
    return cut(printable(" ".join(html.unescape(text).split())), columns)


def duration(nanoseconds):
    nanoseconds = nanoseconds if math.isfinite(nanoseconds) else 0
    for name, size, next_one in UNITS:
        value = nanoseconds / size
        if round(value, 2 if name == "s" else 0) < next_one:
            decimals = 0 if name in ("ns", "µs") or value >= 100 else 1 if value >= 10 else 2
            return f"{value:.{decimals}f} {name}"
    for large, small, seconds, many, too_many in PAIRS:
        value = round(nanoseconds / 1e9 / seconds)
        if value < too_many:
            break
    return f"{value // many}{large} {value % many}{small}"


def count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def number(name, unit, least, most):
    """A kind of argument: a number of this range."""
    def check(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise Refused(f"{name} is '{printable(text)}': it has to be a number from {least} to {most} ({unit})", 2)
        return value
    return check


# ---- the terminal ----

def columns(otherwise=80):
    """Of the terminal that is looked at, also when a pipe stands between; COLUMNS comes first."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return max(min(int(given), 2000), 20)
    for descriptor in (1, 2, 0):
        try:
            found = os.get_terminal_size(descriptor).columns
        except OSError:
            continue
        return max(found, 20) if found else 80
    return otherwise


def is_terminal(stream):
    return stream.isatty()


def painter(stream):
    """A function of a colour and a text: coloured on a terminal, unless NO_COLOR is set (no-color.org)."""
    coloured = is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return (lambda colour, text: f"\033[{COLOURS[colour]}m{text}\033[0m" if colour else text) if coloured else (
        lambda _, text: text)


class Note:
    """A line on a terminal's stderr that says what is waited for, and goes away again."""

    def __init__(self):
        self.on, self.shown = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb", False

    def show(self, text):
        if self.on:
            self.shown = True
            print(f"\r\033[K{cut(text, columns() - 1)}", end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.shown:
            self.shown = False
            print("\r\033[K", end="", file=sys.stderr, flush=True)


# ---- the end ----

def wrapped(text, columns_):
    """Its lines of so many columns; a word that is longer stays whole, to be copied."""
    return textwrap.wrap(printable(text), max(columns_, 20), break_long_words=False, break_on_hyphens=False) or [""]


def complain(message):
    """Its first line says what is wrong, the others what to do."""
    room = columns() - 5 if is_terminal(sys.stderr) else 10**6
    lines = [line for part in str(message).splitlines() for line in wrapped(part, room)]
    for i, line in enumerate(lines):
        print(f"{'     ' if i else 'apm: '}{line}", file=sys.stderr)


def discard(stream):
    """Its buffer has no reader any more, and the interpreter would complain about that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Unbroken:
    """A stream for a command that must do its work, also when nobody reads what it says."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:
            discard(self.stream)

    def flush(self):
        """Each write has done so."""

    def __getattr__(self, name):
        return getattr(self.stream, name)


def run(main):
    """Calls main() and exits with what it returns. A closed pipe is no fault, and Ctrl-C needs no words."""
    for name in ("stdout", "stderr"):
        if not getattr(sys, name):  # was closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        getattr(sys, name).reconfigure(errors="replace")  # a terminal that is not UTF-8
    try:
        status = main() or 0
        sys.stdout.flush()
    except Refused as failure:
        complain(failure)
        status = failure.status
    except BadSettings as error:
        for line in str(error).splitlines():
            complain(line)
        status = 2
    except BrokenPipeError:
        discard(sys.stdout)
        status = 0
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except OSError as error:  # files and addresses are looked after where they are used: this is where the output goes
        complain(f"the output cannot be written: {error.strerror or error}")
        discard(sys.stdout)
        status = 1
    sys.exit(status)
