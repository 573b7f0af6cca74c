# SPDX-License-Identifier: MIT
"""Traces: their exact shape, their nesting in time, names and attributes of the semantic conventions."""
import json
import uuid
from urllib.parse import urlsplit

import pytest

from lib import trees
from lib.client import parse_raw, raw
from lib.system import ROOT, SERVICES
from lib.wait import wait_until

GATEWAY, USERS, ORDERS, NOTIFICATIONS = "api-gateway", "user-service", "order-service", "notification-service"
VERSION = (ROOT / "fcgi/VERSION").read_text().strip()

# The whole tree of an order, siblings in order of start: no span more, none less.
ORDER_TREE = (
    (GATEWAY, "SERVER", "POST /api/v1/orders", (
        (GATEWAY, "CLIENT", "POST", (
            (ORDERS, "SERVER", "POST /api/v1/orders", (
                (ORDERS, "CLIENT", "GET", (
                    (USERS, "SERVER", "GET /api/v1/users/{id}", (
                        (USERS, "CLIENT", "SELECT users", ()),
                    )),
                )),
                (ORDERS, "CLIENT", "INSERT orders", ()),
                (ORDERS, "CLIENT", "POST", (
                    (NOTIFICATIONS, "SERVER", "POST /api/v1/notifications", (
                        (NOTIFICATIONS, "CLIENT", "INSERT notifications", ()),
                    )),
                )),
            )),
        )),
    )),
)

ATTRIBUTES = set("""
    http.request.method http.request.method_original http.request.resend_count http.route url.path url.scheme url.query
    url.full http.response.status_code error.type server.address server.port client.address user_agent.original
    network.protocol.version network.protocol.name network.transport
    db.system.name db.namespace db.collection.name db.operation.name db.query.text db.response.status_code
    order.id user.id notification.id
    """.split())

ORDER = {"user_id": 1, "product": "测试商品", "amount": 99.99}


def order_of(api, headers=(), **fields):
    answer = api.post("/api/v1/orders", ORDER | fields, headers)
    assert answer.status == 201, answer
    return answer


def through_gateway(service, method, route, *children):
    return ((GATEWAY, "SERVER", f"{method} {route}", (
        (GATEWAY, "CLIENT", method, ((service, "SERVER", f"{method} {route}", children),)),)),)


def traceparent(flags="01"):
    return uuid.uuid4().hex, uuid.uuid4().hex[:16], flags


def header_of(trace_id, span_id, flags):
    return "traceparent", f"00-{trace_id}-{span_id}-{flags}"


@pytest.fixture(scope="module")
def order_trace(system):
    """One order as the README's curl sends it, and its trace."""
    answer = order_of(system.gateway, [("User-Agent", "curl/7.88.1")])
    return answer, system.trace(answer)


def test_the_tree_of_an_order(order_trace):
    answer, spans = order_trace
    trees.check_shape(spans, ORDER_TREE)
    trees.check_nesting(spans)
    root = trees.only(spans, GATEWAY, "SERVER")
    assert (root.trace_id, root.span_id, root.parent_id) == (answer.trace_id, answer.span_id, "")


def test_children_nest_in_time_in_every_order(system):
    answers = [order_of(system.gateway) for _ in range(100)]
    for answer in answers:
        system.collector.wait_span(answer.trace_id, answer.span_id)
    system.flush()
    for answer in answers:
        spans = system.collector.spans(answer.trace_id)
        trees.check_shape(spans, ORDER_TREE)
        trees.check_nesting(spans)


