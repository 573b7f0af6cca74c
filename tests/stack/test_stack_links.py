# SPDX-License-Identifier: MIT
"""Every provisioned link leads where it says: the queries that Grafana would send are sent, and what they find is about
the same request, by its id, its service, its route and its time."""
import json
import time

import grafana
import pytest
from backends import SERVICES
from lib.wait import wait_until
from promql import dashboards, expressions, filled, has_number, panels, targets

ROUTED = ("http_request_method", "http_route")


@pytest.fixture(scope="module")
def order(full):
    """The spans of an order, found by its id, when its lines are there as well."""
    trace_id, _ = full.order()
    now = time.time() * 1000
    wait_until(lambda: len(grafana.trace(full, trace_id, now, now)) == 10, "the ten spans of an order", 20)
    query = f'{{job="application-logs"}} | trace_id="{trace_id}"'
    wait_until(lambda: {labels["service"] for labels, _ in full.lines(query)} == set(SERVICES), "its lines", 20)
    return grafana.trace(full, trace_id, now, now)


def test_from_a_span_to_the_lines_of_its_trace(full, order):
    for span in order:
        expression, start, end = grafana.logs_of_span(span)
        found = grafana.lines(full, expression, start, end)
        assert {labels["service"] for labels, _ in found} == set(SERVICES), f"{span}: {expression}"
        assert {json.loads(line)["trace_id"] for _, line in found} == {span.trace_id}, f"{span}: {expression}"


def test_from_a_span_to_the_metrics_of_its_service_and_route(full, order):
    """A span without a route, of a call or of the database, leads to the metrics of its service."""
    for span in order:
        links = grafana.metrics_of_span(span)
        assert [name for name, *_ in links] == ["Request rate", "Errors (5xx)", "Duration, p95"]
        for name, expression, start, end in links:
            assert start < span.start_ms < end and f'job="{span.service}"' in expression, f"{span}: {expression}"
            route = span.tags.get("http.route")
            assert (f'http_route="{route}"' in expression) == (span.kind == "SERVER"), f"{span}: {expression}"
            assert has_number(full.promql(expression)), f"{span}: {name}: {expression}"


def test_from_a_line_to_its_trace(full, order):
    """Also of nginx's access log; lines outside of a request have no link."""
    now = time.time() * 1000
    for service in SERVICES:
        found = grafana.lines(full, f'{{job="application-logs", service="{service}"}}', now - 900000, now)
        requests = [line for _, line in found if '"msg":"request"' in line]
        assert requests and all(grafana.trace_of_line(line) == json.loads(line)["trace_id"] for line in requests)
        assert not any(grafana.trace_of_line(line) for _, line in found if "trace_id" not in line)
        line = next(json.loads(line) for line in requests if order[0].trace_id in line)
        spans = grafana.trace(full, grafana.trace_of_line(json.dumps(line, separators=(",", ":"))), now - 900000, now)
        mine = next(span for span in spans if span.span_id == line["span_id"])
        assert (mine.service, mine.tags["http.route"]) == (service, line["route"])
        assert mine.end_ms - mine.start_ms == pytest.approx(line["duration_ms"], abs=2)


def matches(span, labels):
    """Whether an exemplar of a series with these labels may be of this span."""
    if span.service != labels.get("job", labels.get("service")):
        return False
    known = {"http_request_method": "http.request.method", "http_route": "http.route",
             "http_response_status_code": "http.response.status_code", "server_address": "server.address",
             "db_operation_name": "db.operation.name", "db_collection_name": "db.collection.name"}
    return labels.get("span_name", span.name) == span.name and all(
        str(span.tags.get(attribute, "_unmatched" if label == "http_route" else "")) == labels[label]
        for label, attribute in known.items() if labels.get(label))


def with_exemplars():
    return [(name, panel["title"], target["expr"]) for name, dashboard in dashboards().items()
            for panel in panels(dashboard) for target in panel["targets"] if target.get("exemplar")]


def test_from_an_exemplar_to_its_trace(full):
    assert len(with_exemplars()) == 6
    for dashboard, title, expression in with_exemplars():
        for service in SERVICES if "$service" in expression and dashboard == "service" else [".*"]:
            query = filled(expression, service)
            if not has_number(full.promql(query)) or "none" in str(full.promql(query)):
                continue  # the gateway has no database, and most call nobody
            found = wait_until(lambda: grafana.exemplars(full, query), f"exemplars of {title}: {query}", 30)
            for labels, exemplar, at in sorted(found, key=lambda item: -item[2])[:5]:
                trace_id = grafana.trace_of_exemplar(exemplar)
                assert trace_id, f"{title}: no data source takes {exemplar}"
                spans = wait_until(lambda: grafana.trace(full, trace_id, at * 1000 - 900000, at * 1000),
                                   f"{title}: the trace {trace_id}", 10)
                mine = [span for span in spans if matches(span, labels)]
                assert mine, f"{title}: no span of {trace_id} is of {labels}"
                assert min(abs(span.end_ms / 1000 - at) for span in mine) < 15, f"{title}: when was {trace_id}?"


