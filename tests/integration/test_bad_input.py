# SPDX-License-Identifier: MIT
"""Every way to get a request wrong: fields, bodies, paths, methods, and what is no HTTP at all."""
import json
import re

import pytest

from lib.client import Client, check_problem, check_traced, email, parse_raw, raw

USER = {"name": "Ada", "email": "ada@example.com"}
ORDER = {"user_id": 1, "product": "Tea", "amount": 1}


def without(fields, name):
    return {key: value for key, value in fields.items() if key != name}


INVALID = [
    ("users", without(USER, "name"), "name"),
    ("users", without(USER, "email"), "email"),
    ("users", USER | {"admin": True}, "admin"),
    ("users", USER | {"name": ""}, "name"),
    ("users", USER | {"name": "x" * 101}, "name"),
    ("users", USER | {"name": None}, "name"),
    ("users", USER | {"name": ["x"]}, "name"),
    ("users", USER | {"name": "a\nb"}, "name"),
    ("users", USER | {"name": "a\u007fb"}, "name"),
    ("users", USER | {"name": "a\u0085b"}, "name"),
    ("users", USER | {"email": "nobody"}, "email"),
    ("users", USER | {"email": "@b"}, "email"),
    ("users", USER | {"email": "a@"}, "email"),
    ("users", USER | {"email": "a@b@c"}, "email"),
    ("users", USER | {"email": "a b@c"}, "email"),
    ("users", USER | {"email": "x" * 250 + "@b.de"}, "email"),
    ("users", USER | {"email": 5}, "email"),
    ("orders", without(ORDER, "user_id"), "user_id"),
    ("orders", without(ORDER, "product"), "product"),
    ("orders", without(ORDER, "amount"), "amount"),
    ("orders", ORDER | {"id": 5}, "id"),
    ("orders", ORDER | {"status": "created"}, "status"),
    ("orders", ORDER | {"user_id": "1"}, "user_id"),
    ("orders", ORDER | {"user_id": 1.5}, "user_id"),
    ("orders", ORDER | {"user_id": 0}, "user_id"),
    ("orders", ORDER | {"user_id": -1}, "user_id"),
    ("orders", ORDER | {"user_id": 2**53}, "user_id"),
    ("orders", ORDER | {"user_id": 10**30}, "user_id"),
    ("orders", ORDER | {"user_id": True}, "user_id"),
    ("orders", ORDER | {"product": ""}, "product"),
    ("orders", ORDER | {"product": "x" * 201}, "product"),
    ("orders", ORDER | {"product": "a\tb"}, "product"),
    ("orders", ORDER | {"product": {}}, "product"),
    ("orders", ORDER | {"amount": 0}, "amount"),
    ("orders", ORDER | {"amount": -1}, "amount"),
    ("orders", ORDER | {"amount": 0.001}, "amount"),
    ("orders", ORDER | {"amount": 1.005}, "amount"),
    ("orders", ORDER | {"amount": 1000000.01}, "amount"),
    ("orders", ORDER | {"amount": "1"}, "amount"),
    ("orders", ORDER | {"amount": 1e300}, "amount"),
    ("orders", ORDER | {"amount": False}, "amount"),
]


@pytest.mark.parametrize("path,body,field", INVALID,
                         ids=[f"{n}-{path}-{field}" for n, (path, _, field) in enumerate(INVALID)])
def test_invalid_fields_are_named(api, path, body, field):
    problem = check_problem(api.post(f"/api/v1/{path}", body), 422)
    assert [error["pointer"] for error in problem["errors"]] == [f"#/{field}"], problem


def test_nul_is_refused(api):
    assert check_problem(api.post("/api/v1/users", USER | {"name": "a\u0000b"}), 422)["errors"]


def test_every_fault_is_told_at_once(api):
    check_problem(api.post("/api/v1/orders", {"product": "", "amount": "x", "more": 1}), 422,
                  ["#/user_id", "#/product", "#/amount", "#/more"])


@pytest.mark.parametrize("body", [
    b"", b"{", b"}", b"nonsense", b'{"name":"x",}', b"{'name':'x'}", b'{"name":"x"} x', b'{"name":NaN}', b"\xff\xfe{}",
    b'{"name":"x","name"}', b'{"a":\x01}', b"// {}\n{}", b'{"a":01}', b'{"name":"\\x41"}', b'{"name":"a\nb"}',
])
@pytest.mark.parametrize("path", ["users", "orders"])
def test_malformed_json_is_400(api, path, body):
    answer = api.request("POST", f"/api/v1/{path}", body)
    assert answer.status in ((400, 422) if b"\xff" in body or b"\n" in body else (400,)), (body, answer)
    check_problem(answer, answer.status)


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"x"', b"true"])
def test_json_that_is_no_object_is_422(api, body):
    check_problem(api.request("POST", "/api/v1/users", body), 422)


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\\ud800"])
def test_text_that_is_not_utf8_is_422(api, text):
    body = b'{"user_id":1,"product":"a' + text + b'z","amount":1}'
    check_problem(api.request("POST", "/api/v1/orders", body), 422)


