# SPDX-License-Identifier: MIT
"""Figures of a panel or a rule, compared with what is known otherwise (truth.py).

The windows of an expression are made as long as the time between the truth's two moments, so that a rate is what grew
between them. Prometheus extrapolates from its first and last sample in a window, each up to a scrape interval away from
the window's end: a rate may be as much higher, and no more."""
import math
import re
from dataclasses import dataclass
from typing import Callable

import yaml
from backends import SERVICES, STACK

SCRAPE_SECONDS = 1  # of the tests
TOLERANCE = 0.02
OF_A_SHARE = 0.15  # both of its rates are extrapolated, each by itself
RECORDED = {rule["record"]: " ".join(rule["expr"].split()) for file in (STACK / "prometheus/rules").glob("*.yml")
            for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"] if "record" in rule}


def unfolded(expression):
    """With the expressions of recorded series in place of their names; selectors that take all of them are dropped."""
    for name, recorded in RECORDED.items():
        name = re.escape(name) + r'(?![\w:])(\{(job=~"\.\*"|http_route=~"\.\*"|, )+\})?'
        expression = re.sub(name, lambda _, text=recorded: f"({unfolded(text)})", expression)
    return expression


def window_of(truth):
    return math.ceil(truth.seconds)


@dataclass
class Judge:
    labels: tuple  # that tell the figures apart
    expect: Callable  # truth, the service of a dashboard of one or None -> {label values: figure}
    holds: Callable  # what is seen or None, what is expected or None, truth -> bool
    optional: Callable = lambda key: False  # may be there or not, and is not judged
    when: Callable = lambda truth: truth.end

    def faults(self, expression, truth, service=None):
        """What is not as expected, in words."""
        expression = re.sub(r"\[(\$__\w+|\d+[smhd])\]", f"[{window_of(truth)}s]", unfolded(expression))
        seen = {tuple(series["metric"].get(label, "") for label in self.labels): float(series["value"][1])
                for series in truth.stack.promql(expression, time=self.when(truth))}
        expected = self.expect(truth, service)
        return [f"{dict(zip(self.labels, key))}: {seen.get(key)} is seen, {told(expected.get(key))} is true"
                for key in sorted({*seen, *expected})
                if not self.optional(key) and not self.holds(seen.get(key), expected.get(key), truth)]


def told(expected):
    if isinstance(expected, list):
        return f"{len(expected)} from {min(expected)} to {max(expected)} s"
    return expected


def growth(labels, expect, scale=1, slack=0.0, every=SCRAPE_SECONDS, **more):
    """A counter's growth a second (scale 60: a minute; None: in the whole window). slack: of what goes on in quiet
    moments as well, as much more or less is well. every: seconds between its samples."""
    def holds(seen, expected, truth):
        seen, expected = seen or 0, expected or 0
        least = (expected - slack) / window_of(truth) * (1 - TOLERANCE)
        most = (expected + slack) / (window_of(truth) - 2 * every) * (1 + TOLERANCE)
        return least <= seen / (scale or window_of(truth)) <= most
    return Judge(labels, expect, holds, **more)


def value(labels, expect, within=0.0):
    """A figure of the last moment, within an absolute tolerance."""
    def holds(seen, expected, _):
        return seen is not None and expected is not None and abs(seen - expected) <= within
    return Judge(labels, expect, holds, when=lambda truth: truth.after.at + SCRAPE_SECONDS)


def at_most(labels, expect):
    """A figure of the last moment that is small beside others: as if it were a share of them."""
    def holds(seen, expected, _):
        return seen is not None and 0 <= seen <= expected
    return Judge(labels, expect, holds)


def share(labels, expect):
    """A quotient of two rates."""
    def holds(seen, expected, _):
        return seen is not None and expected is not None and abs(seen - expected) <= OF_A_SHARE * expected
    return Judge(labels, expect, holds)


def budget():
    """What is left of the failures that 0.5 % of the requests of three days would be. Of those days Prometheus knows
    one step of 864, or two when a step's end came between: the others count as free of failures."""
    def expect(truth, _):
        return {key: failed / 0.005 / 864 for key, failed in error_share(truth.every("job")).items()}

    def holds(seen, burnt, _):
        return None not in (seen, burnt) and burnt * (1 - OF_A_SHARE) <= 1 - seen <= 2 * burnt * (1 + OF_A_SHARE)
    return Judge(("job",), expect, holds)


def quantile(q, labels, expect, family="http_server_request_duration_seconds", bounds=None, **more):
    """A histogram's quantile: within the bucket of the expected durations (in seconds) around that rank."""
    def holds(seen, expected, truth):
        if not expected:
            return seen is None or math.isnan(seen)
        edges = bounds or {bound for service in SERVICES for bound in upper_bounds(truth, service, family).values()
                           if bound != math.inf}
        ordered, rank = sorted(expected), q * len(expected)
        low, high = ordered[max(0, math.ceil(rank) - 2)], ordered[min(len(ordered), math.floor(rank) + 2) - 1]
        least = max((edge for edge in edges if edge < low), default=0)
        most = min((edge for edge in edges if edge >= high), default=max(edges))
        return seen is not None and least <= seen <= most
    return Judge(labels, expect, holds, **more)


# ---- groups of request lines as figures

def numbers(groups):
    return {key: len(lines) for key, lines in groups.items()}


def failures(groups):
    return {key: sum(line["status"] >= 500 for line in lines) for key, lines in groups.items()}


def error_share(groups):
    return {key: count / len(groups[key]) for key, count in failures(groups).items()}


def durations(groups):
    return {key: [line["duration_ms"] / 1000 for line in lines] for key, lines in groups.items()}


# ---- histograms of the services

def upper_bounds(truth, service, family):
    """{le: bound} of a histogram's buckets, ascending."""
    texts = {dict(pairs)["le"] for name, pairs in truth.after.own[service] if name == f"{family}_bucket"}
    return {text: float(text) for text in sorted(texts, key=float)}


def own_durations(truth, service, family, *labels):
    """{label values: [seconds]} of a service's own histogram, each observation in the middle of its bucket."""
    result, counted, lower = {}, {}, 0
    for text, bound in upper_bounds(truth, service, family).items():
        middle = (lower + bound) / 2 if bound != math.inf else lower
        for key, upto in truth.own(service, f"{family}_bucket", *labels, le=text).items():
            result.setdefault(key, []).extend([middle] * round(upto - counted.get(key, 0)))
            counted[key] = upto
        lower = bound
    return result