def test_from_a_panel_of_traces_to_the_trace(full):
    now = time.time() * 1000
    for dashboard, title, target in targets():
        if target.get("queryType") != "traceql":
            continue
        for service in SERVICES if dashboard == "service" else [".*"]:
            for found in grafana.search(full, filled(target["query"], service), target["limit"])[:3]:
                spans = {span.span_id: span for span in grafana.trace(full, found["traceID"], now - 900000, now)}
                assert spans, f"{title}: {found['traceID']}"
                for matched in (span for group in found["spanSets"] for span in group["spans"]):
                    mine = spans[matched["spanID"].rjust(16, "0")]
                    assert service in (".*", mine.service), f"{title}: {mine}"


def test_links_of_panels(full):
    """From a point of a panel to the lines of its service at that time, or to the dashboard of its service."""
    now, seen = time.time() * 1000, set()
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for link in panel["fieldConfig"]["defaults"]["links"]:
                for service in SERVICES if name == "service" else [".*"]:
                    series = full.promql(filled(panel["targets"][0]["expr"], service))
                    for labels in [one["metric"] for one in series] if name == "overview" else [{}]:
                        variables = {"__field": {"labels": labels}, "service": service, "__from": int(now - 900000),
                                     "__to": int(now), "__url_time_range": "from=now-15m&to=now"}
                        wanted = labels.get("job", service)
                        follow(full, link, variables, wanted)
                        seen.add((name, panel["title"], link["title"], wanted))
    assert len(seen) >= 50


def follow(full, link, variables, service):
    if link["url"].startswith("/d/"):
        url = grafana.interpolated(link["url"], variables)
        assert url == f"/d/apm-service?var-service={service}&from=now-15m&to=now"
        return
    uid, query, start, end = grafana.explored(link["url"], variables)
    assert uid == "loki" and (start, end) == (variables["__from"], variables["__to"])
    found = grafana.lines(full, query, start, end)
    assert found and {labels["service"] for labels, _ in found} == {service}, f"{link['title']}: {query}"


def test_from_the_service_graph(full):
    """To metrics from everywhere; to traces from what Grafana takes for instrumented. Not so the databases, which send
    no spans, nor the gateway, whose callers send none: of these it asks for attributes that nobody has any more."""
    nodes, edges = grafana.service_graph(full, 900)
    nodes.pop("zipkin-client", None)  # of test_jaeger_and_zipkin_receivers
    assert {name for name, (_, instrumented) in nodes.items() if not instrumented} \
        == {"api-gateway", "users", "orders", "notifications"}
    for name, (rate, instrumented) in nodes.items():
        if rate:
            requests, duration, _ = (filled(query) for query in grafana.metrics_of_node(name))
            assert {series["metric"]["server"] for series in full.promql(requests)} == {name}
            assert has_number(full.promql(duration.replace("30s", "900s"))), duration
        found = grafana.search(full, grafana.traces_of_node(name, instrumented), limit=3)
        assert bool(found) == (name in SERVICES[1:]), f"{name}: {found}"
        now = time.time() * 1000
        for trace in found:
            assert name in {span.service for span in grafana.trace(full, trace["traceID"], now - 900000, now)}
    for client, server in edges:
        for query in grafana.metrics_of_node(server, client)[:2]:
            series = full.promql(filled(query).replace("30s", "900s"))
            assert {(one["metric"]["client"], one["metric"]["server"]) for one in series} == {(client, server)}, query


def test_current_grafana_answers_every_panel_of_traces(full):
    """Its back end makes a table of the matches: all must have the same attributes, of one type each."""
    for dashboard, title, target in targets():
        if target.get("queryType") == "traceql":
            assert "||" not in target["query"], title
            shapes, service = set(), "api-gateway" if dashboard == "service" else ".*"
            for found in grafana.search(full, filled(target["query"], service), limit=100):
                for group in found["spanSets"]:
                    for span in group["spans"]:
                        pairs = [*group.get("attributes", []), *span.get("attributes", [])]
                        shapes.add(frozenset((pair["key"], *pair["value"]) for pair in pairs))
            assert len(shapes) == 1, f"{title}: {shapes}"


def test_expressions_of_panels_have_no_unknown_variable():
    for _, title, expression in expressions():
        assert "$" not in filled(expression, "order-service"), f"{title}: {expression}"
