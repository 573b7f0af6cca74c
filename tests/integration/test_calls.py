# SPDX-License-Identifier: MIT
"""How a program calls other services: kept connections, time-outs, answers that are none, what is passed on."""
import json
import time
from pathlib import Path

import pytest

from lib import logs, metrics
from lib.ports import closed_port
from lib.program import PARAMS, STDIN, begin, pairs, params_of, stream
from lib.service import Service
from lib.wait import SLOWNESS, wait_until

ORDER = b'{"user_id":1,"product":"Tea","amount":9.9}'


def order(program, **options):
    started = time.monotonic()
    answer = program.ask(method="POST", path="/api/v1/orders", body=ORDER, **options)
    return answer, time.monotonic() - started


def calls(program):
    """{(method, status): count} of the client's histogram."""
    values = metrics.samples(program.ask(path="/metrics").body.decode())
    labels = ("http_request_method", "http_response_status_code")
    return metrics.by_label(values, "http_client_request_duration_seconds_count", *labels)


def orders_of(program, service, sampler="always_off"):
    """The orders program, one thread, so that its calls share connections; the relay stays out of the way."""
    return program("orders", WORKER_THREADS="1", USERS_URL=service.url, NOTIFICATIONS_URL=service.url,
                   OTEL_SDK_DISABLED="false", OTEL_TRACES_SAMPLER=sampler)


def test_connections_are_kept(program):
    with Service() as service:
        orders = orders_of(program, service)
        for _ in range(5):
            assert order(orders)[0].status == 201
        assert [(number, head.split()[0]) for number, head, _ in service.requests] == [(1, "GET"), (1, "POST")] * 5
        assert calls(orders) == {("GET", "200"): 5, ("POST", "200"): 5}


@pytest.mark.parametrize("closes", ("after", "before"))
def test_a_kept_connection_that_was_closed_fails_no_call(program, closes):
    """"before": when the request is already sent, so that libcurl has to send it again, also a POST."""
    with Service(closes=closes) as service:
        orders = orders_of(program, service)
        for _ in range(5):
            answer, _ = order(orders)
            assert (answer.status, json.loads(answer.body)["notification"]) == (201, "sent")
        assert [head.split()[0] for _, head, _ in service.requests] == ["GET", "POST"] * 5
        assert [number for number, *_ in service.requests] == list(range(1, 11))


@pytest.mark.parametrize("status, expected", [(404, 422), (400, 503), (500, 503), (503, 503), (302, 503), (204, 503)])
def test_statuses(program, status, expected):
    reply = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n".encode()
    with Service(reply) as service:
        orders = orders_of(program, service)
        answer, _ = order(orders)
        assert answer.status == expected
        assert len(service.requests) == 1  # no redirect is followed, no call is tried again
        assert calls(orders) == {("GET", str(status)): 1}


@pytest.mark.parametrize("reply", [b"", b"\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200", b"HTTP/1.1 999999 X\r\n\r\n",
                                   b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
                                   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
                         ids=["nothing", "empty", "ssh", "cut_head", "status", "cut_body", "chunk"])
def test_answers_that_are_none(program, reply):
    with Service(reply, closes="after") as service:
        orders = orders_of(program, service)
        answer, seconds = order(orders)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert seconds < 2.5 * SLOWNESS
        assert calls(orders) == {("GET", ""): 1}


@pytest.mark.parametrize("reply", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1000000,
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 100000,
], ids=["fits", "endless", "unannounced"])
def test_large_answers_are_answers(program, reply):
    with Service(reply, closes="after") as service:
        assert order(orders_of(program, service))[0].status == 201


def test_nobody_listens(program):
    port, holder = closed_port()
    url = f"http://127.0.0.1:{port}"
    orders = program("orders", USERS_URL=url, OTEL_SDK_DISABLED="false", OTEL_TRACES_SAMPLER="always_off")
    answer, seconds = order(orders)
    holder.close()
    assert answer.status == 503 and seconds < 1 * SLOWNESS
    assert calls(orders) == {("GET", ""): 1}
    orders.terminate()
    orders.wait()
    line, = (line for line in logs.read(orders.log)[0] if line["msg"] == "call failed")
    assert (line["peer"], line["error"], line["trace_id"]) == (
        "users", "connection_refused", answer.headers["X-Trace-Id"])


