# SPDX-License-Identifier: MIT
"""doctor, load and who is scraped, without the backends."""
import http.server
import re
import threading

import pytest
from backends import SERVICES, STACK, Stack, fetch
from lib.wait import wait_until


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The system without any backend."""
    with Stack(tmp_path_factory.mktemp("alone"), []) as stack:
        yield stack


def faults(output):
    """[(what is wrong, all that the doctor says of it)]"""
    return [(" ".join(text.split("→")[0].split()), text) for text in re.split(r"^FAIL", output, flags=re.MULTILINE)[1:]]


def test_doctor_where_nothing_runs(tmp_path):
    done = Stack(tmp_path, []).run("stack/native/doctor", "--wait", "0")
    (_, text), = faults(done.stdout)
    assert done.returncode == 1 and "make run" in text and "make stack-up" in text
    assert "0 of 1 checks are well, 1 failed" in done.stdout


def test_doctor_of_the_system_alone(alone):
    """Its spans go to a collector that is not there; nobody asked for backends."""
    done = alone.run("stack/native/doctor", "--wait", "2")
    (what, _), = faults(done.stdout)
    assert done.returncode == 1 and what == f"spans go to {alone.url('OTLP_HTTP')}, where nobody listens"
    for name in ("users", "orders", "notifications"):
        assert f"ok    {name} is ready" in done.stdout
    assert re.search(r"not asked for: .*Prometheus,\s+Loki,\s+Tempo,\s+Grafana", done.stdout, re.DOTALL)


def test_doctor_knows_the_trace_store(tmp_path):
    stack = Stack(tmp_path, [])
    del stack.env["OTEL_EXPORTER_OTLP_ENDPOINT"]
    stack.env["TRACES_PORT"] = stack.env["TEMPO_PORT"]
    with stack:
        done = stack.run("stack/native/doctor")
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout
    assert "ok    trace-store is ready" in done.stdout
    assert "ok    its trace is stored: 4 spans of api-gateway and user-service" in done.stdout


def test_doctor_tells_a_port_that_another_program_has(alone):
    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"I am somebody else")

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = alone.run("env", f"USERS_PORT={server.server_port}", "stack/native/doctor", "--wait", "0")
    finally:
        server.shutdown()
        server.server_close()
    found = dict(faults(done.stdout))
    told = f"port {server.server_port} (USERS_PORT) is another program's, it answers: 200 I am somebody else"
    assert told in found and f"sport = :{server.server_port}" in found[told], done.stdout


def test_doctor_tells_a_part_that_does_not_run(alone):
    alone.run("stack/native/ctl", "stop", "users")
    try:
        output = alone.run("stack/native/doctor", "--wait", "0").stdout
    finally:
        alone.ctl("start")
    found = dict(faults(output))
    assert "→ make run starts what is missing" in found["users does not run"], output
    assert "↳ so: gateway is not ready: 503" in found["users does not run"], output
    assert "ok    orders is ready" in output


def counted(stack):
    """Requests that the gateway's own metrics know of."""
    text = fetch(stack.url("METRICS") + "/metrics")[2]
    return sum(float(value) for value in re.findall(r"^http_server_request_duration_seconds_count\{.*\} (\S+)", text,
                                                    re.MULTILINE))


def test_load_sends_what_it_says(alone):
    before = len((alone.dir / "logs/api-gateway.log").read_text().splitlines())
    wait_until(lambda: counted(alone) == before, "the requests of other tests are counted", 20)
    done = alone.run("stack/native/load", "--rate", "100", "--seconds", "3")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert len(lines) in (2, 3) and all(re.match(r" +\d s +\d+ requests/s p95 +[\d.]+ ms in all ", line)
                                        for line in lines)
    answered, unanswered = map(int, re.match(r"(\d+) requests answered, (\d+) not", last).groups())
    assert (answered, unanswered) == (300, 0)
    wait_until(lambda: counted(alone) - before == answered,
               lambda: f"{counted(alone) - before} counted, {answered} answered", 20)


def test_load_where_nobody_listens(tmp_path):
    done = Stack(tmp_path, []).run("stack/native/load", "--rate", "50", "--seconds", "1")
    assert done.returncode == 1 and "0 requests answered" in done.stdout and "nobody answers" in done.stderr


def test_native_targets_follow_the_ports(tmp_path):
    stack = Stack(tmp_path, [])
    text = stack.run("stack/native/containers", "targets").stdout
    targets = dict(re.findall(r'- labels: \{job: (\S+)\}\n  targets: \["(\S+)"\]', text))
    assert {job: targets[job] for job in SERVICES} == {
        "api-gateway": f"127.0.0.1:{stack.ports['METRICS']}", "user-service": f"127.0.0.1:{stack.ports['USERS']}",
        "order-service": f"127.0.0.1:{stack.ports['ORDERS']}",
        "notification-service": f"127.0.0.1:{stack.ports['NOTIFICATIONS']}"}
    assert targets["alloy"] == f"127.0.0.1:{stack.ports['ALLOY']}"
    in_containers = "".join((STACK / f"prometheus/targets.{name}.yml").read_text() for name in ("compose", "alloy"))
    assert set(targets) == set(re.findall(r"job: ([\w-]+)", in_containers)), "the same jobs as in containers"
    stack.env["COMPOSE_PROFILES"] = "promtail"
    text = stack.run("stack/native/containers", "targets").stdout
    assert f"{{job: promtail}}\n  targets: [\"127.0.0.1:{stack.ports['PROMTAIL']}\"]" in text and "alloy" not in text
