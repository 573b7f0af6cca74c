# SPDX-License-Identifier: MIT
"""The shipped configuration in the backends' real programs, fed by the real system: every jump that a person makes."""
import json
import time
import urllib.request

from backends import SERVICES, answer_of, fetch
from lib.wait import wait_until

# service, kind, name of the ten spans of an order
ORDER_SPANS = [
    ("api-gateway", "SERVER", "POST /api/v1/orders"), ("api-gateway", "CLIENT", "POST"),
    ("order-service", "SERVER", "POST /api/v1/orders"), ("order-service", "CLIENT", "GET"),
    ("user-service", "SERVER", "GET /api/v1/users/{id}"), ("user-service", "CLIENT", "SELECT users"),
    ("order-service", "CLIENT", "INSERT orders"), ("order-service", "CLIENT", "POST"),
    ("notification-service", "SERVER", "POST /api/v1/notifications"),
    ("notification-service", "CLIENT", "INSERT notifications"),
]


def test_load_met_only_the_answers_that_it_asks_for(full):
    assert "none" not in full.load_output.splitlines()[-2]
    assert " 0 not" in full.load_output.splitlines()[-1]


def test_the_trace_of_an_order_is_complete(full):
    trace_id, _ = full.order()
    spans = wait_until(lambda: (found := full.trace(trace_id)) and len(found) >= 10 and found,
                       lambda: f"10 spans: {full.trace(trace_id)}", 15)
    assert sorted((service, span["kind"].removeprefix("SPAN_KIND_"), span["name"]) for service, span in spans) \
        == sorted(ORDER_SPANS)
    ids = {span["spanId"] for _, span in spans}
    assert sum(span.get("parentSpanId", "") not in ids for _, span in spans) == 1, "one root"


def test_search_finds_the_order(full):
    trace_id, order = full.order()
    query = '{ resource.service.name = "order-service" && span.order.id = %d }' % order["id"]

    def found():
        answer = answer_of(full.url("TEMPO") + "/api/search", q=query) or {}
        return [trace["traceID"].rjust(32, "0") for trace in answer.get("traces", [])]
    assert wait_until(found, f"{query} finds {trace_id}", 30) == [trace_id]


def test_a_trace_id_finds_the_lines_of_every_service(full):
    trace_id, _ = full.order()
    for query in (f'{{job="application-logs"}} | trace_id="{trace_id}"',
                  f'{{job="application-logs"}} | json | trace_id="{trace_id}"'):
        wait_until(lambda: {labels["service"] for labels, _ in full.lines(query)} == set(SERVICES),
                   lambda: f"lines of every service: {full.lines(query)}", 20)
    labels, line = full.lines(f'{{service="order-service"}} | trace_id="{trace_id}"')[0]
    assert labels["level"] == "info" and labels["job"] == "application-logs" and len(labels["span_id"]) == 16
    assert json.loads(line)["route"] == "/api/v1/orders"


def test_labels_of_streams_are_few(full):
    names = answer_of(full.url("LOKI") + "/loki/api/v1/labels")["data"]
    assert set(names) == {"job", "service", "level", "filename", "service_name"}


def test_time_of_a_line_is_its_own(full):
    trace_id, _ = full.order()
    query = f'{{service="order-service"}} | trace_id="{trace_id}"'
    wait_until(lambda: full.lines(query), "the line", 20)
    answer = answer_of(full.url("LOKI") + "/loki/api/v1/query_range", query=query, start=time.time_ns() - 900 * 10**9)
    (at, line), = answer["data"]["result"][0]["values"]
    assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(at) / 1e9)) == json.loads(line)["ts"][:19]


def test_the_error_log_of_nginx_is_parsed(full):
    with open(full.dir / "logs/nginx-error.log", "a", encoding="utf-8") as file:
        now = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime())
        file.write(f"{now} [crit] 7#8: *12 connect() failed (a line of the test), client: 127.0.0.1\n"
                   f"{now} [warn] 7#8: a warning of the test\n")
    query = '{job="application-logs", service="api-gateway", filename=~".*/nginx-error.log"} |= "of the test"'
    lines = wait_until(lambda: (found := full.lines(query)) and len(found) == 2 and found,
                       "two lines of nginx's error log", 20)
    by_level = {labels["level"]: labels for labels, _ in lines}
    assert set(by_level) == {"error", "warn"}
    assert by_level["error"]["connection"] == "12" and by_level["error"]["process"] == "7#8"


def test_nothing_is_discarded(full):
    for metric in ("otel_sdk_span_dropped_total", "log_lines_dropped_total", "tempo_discarded_spans_total",
                   "loki_discarded_samples_total", "loki_write_dropped_entries_total",
                   "promtail_dropped_entries_total"):
        assert sum(float(series["value"][1]) for series in full.promql(metric)) == 0, metric


def test_jaeger_and_zipkin_receivers(full):
    trace_id = f"{time.time_ns():032x}"
    span = [{"traceId": trace_id, "id": "00000000000000aa", "name": "zipkin-span", "kind": "SERVER",
             "timestamp": int(time.time() * 1e6), "duration": 1000, "localEndpoint": {"serviceName": "zipkin-client"}}]
    assert fetch(full.url("ZIPKIN") + "/api/v2/spans", span)[0] == 202
    wait_until(lambda: [service for service, _ in full.trace(trace_id)] == ["zipkin-client"], "the zipkin span", 10)
    request = urllib.request.Request(full.url("JAEGER") + "/api/traces", b"not thrift",
                                     {"Content-Type": "application/x-thrift"})
    try:
        urllib.request.urlopen(request, timeout=5)
        raise AssertionError("the Jaeger receiver took what is no Thrift")
    except urllib.error.HTTPError as error:
        assert error.code == 400, "the Jaeger receiver answers"


def test_doctor_finds_everything_well_but_grafana(full):
    done = full.run("stack/native/doctor")
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert len(faults) == 1 and "Grafana does not answer" in faults[0], done.stdout
    assert done.stdout.count("↳ so: Grafana does not reach its data source") == 3, done.stdout


def test_prometheus_scrapes_everything(full):
    wait_until(lambda: all(series["value"][1] == "1" for series in full.promql("up")), lambda: full.promql("up == 0"),
               15)
    assert {series["metric"]["job"] for series in full.promql("up")} == {*SERVICES, *full.backends}
