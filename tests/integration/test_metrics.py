# SPDX-License-Identifier: MIT
"""Metrics: counts that equal what was sent, formats that independent parsers accept, exemplars that lead to traces."""
import random
import re
import shutil
import subprocess
import threading
import uuid
from collections import Counter

import pytest

from lib import metrics
from lib.client import Client
from lib.wait import wait_until

HTTP = "http_server_request_duration_seconds"
LABELS = ("http_request_method", "http_route", "http_response_status_code")
HTTP_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
DB_BOUNDS = [.001, .005, .01, .05, .1, .5, 1, 5, 10]
MISSING = 9007199254740991


def mixed_requests(count):
    """[(method, path, body, expected (method, route, status))], seeded."""
    source = random.Random(7)
    users, user = "/api/v1/users", "/api/v1/users/{id}"
    orders, order = "/api/v1/orders", "/api/v1/orders/{id}"
    kinds = [
        lambda: ("GET", f"{users}/1", None, ("GET", user, "200")),
        lambda: ("GET", f"{users}?limit=3", None, ("GET", users, "200")),
        lambda: ("HEAD", users, None, ("HEAD", users, "200")),
        lambda: ("GET", f"{users}/{MISSING}", None, ("GET", user, "404")),
        lambda: ("POST", users, {"name": "x", "email": f"{uuid.uuid4().hex}@example.com"}, ("POST", users, "201")),
        lambda: ("POST", users, {"name": "x"}, ("POST", users, "422")),
        lambda: ("PUT", users, {}, ("PUT", users, "405")),
        lambda: ("GET", f"{orders}?status=created&limit=2", None, ("GET", orders, "200")),
        lambda: ("GET", f"{orders}/1", None, ("GET", order, "200")),
        lambda: ("POST", orders, {"user_id": 1, "product": "Tea", "amount": 2.25}, ("POST", orders, "201")),
        lambda: ("POST", orders, {"user_id": MISSING, "product": "x", "amount": 1}, ("POST", orders, "422")),
        lambda: ("POST", orders, b"{", ("POST", orders, "400")),
        lambda: ("GET", "/api/v1/notifications?limit=1", None, ("GET", "/api/v1/notifications", "200")),
        lambda: ("GET", f"/api/v1/users/1/{source.randrange(10**9)}", None, ("GET", "_unmatched", "404")),
        lambda: ("GET", f"/nothing/{source.randrange(10**9)}", None, ("GET", "_unmatched", "404")),
    ]
    return [source.choice(kinds)() for _ in range(count)]


def send_all(port, requests, threads=4):
    """Sends them over `threads` connections; returns the answers' faults."""
    faults, rest = [], iter(requests)
    lock = threading.Lock()

    def work():
        with Client(port) as client:
            while True:
                with lock:
                    item = next(rest, None)
                if item is None:
                    return
                method, path, body, expected = item
                answer = client.request(method, path, body)
                if str(answer.status) != expected[2]:
                    faults.append((item, answer))
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return faults


@pytest.fixture(scope="module")
def thousand(system):
    """1,000 mixed requests, and every program's samples before and after."""
    requests = mixed_requests(1000)
    system.flush()
    wait_until(lambda: metrics.total(system.scrape("gateway"), "gateway_log_lines_total")
               == len(system.log_lines("api-gateway")), "lines of other tests are not counted yet")
    before = {program: system.scrape(program) for program in system.programs}
    assert send_all(system.ports["gateway"], requests) == []
    wanted = Counter(request[3] for request in requests)
    strangers = sum(request[1].startswith("/nothing/") for request in requests)  # end at nginx: no program knows them
    wait_until(lambda: metrics.total(system.scrape("gateway"), f"{HTTP}_count")
               - metrics.total(before["gateway"], f"{HTTP}_count") >= 1000,
               lambda: "the gateway has counted " + str(metrics.total(system.scrape("gateway"), f"{HTTP}_count")
                                                        - metrics.total(before["gateway"], f"{HTTP}_count")))
    system.flush()
    after = {program: system.scrape(program) for program in system.programs}
    change = {program: metrics.difference(after[program], before[program]) for program in system.programs}
    return wanted, change, after, strangers


