# SPDX-License-Identifier: MIT
"""The console as a browser's requests meet it: its files and headers, who is let in, and what it passes on."""
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

from lib.client import Client, check_problem, check_traced, raw
from lib.fixtures import console_fixture
from lib.nginx_alone import NginxAlone, copy_nginx, render
from lib.ports import closed_port, free_port, free_ports
from lib.system import ROOT
from lib.wait import wait_until

FILES = ROOT / "nginx/console"
ORDER = {"user_id": 1, "product": "测试商品", "amount": 99.99}
POLICY = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'",
          "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'",
          "trusted-types 'none'"}


shown = console_fixture("shown")


@pytest.fixture(scope="module")
def console(shown):
    """A client that names the host as a browser does."""
    port = shown.ports["console"]
    with Client(port, traced=False) as client:
        yield client


def check_headers(answer):
    policy = answer.header("Content-Security-Policy")
    assert {part.strip() for part in policy.split(";")} == POLICY
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"
    for name in ("Opener-Policy", "Resource-Policy"):
        assert answer.header(f"Cross-Origin-{name}") == "same-origin"
    return answer


def send(console, path, host=None, method="GET"):
    """(status, all that came) of a request whose path and host are as they are."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host or f'localhost:{console.port}'}\r\nConnection: close\r\n\r\n"
    received = raw(console.port, head.encode())
    return int(received.split()[1]), received


# ---- the page

def test_every_file_of_the_page(console):
    """Whatever a module imports is there; nothing else comes from anywhere."""
    types = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml",
             "json": "application/json", "yaml": "application/yaml"}
    for file in FILES.glob("*.*"):
        path = "/" if file.name == "index.html" else f"/{file.name}"
        answer = check_headers(console.get(path))
        assert answer.status == 200 and answer.body == file.read_bytes(), path
        assert answer.header("Content-Type").split(";")[0] == types[file.suffix[1:]]
    page = console.get("/").body.decode()
    assert "<script>" not in page and "style=" not in page
    for name in re.findall(r'(?:src|href|action)="([^"#]+)"', page):
        assert not re.match(r"[a-z]+:|//", name) and console.get(f"/{name}").status == 200, name


def test_modules_keep_the_rules_of_the_policy():
    """Sources of injection that the policy would refuse in the browser are not written in the first place."""
    text = "".join(file.read_text() for file in FILES.glob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\"style\",",
                         text)


@pytest.mark.parametrize("path", [
    "/nothing", "/index.htm", "/console.conf", "/screenshots/", "/screenshots/trace.png", "/../nginx.conf", "/.problem",
    "/..%2fnginx.conf", "/%2e%2e/nginx.conf", "/main.js/", "/tempo/", "/metrics/", "/metrics/users/", "/metrics/nobody",
    "/tempo/metrics", "/settings.json/", "/logs", "/logs/"])
def test_what_is_not_there(console, path):
    status, received = send(console, path)
    assert status in (400, 404), received
    assert b"Content-Security-Policy" in received and b"worker_processes" not in received


@pytest.mark.parametrize("path", ["/", "/main.js", "/settings.json", "/metrics/users", "/tempo/api/search",
                                  "/logs/api-gateway.log"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_all_but_the_api_is_read_only(console, method, path):
    answer = check_headers(console.request(method, path, b"x"))
    check_problem_without_trace(answer, 405)
    assert answer.header("Allow") == "GET, HEAD"


def check_problem_without_trace(answer, status):
    """The console is not part of any trace."""
    assert (answer.status, answer.header("Content-Type")) == (status, "application/problem+json"), answer
    assert answer.json()["status"] == status and answer.trace_id is None


def test_head(console):
    for path in ("/", "/main.js", "/settings.json", "/metrics/users", "/logs/api-gateway.log"):
        answer = console.request("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


# ---- who is let in

def test_other_names_are_refused(console):
    """A name that its owner points at 127.0.0.1 would make the page's origin his."""
    port = console.port
    for name in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert send(console, "/", name)[0] == 200, name
    for name in ("localhost", "127.0.0.1", f"localhost:{port + 1}", f"rebind.example:{port}", f"0.0.0.0:{port}",
                 f"localhost.example:{port}", f"xlocalhost:{port}", f"127.0.0.1.example:{port}", f"127x0x0x1:{port}",
                 f"localhost:{port}0"):
        assert send(console, "/", name)[0] == 421, name
        assert send(console, "/api/v1/orders", name, "POST")[0] == 421, name
    assert int(raw(port, b"GET / HTTP/1.0\r\n\r\n").split()[1]) == 421


