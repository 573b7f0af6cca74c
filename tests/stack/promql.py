"""What the dashboards ask: their expressions, with the variables filled in, and the metrics that these name."""
import json
import re

from backends import STACK

WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}
# Who provides a metric, by the beginning of its name; all else is the system's own.
SOURCES = {"traces_": "tempo", "tempo_": "tempo", "loki_": "loki", "promtail_": "promtail", "node_": "node-exporter"}


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


def source(expression):
    """Who must run for the expression to have data: a set of backends, empty when it is the system alone."""
    return {source for name in metrics(expression) for start, source in SOURCES.items() if name.startswith(start)}
