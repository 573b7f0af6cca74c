# SPDX-License-Identifier: MIT
"""What every answer says beside its content: compression, caches, HTTP/2 and HSTS; and requests in a content coding."""
import gzip
import json
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from lib.client import check_problem, check_traced
from lib.fastcgi import Reply
from lib.nginx_alone import SERVICES, NginxAlone, curl_knows_http_2, nginx_knows_http_2, nginx_version, render
from lib.ports import free_port, free_ports
from lib.system import ROOT

nginx_with_http_2 = pytest.mark.skipif(not nginx_knows_http_2(), reason="this nginx is built without HTTP/2")
JSON = ("Content-Type", "application/json")
ZIP = [("Accept-Encoding", "gzip")]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    names = ["otlp", "traces", "console"]
    ports = dict(zip(names, free_ports(3)))
    nginx = NginxAlone(tmp_path_factory.mktemp("n"), {
        "TRACE_STORE": "on", "OTLP_HTTP_PORT": str(ports["otlp"]), "TRACES_PORT": str(ports["traces"]),
        "CONSOLE": "on", "CONSOLE_PORT": str(ports["console"])}, programs=(*SERVICES, "gateway", "trace-store"))
    nginx.ports |= ports
    yield nginx.start()
    nginx.close()


@pytest.fixture
def answers(nginx):
    """A function that sets what the users' program answers."""
    program = nginx.programs["users"]

    def set_answer(*headers, status=200, body=b"{}"):
        program.answer = lambda request: Reply(status, [JSON, ("Content-Length", str(len(body))), *headers], body)
    yield set_answer
    program.answer = lambda request: Reply()


# ---- compression

def test_large_answers_are_compressed_for_who_wants_it(nginx, answers):
    body = json.dumps([{"id": number} for number in range(1000)]).encode()
    answers(body=body)
    for name in ("gateway", "users"):
        answer = nginx.get("/api/v1/users", ZIP, name)
        assert answer.header("Content-Encoding") == "gzip" and gzip.decompress(answer.body) == body
        assert answer.header("Vary") == "Accept-Encoding" and len(answer.body) < len(body) / 3
        plain = nginx.get("/api/v1/users", name=name)
        assert plain.header("Content-Encoding") is None and plain.body == body
        assert plain.header("Vary") == "Accept-Encoding"


@pytest.mark.parametrize("path, name", [("/openapi.json", "gateway"), ("/main.js", "console"),
                                        ("/style.css", "console"), ("/openapi.json", "console")])
def test_files_are_compressed(nginx, path, name):
    answer = nginx.get(path, ZIP, name)
    assert answer.header("Content-Encoding") == "gzip"
    assert gzip.decompress(answer.body) == (ROOT / "nginx/console" / path[1:]).read_bytes()
    assert answer.header("Cache-Control") == "no-cache"
    again = nginx.get(path, [*ZIP, ("If-None-Match", answer.header("ETag"))], name)
    assert (again.status, again.body) == (304, b"")


def test_a_single_resource_keeps_its_strong_etag(nginx, answers):
    """The largest that there is: a notification whose message is 1000 characters of four bytes."""
    body = json.dumps({"id": 1 << 52, "event_id": "a" * 36, "user_id": 1 << 52, "order_id": 1 << 52, "status": "queued",
                       "channel": "webhook", "message": "\U0001f600" * 1000, "created_at": "2026-11-22T12:30:00.123Z"},
                      ensure_ascii=False).encode()
    answers(("ETag", '"abc"'), body=body)
    answer = nginx.get("/api/v1/users/1", ZIP)
    assert (answer.header("ETag"), answer.header("Content-Encoding"), answer.body) == ('"abc"', None, body)


def test_logs_are_read_in_ranges(nginx):
    nginx.get("/api/v1/users")
    answer = nginx.get("/logs/api-gateway.log", [*ZIP, ("Range", "bytes=0-9")], "console")
    assert (answer.status, len(answer.body), answer.header("Content-Encoding")) == (206, 10, None)


# ---- caches