def test_time_outs_add_up_to_less_than_the_budget(program):
    with Service(None) as silent, Service(seconds=0.7) as slow:
        orders = program("orders", CALL_TIMEOUT_MS="500", USERS_URL=silent.url, NOTIFICATIONS_URL=silent.url)
        answer, seconds = order(orders)
        assert answer.status == 503 and 0.45 < seconds < 2 * SLOWNESS
        orders = program("orders", CALL_TIMEOUT_MS="2000", USERS_URL=slow.url, NOTIFICATIONS_URL=silent.url)
        answer, seconds = order(orders)
        assert (answer.status, json.loads(answer.body)["notification"]) == (201, "pending")
        assert 2.65 < seconds < 4 * SLOWNESS


def test_a_drip_is_no_answer(program):
    """One byte now and then keeps no call alive past its time-out."""
    class Drip(Service):
        def reply(self, connection, number, served, request):
            for _ in range(100):
                connection.sendall(b"H")
                time.sleep(0.05)
            return False

    with Drip() as service:
        answer, seconds = order(program("orders", CALL_TIMEOUT_MS="500", USERS_URL=service.url))
        assert answer.status == 503 and seconds < 3 * SLOWNESS


def test_passes_the_context_on(program):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    context = [("HTTP_TRACEPARENT", parent), ("HTTP_TRACESTATE", "a=1,b=2"), ("HTTP_TRACESTATE", "c=3"),
               ("HTTP_BAGGAGE", "user=ada;p=1,x=%20")]
    with Service() as service:
        order(orders_of(program, service), extra=context)
        assert len(service.requests) == 2
        for _, head, _ in service.requests:
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            version, trace_id, span_id, _ = headers["traceparent"].split("-")
            assert (version, trace_id) == ("00", parent[3:35]) and span_id != parent[36:52]
            assert headers["tracestate"] == "a=1,b=2,c=3"
            assert headers["baggage"] == "user=ada;p=1,x=%20"