def orders(system):
    return system.query("orders", "SELECT count(*) FROM orders")[0][0]


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},  # another port of this machine
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a form
    {"Sec-Fetch-Site": "something-new", "Sec-Fetch-Mode": "cors"},
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost"},
    {"Origin": "http://localhost:1"}])
def test_another_site_places_no_order(shown, console, headers):
    before = orders(shown)
    for content_type in ("text/plain", "application/json"):
        body = json.dumps(ORDER).encode()
        answer = console.request("POST", "/api/v1/orders", body, list(headers.items()), content_type)
        assert answer.status == 403 and answer.trace_id is None, answer
    for path in ("/api/v1/users", "/tempo/api/search", "/logs/api-gateway.log", "/metrics/users", "/main.js"):
        assert console.get(path, list(headers.items())).status == 403, path
    assert orders(shown) == before


def test_text_that_happens_to_be_json_is_no_order(shown, console):
    """What a form or a page elsewhere could send without asking first, if the browser did not say who it is."""
    before = orders(shown)
    answer = console.request("POST", "/api/v1/orders", json.dumps(ORDER).encode(), content_type="text/plain")
    check_problem(answer, 415)
    assert orders(shown) == before


@pytest.mark.parametrize("headers, status", [
    ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link
    ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403)])
def test_a_link_from_elsewhere_opens_the_page(console, headers, status):
    assert console.get("/", list(headers.items())).status == status


# ---- what it passes on

def test_an_order_is_a_request_of_the_gateway(shown, console):
    """Traced, logged by the gateway once, and to be read through the console when its spans have come."""
    origin = [("Origin", f"http://localhost:{console.port}"), ("Sec-Fetch-Site", "same-origin"),
              ("Sec-Fetch-Mode", "cors")]
    answer = check_headers(check_traced(console.post("/api/v1/orders", ORDER, origin)))
    assert answer.status == 201 and answer.json()["product"] == "测试商品"
    assert answer.header("Location") == f"/api/v1/orders/{answer.json()['id']}"

    def spans():
        trace = console.get(f"/tempo/api/traces/{answer.trace_id}")
        batches = trace.json().get("batches", ()) if trace.status == 200 else ()
        count = sum(len(scope["spans"]) for batch in batches for scope in batch["scopeSpans"])
        return count == 10
    wait_until(spans, "the trace does not become whole")
    query = urllib.parse.quote('{ resource.service.name = "order-service" && span.http.route = "/api/v1/orders" }')
    found = console.get(f"/tempo/api/search?limit=5&q={query}").json()["traces"]
    assert answer.trace_id in [trace["traceID"] for trace in found]
    lines = [line for line in shown.log_lines("api-gateway") if line["trace_id"] == answer.trace_id]
    assert [(line["method"], line["status"]) for line in lines] == [("POST", 201)]


def test_the_consoles_own_requests_are_not_logged(shown, console):
    before = len(shown.log_lines("api-gateway"))
    for path in ("/", "/main.js", "/settings.json", "/metrics/users", "/tempo/api/echo", "/logs/users.log", "/no"):
        console.get(path)
    last = console.get("/api/v1/users")
    shown.wait_log("api-gateway", lambda line: line["trace_id"] == last.trace_id, "of the last request")
    assert len(shown.log_lines("api-gateway")) == before + 1


@pytest.mark.parametrize("method, path, body, status", [
    ("POST", "/api/v1/orders", {**ORDER, "user_id": 999999}, 422), ("POST", "/api/v1/orders", b"{", 400),
    ("GET", "/api/v1/nowhere", None, 404), ("POST", "/api/v1/orders", {**ORDER, "product": "x" * 70000}, 413),
    ("PUT", "/api/v1/orders", {}, 405)])
def test_the_gateways_refusals_pass_unchanged(console, method, path, body, status):
    answer = check_traced(console.request(method, path, body))
    check_problem(answer, status)
    check_headers(answer)


def test_a_trace_that_is_not_there(console):
    assert console.get(f"/tempo/api/traces/{'0' * 31}1").status == 404


def test_metrics_of_every_part(shown, console):
    names = {}
    for service in console.get("/settings.json").json()["services"]:
        answer = check_headers(console.get(f"/metrics/{service['name']}"))
        assert answer.status == 200
        names[service["name"]] = re.search(r'target_info{service_name="([^"]+)"', answer.body.decode())[1]
        assert service["port"] == shown.port_of(service["name"])
    assert console.get("/settings.json").json()["gateway_port"] == shown.ports["gateway"]
    assert names == {**shown.services, "gateway": "api-gateway"}