def test_deep_nesting_is_refused(api):
    for depth in (40, 1000, 30000):
        check_problem(api.request("POST", "/api/v1/users", b"[" * depth + b"]" * depth),
                      api.request("POST", "/api/v1/users", b"[" * depth + b"]" * depth).status)
        answer = api.request("POST", "/api/v1/users", b'{"name":' + b"[" * depth + b"]" * depth + b"}")
        assert answer.status in (400, 422), answer


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/jsonx", "application", "",
])
def test_other_media_types_are_415(api, content_type):
    body = json.dumps(USER).encode()
    check_problem(api.request("POST", "/api/v1/users", body, content_type=content_type), 415)
    check_problem(api.request("PATCH", "/api/v1/orders/1", b'{"status":"cancelled"}', content_type=content_type), 415)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8",
                                          "Application/JSON;charset=UTF-8"])
def test_json_with_parameters_is_taken(api, content_type):
    body = json.dumps(USER | {"email": email()}).encode()
    assert api.request("POST", "/api/v1/users", body, content_type=content_type).status == 201


@pytest.mark.parametrize("size", [65537, 200_000, 3_000_000])
def test_a_large_body_is_413(api, size):
    body = b'{"name":"' + b"x" * (size - 11) + b'"}'
    assert len(body) == size
    check_problem(api.request("POST", "/api/v1/users", body), 413)


def test_a_body_of_64_kib_is_read(api):
    body = b'{"name":"' + b"x" * (65536 - 11) + b'"}'
    check_problem(api.request("POST", "/api/v1/users", body), 422)


def test_a_chunked_body_is_read(system):
    body = json.dumps({"name": "x", "email": email()}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    request = (b"POST /api/v1/users HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert parse_raw(raw(system.ports["gateway"], request)).status == 201


# ---- paths and methods


@pytest.mark.parametrize("path", [
    "/", "/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/users", "/api/v1/users/", "/api/v1/users/1/more",
    "/api/v1/usersx", "/api/v1/users/x", "/api/v1/users/0", "/api/v1/users/-1", "/api/v1/users/01",
    "/api/v1/users/99999999999999999999", "/api/v1/orders/1%00", "/api/v1/orders/%ff", "/metrics", "/stub_status",
    "/api/v1/users/healthz", "/favicon.ico", "/.git/config", "/api/v1/users/..%2f..%2fmetrics",
])
def test_unknown_paths_are_404(api, path):
    answer = api.get(path)
    if "%00" in path and answer.status == 400:  # nginx refuses NUL in a URI by itself
        check_problem(answer, 400)
    else:
        check_problem(answer, 404)


METHODS = {
    "/api/v1/users": "GET HEAD POST",
    "/api/v1/users/1": "GET HEAD PATCH DELETE",
    "/api/v1/orders": "GET HEAD POST",
    "/api/v1/orders/1": "GET HEAD PATCH",
    "/api/v1/notifications": "GET HEAD",
    "/api/v1/notifications/1": "GET HEAD",
    "/healthz": "GET HEAD",
    "/readyz": "GET HEAD",
}


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
                                    "BREW"])
def test_wrong_methods_are_405_with_allow(system, path, method):
    allowed = METHODS[path].split()
    if method in allowed:
        return
    with Client(system.ports["gateway"]) as client:
        answer = client.request(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None)
    check_problem(answer, 405)
    told = set(re.split(r",\s*", answer.header("Allow")))
    # nginx refuses TRACE by itself, for any path alike.
    assert told >= set(allowed) if method == "TRACE" else told == set(allowed), answer.headers


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/users/1", "/api/v1/orders?limit=2", "/api/v1/notifications",
                                  "/healthz", "/readyz", "/nothing", "/api/v1/users/0"])
def test_head_is_get_without_a_body(api, path):
    got, head = api.get(path), api.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.header("Content-Type") == got.header("Content-Type")
    if head.header("Content-Length") is not None and got.header("Content-Length") is not None and got.status == 200:
        assert head.header("Content-Length") == got.header("Content-Length")


def test_paths_are_normalised_once(api):
    assert api.get("/api/v1/%75sers/1").status == 200
    assert api.get("/api/./v1/../v1/users/1").status == 200
    check_problem(api.get("/api/v1/%2575sers/1"), 404)


# ---- no HTTP at all (nginx's own errors one by one: test_nginx_errors.py)


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"\x00" * 64, b"GET", b"\r\n" * 20, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
    b"GET http:// HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/9\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
])
def test_garbage_gets_no_5xx(api, system, data):
    received = raw(system.ports["gateway"], data, half_close=True)
    if received.startswith(b"HTTP/1."):
        answer = parse_raw(received)
        assert answer.status < 500 or answer.status in (501, 505), answer
        check_traced(answer)
    assert api.get("/api/v1/users/1").status == 200


def test_http_1_0_and_pipelining(system):
    port = system.ports["gateway"]
    assert parse_raw(raw(port, b"GET /api/v1/users/1 HTTP/1.0\r\n\r\n")).status == 200
    pipelined = raw(port, b"GET /api/v1/users/1 HTTP/1.1\r\nHost: a\r\n\r\n" * 3
                    + b"GET /api/v1/users/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert pipelined.count(b"HTTP/1.1 200") == 4


def test_headers_of_a_client_cannot_pose_as_nginx(api, system):
    """What nginx passes to the programs beside the client's headers cannot be forged by them."""
    forged = [("Apm-Gateway", "0"), ("Trace-Valid", "1"), ("Proxy", "http://127.0.0.1:1"), ("X-Apm-Route", "/forged"),
              ("X-Trace-Id", "f" * 32), ("Content-Length_", "5"), ("Request_Method", "POST")]
    answer = api.get("/api/v1/users/1", forged)
    assert answer.status == 200 and answer.trace_id != "f" * 32
    check_problem(api.request("POST", "/api/v1/notifications", {}, forged), 405)
