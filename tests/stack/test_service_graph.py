# SPDX-License-Identifier: MIT
"""Tempo counts what happened: each edge of the service graph, each span, and no counter begins again."""
import pytest
from backends import SERVICES, Stack, answer_of
from lib import metrics
from traffic import load, need, send_what_is_rare
from truth import Truth, quiet

# Every 10 s Tempo looks whether its processors run what is configured: long enough to see several of these looks.
SECONDS, RATE = 35, 20
WITHIN = 0.02
EXPORTED = "otel_sdk_exporter_span_exported_total"
GENERATOR = "tempo_metrics_generator_"
LOST = ["otel_sdk_span_dropped_total", "tempo_discarded_spans_total", f"{GENERATOR}spans_discarded_total",
        f"{GENERATOR}processor_service_graphs_dropped_spans", f"{GENERATOR}processor_service_graphs_expired_edges",
        f"{GENERATOR}registry_series_limited_total"]


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The system and Tempo, with its metrics, under the traffic of make load."""
    need("prometheus", "tempo")
    with Stack(tmp_path_factory.mktemp("graph"), ["prometheus", "tempo"]) as stack:
        before = quiet(stack)
        load(stack, seconds=SECONDS, rate=RATE)
        send_what_is_rare(stack)
        stack.truth = Truth(stack, before, quiet(stack))
        yield stack


def figures(stack, metric, *labels):
    """{label values: value}"""
    return {tuple(series["metric"].get(label, "") for label in labels): float(series["value"][1])
            for series in stack.promql(f"sum by ({', '.join(labels)}) ({metric})")}


def test_every_edge_is_what_was_called(graph, record_property):
    expected = graph.truth.edges()
    requests = figures(graph, "traces_service_graph_request_total", "client", "server")
    failed = figures(graph, "traces_service_graph_request_failed_total", "client", "server")
    assert set(requests) == set(expected)
    assert sum(many for _, many in expected.values()) > 30 and len(expected) == 9
    seen = {edge: (requests[edge], failed.get(edge, 0)) for edge in expected}
    record_property("figures", ", ".join(f"{' to '.join(edge)} {total:.0f}/{expected[edge][0]}"
                                         for edge, (total, _) in seen.items()))
    for edge, figure in expected.items():
        assert seen[edge] == pytest.approx(figure, rel=WITHIN), f"{edge}: {seen[edge]} is seen, {figure} is true"


def test_edges_take_as_long_as_those_who_were_called_say(graph):
    """A node's average on the graph."""
    for service in SERVICES[1:]:
        family, server = "traces_service_graph_request_server_seconds", f'{{server="{service}"}}'
        seen = figures(graph, f"{family}_sum{server}")[()] / figures(graph, f"{family}_count{server}")[()]
        milliseconds = [line["duration_ms"] for line in graph.truth.lines(service)]
        assert seen == pytest.approx(sum(milliseconds) / len(milliseconds) / 1000, rel=0.1), service


def test_no_counter_of_tempo_begins_again(graph):
    names = [name for name in answer_of(graph.url("PROMETHEUS") + "/api/v1/label/__name__/values")["data"]
             if name.startswith("traces_")]
    assert {"traces_service_graph_request_total", "traces_spanmetrics_calls_total"} < set(names)
    resets = {name: sum(float(series["value"][1]) for series in graph.promql(f"resets({name}[1h])")) for name in names}
    assert resets == dict.fromkeys(names, 0)


def test_every_span_is_in_the_metrics(graph):
    own = graph.truth.after.own
    for service in SERVICES:
        calls = figures(graph, f'traces_spanmetrics_calls_total{{service="{service}"}}', "span_kind")
        assert sum(calls.values()) == metrics.total(own[service], EXPORTED, error_type=""), service
        assert calls["SPAN_KIND_SERVER",] == len(graph.truth.lines(service)), service


def test_what_is_counted_of_the_routes(graph):
    """The dimensions of the span metrics."""
    labels = ("http_request_method", "http_route", "http_response_status_code")
    for service in SERVICES:
        calls = f'traces_spanmetrics_calls_total{{service="{service}", span_kind="SPAN_KIND_SERVER"}}'
        expected = {(method, "" if route == "_unmatched" else route, status): len(lines)
                    for (method, route, status), lines in graph.truth.grouped(service, *labels).items()}
        assert figures(graph, calls, *labels) == expected, service


def test_nothing_is_lost_on_the_way(graph):
    for metric in LOST:
        assert sum(figures(graph, metric).values()) == 0, metric
