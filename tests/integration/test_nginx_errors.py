# SPDX-License-Identifier: MIT
"""nginx's own errors: a problem document with the trace's id, whatever was sent, and a line in the log."""
import re
import signal
import socket
import threading
import time

import pytest

from lib.client import Client, check_problem, check_traced, parse_raw, raw
from lib.fastcgi import Reply
from lib.nginx_alone import NginxAlone, nginx_version
from lib.wait import wait_until

CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"1000\r\n" + b"a" * 4096 + b"\r\n"


def http(line, *headers, body=b""):
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1") + body


def post(path, *headers, body=b""):
    return http(f"POST {path} HTTP/1.1", "Host: x", *headers, body=body)


# name: (bytes, status, method and path in the log)
REFUSED = {
    "garbage": (b"garbage\r\n\r\n", 400, "", ""),
    "TLS": (bytes.fromhex("16030100a5010000a10303") + b"\0\xff" * 80, 400, "", ""),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "PRI", ""),
    "lower-case method": (http("get / HTTP/1.1", "Host: x"), 400, "", ""),
    "NUL": (http("GET /\0 HTTP/1.1", "Host: x"), 400, "GET", ""),
    "escaped NUL": (http("GET /%00 HTTP/1.1", "Host: x"), 400, "GET", ""),
    "bad escape": (http("GET /%zz HTTP/1.1", "Host: x"), 400, "GET", ""),
    "above the root": (http("GET /../../etc/passwd HTTP/1.1", "Host: x"), 400, "GET", ""),
    "asterisk": (http("OPTIONS * HTTP/1.1", "Host: x"), 400, "OPTIONS", ""),
    "no host": (http("GET /a?b HTTP/1.1"), 400, "GET", "/a"),
    "two hosts": (http("GET /a HTTP/1.1", "Host: a", "Host: b"), 400, "GET", "/a"),
    "bad host": (http("GET /a HTTP/1.1", "Host: a b"), 400, "GET", "/a"),
    "bad length": (post("/a", "Content-Length: x"), 400, "POST", "/a"),
    "two lengths": (post("/a", "Content-Length: 1", "Content-Length: 2", body=b"ab"), 400, "POST", "/a"),
    "length and chunks": (post("/a", "Content-Length: 3", CHUNKED, body=b"0\r\n\r\n"), 400, "POST", "/a"),
    "bad chunk": (post("/api/v1/users", CHUNKED, body=b"zz\r\n"), 400, "POST", "/api/v1/users"),
    "bad chunk, no such path": (post("/a", CHUNKED, body=b"zz\r\n"), 400, "POST", "/a"),
    "line": (http("GET /" + "a" * 9000 + " HTTP/1.1", "Host: x"), 414, "GET", ""),
    "header": (http("GET /a HTTP/1.1", "Host: x", "X: " + "a" * 9000), 431, "GET", "/a"),
    "headers": (http("GET /a HTTP/1.1", "Host: x", *[f"X-{n}: {'a' * 4000}" for n in range(12)]), 431, "GET", "/a"),
    "body": (post("/api/v1/users", "Content-Length: 65537", body=b"a" * 65537), 413, "POST", "/api/v1/users"),
    "announced body": (post("/api/v1/users", "Content-Length: 99999999999"), 413, "POST", "/api/v1/users"),
    "expected body": (post("/a", "Content-Length: 70000", "Expect: 100-continue"), 413, "POST", "/a"),
    "chunks": (post("/api/v1/users", CHUNKED, body=CHUNK * 17 + b"0\r\n\r\n"), 413, "POST", "/api/v1/users"),
    "TRACE": (http("TRACE /api/v1/users HTTP/1.1", "Host: x"), 405, "TRACE", "/api/v1/users"),
    "coding": (post("/api/v1/users", "Transfer-Encoding: br"), 501, "POST", "/api/v1/users"),
    "version": (http("GET /a HTTP/2.0", "Host: x"), 505, "GET", ""),
}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    alone = NginxAlone(tmp_path_factory.mktemp("nginx")).start()
    yield alone
    alone.close()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(nginx, name):
    data, status, method, path = REFUSED[name]
    answer = check_traced(nginx.raw(data))
    check_problem(answer, status)
    line = nginx.line(answer.trace_id)
    assert (line["status"], line["method"], line["path"]) == (status, method, path), line
    assert line["span_id"] == answer.span_id and line["route"] == line["up_status"] == ""
    assert line["level"] == ("error" if status >= 500 else "warn")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_on_a_service_port(nginx, name):
    data, status, _, _ = REFUSED[name]
    data = data.replace(b"Host: x\r\n", b"Host: localhost\r\n")  # the port answers to no other
    check_problem(check_traced(nginx.raw(data, name="users")), status)


