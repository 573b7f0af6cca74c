# SPDX-License-Identifier: MIT
"""Lines of the logs: JSON of the programs and of nginx's access log, and the text of nginx's error log."""
import json
import re
from datetime import datetime, timezone
from typing import NamedTuple

from apm.terminal import cut, duration, fit, printable

LEVELS = ["debug", "info", "warn", "error"]
COLOURS = {"debug": "dim", "info": "", "warn": "yellow", "error": "red"}
NGINX_LEVELS = {"notice": "info", "crit": "error", "alert": "error", "emerg": "error", "warning": "warn"}
NGINX_LINE = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d) \[(\w+)\] (?:\d+#\d+: )?(?:\*\d+ )?(.*)", re.DOTALL)
NGINX_FACT = re.compile(r", (client|server|request|subrequest|upstream|host|referrer): ")
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)")
COLUMNS = {"ts", "level", "service", "msg", "trace_id", "span_id", "trace_flags", "parent_span_id", "client_span_id"}
FIRST = ["reason", "error", "method", "path", "query", "status", "duration_ms"]  # of the facts, in this order
REQUEST = {"method", "path", "query", "status", "duration_ms"}  # said in the message
# Of a request, and seldom wanted: shown when there is room for everything.
SELDOM = {"trace_state", "trace_resampled", "route", "up_addr", "up_status", "up_time", "up_start", "host", "port",
          "scheme", "client", "user_agent", "protocol", "bytes_in", "bytes_out", "msec"}


class Record(NamedTuple):
    time: str  # UTC, as 2026-11-28T19:53:34.574000Z; "" when the line has none
    level: str  # one of LEVELS
    service: str
    message: str
    trace_id: str
    facts: dict
    line: bytes  # one JSON object: as it was written, when it was


def utc(text):
    """The time in one form, so that texts compare as times do; "" when it is none."""
    found = TIME.fullmatch(text)
    if not found:
        return ""
    second, fraction, zone = found[1], (found[2] or "").ljust(6, "0")[:6], found[3].replace(":", "")
    if zone != "Z":
        try:
            moment = datetime.strptime(second + zone, "%Y-%m-%dT%H:%M:%S%z").astimezone(timezone.utc)
        except (ValueError, OverflowError):
            return ""
        second = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{fraction}Z"


def parse(raw, source):
    """The record of a line (bytes without its end) of the file of `source`; never raises."""
    try:
        values = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, dict):
        return of_json(values, raw, source)
    return of_text(raw.decode("utf-8", "replace"), source)


def of_json(values, raw, source):
    def text(name):
        value = values.get(name)
        return value if isinstance(value, str) else "" if value is None else str(value)
    facts = {str(key): value for key, value in values.items() if key not in COLUMNS and value not in ("", None)}
    return Record(utc(text("ts")), level(text("level")), text("service") or source, text("msg"), text("trace_id"),
                  facts, raw)


def level(text):
    text = NGINX_LEVELS.get(text.lower(), text.lower())
    return text if text in LEVELS else "info"


def of_text(text, source):
    """nginx's error log; anything else is a message without a time."""
    found = NGINX_LINE.fullmatch(text)
    if found:
        time = f"{found[1]}-{found[2]}-{found[3]}T{found[4]}.000000Z"
        message, *pairs = NGINX_FACT.split(found[6])
        facts = {name: value.strip('"') for name, value in zip(pairs[::2], pairs[1::2]) if value.strip('"')}
        grade, service = level(found[5]), "nginx"
    else:
        time, message, facts, grade, service = "", text, {}, "info", source
    values = {"ts": time, "level": grade, "service": service, "msg": message, **facts}
    line = json.dumps({key: value for key, value in values.items() if value}, ensure_ascii=False).encode()
    return Record(time, grade, service, message, "", facts, line)


# ---- on a terminal ----

def short(service):
    return printable(service.replace("-service", "").replace("api-", "") if service else "?")


def shown(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[\s"=]', text) else text


def said(record, wide):
    """The message, and the facts as key=value."""
    facts, text = dict(record.facts), record.message
    if text == "request" and facts.get("path"):
        path = f"{facts['path']}?{facts['query']}" if facts.get("query") else facts["path"]
        took = facts.get("duration_ms")
        if type(took) is int and 0 <= took < 1000:  # nginx counts milliseconds
            took = f"{took} ms"
        elif type(took) in (int, float) and 0 <= took < 1e12:
            took = duration(took * 1e6)
        text = " ".join(str(word) for word in (facts.get("method"), path, facts.get("status"), took) if word)
        facts = {key: value for key, value in facts.items() if key not in REQUEST and (wide or key not in SELDOM)}
    order = [key for key in FIRST if key in facts] + [key for key in facts if key not in FIRST]
    return printable(" ".join([text, *(f"{key}={shown(facts[key])}" for key in order)]))


def render(record, columns, paint, wide):
    """One line for a person; columns: how many there are, unless it is `wide`."""
    time = record.time[11:23] or " " * 12
    text, trace = said(record, wide), printable(record.trace_id)
    trace = f" trace_id={trace}" if trace and wide else f" {trace[:8]}" if trace else ""
    if not wide:
        text = cut(text, max(columns - 32 - len(trace), 8))
    grade = paint(COLOURS[record.level], fit(record.level, 5))
    return f"{paint('dim', time)} {grade} {fit(short(record.service), 12)} {text}{paint('dim', trace) if trace else ''}"