def test_the_gateway_counts_what_was_sent(thousand):
    """What no route matches shares one series, so that no client can grow them."""
    wanted, change, _, _ = thousand
    assert metrics.by_label(change["gateway"], f"{HTTP}_count", *LABELS) == wanted


def test_the_services_count_what_reached_them(thousand):
    wanted, change, _, strangers = thousand
    orders = wanted["POST", "/api/v1/orders", "201"]
    refused = wanted["POST", "/api/v1/orders", "422"]
    assert orders > 20 and refused > 20
    expected = {program: Counter() for program in ("users", "orders", "notifications")}
    for (method, route, status), value in wanted.items():
        program = "users" if route == "_unmatched" else route.split("/")[3]
        expected[program][method, route, status] += value
    expected["users"]["GET", "_unmatched", "404"] -= strangers
    expected["users"]["GET", "/api/v1/users/{id}", "200"] += orders
    expected["users"]["GET", "/api/v1/users/{id}", "404"] += refused
    expected["notifications"]["POST", "/api/v1/notifications", "201"] += orders
    for program, counts in expected.items():
        assert metrics.by_label(change[program], f"{HTTP}_count", *LABELS) == counts, program


def test_histograms_are_whole(thousand):
    """Buckets grow, the last is the count, and the bounds are those of the semantic conventions (finer ones may be)."""
    _, _, after, _ = thousand
    for program, samples in after.items():
        histograms = {}
        for (name, labels), value in samples.items():
            if name.endswith("_bucket"):
                series = name[:-7], frozenset(pair for pair in labels if pair[0] != "le")
                histograms.setdefault(series, []).append((float(dict(labels)["le"]), value))
        assert histograms, program
        for (name, labels), buckets in histograms.items():
            buckets.sort()
            values = [value for _, value in buckets]
            assert values == sorted(values), (program, name, buckets)
            assert buckets[-1] == (float("inf"), samples[f"{name}_count", labels])
            bounds = {bound for bound, _ in buckets}
            if not name.startswith("otel_sdk_"):  # for which the conventions have no bounds
                assert bounds >= set(DB_BOUNDS if name.startswith("db_") else HTTP_BOUNDS), (name, bounds)
            assert samples[f"{name}_sum", labels] >= 0


def test_calls_are_counted(thousand, system):
    wanted, change, _, _ = thousand
    orders, refused = wanted["POST", "/api/v1/orders", "201"], wanted["POST", "/api/v1/orders", "422"]
    calls = metrics.by_label(change["orders"], "http_client_request_duration_seconds_count", "http_request_method",
                             "http_response_status_code")
    assert calls == {("GET", "200"): orders, ("GET", "404"): refused, ("POST", "201"): orders}
    addresses = metrics.by_label(change["orders"], "http_client_request_duration_seconds_count", "server_address")
    assert set(addresses) == {("127.0.0.1",)}, addresses


def test_database_operations_are_counted(thousand):
    wanted, change, _, _ = thousand
    counts = {program: metrics.by_label(change[program], "db_client_operation_duration_seconds_count",
                                        "db_operation_name", "db_collection_name") for program in change}
    orders = wanted["POST", "/api/v1/orders", "201"]
    assert counts["orders"]["INSERT", "orders"] == orders
    assert counts["notifications"]["INSERT", "notifications"] == orders
    assert counts["users"]["INSERT", "users"] == wanted["POST", "/api/v1/users", "201"]
    reads = sum(value for (method, route, status), value in wanted.items()
                if route.startswith("/api/v1/users") and method in ("GET", "HEAD") and status in ("200", "404"))
    assert counts["users"]["SELECT", "users"] == reads + orders + wanted["POST", "/api/v1/orders", "422"]
    assert not counts["gateway"]


