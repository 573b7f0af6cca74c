# SPDX-License-Identifier: MIT
"""A trace as Tempo's API answers it, made into spans in the order of a waterfall. Whatever was sent, all are shown."""
import base64
import binascii
import json
import re

from apm.answers import items, members
from apm.terminal import printable

KINDS = {2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
KINDS = {**KINDS, **{f"SPAN_KIND_{name}": name for name in KINDS.values()}}
FAILED = ("STATUS_CODE_ERROR", 2)
REASONS = ("error.type", "http.response.status_code", "rpc.response.status_code")
BELOW_MAX = 200  # characters of the lines beside a span: a trace may be thousands deep


def identifier(text):
    """Hexadecimal, from hexadecimal or base64; "" when there is none."""
    text = text if isinstance(text, str) else ""
    if re.fullmatch(r"[0-9A-Fa-f]{16}|[0-9A-Fa-f]{32}", text):
        text = text.lower()
    else:
        try:
            text = base64.b64decode(text, validate=True).hex()
        except (binascii.Error, ValueError):
            return printable(text)
    return text if text.strip("0") else ""


def plain(value):
    """The text of an AnyValue."""
    value = next(iter(members(value).values()), "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def attributes(message):
    return {str(pair.get("key")): plain(pair.get("value")) for pair in items(members(message).get("attributes"))}


def nanoseconds(value):
    try:
        return min(max(int(value or 0), 0), 1 << 63)
    except (TypeError, ValueError, OverflowError):
        return 0


class Span:
    def __init__(self, span, service):
        self.id, self.parent = identifier(span.get("spanId")), identifier(span.get("parentSpanId"))
        self.service, self.name = printable(service), printable(span.get("name") or "")
        kind = span.get("kind")
        self.kind = KINDS.get(kind, "") if isinstance(kind, (str, int)) else ""
        self.start = nanoseconds(span.get("startTimeUnixNano"))
        self.end = max(nanoseconds(span.get("endTimeUnixNano")), self.start)
        status = members(span.get("status"))
        self.failed = status.get("code") in FAILED
        self.why, self.says = self.reasons(span, status) if self.failed else ([], "")
        self.above, self.children = None, []
        self.orphan = self.circle = self.twin = False

    @staticmethod
    def reasons(span, status):
        """Returns what made it fail: in a word or two, each once, and in a sentence."""
        found = attributes(span)
        why = dict.fromkeys(printable(found[key]) for key in REASONS if found.get(key))
        sentences = [status.get("message")]
        for event in items(span.get("events")):
            about = attributes(event)
            texts = [about.get("exception.type"), about.get("exception.message")]
            sentences.append(": ".join(text for text in texts if text) or event.get("name"))
        return list(why), "; ".join(dict.fromkeys(printable(text) for text in sentences if text))


def read(answer):
    """Every span of the answer, in either shape that Tempo gives it."""
    answer = members(answer)
    answer = members(answer.get("trace")) or answer
    result = []
    for batch in items(answer.get("batches")) or items(answer.get("resourceSpans")):
        service = attributes(batch.get("resource")).get("service.name", "?")
        for scope in items(batch.get("scopeSpans")):
            result += [Span(span, service) for span in items(scope.get("spans"))]
    return result


def nest(spans):
    """Puts every span below its parent, and returns those that stand on top: roots, orphans, one of each circle."""
    spans.sort(key=lambda span: (span.start, -span.end))
    by_id = {}
    for span in spans:
        by_id.setdefault(span.id, []).append(span)
    roots = []
    for span in spans:
        span.twin = len(by_id[span.id]) > 1
        parents = [one for one in by_id.get(span.parent, ()) if one is not span] if span.parent else []
        if parents:  # two spans may share an id: the one of the same service is nearer
            span.above = next((one for one in parents if one.service == span.service), parents[0])
            span.above.children.append(span)
        else:
            span.circle = bool(span.parent) and span.parent == span.id
            span.orphan = bool(span.parent) and not span.circle
            roots.append(span)
    return roots + opened_circles(spans, roots)


def opened_circles(spans, roots):
    seen, opened = set(), []
    reached(roots, seen)
    for span in spans:
        if span not in seen:
            first = min(circle_above(span), key=lambda one: (one.start, -one.end))
            first.circle = True
            first.above.children.remove(first)
            opened.append(first)
            reached([first], seen)
    return opened


def reached(roots, seen):
    stack = list(roots)
    while stack:
        span = stack.pop()
        seen.add(span)
        stack += span.children


def circle_above(span):
    """The spans of the circle in which the parents of this one end."""
    seen = {}
    while span not in seen:
        seen[span] = len(seen)
        span = span.above
    return list(seen)[seen[span]:]


def lines(roots):
    """(depth, lines beside it, lines beside what is below it, span) from the top down."""
    stack = [(0, "", "", span) for span in reversed(roots)]
    while stack:
        depth, branch, below, span = stack.pop()
        yield depth, branch, below, span
        last = len(span.children) - 1
        stack.extend((depth + 1, below + ("└ " if i == last else "├ "),
                      (below + ("  " if i == last else "│ "))[-BELOW_MAX:], child)
                     for i, child in reversed(list(enumerate(span.children))))


class Trace:
    """The spans of an answer, and what is known of them as a whole. Times are nanoseconds."""

    def __init__(self, answer):
        self.spans = read(answer)
        self.message = printable(members(answer).get("message") or "")  # of a store that hands out a part of it
        self.roots = nest(self.spans)
        self.whole = any(not span.parent for span in self.spans) and not any(span.orphan for span in self.spans)
        timed = [span for span in self.spans if span.start]
        self.start = min((span.start for span in timed), default=0)
        self.end = max((span.end for span in timed), default=0)

    @property
    def services(self):
        return sorted({span.service for span in self.spans})