def test_logs_by_range(shown, console):
    """What bisecting needs: any part of a file that grows, its end, and its size."""
    with open(shown.log / "still.log", "wb") as file:
        file.write(text := b"".join(b'{"ts":"%d"}\n' % number for number in range(1000)))
    whole = check_headers(console.get("/logs/still.log"))
    assert (whole.status, whole.body, whole.header("Accept-Ranges")) == (200, text, "bytes")
    assert whole.header("Content-Type").split(";")[0] == "text/plain"
    for value, expected in (("bytes=5-24", text[5:25]), ("bytes=-30", text[-30:]), ("bytes=0-99999999", text)):
        answer = console.get("/logs/still.log", [("Range", value)])
        assert (answer.status, answer.body) == (206, expected)
        assert answer.header("Content-Range").endswith(f"/{len(text)}")
    assert console.get("/logs/still.log", [("Range", f"bytes={len(text)}-")]).status == 416
    with open(shown.log / "still.log", "ab") as file:
        file.write(b'{"ts":"new"}\n')
    assert console.get("/logs/still.log", [("Range", f"bytes={len(text)}-")]).body == b'{"ts":"new"}\n'
    (shown.log / "still.log").unlink()


@pytest.fixture
def strangers(shown):
    """What lies beside and among the logs, and is none."""
    (shown.log / "other.txt").write_text("secret")
    (shown.log / "below").mkdir()
    (shown.log / "below/deep.log").write_text("secret")
    (shown.log / "link.log").symlink_to(shown.data / "users.db")
    yield
    (shown.log / "link.log").unlink()  # a log's lines are judged in the end
    shutil.rmtree(shown.log / "below")


@pytest.mark.parametrize("path", [
    "../data/users.db", "..%2fdata%2fusers.db", "%2e%2e/data/users.db", "../../x.log", ".log", "other.txt",
    "below/deep.log", "below%2fdeep.log", "/etc/passwd", "link.log", "a%00.log", "..%5cx.log", "api-gateway.log/",
    "api-gateway.checkpoint", "no.log"])
def test_no_way_out_of_the_logs(console, strangers, path):
    status, received = send(console, f"/logs/{path}")
    assert status in (400, 403, 404), received
    assert b"SQLite" not in received and b"secret" not in received


def test_without_a_grafana(shown, console):
    """No error: of the page, or in nginx's log."""
    before = (shown.log / "nginx-error.log").read_text()
    assert (console.get("/grafana-health").status, console.get("/grafana-health").body) == (204, b"")
    assert (shown.log / "nginx-error.log").read_text() == before


# ---- starting and stopping

def test_welcome_and_status_say_where_it_is(shown):
    address = f"http://localhost:{shown.ports['console']}"
    assert [line for line in shown.ctl("welcome").stdout.splitlines() if "http" in line][0].endswith(f"open {address}")
    assert re.search(rf"^console +up +\d+ +{address}$", shown.ctl("status").stdout, re.M)


def test_it_listens_on_the_loopback_alone(shown):
    port = shown.ports["console"]
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"\S+:%d\b" % port, listening) == [f"127.0.0.1:{port}"]


def test_its_taken_port_is_named(shown, make_system):
    second = make_system.prepare("late", environment={"CONSOLE": "on", "CONSOLE_PORT": str(shown.ports["console"])})
    try:
        second.ports = dict(zip(["gateway", "metrics", *second.services], free_ports(5)))
        done = second.ctl("start", check=False)
        assert done.returncode != 0, done.stdout
        assert f"port {shown.ports['console']} (CONSOLE_PORT) is taken" in done.stdout, done.stdout
    finally:
        second.collector.close()


def test_off_leaves_nothing_open(make_system):
    port = free_port()
    system = make_system("unseen", environment={"CONSOLE": "off", "CONSOLE_PORT": str(port)})
    with pytest.raises(ConnectionRefusedError):
        Client(port, traced=False).get("/")
    assert "console" not in (system.run / "nginx/settings/servers.conf").read_text()
    assert [path.name for path in (system.run / "nginx/console").iterdir()] == ["openapi.json"], "the gateway's"
    assert "console" not in system.ctl("status").stdout and "open http" not in system.ctl("welcome").stdout
    make_system.finish(system)


# ---- nginx/render

