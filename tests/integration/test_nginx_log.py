# SPDX-License-Identifier: MIT
"""The access log: one line a request, valid UTF-8 and JSON, true, whatever came and whatever happened."""
import os
import random
import signal
import socket
import threading
import time
from datetime import datetime

import pytest

from lib import logs
from lib.client import Client, raw
from lib.fastcgi import Reply
from lib.nginx_alone import NginxAlone
from lib.wait import wait_until

KEYS = ["ts", "level", "service", "msg", "trace_id", "span_id", "trace_flags", "trace_state", "trace_resampled",
        "parent_span_id", "client_span_id", "method", "route", "path", "query", "status", "duration_ms", "up_addr",
        "up_status", "up_time", "up_start", "host", "port", "scheme", "client", "user_agent", "protocol", "bytes_in",
        "bytes_out", "msec"]
ROUNDING_MS = 2  # of two times that are each cut to milliseconds
NUMBERS = {"trace_resampled", "status", "duration_ms", "port", "bytes_in", "bytes_out"}


@pytest.fixture
def nginx(tmp_path):
    alone = NginxAlone(tmp_path).start()
    yield alone
    alone.close()


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def test_a_line(nginx):
    nginx.programs["users"].answer = lambda request: Reply(200, [("X-Apm-Route", "/api/v1/users/{id}")], b"x" * 1000)
    before = time.time()
    answer = nginx.raw("DELETE /api/v1/users/7?a=%20b&c HTTP/1.1\r\nHost: Example.org:99\r\nUser-Agent: 测试\r\n"
                       "Connection: close\r\n\r\n".encode())
    line = nginx.line(answer.trace_id)
    assert list(line) == KEYS
    assert {key for key, value in line.items() if isinstance(value, int)} == NUMBERS
    assert all(isinstance(line[key], str) for key in set(KEYS) - NUMBERS)
    expected = {"level": "info", "service": "api-gateway", "msg": "request", "trace_flags": "03", "parent_span_id": "",
                "trace_state": "ot=th:0", "trace_resampled": 0,
                "method": "DELETE", "route": "/api/v1/users/{id}", "path": "/api/v1/users/7", "query": "a=%20b&c",
                "status": 200, "up_status": "200", "up_addr": f"unix:{nginx.run}/users.sock", "host": "example.org",
                "port": nginx.ports["gateway"], "scheme": "http", "client": "127.0.0.1", "user_agent": "测试",
                "protocol": "HTTP/1.1"}
    assert {key: line[key] for key in expected} == expected
    assert before - 1 < float(line["msec"]) < time.time() + 1
    stamp = datetime.fromisoformat(line["ts"])
    assert abs(stamp.timestamp() - float(line["msec"])) < 0.0005 and line["ts"].endswith("Z")
    assert line["bytes_out"] > 1000 and line["bytes_in"] > 80


def test_health_is_not_logged(nginx):
    for path in ("/healthz", "/readyz", "/healthz?a", "/readyz?a"):
        assert nginx.get(path).status == 200
        assert nginx.request("POST", path).status in (200, 405)
    for name in ("users", "metrics"):
        nginx.get("/metrics", name=name)
    last = nginx.get("/healthz/x")
    nginx.line(last.trace_id)
    assert len(nginx.lines()) == 1


def test_every_kind_of_utf8_sequence(nginx):
    """Each lead byte with continuations at the borders of RFC 3629, section 4, judged by Python's decoder."""
    borders = [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0]
    ends = (0x7F, 0x80, 0xBF, 0xC0)
    tails = {0x80: [b"", *(bytes([a]) for a in borders)],
             0xE0: [bytes([a, b]) for a in borders for b in ends],
             0xF0: [bytes([a, b, c]) for a in borders for b in (0x80, 0xBF) for c in ends]}
    values = [bytes([lead]) + tail for least, some in tails.items() for lead in range(least, 0x100) for tail in some]
    with Client(nginx.ports["gateway"]) as client:
        ids = [client.get("/x", [("User-Agent", b"a" + value + b"z")]).trace_id for value in values]
    nginx.line(ids[-1])
    lines = {line["trace_id"]: line["user_agent"] for line in nginx.lines()}
    decoded = [utf8(b"a" + value + b"z") for value in values]
    assert 100 < decoded.count(None) < len(values) - 100
    for trace_id, value, text in zip(ids, values, decoded):
        assert lines[trace_id] == ("(invalid UTF-8)" if text is None else text), value


