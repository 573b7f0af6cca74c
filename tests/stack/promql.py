# SPDX-License-Identifier: MIT
"""What the dashboards ask: their expressions, with the variables filled in, and the metrics that these name."""
import json
import math
import re

from backends import STACK

WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}
# Who provides a metric, by the beginning of its name, the first that fits; all else is the system's own.
SOURCES = {"traces_": "tempo", "tempo_": "tempo", "loki_write_": "alloy", "loki_source_": "alloy", "loki_": "loki",
           "log_lines:read": "alloy", "promtail_": "promtail", "node_": "node-exporter"}
SHIPPERS = {"alloy", "promtail"}  # one of them runs


def dashboards():
    return {file.stem: json.loads(file.read_text()) for file in sorted((STACK / "grafana/dashboards").glob("*.json"))}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets():
    """[(dashboard, panel title, target)] of every query."""
    return [(name, panel["title"], target) for name, dashboard in dashboards().items() for panel in panels(dashboard)
            for target in panel["targets"]]


def expressions():
    """[(dashboard, panel title, PromQL)]"""
    return [(name, title, target["expr"]) for name, title, target in targets()
            if target["datasource"]["uid"] == "prometheus"]


def filled(text, service=".*"):
    for name, value in {"$__rate_interval": "30s", "$__auto": "30s", "$__interval": "30s", "$service": service,
                        "${service:regex}": service, "$route": ".*", "$slow": "1ms"}.items():
        text = text.replace(name, value)
    return text


def metrics(expression):
    """The names of the metrics in an expression."""
    bare = re.sub(r'"(\\.|[^"\\])*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    names = re.findall(r"(?<![\w:])([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare)
    return {name for name in names if name not in WORDS}


def provider(metric):
    """A backend, or None for the system itself."""
    return next((source for start, source in SOURCES.items() if metric.startswith(start)), None)


def source(expression):
    """The backends that an expression asks: a set, empty when it is the system alone."""
    return {provider(name) for name in metrics(expression)} - {None}


def lacks(expression, backends):
    """Whether one does not run that it needs; of the shippers either will do."""
    needed = source(expression)
    return bool((needed - SHIPPERS if needed & SHIPPERS & set(backends) else needed) - set(backends))


def has_number(result):
    return any(not math.isnan(float(series["value"][1])) for series in result)