@pytest.mark.parametrize("name, value, says", [
    ("CONSOLE", "yes", "CONSOLE"), ("CONSOLE_PORT", "x", "CONSOLE_PORT"), ("CONSOLE_PORT", "8080", "8080"),
    ("GRAFANA_PORT", "70000", "GRAFANA_PORT"), ("TEMPO_URL", "https://tempo", "TEMPO_URL"),
    ("TEMPO_URL", "tempo:3200", "TEMPO_URL"), ("TEMPO_URL", "http://a;b", "TEMPO_URL"),
    ("TEMPO_URL", "http://a b", "TEMPO_URL"), ("TEMPO_URL", "http://$a", "TEMPO_URL")])
def test_refused_settings(tmp_path, name, value, says):
    done = render("out", cwd=tmp_path, environment={"CONSOLE": "on", name: value}, check=False)
    assert done.returncode != 0 and says in done.stderr and not (tmp_path / "out/nginx.conf").exists()


def test_settings_reach_the_configuration(tmp_path):
    """A service of one more file is known to the console; another Tempo is asked when there is one."""
    copy_nginx(tmp_path)
    (tmp_path / "nginx/services/stock-items.conf").write_text(
        "# default port: 8099\nlocation /api/v1/stock-items {\n    return 204;\n}\n")
    environment = {"CONSOLE": "on", "TEMPO_URL": "http://tempo.example:3201/", "GRAFANA_PORT": "3001",
                   "GATEWAY_ADDRESS": "::1", "PATH": os.environ["PATH"]}
    subprocess.run([tmp_path / "nginx/render", "out"], cwd=tmp_path, env=environment, check=True)
    text = "".join((tmp_path / "out/settings" / name).read_text() for name in ("console.conf", "tempo.conf"))
    assert "# http://tempo.example:3201\n" in text and '"[::1]:8080"' in text
    assert '"/metrics/stock-items" 127.0.0.1:8099;' in text and '{"name":"stock-items","port":8099}' in text
    assert '$console_grafana_port {\n    default "3001";' in text


class Browser:
    """nginx alone, with the console."""

    def __init__(self, directory, **environment):
        self.port = free_port()
        self.nginx = NginxAlone(directory, {"CONSOLE": "on", "CONSOLE_PORT": str(self.port), **environment})

    def __enter__(self):
        self.nginx.start()
        return Client(self.port, traced=False)

    def __exit__(self, *args):
        self.nginx.close()


class Other(http.server.BaseHTTPRequestHandler):
    """A Tempo or a Grafana of somebody's: says what it was asked."""

    def do_GET(self):
        self.send_response(404 if "nothing" in self.path else 200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def other():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_another_tempo_and_a_grafana(tmp_path, other):
    """Paths and queries come through as they are, below a prefix too; a status as well."""
    with Browser(tmp_path, TEMPO_URL=f"http://127.0.0.1:{other}/tempo", GRAFANA_PORT=str(other)) as client:
        answer = check_headers(client.get("/tempo/api/search?q=%7B%20status%20%3D%20error%20%7D&limit=5"))
        assert (answer.status, answer.body) == (200, b"/tempo/api/search?q=%7B%20status%20%3D%20error%20%7D&limit=5")
        assert client.get("/tempo/api/v2/search/tag/resource.service.name/values").status == 200
        assert client.get("/tempo/api/traces/nothing").status == 404
        assert (client.get("/grafana-health").status, client.get("/grafana-health").body) == (200, b"/api/health")


def test_parts_that_do_not_answer(tmp_path):
    """A problem with its status, not a blank page: no Tempo, no gateway."""
    closed, holder = closed_port()
    with Browser(tmp_path, TEMPO_URL=f"http://127.0.0.1:{closed}", GATEWAY_CLOSED="1") as client:
        for path in ("/tempo/api/search", "/api/v1/users"):
            answer = check_headers(client.get(path))
            check_problem_without_trace(answer, 502)
        assert client.get("/").status == 200
    holder.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_workers_that_cannot_reach_the_sources():
    """As root starts it from a clone below a directory of its own, with any umask: the workers are www-data."""
    home = f"/tmp/apm-console-{os.getpid()}"
    hidden = f"{home}/hidden"
    os.makedirs(hidden)
    os.chmod(home, 0o755)
    copy_nginx(Path(hidden))
    os.chmod(hidden, 0o700)
    browser = Browser(f"{home}/x", NGINX_USER="www-data")
    browser.nginx.render = lambda: subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", f"{hidden}/nginx/render", browser.nginx.run / "nginx"],
        env={**os.environ, **browser.nginx.settings()}, check=True)
    try:
        with browser as client:
            for name in ("", "main.js", "style.css"):
                assert client.get(f"/{name}").status == 200, name
            assert client.get("/logs/api-gateway.log").status == 200
    finally:
        shutil.rmtree(home)
