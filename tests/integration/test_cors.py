# SPDX-License-Identifier: MIT
"""CORS on the OTLP port: SDKs in the browsers' pages of named origins may send, nobody else."""
import pytest

from lib.client import check_problem
from lib.fastcgi import Reply
from lib.nginx_alone import SERVICES, NginxAlone, render
from lib.ports import free_ports

SHOP = "https://shop.example"


def make(directory, origins):
    otlp, traces = free_ports(2)
    nginx = NginxAlone(directory, {"TRACE_STORE": "on", "OTLP_HTTP_PORT": str(otlp), "TRACES_PORT": str(traces),
                                   **({"OTLP_CORS_ORIGINS": origins} if origins else {})},
                       programs=(*SERVICES, "gateway", "trace-store"))
    nginx.ports |= {"otlp": otlp, "traces": traces}
    return nginx.start()


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    nginx = make(tmp_path_factory.mktemp("n"), f"{SHOP},http://localhost:3001,")
    yield nginx
    nginx.close()


def preflight(nginx, origin, port="otlp", path="/v1/traces", **more):
    headers = [("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Sec-Fetch-Mode", "cors"),
               ("Access-Control-Request-Headers", "content-type"), ("Sec-Fetch-Site", "cross-site"), *more.items()]
    return nginx.request("OPTIONS", path, headers=headers, name=port)


def send(nginx, origin, path="/v1/traces", port="otlp", body=b"{}"):
    headers = [("Origin", origin), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors")]
    return nginx.request("POST", path, body, headers, name=port)


def check_allowed(answer, origin):
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert answer.header("Access-Control-Allow-Credentials") == "true"  # a beacon has them
    assert "Origin" in answer.all("Vary")


def check_no_cors(answer):
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")], answer


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3001"])
def test_preflight(nginx, origin):
    answer = preflight(nginx, origin)
    assert (answer.status, answer.body) == (204, b"")
    check_allowed(answer, origin)
    assert answer.header("Access-Control-Allow-Methods") == "POST"
    allowed = answer.header("Access-Control-Allow-Headers").lower().split(", ")
    assert {"content-type", "content-encoding", "authorization", "traceparent", "tracestate"} <= set(allowed)
    assert int(answer.header("Access-Control-Max-Age")) > 0
    assert answer.header("Access-Control-Allow-Private-Network") is None
    local = preflight(nginx, origin, **{"Access-Control-Request-Private-Network": "true"})
    assert local.header("Access-Control-Allow-Private-Network") == "true"


def test_a_request_and_its_refusals_can_be_read(nginx):
    """Also what nginx refuses: a page that may not read it sees a failure of the network."""
    answer = send(nginx, SHOP)
    assert answer.status == 200 and answer.header("Access-Control-Allow-Methods") is None
    check_allowed(answer, SHOP)
    assert "Retry-After" in answer.header("Access-Control-Expose-Headers")
    for answer, status in ((send(nginx, SHOP, "/nothing"), 404), (send(nginx, SHOP, body=b"a" * (4 << 20 | 1)), 413)):
        check_problem(answer, status)
        check_allowed(answer, SHOP)
    nginx.programs["trace-store"].answer = lambda request: Reply(429, [("Retry-After", "1")])
    answer = send(nginx, SHOP)
    nginx.programs["trace-store"].answer = lambda request: Reply()
    assert answer.status == 429
    check_allowed(answer, SHOP)


@pytest.mark.parametrize("origin", [
    "https://evil.example", "https://shop.example.evil.example", "http://shop.example", "https://shop.example:444",
    "null", "https://xshop.example", "http://localhost:30011", f"{SHOP} {SHOP}"])
def test_other_origins(nginx, origin):
    for answer in (preflight(nginx, origin), send(nginx, origin)):
        check_problem(answer, 403)
        check_no_cors(answer)


@pytest.mark.parametrize("port", ["gateway", "users", "metrics", "traces"])
def test_other_ports(nginx, port):
    for answer in (preflight(nginx, SHOP, port, "/api/v1/users"), send(nginx, SHOP, "/api/v1/users", port)):
        check_no_cors(answer)
        assert "Origin" not in answer.all("Vary")
        assert port == "gateway" or answer.status == 403


def test_programs_and_names(nginx):
    """An answer to a program says that it differs by origin; a named origin does not open the port to any name."""
    answer = nginx.request("POST", "/v1/traces", b"{}", name="otlp")
    assert answer.status == 200 and "Origin" in answer.all("Vary")
    check_no_cors(answer)
    raw = f"POST /v1/traces HTTP/1.1\r\nHost: evil.example\r\nOrigin: {SHOP}\r\nConnection: close\r\n\r\n".encode()
    check_problem(nginx.raw(raw, "otlp"), 421)


def test_off_by_default(tmp_path):
    nginx = make(tmp_path, None)
    try:
        for answer in (preflight(nginx, SHOP), send(nginx, SHOP)):
            check_problem(answer, 403)
            check_no_cors(answer)
        assert "Origin" not in nginx.request("POST", "/v1/traces", b"{}", name="otlp").all("Vary")
    finally:
        nginx.close()


def test_any_origin(tmp_path):
    nginx = make(tmp_path, "*")
    try:
        for origin in (SHOP, "https://anybody.example", "null"):
            assert preflight(nginx, origin).status == 204
            check_allowed(send(nginx, origin), origin)
        check_no_cors(preflight(nginx, SHOP, "traces"))
    finally:
        nginx.close()


@pytest.mark.parametrize("origins", ["shop.example", "https://a/", "https://a b", "*,https://a", "https://a;", "$a://b",
                                     'https://"', "https://a:x", "https://*.example"])
def test_refused_settings(tmp_path, origins):
    done = render("out", cwd=tmp_path, environment={"OTLP_CORS_ORIGINS": origins}, check=False)
    assert done.returncode == 1 and "OTLP_CORS_ORIGINS" in done.stderr