@pytest.mark.parametrize("context, expected", [
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "0")], None),  # the gateway has started a new trace
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "1")], "a=1"),
    ([("HTTP_TRACE_VALID", "0")], "a=1"),
    # that of a new trace is the gateway's own, and no other's
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "0"), ("TRACE_STATE", "")], None),
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "0"), ("TRACE_STATE", "ot=th:8")], "ot=th:8"),
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "1"), ("TRACE_STATE", "ot=th:8")], "a=1"),
    ([("TRACE_VALID", "0"), ("TRACE_STATE", "ot=th:8")], "a=1"),
    # decided by something else than the trace id, which the gateway alone can say
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "1"), ("TRACE_RESAMPLED", "1"), ("HTTP_TRACESTATE", "ot=th:8;x:1")],
     "ot=x:1,a=1"),
    ([("APM_GATEWAY", "1"), ("TRACE_VALID", "1"), ("TRACE_RESAMPLED", "0"), ("HTTP_TRACESTATE", "ot=th:8")],
     "ot=th:8,a=1"),
    ([("TRACE_RESAMPLED", "1"), ("HTTP_TRACESTATE", "ot=th:8")], "ot=th:8,a=1"),
])
def test_the_gateway_says_whose_the_tracestate_is(program, context, expected):
    context = context + [("HTTP_TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
                         ("HTTP_TRACESTATE", "a=1")]
    with Service() as service:
        order(orders_of(program, service, "parentbased_always_off"), extra=context)
        heads = [head.lower() for _, head, _ in service.requests]
        assert [f"tracestate: {expected}" in head for head in heads] == [expected is not None] * 2
        assert [("tracestate" in head) for head in heads] == [expected is not None] * 2


def test_two_traceparents_start_a_new_trace(program):
    one, two = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")
    with Service() as service:
        order(orders_of(program, service), extra=[("HTTP_TRACEPARENT", one), ("HTTP_TRACEPARENT", two)])
        assert not any("1" * 32 in head or "2" * 32 in head for _, head, _ in service.requests)


def test_control_bytes_become_no_header(program):
    with Service() as service:
        context = [("HTTP_TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                   ("HTTP_TRACESTATE", "a=1\r\nX-Injected: 1"), ("HTTP_BAGGAGE", "b=2\r\nX-Injected: 1")]
        order(orders_of(program, service), extra=context)
        assert len(service.requests) == 2
        assert not any("injected" in head.lower() for _, head, _ in service.requests)


def test_proxies_are_not_asked(program):
    with Service() as service, Service() as proxy:
        orders = program("orders", USERS_URL=service.url, NOTIFICATIONS_URL=service.url, http_proxy=proxy.url,
                         HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url)
        assert order(orders)[0].status == 201
        assert len(service.requests) == 2 and not proxy.requests


def test_credentials_of_a_url_stay_out_of_telemetry(program):
    with Service() as service:
        url = service.url.replace("//", "//name:secret@")
        orders = program("orders", USERS_URL=url, NOTIFICATIONS_URL=url + "/", OTEL_SDK_DISABLED="false")
        assert order(orders)[0].status == 201
        exposed = orders.ask(path="/metrics").body.decode()
        assert 'server_address="127.0.0.1"' in exposed and "secret" not in exposed
        assert [head.split()[1] for _, head, _ in service.requests] == ["/api/v1/users/1", "/api/v1/notifications"]


needs_ipv6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists() or not Path("/proc/net/if_inet6").read_text(),
                                reason="this machine has no IPv6")


@needs_ipv6
def test_ipv6_addresses_have_brackets_in_urls_alone(program, collector):
    with Service(host="::1") as service:
        orders = program("orders", USERS_URL=service.url, NOTIFICATIONS_URL=service.url, OTEL_SDK_DISABLED="false",
                         OTEL_BSP_SCHEDULE_DELAY="50", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
        params = dict(params_of("POST", "/api/v1/orders", ORDER)) | {"SERVER_NAME": "[2001:db8::1]",
                                                                     "REMOTE_ADDR": "2001:db8::7"}
        connection = orders.connect()
        connection.send(begin(False) + stream(PARAMS, pairs(params.items())) + stream(STDIN, ORDER))
        answer = connection.answer()
        assert answer.status == 201
        exposed = orders.ask(path="/metrics").body.decode()
        assert 'server_address="::1"' in exposed and "[::1]" not in exposed
        assert f"Host: [::1]:{service.port}" in service.requests[0][1].split("\r\n")
        spans = wait_until(lambda: [span for span in collector.spans(answer.headers["X-Trace-Id"])
                                    if "url.full" in span.attributes or span.kind == "SERVER"][2:] and
                           collector.spans(answer.headers["X-Trace-Id"]), "not all spans came")
        for span in spans:
            if "url.full" in span.attributes:
                path = "/api/v1/users/1" if span.name == "GET" else "/api/v1/notifications"
                assert span.attributes["url.full"] == f"http://[::1]:{service.port}{path}"
                assert span.attributes["server.address"] == "::1"
                assert span.attributes["server.port"] == service.port
            elif span.kind == "SERVER":
                assert span.attributes["client.address"] == "2001:db8::7"
                assert span.attributes["server.address"] == "2001:db8::1"


@needs_ipv6
def test_a_collector_may_have_an_ipv6_address(program):
    with Service(host="::1") as collector:
        users = program("users", OTEL_SDK_DISABLED="false", OTEL_BSP_SCHEDULE_DELAY="50",
                        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        users.ask(path="/api/v1/users/1")
        assert collector.asked.acquire(timeout=10 * SLOWNESS)
        head = collector.requests[0][1].split("\r\n")
        assert head[0] == "POST /v1/traces HTTP/1.1" and f"Host: [::1]:{collector.port}" in head