def random_bytes(rng, longest, without):
    kind = rng.randrange(4)
    alphabet = [b for b in range(256) if b not in without]
    if kind == 0:
        text = "".join(rng.choice("aé测🦊\x1f\"\\/?#&%;<>{}$") for _ in range(rng.randrange(longest // 4)))
        return text.encode().translate(None, bytes(without))
    if kind == 1:
        return bytes(rng.choice(alphabet) for _ in range(rng.randrange(longest)))
    return bytes(rng.choice(b"abc/?.%20%c3%a9") for _ in range(rng.randrange(longest)))


def test_fuzzed_requests(nginx):
    rng = random.Random(1)
    sent = 0
    port = nginx.ports["gateway"]
    for _ in range(3000):
        path = rng.choice([b"/", b"/api/v1/users"]) + random_bytes(rng, 60, b" \0\r\n")
        agent = random_bytes(rng, 60, b"\0\r\n")
        host = random_bytes(rng, 20, b"\0\r\n") or b"x"
        method = rng.choice([b"GET", b"POST", b"FOO-BAR", b"GE\xc3T", random_bytes(rng, 6, b" \0\r\n")])
        data = b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: " + host, b"User-Agent: " + agent,
                             b"Connection: close", b"", b""])
        if rng.random() < 0.1:
            data = bytes(rng.randrange(256) for _ in range(100)) + b"\r\n\r\n"
        if rng.random() < 0.1:
            data = data[:rng.randrange(1, len(data))]
        raw(port, data, half_close=True)
        sent += 1
    nginx.line(nginx.get("/end").trace_id)
    lines, faults = logs.read(nginx.log / "api-gateway.log")
    assert not faults
    # A client that leaves before its request line is complete may leave no line.
    assert sent * 0.85 < len(lines) <= sent + 1
    assert len({line["status"] for line in lines}) >= 3
    for line in lines:
        assert list(line) == KEYS
        assert (line["level"] == "error") == (line["status"] >= 500), line


def test_raw_bytes_in_the_path_and_query(nginx):
    for target, path, query in ((b"/\xe6\xb5\x8b?\xe8\xaf\x95", "/测", "试"), (b"/a?b?c", "/a", "b?c"),
                                (b"/a?", "/a", ""),
                                (b"/\xff?a", "(invalid UTF-8)", ""), (b"/a?\xff", "(invalid UTF-8)", ""),
                                (b"/a%0a%22?\"\\\x01", "/a%0a%22", '"\\\x01'),
                                (b"http://h/a?b", "/a", "b")):
        answer = nginx.raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if answer.status == 404:  # a control character may be refused before there is a path
            line = nginx.line(answer.trace_id)
            assert (line["path"], line["query"]) == (path, query)
        else:
            assert answer.status == 400 and b"\x01" in target


def test_durations(nginx):
    """A program that is slow on purpose, and its client, each look at the clock: the log's times lie between theirs."""
    for seconds in (0.02, 0.3, 1.2):
        took_ms = []

        def answer(request, seconds=seconds, took_ms=took_ms):
            began = time.monotonic()
            time.sleep(seconds)
            took_ms.append((time.monotonic() - began) * 1000)
            return Reply()
        nginx.programs["users"].answer = answer
        began = time.monotonic()
        trace_id = nginx.get("/api/v1/users").trace_id
        whole_ms = (time.monotonic() - began) * 1000
        line = nginx.line(trace_id)
        assert took_ms[0] - ROUNDING_MS <= float(line["up_time"]) * 1000 <= line["duration_ms"] + ROUNDING_MS, line
        assert line["duration_ms"] <= whole_ms + ROUNDING_MS, line


def test_when_the_upstream_was_asked(nginx):
    """A client that is slow before and after the program has the request: the log tells when the program had it."""
    asked = []
    nginx.programs["users"].answer = lambda request: asked.append(time.time()) or time.sleep(0.05) or Reply(
        200, [], b"x" * 900000)
    with socket.create_connection(("127.0.0.1", nginx.ports["gateway"])) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
                       b"Content-Length: 4\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")  # the request has begun
        began = time.time()
        client.sendall(b"ab")
        time.sleep(0.1)
        sent = time.time()
        client.sendall(b"cd")
        wait_until(lambda: asked, "nginx does not ask the program")
        time.sleep(0.1)
        read = time.time()
        answer = b""
        while more := client.recv(1 << 20):
            answer += more
    trace_id = answer.partition(b"X-Trace-Id: ")[2][:32].decode()
    line = nginx.line(trace_id)
    start, end = float(line["up_start"]), float(line["msec"])
    times = [end - line["duration_ms"] / 1000, began, sent, start, asked[0], read, end]
    assert all(one <= next_one + ROUNDING_MS / 1000 for one, next_one in zip(times, times[1:])), (times, line)


