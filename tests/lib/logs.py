# SPDX-License-Identifier: MIT
"""Reading logs: one JSON object a line, valid UTF-8, the members of every line checked."""
import json
import re

TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def no_duplicates(pairs):
    result = dict(pairs)
    assert len(result) == len(pairs), "a member came twice"
    return result


def parse(line):
    """The object of a line (bytes). Raises AssertionError or ValueError."""
    entry = json.loads(line.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=lambda name: 1 / 0)
    assert isinstance(entry, dict), "not an object"
    assert TS.fullmatch(entry["ts"]), entry["ts"]
    assert entry["level"] in ("debug", "info", "warn", "error"), entry["level"]
    assert isinstance(entry["service"], str) and entry["service"], "service"
    assert isinstance(entry["msg"], str) and entry["msg"], "msg"
    for member, digits in (("trace_id", 32), ("span_id", 16), ("trace_flags", 2)):
        if member in entry:
            assert re.fullmatch(f"[0-9a-f]{{{digits}}}", entry[member]), (member, entry[member])
    return entry


def read(path):
    """([entries], [(line, error)]) of the complete lines of a file."""
    entries, errors = [], []
    if path.exists():
        *lines, rest = path.read_bytes().split(b"\n")
        for line in lines:
            try:
                entries.append(parse(line))
            except (AssertionError, ValueError, KeyError, ZeroDivisionError) as error:
                errors.append((line, f"{error!r} in {line[:300]!r}"))
        if rest and not path.name.endswith(".log"):
            errors.append((rest, f"unfinished line {rest[:300]!r}"))
    return entries, errors