def test_connect(nginx):
    for target in ("/a", "a:80"):
        answer = check_traced(nginx.raw(http(f"CONNECT {target} HTTP/1.1", "Host: a:80")))
        check_problem(answer, answer.status)
        assert answer.status in (400, 405)


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/metrics", "/stub_status",
                                  "/.problem", "/index.html", "/healthz/", "/nginx.conf", "/a/%2e%2e/x",
                                  "/api/v1/users%2f..%2f..%2f..%2fmetrics"])
def test_nothing_else_is_there(nginx, path):
    for method in ("GET", "POST", "PUT", "OPTIONS"):
        check_problem(nginx.request(method, path, {} if method == "POST" else None), 404)


def test_head_has_no_body(nginx):
    data = raw(nginx.ports["gateway"], http("HEAD /nothing HTTP/1.1", "Host: x", "Connection: close"))
    answer = check_traced(parse_raw(data))
    assert answer.status == 404 and int(answer.header("Content-Length")) > 0 and data.endswith(b"\r\n\r\n")
    assert nginx.line(answer.trace_id)["method"] == "HEAD"


def test_http_0_9_has_no_header(nginx):
    assert raw(nginx.ports["gateway"], b"GET /healthz\r\n") == b'{"status":"ok"}'
    assert raw(nginx.ports["gateway"], b"GET /nothing\r\n").startswith(b'{"type":"about:blank","title":"Not Found"')


def test_405_names_the_methods(nginx):
    for method in ("POST", "DELETE", "OPTIONS", "FOO"):
        answer = nginx.request(method, "/healthz")
        check_problem(answer, 405)
        assert answer.header("Allow") == "GET, HEAD"
    answer = nginx.request("TRACE", "/api/v1/orders/1")
    check_problem(answer, 405)
    assert answer.header("Allow") == "GET, HEAD, POST, PATCH, DELETE"


def test_healthz(nginx):
    for path in ("/healthz", "/healthz?x"):
        answer = nginx.get(path)
        assert answer.status == 200 and answer.json() == {"status": "ok"}
        assert answer.header("Content-Type") == "application/json"
    assert nginx.request("HEAD", "/healthz").body == b""


def test_a_body_of_64_kib_arrives(nginx):
    for headers, body in (("Content-Length: 65536", b"a" * 65536), (CHUNKED, CHUNK * 16 + b"0\r\n\r\n")):
        answer = nginx.raw(post("/api/v1/orders", headers, "Connection: close", body=body))
        request = nginx.programs["orders"].last
        assert answer.status == 200 and request.body == b"a" * 65536 and request.param("CONTENT_LENGTH") == "65536"


def test_errors_of_a_program_pass_untouched(nginx):
    problem = b'{"type":"about:blank","title":"mine"}'
    for status in (400, 404, 405, 409, 413, 415, 422, 429, 500, 501, 502, 503, 504):
        headers = [("Content-Type", "application/problem+json"), ("Retry-After", "7"), ("Allow", "PUT")]
        reply = Reply(status, headers, problem)
        nginx.programs["orders"].answer = lambda request, reply=reply: reply
        for name in ("gateway", "orders"):
            answer = nginx.get("/api/v1/orders", name=name)
            assert (answer.status, answer.body) == (status, problem)
            assert (answer.header("Retry-After"), answer.header("Allow")) == ("7", "PUT")


