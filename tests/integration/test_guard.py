# SPDX-License-Identifier: MIT
"""The ports that are not for the public: programs use them, and no page of another site does."""
import re
import subprocess

import pytest
from apm import settings

from lib.client import check_problem
from lib.nginx_alone import SERVICES, NginxAlone, render
from lib.ports import free_ports
from lib.system import ROOT

# port: a path that it serves
PATHS = {"users": "/api/v1/users", "orders": "/readyz", "notifications": "/metrics", "metrics": "/stub_status",
         "otlp": "/v1/traces", "traces": "/api/search"}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    otlp, traces = free_ports(2)
    nginx = NginxAlone(tmp_path_factory.mktemp("n"), {
        "TRACE_STORE": "on", "OTLP_HTTP_PORT": str(otlp), "TRACES_PORT": str(traces),
        "ALLOWED_HOSTS": "users.apm,Api-Gateway,fe80::7,[fe80::8],localhost,default,include,hostnames,timer,"},
        programs=(*SERVICES, "gateway", "trace-store"))
    nginx.ports |= {"otlp": otlp, "traces": traces}
    yield nginx.start()
    nginx.close()


def ask(nginx, port, *lines, path=None, version="1.1", method=None):
    method = method or ("POST" if port == "otlp" else "GET")
    head = [f"{method} {path or PATHS[port]} HTTP/{version}", *lines, "Content-Length: 0", "Connection: close"]
    return nginx.raw("\r\n".join([*head, "", ""]).encode(), port)


@pytest.mark.parametrize("port", PATHS)
def test_who_is_let_in(nginx, port):
    number = nginx.ports[port]
    for name in ("localhost", f"localhost:{number}", "127.0.0.1", f"127.0.0.1:{number}", "127.1.2.3", f"[::1]:{number}",
                 "[::1]", f"LOCALHOST:{number}", "users.apm:8081", "api-gateway", f"API-GATEWAY:{number}", "[fe80::7]",
                 f"[fe80::8]:{number}", "default", "include", "hostnames", f"timer:{number}"):
        assert ask(nginx, port, f"Host: {name}").status == 200, name
    assert ask(nginx, port, version="1.0").status == 200, "a probe by HTTP/1.0 without Host"


@pytest.mark.parametrize("port", PATHS)
def test_foreign_names_are_refused(nginx, port):
    """A name that its owner points at 127.0.0.1 would make the port an origin of his."""
    number = nginx.ports[port]
    for name in (f"rebind.example:{number}", "rebind.example", f"localhost.example:{number}", f"xlocalhost:{number}",
                 f"127.0.0.1.example:{number}", "127.0.0.1x", "192.0.2.1", "[2001:db8::1]", "orders.apm",
                 "users.apm.example", "xusers.apm", "127.0.0.1@evil", "localhost:80:80", "fe80::7x"):
        check_problem(ask(nginx, port, f"Host: {name}"), 421)
        check_problem(ask(nginx, port, f"Host: {name}", path="/nothing"), 421)
    head = ask(nginx, port, "Host: rebind.example", method="HEAD")
    assert (head.status, head.body) == (421, b"")


@pytest.mark.parametrize("headers", [
    ["Origin: https://evil.example"], ["Origin: null"], ["Origin: http://localhost"], ["Origin: http://localhost:1"],
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"],
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
    ["Sec-Fetch-Site: something-new"]], ids=" ".join)
@pytest.mark.parametrize("port", ["users", "metrics", "otlp", "traces"])
def test_other_sites_are_refused(nginx, port, headers):
    program = nginx.programs[{"metrics": "gateway", "otlp": "trace-store", "traces": "trace-store"}.get(port, port)]
    before = len(program.requests)
    for path in (PATHS[port], "/nothing"):
        check_problem(ask(nginx, port, f"Host: localhost:{nginx.ports[port]}", *headers, path=path), 403)
    assert len(program.requests) == before


@pytest.mark.parametrize("port", ["users", "metrics", "otlp", "traces"])
def test_its_own_pages_are_let_in(nginx, port):
    host = f"localhost:{nginx.ports[port]}"
    for headers in ([f"Origin: http://{host}"], ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"],
                    ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"]):
        assert ask(nginx, port, f"Host: {host}", *headers).status == 200, headers


@pytest.mark.parametrize("dest, status", [("document", 200), ("iframe", 403), ("script", 403)])
def test_a_link_may_lead_to_the_metrics(nginx, dest, status):
    answer = ask(nginx, "users", "Host: localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
                 f"Sec-Fetch-Dest: {dest}", path="/metrics")
    assert answer.status == status


def test_the_gateway_answers_to_any_name(nginx):
    for headers in (["Host: shop.example"], ["Host: x", "Origin: https://y.example", "Sec-Fetch-Site: cross-site"]):
        assert ask(nginx, "gateway", *headers, path="/api/v1/users").status == 200


@pytest.mark.parametrize("hosts", ["a b", "a;b", '"', "a:80", "http://a", ",", "a,,b", "$host", "-a", "a\n", "[::1",
                                   "[a]", "[[::1]]", "::1]"])
def test_refused_settings(tmp_path, hosts):
    done = render("out", cwd=tmp_path, environment={"ALLOWED_HOSTS": hosts}, check=False)
    assert done.returncode == 1 and "ALLOWED_HOSTS" in done.stderr


@pytest.mark.parametrize("hosts", ["localhost", "LOCALHOST,localhost", "default", "include", "hostnames", "volatile",
                                   "127.0.0.1", "0.0.0.0", "::1,[::1]", "[fe80::1]"])
def test_nginx_starts_with_every_name(tmp_path, hosts):
    nginx = NginxAlone(tmp_path, {"ALLOWED_HOSTS": hosts})
    try:
        nginx.render()
        done = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert settings.read({"ALLOWED_HOSTS": hosts})["ALLOWED_HOSTS"] == hosts
    finally:
        for program in nginx.programs.values():
            program.close()


def test_the_names_that_containers_use_are_let_in():
    """Whatever in the stack asks one of nginx's ports by a name."""
    compose = (ROOT / "stack/compose.yaml").read_text()
    targets = (ROOT / "stack/prometheus/targets.compose.yml").read_text()
    asked = set(re.findall(r"([a-z.-]+):808[0-9]\b", compose + targets))
    assert {"users.apm", "api-gateway"} <= asked
    allowed = re.search(r"ALLOWED_HOSTS: (.*)", compose)[1].split(",")
    assert asked <= set(allowed), asked
