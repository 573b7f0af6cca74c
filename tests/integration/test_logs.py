# SPDX-License-Identifier: MIT
"""Logs: valid JSON whatever a client sends, a trace's lines in every service, no line lost over rotation."""
import random
import threading
import uuid

import pytest

from lib import logs
from lib.client import Client, raw
from lib.system import SERVICES
from lib.wait import wait_until

ALL = ("api-gateway", *SERVICES.values())


def check_all(system):
    for path in system.log_files():
        entries, errors = logs.read(path)
        assert not errors, f"{path.name}: {errors[:3]}"
        assert entries or path.name == "gateway-shipper.log", path
    return system.log_files()


def test_a_trace_id_finds_its_lines_in_every_service(system):
    answer = system.gateway.post("/api/v1/orders", {"user_id": 1, "product": "Tea", "amount": 1})
    assert answer.status == 201
    spans = {(span.service, span.span_id): span for span in system.trace(answer)}
    for service in ALL:
        lines = system.wait_log(service, lambda line: line.get("trace_id") == answer.trace_id
                                and line["msg"] == "request", "of the order")
        assert len(lines) == 1
        line, = lines
        assert line["service"] == service and line["level"] == "info" and line["trace_flags"] == "03"
        assert spans[service, line["span_id"]].kind == "SERVER"
        if service != "user-service":
            assert (line["method"], line["status"]) == ("POST", 201), line
        assert line["duration_ms"] >= 0 and line["path"] and line["route"]


def test_the_gateways_line(system):
    answer = system.gateway.get("/api/v1/users/1?x=%C3%A9&secret", [("User-Agent", 'a "quoted\\" agent')])
    line, = system.wait_log("api-gateway", lambda line: line.get("trace_id") == answer.trace_id, "of the request")
    assert list(line) == (
        "ts level service msg trace_id span_id trace_flags trace_state trace_resampled parent_span_id client_span_id "
        "method route path query status duration_ms up_addr up_status up_time up_start host port scheme client "
        "user_agent protocol bytes_in bytes_out msec").split()
    assert (line["method"], line["route"], line["path"], line["query"], line["status"]) == (
        "GET", "/api/v1/users/{id}", "/api/v1/users/1", "x=%C3%A9&secret", 200)
    assert line["user_agent"] == 'a "quoted\\" agent' and line["port"] == system.ports["gateway"]
    assert isinstance(line["bytes_in"], int) and isinstance(line["duration_ms"], (int, float))


def test_levels_follow_the_status(system):
    fine = system.gateway.get("/api/v1/users/1")
    refused = system.gateway.get("/api/v1/users/9007199254740991")
    for answer, level in ((fine, "info"), (refused, "warn")):
        line, = system.wait_log("api-gateway", lambda line: line.get("trace_id") == answer.trace_id, "of the request")
        assert line["level"] == level


def garbage(seed=3):
    """What may come to a port: broken text in every part of a request, TLS, control characters, noise."""
    source = random.Random(seed)
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(source.randrange(256) for _ in range(500))
    for bad in (b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80",
                b"\x01\x02\x1f\x7f", b"\x1b[31mred\x1b[0m", b'"},{"level":"error"', b"\\", b"\\u0000",
                b"%00%0a%0d%ff", b"\xef\xbf\xbe", "\u2028\u0085".encode(), b"\xf0\x9f\x98\x80"):
        yield b"GET /api/v1/users/1?q=" + bad + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        yield b"GET /api/v1/users/" + bad + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        yield b"GET /" + bad + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        for header in (b"User-Agent", b"Host", b"traceparent", b"tracestate", b"baggage", b"Content-Type", b"Accept",
                       b"Idempotency-Key", b"X-Forwarded-For", bad):
            host = b"" if header == b"Host" else b"Host: a\r\n"
            yield (b"GET /api/v1/users/1 HTTP/1.1\r\n" + host + header + b": " + bad + b"\r\nConnection: close\r\n\r\n")
        yield bad + b" /api/v1/users HTTP/1.1\r\nHost: a\r\n\r\n"
        body = b'{"name":"' + bad + b'","email":"' + bad + b'@x","' + bad + b'":1}'
        for path in (b"users", b"orders"):
            yield (b"POST /api/v1/" + path + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   b"Connection: close\r\nIdempotency-Key: k" + bad + b"\r\n"
                   b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
    for _ in range(100):
        yield bytes(source.randrange(256) for _ in range(source.randrange(1, 400)))


def test_every_line_is_json_whatever_was_sent(system):
    sent = 0
    for data in garbage():
        for port in ("gateway", "users") if sent % 4 == 0 else ("gateway",):
            received = raw(system.ports[port], data, half_close=True)
            assert not received.startswith((b"HTTP/1.1 500", b"HTTP/1.1 502", b"HTTP/1.1 504")), (data, received)
        sent += 1
    answer = system.gateway.get("/api/v1/users/1")
    assert answer.status == 200
    for service in ("api-gateway", "user-service"):
        system.wait_log(service, lambda line: line.get("trace_id") == answer.trace_id, "of the last request")
    system.trace(answer)
    check_all(system)


def test_forged_lines_do_not_enter_the_log(system):
    marker = uuid.uuid4().hex
    forged = f'x","trace_id":"{marker}"}}%0a{{"ts":"{marker}'
    raw(system.ports["gateway"], f'GET /api/v1/users/1?{forged} HTTP/1.1\r\nHost: a\r\nUser-Agent: {forged}\r\n'
                                 "Connection: close\r\n\r\n".encode())
    lines = system.wait_log("api-gateway", lambda line: marker in line.get("query", ""), "with the marker")
    assert len(lines) == 1 and lines[0]["trace_id"] != marker


def test_rotation_loses_no_line(make_system):
    """Rename and SIGUSR1 under load, three times: every answer has its line, every span is shipped once."""
    system = make_system("rotated")
    stop, answers = threading.Event(), []

    def load():
        with Client(system.ports["gateway"]) as client:
            while not stop.is_set():
                answers.append(client.get("/api/v1/users/1"))
    workers = [threading.Thread(target=load) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for rotation in range(1, 4):
            enough = len(answers) + 100
            wait_until(lambda: len(answers) >= enough, "no traffic")
            for path in list(system.log.glob("*.log")):
                path.rename(f"{path}.{rotation}")
            system.ctl("reopen-logs")
            wait_until(lambda: all((system.log / f"{name}.log").exists()
                                   for name in ("api-gateway", "user-service", "gateway-shipper")), "reopened logs")
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert all(answer.status == 200 for answer in answers)
    wanted = sorted(answer.trace_id for answer in answers)

    def logged(service):
        return sorted(line["trace_id"] for path in system.log.glob(f"{service}.log*") for line in logs.read(path)[0]
                      if line["msg"] == "request")
    for service in ("api-gateway", "user-service"):
        wait_until(lambda: len(logged(service)) >= len(wanted), f"{service}: lines")
        assert logged(service) == wanted, service
    for answer in answers:
        system.collector.wait_span(answer.trace_id, answer.span_id)
    make_system.finish(system)


@pytest.mark.parametrize("level,expected", [("warn", {"warn", "error"}), ("error", {"error"})])
def test_the_log_level_is_a_threshold(make_system, level, expected):
    system = make_system(f"level-{level}", environment={"LOG_LEVEL": level})
    system.gateway.get("/api/v1/users/1")
    system.gateway.get("/api/v1/users/9007199254740991")
    system.flush()
    make_system.finish(system)
    for service in SERVICES.values():
        assert {line["level"] for line in system.log_lines(service)} <= expected