def test_cache_control(nginx, answers):
    for name in ("gateway", "users"):
        answers()
        assert nginx.get("/api/v1/users", name=name).header("Cache-Control") == "no-store"
        answers(("ETag", '"1"'))
        assert nginx.get("/api/v1/users/1", name=name).header("Cache-Control") == "private, no-cache"
        answers(("ETag", '"1"'), status=304, body=b"")
        answer = nginx.get("/api/v1/users/1", name=name)
        assert (answer.status, answer.header("Cache-Control")) == (304, "private, no-cache")
        answers(("Cache-Control", "max-age=60"))
        assert nginx.get("/api/v1/users/1", name=name).header("Cache-Control") == "max-age=60"
        answers(status=500)
        assert nginx.get("/api/v1/users/1", name=name).header("Cache-Control") == "no-store"
    answers()
    assert nginx.get("/api/v1/users", name="console").header("Cache-Control") == "no-store"
    for path, name in (("/nothing", "gateway"), ("/healthz", "gateway"), ("/metrics", "metrics"), ("/metrics", "users"),
                       ("/api/search", "traces"), ("/nothing", "traces"), ("/api/v1%2fusers", "gateway")):
        assert nginx.get(path, name=name).header("Cache-Control") == "no-store", path


def test_nginx_leaves_conditions_to_the_program(nginx, answers):
    """It would judge them after the deed: by the ETag that a change has made."""
    answers(("ETag", '"new"'))
    assert nginx.request("PATCH", "/api/v1/users/1", {}, [("If-Match", '"old"')]).status == 200
    assert nginx.get("/api/v1/users/1", [("If-None-Match", '"new"')]).status == 200
    assert nginx.programs["users"].last.param("HTTP_IF_NONE_MATCH") == '"new"'


# ---- requests

@pytest.mark.parametrize("path", ["/api/v1/users%2F1", "/api/v1/users%2f1?a", "/api%2Fv1/users", "/%2Fhealthz",
                                  "/api/v1/users/1%2f", "/api/v1/users/..%2f..%2fmetrics"])
def test_an_escaped_slash_is_no_slash(nginx, path):
    asked = len(nginx.programs["users"].requests)
    for name in ("gateway", "users", "metrics"):
        for method in ("GET", "POST", "DELETE"):
            check_problem(nginx.request(method, path, name=name), 404)
    assert len(nginx.programs["users"].requests) == asked
    assert nginx.line(nginx.get(path).trace_id)["status"] == 404


def test_an_escaped_slash_elsewhere(nginx):
    for path in ("/api/v1/users?name=a%2Fb", "/api/v1/users/a%252Fb"):
        assert nginx.get(path).status == 200
    assert nginx.get("/api/search/tag/a%2Fb/values", name="traces").status == 200, "the name of a tag may have one"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x", "GZIP", "identity, gzip", "gzip, identity"])
def test_a_body_in_a_content_coding(nginx, coding):
    asked = len(nginx.programs["users"].requests)
    for method, name in (("POST", "gateway"), ("PATCH", "gateway"), ("POST", "users")):
        body = gzip.compress(b"{}")
        answer = check_traced(nginx.request(method, "/api/v1/users", body, [("Content-Encoding", coding)], name))
        assert "identity" in check_problem(answer, 415)["detail"]
        assert answer.header("Accept-Encoding") == "identity"
    assert len(nginx.programs["users"].requests) == asked


def test_identity_is_no_coding(nginx):
    for coding in ("identity", "Identity", "", " identity , identity"):
        assert nginx.request("POST", "/api/v1/users", b"{}", [("Content-Encoding", coding)]).status == 200, coding
    assert nginx.get("/api/v1/users", [("Content-Encoding", "gzip")]).status == 200, "no body, no coding"
    assert nginx.request("POST", "/v1/traces", b"", [("Content-Encoding", "gzip")], "otlp").status == 200


def test_a_wrong_media_type_says_the_right_one(api):
    for method, path, header in (("POST", "/api/v1/users", "Accept"), ("PATCH", "/api/v1/users/1", "Accept-Patch"),
                                 ("PATCH", "/api/v1/orders/1", "Accept-Patch")):
        answer = api.request(method, path, b"a=b", content_type="application/x-www-form-urlencoded")
        check_problem(answer, 415)
        assert answer.header(header) == "application/json"
        assert answer.header("Accept-Encoding") is None


# ---- HTTP/2 and HSTS


@pytest.fixture
def over_tls(tmp_path):
    made = []

    def make(**environment):
        made.append(NginxAlone(tmp_path, {"TLS": "generate", "GATEWAY_TLS_PORT": str(free_port()), **environment}))
        return made[0].start()
    yield make
    for one in made:
        one.close()


def curl(nginx, path, *arguments):
    """(version of HTTP, status, header fields in lower case)."""
    port = nginx.environment["GATEWAY_TLS_PORT"]
    done = subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--cacert", nginx.run / "tls/certificate.pem",
                           *arguments, f"https://localhost:{port}{path}"], capture_output=True, check=True)
    head = done.stdout.decode().partition("\r\n\r\n")[0].split("\r\n")
    version, status = re.match(r"HTTP/(\S+) (\d+)", head[0]).groups()
    return version, int(status), dict(line.lower().split(": ", 1) for line in head[1:])