def test_business_is_counted(thousand):
    wanted, change, after, _ = thousand
    orders = wanted["POST", "/api/v1/orders", "201"]
    assert metrics.total(change["users"], "users_created_total") == wanted["POST", "/api/v1/users", "201"]
    assert metrics.total(change["orders"], "orders_created_total") == orders
    assert metrics.total(change["orders"], "orders_amount_total") == pytest.approx(2.25 * orders)
    assert metrics.total(change["orders"], "orders_cancelled_total") == 0
    sent = metrics.by_label(change["notifications"], "notifications_sent_total", "channel")
    assert sum(sent.values()) == orders and all(channel for channel, in sent), sent
    assert metrics.key("order_outbox_pending") in after["orders"]
    assert metrics.key("order_outbox_oldest_seconds") in after["orders"]
    for name in ("users", "orders", "notifications"):
        assert after[name][metrics.key("db_wal_size_bytes", db_namespace=name)] >= 0
        assert metrics.key("db_wal_pinned_seconds", db_namespace=name) in after[name]


def test_cancelling_is_counted(system):
    before = system.scrape("orders")
    answer = system.gateway.post("/api/v1/orders", {"user_id": 1, "product": "x", "amount": 1})
    system.gateway.patch(answer.header("Location"), {"status": "cancelled"})
    system.gateway.patch(answer.header("Location"), {"status": "cancelled"})
    assert metrics.total(metrics.difference(system.scrape("orders"), before), "orders_cancelled_total") == 1


def test_the_outbox_drains(system):
    wait_until(lambda: system.scrape("orders")[metrics.key("order_outbox_pending")] == 0, "pending notifications")


def test_telemetry_counts_itself(thousand, system):
    _, change, _, _ = thousand
    system.flush()
    after = {program: system.scrape(program) for program in system.programs}
    for program, samples in after.items():
        assert metrics.total(samples, "otel_sdk_span_dropped_total") == 0, program
        assert metrics.total(samples, "log_lines_dropped_total") == 0, program
        assert metrics.total(samples, "otel_sdk_processor_span_queue_capacity") > 0 or program == "gateway"
        reasons = {pairs for name, pairs in samples if name == "otel_sdk_span_dropped_total"}
        assert {dict(pairs)["reason"] for pairs in reasons} <= {"queue_full", "export_failed", "rejected", "shutdown"}
    exported = sum(metrics.spans_done(samples) for samples in after.values())
    assert exported == len(system.collector.spans())
    for program in system.services:
        assert metrics.total(change[program], "log_lines_written_total") \
            >= metrics.total(change[program], f"{HTTP}_count")


def test_process_and_target(thousand, system):
    _, _, after, _ = thousand
    for program, samples in after.items():
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
                     "process_open_fds", "process_max_fds"):
            assert samples[metrics.key(name)] > 0, (program, name)
        start = samples[metrics.key("process_start_time_seconds")]
        with open(f"/proc/{system.worker(program)}/stat", encoding="ascii") as file:
            ticks = int(file.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/stat", encoding="ascii") as file:
            boot = next(int(line.split()[1]) for line in file if line.startswith("btime"))
        assert start == pytest.approx(boot + ticks / 100, abs=2)
        target, = [dict(labels) for name, labels in samples if name == "target_info"]
        assert target["service_name"] == {**system.services, "gateway": "api-gateway"}[program]
        assert target["service_namespace"] == "apm" and target["deployment_environment_name"] == "test"
        assert metrics.key("http_server_active_requests") in {(name, frozenset()) for name, _ in samples}


def test_nginx_counts_connections(thousand):
    _, change, after, _ = thousand
    gateway = after["gateway"]
    for name in ("active", "reading", "writing", "waiting"):
        assert metrics.key(f"nginx_connections_{name}") in gateway
    assert metrics.total(change["gateway"], "nginx_http_requests_total") >= 1000
    accepted = metrics.total(gateway, "nginx_connections_accepted_total")
    assert metrics.total(gateway, "nginx_connections_handled_total") == accepted > 0


# ---- formats


def expositions(system, accept=None):
    for program in system.programs:
        with Client(system.port_of(program), traced=False) as client:
            yield program, client.get("/metrics", [("Accept", accept)] if accept else [])


@pytest.mark.parametrize("accept,expected", [
    (None, metrics.TEXT), ("*/*", metrics.TEXT), ("text/plain", metrics.TEXT), ("text/html, */*;q=0.1", metrics.TEXT),
    ("application/openmetrics-text", metrics.OPENMETRICS),
    ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
     "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
     metrics.OPENMETRICS),
    ("application/openmetrics-text;q=0,text/plain", metrics.TEXT),
    ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1", metrics.TEXT),
])
def test_content_negotiation(thousand, system, accept, expected):
    for program, answer in expositions(system, accept):
        assert (answer.status, answer.header("Content-Type")) == (200, expected), program
        assert answer.body.endswith(b"# EOF\n") == (expected == metrics.OPENMETRICS)