def test_a_request_that_nginx_repeats(nginx):
    """A kept connection that the program closes: GET goes out again with the same context, POST never does."""
    program = nginx.programs["users"]
    used = {}

    def answer(request):
        used[request.connection] = used.get(request.connection, 0) + 1
        return Reply() if used[request.connection] == 1 else None
    program.answer = answer
    repeated = 0
    with Client(nginx.ports["gateway"]) as client:
        for _ in range(20):
            got = client.get("/api/v1/users")
            assert got.status == 200
            line = nginx.line(got.trace_id)
            attempts = [request for request in program.requests
                        if line["trace_id"] in request.param("HTTP_TRACEPARENT")]
            assert len({request.param("HTTP_TRACEPARENT") for request in attempts}) == 1
            assert line["up_status"] == ", ".join(["502"] * (len(attempts) - 1) + ["200"]), line
            assert len(line["up_time"].split(", ")) == len(line["up_addr"].split(", ")) == len(attempts)
            repeated += len(attempts) > 1
        assert repeated >= 5
        before = len(program.requests)
        for method in ("POST", "PATCH"):
            for _ in range(10):
                assert client.request(method, "/api/v1/users", {}).status == 200
        assert len(program.requests) == before + 20


def test_a_client_that_leaves(nginx):
    release = threading.Event()
    nginx.programs["users"].answer = lambda request: release.wait(10) and Reply()
    with socket.create_connection(("127.0.0.1", nginx.ports["gateway"])) as client:
        client.sendall(b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: nginx.programs["users"].requests, "the program was not asked")
    line = wait_until(nginx.lines, "no line")[0]
    release.set()
    assert (line["status"], line["level"], line["up_status"]) == (499, "warn", "-"), line
    assert line["trace_id"] in nginx.programs["users"].last.param("HTTP_TRACEPARENT")


def test_pipelined_requests_are_traces_of_their_own(nginx):
    request = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    raw(nginx.ports["gateway"], request * 9 + request.replace(b"Host", b"Connection: close\r\nHost"))
    wait_until(lambda: len({line["trace_id"] for line in nginx.lines()}) == 10, "not ten traces")


def test_rotation_loses_nothing(nginx):
    stop, counts = threading.Event(), []

    def load():
        count = 0
        with Client(nginx.ports["gateway"]) as client:
            while not stop.is_set():
                client.get("/api/v1/users")
                count += 1
        counts.append(count)
    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    log = nginx.log / "api-gateway.log"
    for number in range(3):
        wait_until(lambda: log.exists() and log.stat().st_size > 2000, "no lines")
        log.rename(nginx.log / f"api-gateway.log.{number}")
        nginx.signal(signal.SIGUSR1)
    wait_until(lambda: log.exists() and log.stat().st_size > 2000, "no lines")
    stop.set()
    for thread in threads:
        thread.join()
    nginx.stop()
    entries = [entry for path in nginx.log.glob("api-gateway.log*") for entry in logs.read(path)[0]]
    assert len(entries) == sum(counts) == len({entry["trace_id"] for entry in entries})


def test_an_answered_request_is_in_the_log_after_kill_9(nginx):
    nginx.trouble_expected = "exited on signal 9"
    ids = []
    for _ in range(5):
        with Client(nginx.ports["gateway"]) as client:
            ids += [client.get("/api/v1/users").trace_id for _ in range(50)]
        workers = nginx.workers()
        # The line is written after the last byte of the answer; a request on a kept connection comes after it.
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(nginx.workers()) == 2 and not set(workers) & set(nginx.workers()), "no new workers")
    logged = {line["trace_id"] for line in nginx.lines()}
    missing = [trace_id for trace_id in ids if trace_id not in logged]
    assert set(missing) <= set(ids[49::50])