@pytest.mark.parametrize("name", ["gateway", "notifications"])
@pytest.mark.parametrize("reply", [None, b"", b"nonsense", b"Status: 200\r\n", b"Status: none\r\n\r\n",
                                   b"X: " + b"a" * 20000 + b"\r\n\r\n"])
def test_a_program_that_fails_to_answer_is_502(nginx, name, reply):
    nginx.programs["notifications"].answer = lambda request: reply
    for method in ("GET", "POST"):
        answer = nginx.request(method, "/api/v1/notifications", name=name)
        check_problem(check_traced(answer), 502)
        if name == "gateway":
            line = nginx.line(answer.trace_id)
            assert (line["status"], line["method"]) == (502, method)
            assert set(line["up_status"].split(", ")) == {"502"}, line


def test_no_program(tmp_path):
    nginx = NginxAlone(tmp_path, programs=[])
    nginx.trouble_expected = "connect.. to unix:"
    nginx.start()
    try:
        for path, name in (("/api/v1/users", "gateway"), ("/api/v1/users", "users"), ("/readyz", "users"),
                           ("/readyz", "gateway"), ("/readyz", "metrics")):
            for method in ("GET", "POST") if path != "/readyz" else ("GET",):
                answer = check_traced(nginx.request(method, path, {} if method == "POST" else None, name=name))
                check_problem(answer, 503)
                assert answer.header("Retry-After") == "1"
        assert {line["status"] for line in nginx.lines()} == {503}
        assert nginx.get("/healthz").status == 200
    finally:
        nginx.close()


def fill(path):
    """Connections that wait to be accepted, as many as the socket takes."""
    waiting = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(str(path))
        except BlockingIOError:
            waiting.pop().close()
            return waiting


@pytest.mark.parametrize("name", ["gateway", "users"])
def test_a_full_queue_is_503(tmp_path, name):
    """The program lives, and has not seen the request: it may be tried again."""
    nginx = NginxAlone(tmp_path, programs=["orders", "gateway"])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(nginx.run / "users.sock"))
    listener.listen(2)
    nginx.start()
    waiting = fill(nginx.run / "users.sock")
    try:
        for method in ("GET", "POST"):
            answer = check_traced(nginx.request(method, "/api/v1/users", {} if method == "POST" else None, name=name))
            check_problem(answer, 503)
            assert answer.header("Retry-After") == "1"
            if name == "gateway":
                line = nginx.line(answer.trace_id)
                assert (line["status"], line["method"], line["up_status"]) == (503, method, "502")
        assert nginx.get("/api/v1/orders").status == 200
    finally:
        for connection in waiting:
            connection.close()
        listener.close()
        nginx.close()


def test_a_kept_connection_that_breaks_before_a_full_queue_is_503(tmp_path):
    """The last attempt counts: a GET was sent, broke, and could not be sent again."""
    nginx = NginxAlone(tmp_path).start()
    program = nginx.programs["users"]
    try:
        with Client(nginx.ports["gateway"]) as client:
            for _ in range(20):  # each of nginx's workers keeps a connection
                assert nginx.get("/api/v1/users").status == 200
            old = list(program.connections)

            def answer(request):
                (nginx.run / "users.sock").unlink(missing_ok=True)
            program.answer = answer
            assert old
            nginx.trouble_expected = "connect.. to unix:"
            answer = client.get("/api/v1/users")
        check_problem(answer, 503)
        assert nginx.line(answer.trace_id)["up_status"] == "502, 502"
    finally:
        nginx.close()