def test_openmetrics_passes_the_parser(thousand, system):
    for program, answer in expositions(system, metrics.OPENMETRICS):
        families = metrics.families(answer.body.decode())
        assert {family.name for family in families} >= {"target", "process_cpu_seconds", HTTP}, program
        for family in families:
            assert family.documentation, (program, family.name)
            assert re.fullmatch("[a-z_]+", family.name), family.name


def test_both_formats_say_the_same(thousand, system):
    for (program, text), (_, om) in zip(expositions(system), expositions(system, metrics.OPENMETRICS)):
        names = {sample for sample, _ in metrics.samples(text.body.decode())}
        others = {sample.name for family in metrics.families(om.body.decode()) for sample in family.samples}
        assert names == others, program


def test_promtool_accepts_the_text(thousand, system):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    for program, answer in expositions(system):
        done = subprocess.run([promtool, "check", "metrics"], input=answer.body, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), program


def test_exemplars_lie_in_their_buckets_and_lead_to_traces(thousand, system):
    system.flush()
    seen = 0
    for program, answer in expositions(system, metrics.OPENMETRICS):
        for family in metrics.families(answer.body.decode()):
            lower = float("-inf")
            for sample in family.samples:
                if not sample.name.endswith("_bucket"):
                    assert sample.exemplar is None, (program, sample)
                    lower = float("-inf")
                    continue
                upper = float(sample.labels["le"])
                if sample.exemplar:
                    seen += 1
                    assert lower < sample.exemplar.value <= upper, (program, sample, lower)
                    labels = sample.exemplar.labels
                    assert set(labels) == {"trace_id", "span_id"}, labels
                    span = system.collector.find(labels["trace_id"], labels["span_id"])
                    assert span, f"{program} {sample}: the exemplar's span was not exported"
                    assert sample.exemplar.timestamp is None or \
                        abs(float(sample.exemplar.timestamp) - span.end / 1e9) < 5, (sample, span)
                lower = -float("inf") if upper == float("inf") else upper
    assert seen > 20, seen


def test_unsampled_requests_leave_no_exemplar(system):
    trace_id = uuid.uuid4().hex
    for _ in range(5):
        system.gateway.get("/api/v1/users/1", [("traceparent", f"00-{trace_id}-{'1' * 16}-00")])
    for program, answer in expositions(system, metrics.OPENMETRICS):
        assert trace_id not in answer.body.decode(), program


def test_no_client_can_grow_the_series(thousand, system):
    def series(program):
        return {sample for sample in system.scrape(program) if sample[0] == f"{HTTP}_count"}
    system.flush()
    before = {program: series(program) for program in system.programs}
    for number in range(50):
        system.gateway.get(f"/{uuid.uuid4().hex}")
        system.gateway.get(f"/api/v1/users/1/{uuid.uuid4().hex}")
        answer = system.gateway.request("M" + chr(ord("A") + number % 26) * (1 + number // 26), "/api/v1/users/1")
    system.trace(answer)
    for program in system.programs:
        grown = series(program) - before[program]
        assert len(grown) <= 3, (program, grown)