@nginx_with_http_2
@pytest.mark.skipif(not curl_knows_http_2(), reason="curl is not installed, or built without HTTP/2")
def test_http_2(over_tls):
    nginx = over_tls()
    version, status, headers = curl(nginx, "/api/v1/users", "--http2")
    assert (version, status) == ("2", 200)
    line = nginx.line(headers["x-trace-id"])
    assert (line["protocol"], line["method"], line["path"]) == ("HTTP/2.0", "GET", "/api/v1/users")
    assert nginx.programs["users"].last.param("SERVER_PROTOCOL") == "HTTP/2.0"
    version, status, headers = curl(nginx, "/api%2fv1", "--http2")
    assert (version, status, headers["content-type"]) == ("2", 404, "application/problem+json")
    assert curl(nginx, "/api/v1/users", "--http2", "-H", "Content-Encoding: gzip", "-d", "x")[1] == 415
    assert curl(nginx, "/api/v1/users", "--http1.1")[0] == "1.1"
    assert not [line for line in nginx.errors() if "warn" in line]


@nginx_with_http_2
def test_both_versions_are_offered(over_tls):
    nginx = over_tls()
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        context = ssl.create_default_context(cafile=str(nginx.run / "tls/certificate.pem"))
        context.set_alpn_protocols(offered)
        with socket.create_connection(("127.0.0.1", int(nginx.environment["GATEWAY_TLS_PORT"])), 10) as connection:
            with context.wrap_socket(connection, server_hostname="localhost") as encrypted:
                assert encrypted.selected_alpn_protocol() == chosen


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_hsts(over_tls):
    nginx = over_tls(HSTS_MAX_AGE="77")
    for path in ("/api/v1/users", "/nothing", "/healthz"):
        assert curl(nginx, path)[2]["strict-transport-security"] == "max-age=77", path
        assert nginx.get(path).header("Strict-Transport-Security") is None, "in the clear it means nothing"


@pytest.mark.parametrize("environment, line", [
    ({}, '""'), ({"HSTS_MAX_AGE": "0"}, '""'), ({"HSTS_MAX_AGE": "86400"}, '"max-age=86400"')])
@pytest.mark.parametrize("tls", [{"TLS": "generate"}, {"TLS_CERTIFICATE": "/c", "TLS_KEY": "/k"}])
def test_hsts_is_asked_for(tmp_path, tls, environment, line):
    """A browser would want TLS of every port of this host, also of Grafana's."""
    render("out", cwd=tmp_path, environment={**tls, **environment})
    found = re.search(r'\$hsts {\n    default (.*);\n', (tmp_path / "out/settings/http.conf").read_text())
    assert found[1] == line


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1; a", "10000000000"])
def test_refused_settings(tmp_path, value):
    done = render("out", cwd=tmp_path, environment={"HSTS_MAX_AGE": value}, check=False)
    assert done.returncode == 1 and "HSTS_MAX_AGE" in done.stderr


@pytest.mark.parametrize("version, built, listen, directive", [
    ("1.22.1", True, " ssl http2;", ""), ("1.24.0 (Ubuntu)", True, " ssl http2;", ""),
    ("1.25.0", True, " ssl http2;", ""),
    ("1.25.1", True, " ssl;", "http2 on;"), ("1.26.3", True, " ssl;", "http2 on;"), ("1.26.3", False, " ssl;", "")])
def test_http_2_as_this_nginx_knows_it(tmp_path, version, built, listen, directive):
    module = "--with-http_v2_module" if built else ""
    says = f"nginx version: nginx/{version}\nconfigure arguments: {module}"
    (tmp_path / "nginx").write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    (tmp_path / "nginx").chmod(0o755)
    render("out", cwd=tmp_path, environment={"TLS": "generate", "NGINX": str(tmp_path / "nginx")})
    text = (tmp_path / "out/settings/servers.conf").read_text()
    assert f"0.0.0.0:8443{listen}" in text
    assert re.findall(r"http2 on;", text) == [directive] * bool(directive)


@nginx_with_http_2
def test_the_version_of_the_tests(tmp_path):
    render("out", cwd=tmp_path, environment={"TLS": "generate"})
    assert ("ssl http2;" in (tmp_path / "out/settings/servers.conf").read_text()) == (nginx_version() < (1, 25, 1))