def test_a_slow_client_does_not_upset_the_nesting(system):
    """The gateway reads the whole body before it calls: its CLIENT span starts then, not when the request came."""
    body = json.dumps(ORDER).encode()
    head = (b"POST /api/v1/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body))
    answer = parse_raw(raw(system.ports["gateway"], head, body, pause=1))
    assert answer.status == 201
    spans = system.trace(answer)
    trees.check_shape(spans, ORDER_TREE)
    trees.check_nesting(spans)
    server, client = trees.only(spans, GATEWAY, "SERVER"), trees.only(spans, GATEWAY, "CLIENT")
    assert client.start - server.start > 0.25e9


def test_ids_of_the_gateway_come_from_the_request_id(order_trace):
    """The trace id of a new trace is random; its halves are the ids of the gateway's spans."""
    _, spans = order_trace
    server, client = trees.only(spans, GATEWAY, "SERVER"), trees.only(spans, GATEWAY, "CLIENT")
    assert server.span_id + client.span_id == server.trace_id


def test_attributes_of_the_gateways_spans(order_trace, system):
    _, spans = order_trace
    server, client = trees.only(spans, GATEWAY, "SERVER"), trees.only(spans, GATEWAY, "CLIENT")
    expected = {
        "http.request.method": "POST",
        "http.route": "/api/v1/orders",
        "url.path": "/api/v1/orders",
        "url.scheme": "http",
        "http.response.status_code": 201,
        "server.address": "127.0.0.1",
        "server.port": system.ports["gateway"],
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/7.88.1",
        "network.protocol.version": "1.1",
    }
    assert expected.items() <= server.attributes.items(), server.attributes
    assert client.attributes["http.request.method"] == "POST"
    assert client.attributes["http.response.status_code"] == 201
    assert client.attributes["server.address"], client.attributes


def test_attributes_of_a_server_span(order_trace):
    answer, spans = order_trace
    server = trees.only(spans, ORDERS, "SERVER")
    expected = {
        "http.request.method": "POST",
        "http.route": "/api/v1/orders",
        "url.path": "/api/v1/orders",
        "url.scheme": "http",
        "http.response.status_code": 201,
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/7.88.1",
        "order.id": answer.json()["id"],
    }
    assert expected.items() <= server.attributes.items(), server.attributes
    assert "url.query" not in server.attributes and "error.type" not in server.attributes


def test_attributes_of_a_client_span(order_trace, system):
    _, spans = order_trace
    client = trees.only(spans, ORDERS, "CLIENT", "GET")
    expected = {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": system.ports["users"],
        "url.full": f"http://127.0.0.1:{system.ports['users']}/api/v1/users/1",
    }
    assert expected.items() <= client.attributes.items(), client.attributes


def test_attributes_of_a_database_span(order_trace):
    _, spans = order_trace
    for service, database, operation, table in ((USERS, "users", "SELECT", "users"),
                                                (ORDERS, "orders", "INSERT", "orders"),
                                                (NOTIFICATIONS, "notifications", "INSERT", "notifications")):
        span = trees.only(spans, service, "CLIENT", f"{operation} {table}")
        assert span.attributes["db.system.name"] == "sqlite"
        assert database in span.attributes["db.namespace"]
        assert span.attributes["db.operation.name"] == operation
        assert span.attributes["db.collection.name"] == table
        text = span.attributes["db.query.text"]
        assert text.startswith(operation) and "?" in text and "测试" not in text, text


def test_only_known_attributes_and_no_secrets(order_trace, system):
    secret = uuid.uuid4().hex
    answer = system.gateway.post("/api/v1/users", {"name": secret, "email": f"{secret}@example.com"},
                                 [("Authorization", f"Bearer {secret}"), ("Cookie", f"session={secret}")])
    assert answer.status == 201
    order = order_of(system.gateway, [("Idempotency-Key", f'"{secret}"')], product=secret)
    for span in order_trace[1] + system.trace(answer) + system.trace(order):
        assert set(span.attributes) <= ATTRIBUTES, span.attributes
        assert secret not in repr(span)
    for path in system.log_files():
        assert secret not in path.read_text(), path


def test_the_resource_of_every_service(order_trace):
    _, spans = order_trace
    instances = {}
    for span in spans:
        resource = span.resource
        expected = {
            "service.name": span.service,
            "service.namespace": "apm",
            "service.version": VERSION,
            "deployment.environment.name": "test",
            "telemetry.sdk.language": "c",
            "test.team": "blue whale",
        }
        assert expected.items() <= resource.items(), resource
        assert resource["telemetry.sdk.name"] and resource["telemetry.sdk.version"]
        instances.setdefault(span.service, set()).add(resource["service.instance.id"])
        assert span.scope
        assert span.schema_url.startswith("https://opentelemetry.io/schemas/1."), span.schema_url
    assert set(instances) == {GATEWAY, *SERVICES.values()}
    assert all(len(ids) == 1 for ids in instances.values()), instances
    assert len(set.union(*instances.values())) == 4, instances


def test_flags_say_whether_the_parent_is_remote(order_trace, system):
    _, spans = order_trace
    for span in spans:
        remote = span.kind == "SERVER" and span.service != GATEWAY
        assert span.flags == (0x303 if remote else 0x103), (str(span), hex(span.flags))
    parent = traceparent("01")
    answer = system.gateway.get("/api/v1/users/1", [header_of(*parent)])
    for span in system.trace(answer):
        assert span.flags == (0x301 if span.kind == "SERVER" else 0x101), (str(span), hex(span.flags))


GETS = [
    ("/api/v1/users/1", USERS, "/api/v1/users/{id}", [("SELECT", "users")]),
    ("/api/v1/users?limit=2", USERS, "/api/v1/users", [("SELECT", "users")]),
    ("/api/v1/orders?status=created&limit=1", ORDERS, "/api/v1/orders", [("SELECT", "orders")]),
    ("/api/v1/orders/1", ORDERS, "/api/v1/orders/{id}", [("SELECT", "orders")]),
    ("/api/v1/notifications", NOTIFICATIONS, "/api/v1/notifications", [("SELECT", "notifications")]),
    ("/api/v1/notifications/1", NOTIFICATIONS, "/api/v1/notifications/{id}", [("SELECT", "notifications")]),
]


@pytest.mark.parametrize("target,service,route,statements", GETS, ids=[row[0] for row in GETS])
def test_the_tree_of_a_get(system, target, service, route, statements):
    answer = system.gateway.get(target)
    assert answer.status == 200
    spans = system.trace(answer)
    queries = tuple((service, "CLIENT", f"{operation} {table}", ()) for operation, table in statements)
    trees.check_shape(spans, through_gateway(service, "GET", route, *queries))
    trees.check_nesting(spans)
    parts = urlsplit(target)
    for span in spans:
        if span.kind == "SERVER":
            assert span.attributes["url.path"] == parts.path
            assert span.attributes.get("url.query", "") == parts.query


def test_the_trees_of_writes(system):
    api = system.gateway
    created = api.post("/api/v1/users", {"name": "x", "email": f"{uuid.uuid4().hex}@example.com"})
    path, route = created.header("Location"), "/api/v1/users/{id}"
    changed, deleted = api.patch(path, {"name": "y"}), api.delete(path)
    order = order_of(api)
    cancelled = api.patch(order.header("Location"), {"status": "cancelled"})
    assert [answer.status for answer in (created, changed, deleted, cancelled)] == [201, 200, 204, 200]
    for answer, service, method, template, statement in (
            (created, USERS, "POST", "/api/v1/users", "INSERT users"),
            (changed, USERS, "PATCH", route, "UPDATE users"),
            (deleted, USERS, "DELETE", route, "DELETE users"),
            (cancelled, ORDERS, "PATCH", "/api/v1/orders/{id}", "UPDATE orders")):
        spans = system.trace(answer)
        trees.check_shape(spans, through_gateway(service, method, template, (service, "CLIENT", statement, ())))
        trees.check_nesting(spans)


# ---- errors


def statuses(spans):
    return {(span.service, span.kind): span.status for span in spans if not span.name.split()[0].isupper()
            or span.kind == "SERVER" or "http.request.method" in span.attributes}


def test_a_404_leaves_the_server_unset_and_fails_the_client(system):
    answer = system.gateway.get("/api/v1/users/9007199254740991")
    assert answer.status == 404
    spans = system.trace(answer)
    trees.check_shape(spans, through_gateway(USERS, "GET", "/api/v1/users/{id}", (USERS, "CLIENT", "SELECT users", ())))
    assert trees.only(spans, GATEWAY, "SERVER").status == 0
    assert trees.only(spans, USERS, "SERVER").status == 0
    client = trees.only(spans, GATEWAY, "CLIENT")
    assert (client.status, client.attributes["error.type"]) == (2, "404")
    assert trees.only(spans, USERS, "CLIENT").status == 0
    assert all("error.type" not in span.attributes for span in spans if span is not client)


def test_an_unknown_user_makes_a_422(system):
    answer = system.gateway.post("/api/v1/orders", ORDER | {"user_id": 9007199254740991})
    assert answer.status == 422
    spans = system.trace(answer)
    trees.check_shape(spans, through_gateway(
        ORDERS, "POST", "/api/v1/orders",
        (ORDERS, "CLIENT", "GET", ((USERS, "SERVER", "GET /api/v1/users/{id}", (
            (USERS, "CLIENT", "SELECT users", ()),)),))))
    trees.check_nesting(spans)
    call = trees.only(spans, ORDERS, "CLIENT")
    assert (call.status, call.attributes["error.type"], call.attributes["http.response.status_code"]) == (2, "404", 404)
    assert trees.only(spans, ORDERS, "SERVER").status == 0
    assert trees.only(spans, USERS, "SERVER").status == 0


def test_a_path_without_a_route(system):
    """The span's name must not grow with what clients invent: the method alone (semantic conventions, HTTP spans)."""
    for path in ("/api/v1/users/1/2/3", f"/{uuid.uuid4().hex}"):
        answer = system.gateway.get(path)
        assert answer.status == 404
        spans = system.trace(answer)
        for span in spans:
            assert span.name == "GET", str(span)
            assert "http.route" not in span.attributes, span.attributes
        trees.check_nesting(spans)


def test_a_strange_method_does_not_name_a_span(system):
    answer = system.gateway.request("BREW", "/api/v1/users")
    assert answer.status == 405
    for span in system.trace(answer):
        assert span.attributes["http.request.method"] == "_OTHER", span.attributes
        assert span.name.split()[0] == "HTTP", span.name


def test_a_request_that_is_no_http_has_a_span_too(system):
    answer = parse_raw(raw(system.ports["gateway"], b"NONSENSE\r\n\r\n"))
    assert answer.status == 400
    spans = system.trace(answer)
    assert [(span.kind, span.status) for span in spans] == [("SERVER", 0)]
    assert spans[0].attributes["http.response.status_code"] == 400


# ---- context: continued, sampled, passed on


def test_a_trace_is_continued(system):
    trace_id, span_id, flags = traceparent("01")
    answer = order_of(system.gateway, [header_of(trace_id, span_id, flags), ("tracestate", "vendor=a, other=b/c")])
    assert answer.trace_id == trace_id and answer.server_timing[2] == "01"
    spans = system.trace(answer)
    trees.check_shape(spans, ORDER_TREE)
    root = trees.only(spans, GATEWAY, "SERVER")
    assert root.parent_id == span_id and root.span_id == answer.span_id != span_id
    for span in spans:
        assert span.trace_state == "vendor=a,other=b/c", str(span)


def test_an_invalid_traceparent_drops_the_tracestate(system):
    answer = order_of(system.gateway, [("traceparent", "00-" + "0" * 32 + "-1234567890123456-01"),
                                       ("tracestate", "vendor=a")])
    spans = system.trace(answer)
    trees.check_shape(spans, ORDER_TREE)
    assert all(span.trace_state == "ot=th:0" for span in spans), "the new trace's own"


def test_an_invalid_tracestate_leaves_the_trace(system):
    trace_id, span_id, flags = traceparent("01")
    answer = order_of(system.gateway, [header_of(trace_id, span_id, flags), ("tracestate", "vendor=a,UPPER=b,=c")])
    assert answer.trace_id == trace_id
    assert all(span.trace_state == "" for span in system.trace(answer))


def test_a_service_port_continues_a_trace_without_the_gateway(system):
    trace_id, span_id, flags = traceparent("01")
    answer = system.client("users").get("/api/v1/users/1", [header_of(trace_id, span_id, flags)])
    assert answer.trace_id == trace_id
    spans = system.trace(answer)
    trees.check_shape(spans, ((USERS, "SERVER", "GET /api/v1/users/{id}", ((USERS, "CLIENT", "SELECT users", ()),)),))
    assert trees.only(spans, USERS, "SERVER").parent_id == span_id


def test_an_unsampled_trace_is_propagated_and_logged_but_not_exported(system):
    trace_id, span_id, _ = traceparent()
    answer = order_of(system.gateway, [header_of(trace_id, span_id, "00")])
    assert answer.trace_id == trace_id and answer.server_timing[2] == "00"
    for service in (GATEWAY, *SERVICES.values()):
        lines = system.wait_log(service, lambda line: line.get("trace_id") == trace_id, "of the unsampled trace")
        assert {line["trace_flags"] for line in lines} == {"00"}
    after = order_of(system.gateway)
    system.trace(after)  # this later one has arrived, so would the earlier have
    assert system.collector.spans(trace_id) == []


def test_health_and_metrics_make_no_spans(system):
    before = len(system.collector.spans())
    system.flush()
    before = len(system.collector.spans())
    for path in ("/healthz", "/readyz"):
        assert system.gateway.get(path).status == 200
    for program in system.programs:
        system.scrape(program)
    answer = system.gateway.get("/api/v1/users/1")
    system.trace(answer)
    assert len(system.collector.spans()) - before == 4


def test_sampling_none(make_system):
    """TRACE_SAMPLE_PERCENT=0: nothing is exported, but what a caller has sampled is."""
    unsampled = make_system("unsampled", environment={"TRACE_SAMPLE_PERCENT": "0"})
    for _ in range(20):
        assert order_of(unsampled.gateway).server_timing[2] == "02"
    trace_id, span_id, _ = traceparent()
    answer = order_of(unsampled.gateway, [header_of(trace_id, span_id, "01")])
    trees.check_shape(unsampled.trace(answer), ORDER_TREE)
    assert set(unsampled.collector.by_trace) == {trace_id}
    make_system.finish(unsampled)


def test_telemetry_off(make_system):
    """OTEL_SDK_DISABLED: no spans; ids go on being propagated and logged."""
    off = make_system("off", environment={"OTEL_SDK_DISABLED": "true"})
    trace_id, span_id, flags = traceparent("01")
    answer = order_of(off.gateway, [header_of(trace_id, span_id, flags)])
    assert answer.trace_id == trace_id
    for service in (GATEWAY, *SERVICES.values()):
        off.wait_log(service, lambda line: line.get("trace_id") == trace_id, "of the trace")
    make_system.finish(off)
    assert off.collector.requests == 0


def test_export_settings_of_the_specification(make_system):
    """Compression, headers, small batches, a name."""
    system = make_system("settings", environment={
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20token,x-scope=team", "OTEL_SERVICE_NAME": "one-for-all"})
    answer = order_of(system.gateway)
    spans = wait_until(lambda: (found := system.trace(answer)) and len(found) == 10 and found, "10 spans")
    assert system.collector.encodings == {"gzip"}
    assert system.collector.headers["Authorization"] == "Bearer token" and system.collector.headers["X-Scope"] == "team"
    assert {span.service for span in spans} == {"one-for-all"}
    make_system.finish(system)
