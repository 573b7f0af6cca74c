# SPDX-License-Identifier: MIT
"""What Grafana sends when somebody clicks: made of the provisioned data sources and dashboards as Grafana makes it."""
import base64
import json
import re
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import yaml
from backends import STACK, answer_of

UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}
HEX_ONLY = re.compile(r"[0-9A-Fa-f]+")  # a query of Tempo that is nothing else is a trace id
VARIABLE = re.compile(r"\$\{([\w.]+)(?:\[\"([^\"]+)\"\])?(?::\w+)?\}|\$(\w+)")


def data_sources():
    """{uid: data source}, as Grafana reads them: $$ is a $, and a single one is an environment variable."""
    text = (STACK / "grafana/provisioning/datasources/datasources.yaml").read_text()
    return {source["uid"]: source for source in yaml.safe_load(text.replace("$$", "$"))["datasources"]}


def settings(uid):
    return data_sources()[uid]["jsonData"]


def milliseconds(interval):
    """-5m"""
    sign, number, unit = re.fullmatch(r"(-?)(\d+)(\w+)", interval).groups()
    return int(number) * UNITS[unit] * (-1 if sign else 1)


def interpolated(text, variables):
    """None when a variable is not known: then there is no link."""
    unknown = []

    def value(match):
        found, path = variables, (match.group(1) or match.group(3)).split(".")
        for part in [*path, *([match.group(2)] if match.group(2) else [])]:
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            unknown.append(match.group())
        return str(found)
    result = VARIABLE.sub(value, text)
    return None if unknown else result


@dataclass
class Span:
    trace_id: str
    span_id: str
    name: str
    kind: str
    start_ms: float
    end_ms: float
    process: dict = field(repr=False)  # the resource's attributes
    tags: dict = field(repr=False)

    @property
    def service(self):
        return self.process["service.name"]

    def range(self, options):
        """(from, to) in milliseconds of a link of this span."""
        return (int(self.start_ms) + milliseconds(options.get("spanStartTimeShift", "0ms")),
                int(self.end_ms) + milliseconds(options.get("spanEndTimeShift", "0ms")))

    def pairs(self, tags):
        """label="value" of each tag that the span, or its process, has."""
        mine = {**self.tags, **self.process}
        return ", ".join(f'{tag.get("value", tag["key"])}="{mine[tag["key"]]}"' for tag in tags if mine.get(tag["key"]))

    def variables(self):
        values = {"spanId": self.span_id, "traceId": self.trace_id, "name": self.name,
                  "duration": (self.end_ms - self.start_ms) * 1000, "tags": {**self.process, **self.tags}}
        return {"__span": values, "__trace": values}


def attributes(pairs):
    return {pair["key"]: next(iter(pair["value"].values())) for pair in pairs}


def hexadecimal(text):
    return base64.b64decode(text).hex()