def test_a_rate_limit(tmp_path):
    nginx = NginxAlone(tmp_path, {"RATE_LIMIT": "5"}).start()
    try:
        started = time.monotonic()
        answers = [nginx.get("/api/v1/users") for _ in range(30)]
        most = 1 + 5 + 5 * (time.monotonic() - started)
        refused = [answer for answer in answers if answer.status == 429]
        assert {answer.status for answer in answers} == {200, 429} and len(answers) - len(refused) <= most + 1
        for answer in refused:
            check_problem(answer, 429)
            assert answer.header("Retry-After") == "1"
            assert nginx.line(answer.trace_id)["status"] == 429
        for path, name in (("/healthz", "gateway"), ("/readyz", "gateway"), ("/api/v1/users", "users"),
                           ("/metrics", "metrics")):
            assert {nginx.get(path, name=name).status for _ in range(30)} == {200}, path
    finally:
        nginx.close()


@pytest.mark.parametrize("path", ["/readyz", "/readyz?a", "/%72eadyz", "//readyz"])
def test_probes_have_a_limit_of_their_own(tmp_path, path):
    """Always: each asks every service. Not on the port for those who run the system, and not for the rest."""
    nginx = NginxAlone(tmp_path).start()
    try:
        started = time.monotonic()
        answers = [nginx.get(path) for _ in range(200)]
        passed = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} == {200, 429}
        assert 41 <= len(passed) <= 41 + 10 * (time.monotonic() - started) + 1
        assert len(nginx.programs["gateway"].requests) == len(passed)
        refused = next(answer for answer in answers if answer.status == 429)
        check_problem(refused, 429)
        assert refused.header("Retry-After") == "1"
        assert {nginx.get("/api/v1/users").status for _ in range(60)} == {200}
        assert {nginx.get("/readyz", name="metrics").status for _ in range(60)} == {200}
        wait_until(lambda: nginx.get(path).status == 200, "the limit does not end")
    finally:
        nginx.close()


def test_a_limit_of_connections(tmp_path):
    nginx = NginxAlone(tmp_path, {"CLIENT_REQUESTS": "2"})
    release = threading.Event()
    nginx.programs["users"].answer = lambda request: release.wait(10) and Reply()
    nginx.start()
    threads = [threading.Thread(target=nginx.get, args=("/api/v1/users",)) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: len(nginx.programs["users"].requests) == 2, "the program was not asked")
        check_problem(nginx.get("/api/v1/orders"), 429)
        assert nginx.get("/readyz").status == 200
    finally:
        release.set()
        for thread in threads:
            thread.join()
        nginx.close()


def reload(nginx):
    old = nginx.workers()
    nginx.signal(signal.SIGHUP)
    wait_until(lambda: len(nginx.workers()) == 2 and not set(old) & set(nginx.workers()), "new workers")


def test_time_outs(tmp_path):
    """Slow clients are let go, and a slow program is 504; all at once, for these take their time."""
    nginx = NginxAlone(tmp_path)
    nginx.programs["users"].answer = lambda request: time.sleep(30)
    nginx.start()
    limits = (nginx.run / "nginx/limits.conf", nginx.run / "nginx/fastcgi.conf")
    for file in limits:  # the same, ten times as fast
        text = file.read_text()
        assert re.search(r"_timeout \d+s;", text)
        file.write_text(re.sub(r"(header|body|read)_timeout \d+s;", r"\1_timeout 1s;", text))
    reload(nginx)
    try:
        started = time.monotonic()
        assert raw(nginx.ports["gateway"], b"GET / HT") == b""
        assert raw(nginx.ports["gateway"], b"GET / HTTP/1.1\r\nHost: x\r\n") == b""
        assert raw(nginx.ports["gateway"], post("/api/v1/orders", "Content-Length: 10", body=b"a")) == b""
        assert [line["status"] for line in nginx.lines()] == [408, 408, 408]
        assert time.monotonic() - started < 6
        answer = nginx.get("/api/v1/users")
        check_problem(answer, 504)
        assert nginx.line(answer.trace_id)["up_status"] == "504"
        assert len(nginx.programs["users"].requests) == 1, "a slow request must not be sent twice"
    finally:
        nginx.close()


def test_the_version_under_test(nginx):
    assert nginx_version() >= (1, 22)
    assert nginx.get("/healthz").header("Server") == "nginx"