def trace(stack, query, from_ms, to_ms):
    """The spans of a trace that is looked for by its id, as Explore does within a time range."""
    assert HEX_ONLY.fullmatch(query), f"{query} is no trace id, so Grafana takes it for TraceQL"
    options = settings("tempo")["traceQuery"]
    window = {}
    if options.get("timeShiftEnabled"):
        before, after = (abs(milliseconds(options[f"span{which}TimeShift"])) for which in ("Start", "End"))
        window = {"start": int(from_ms - before) // 1000, "end": int(to_ms + after) // 1000}
    answer = answer_of(f"{stack.url('TEMPO')}/api/v2/traces/{query}", **window) or {}
    return [Span(hexadecimal(span["traceId"]), hexadecimal(span["spanId"]), span["name"],
                 span["kind"].removeprefix("SPAN_KIND_"), int(span["startTimeUnixNano"]) / 1e6,
                 int(span["endTimeUnixNano"]) / 1e6, attributes(resource["resource"]["attributes"]),
                 attributes(span.get("attributes", [])))
            for resource in answer.get("trace", {}).get("resourceSpans", [])
            for scope in resource["scopeSpans"] for span in scope["spans"]]


def search(stack, query, limit=20, seconds=900):
    """A panel of traces: what Tempo answers to TraceQL over the last minutes."""
    now = int(time.time())
    answer = answer_of(stack.url("TEMPO") + "/api/search", q=query, limit=limit, start=now - seconds, end=now + 1)
    assert answer is not None, f"Tempo refuses {query}"
    return answer.get("traces", [])


def lines(stack, expression, from_ms, to_ms):
    """[(labels, line)] of an Explore of Loki."""
    answer = answer_of(stack.url("LOKI") + "/loki/api/v1/query_range", query=expression, start=int(from_ms) * 10**6,
                       end=int(to_ms) * 10**6, limit=settings("loki")["maxLines"], direction="backward")
    assert answer, f"Loki refuses {expression}"
    return [(stream["stream"], text) for stream in answer["data"]["result"] for _, text in stream["values"]]


# ---- links of the data sources

def logs_of_span(span):
    """(LogQL, from, to), or None: trace to logs."""
    options = settings("tempo")["tracesToLogsV2"]
    query = options["query"] if options.get("customQuery") else "{${__tags}}"
    expression = interpolated(query, span.variables() | {"__tags": span.pairs(options.get("tags", []))})
    return expression and (expression, *span.range(options))


def metrics_of_span(span):
    """[(name, PromQL, from, to)]: trace to metrics."""
    options = settings("tempo")["tracesToMetrics"]
    return [(query["name"], query["query"].replace("$__tags", span.pairs(options["tags"])), *span.range(options))
            for query in options["queries"]]


def trace_of_line(line):
    """The query of Tempo, or None: log to trace."""
    for derived in settings("loki")["derivedFields"]:
        found = re.search(derived["matcherRegex"], line)
        if found and derived["datasourceUid"] == "tempo":
            return interpolated(derived["url"], {"__value": {"raw": found.group(1)}})
    return None


def trace_of_exemplar(labels):
    """The query of Tempo, or None: metric to trace."""
    for destination in settings("prometheus")["exemplarTraceIdDestinations"]:
        if destination["name"] in labels and destination["datasourceUid"] == "tempo":
            return labels[destination["name"]]
    return None


def exemplars(stack, expression, seconds=900):
    """[(labels of the series, labels of the exemplar, its time)] as a panel with exemplars asks for them."""
    now = time.time()
    answer = answer_of(stack.url("PROMETHEUS") + "/api/v1/query_exemplars", query=expression, start=now - seconds,
                       end=now + 1)
    assert answer, f"Prometheus refuses {expression}"
    return [(series["seriesLabels"], exemplar["labels"], float(exemplar["timestamp"]))
            for series in answer["data"] for exemplar in series["exemplars"]]


# ---- links of panels

def explored(url, variables):
    """(uid of the data source, query, from, to) of a panel's link into Explore."""
    address = urlsplit(url)
    assert address.path == "/explore"
    state = json.loads(parse_qs(address.query)["left"][0], object_hook=lambda part: {
        key: interpolated(value, variables) if isinstance(value, str) else value for key, value in part.items()})
    query, = state["queries"]
    assert query["datasource"]["uid"] == state["datasource"]
    return state["datasource"], query["expr"], int(state["range"]["from"]), int(state["range"]["to"])


# ---- the service graph

METRIC = "traces_service_graph_request"


def service_graph(stack, seconds):
    """(nodes, edges) as the panel draws them: {name: (requests a second, whether Grafana takes it for instrumented)}
    and {(client, server): requests a second}."""
    nodes, edges = {}, {}
    for series in stack.promql(f"sum by (client, server) (rate({METRIC}_total[{seconds}s]))"):
        labels, rate = series["metric"], float(series["value"][1])
        edges[labels["client"], labels["server"]] = rate
        nodes[labels["server"]] = nodes.get(labels["server"], 0) + rate
        nodes.setdefault(labels["client"], 0)
    known = {}
    for series in stack.promql(f"group by (client, connection_type, server) ({METRIC}_total)"):
        kind, server = series["metric"].get("connection_type", ""), series["metric"]["server"]
        known[server] = known.get(server, False) or kind in ("", "messaging_system")
    return {name: (rate, known.get(name, True)) for name, rate in nodes.items()}, edges


def metrics_of_node(server, client=None):
    """[PromQL] of the links of a node, or of an edge."""
    which = f'client="{client}",server="{server}"' if client else f'server="{server}"'
    return [f"sum by (client, server)(rate({METRIC}_total{{{which}}}[$__rate_interval]))",
            f"histogram_quantile(0.9, sum(rate({METRIC}_server_seconds_bucket{{{which}}}[$__rate_interval]))"
            " by (le, client, server))",
            f"sum by (client, server)(rate({METRIC}_failed_total{{{which}}}[$__rate_interval]))"]


def traces_of_node(name, instrumented):
    """TraceQL of the link "View traces" of a node."""
    if instrumented:
        return f'{{resource.service.name="{name}"}}'
    old = ("db.name", "db.system", "peer.service", "messaging.system", "net.peer.name")
    return "{" + " || ".join(f'span.{attribute}="{name}"' for attribute in old) + "}"
