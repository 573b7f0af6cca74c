"""doctor, load and native-targets, without the backends."""
import http.server
import os
import re
import threading

import pytest
from backends import ROOT, SERVICES, STACK, Stack, fetch, wait_until
from lib.system import alive, parts_of


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The system without any backend."""
    with Stack(tmp_path_factory.mktemp("alone"), []) as stack:
        yield stack


def results(output):
    """[(well, text, remedy)]"""
    return [(word == "ok", text, remedy) for word, text, remedy in re.findall(
        r"^(ok|FAIL) +(.*)\n(?: +→ (.*)\n)?", output, re.MULTILINE)]


def test_doctor_where_nothing_runs(tmp_path):
    stack = Stack(tmp_path, [])
    done = stack.run("stack/native/doctor", "--wait", "0")
    found = results(done.stdout)
    assert done.returncode == 1 and len(found) == 19
    assert not any(well for well, _, _ in found)
    assert all(remedy for _, _, remedy in found), "each says what to do"
    assert "0 of 19 checks are well, 19 failed" in done.stdout


def test_doctor_of_the_system_alone(alone):
    done = alone.run("stack/native/doctor", "--wait", "0")
    found = results(done.stdout)
    assert done.returncode == 1
    ready = {text for well, text, _ in found if well and "ready" in text}
    assert ready == {f"{service} is ready" for service in SERVICES}
    assert sum(well for well, _, _ in found) == 9, done.stdout
    for what in ("Tempo", "Prometheus", "Loki", "Grafana"):
        assert any(not well and what in text and "make stack-up" in remedy for well, text, remedy in found), what
    trace = re.search(r"trace ([0-9a-f]{32})\n", done.stdout).group(1)
    assert f"trace {trace} lacks the spans of api-gateway, user-service" in done.stdout


def test_doctor_knows_the_trace_store(tmp_path):
    stack = Stack(tmp_path, [])
    del stack.env["OTEL_EXPORTER_OTLP_ENDPOINT"]
    stack.env["TRACES_PORT"] = stack.env["TEMPO_PORT"]
    with stack:
        output = stack.run("stack/native/doctor").stdout
        refused = stack.run("make", "stack-up-backends")
    assert f"ok    port {stack.ports['TEMPO']} is the trace store's" in output, output
    assert "ok    the OTLP endpoint takes a span" in output
    assert "ok    the request's trace is in Tempo: 4 spans of api-gateway, user-service" in output
    assert refused.returncode and "The trace store has Tempo's ports" in refused.stderr, refused.stdout


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
        done = alone.run("env", f"TEMPO_PORT={server.server_port}", "stack/native/doctor", "--wait", "0")
    finally:
        server.shutdown()
        server.server_close()
    assert f"port {server.server_port} is not Tempo's: another program has it" in done.stdout
    assert "choose another: TEMPO_PORT=" in done.stdout


def test_doctor_tells_a_service_that_is_not_ready(alone):
    pid = parts_of(alone.dir / "run")["users"]["pid"]
    os.kill(pid, 15)
    try:
        wait_until(lambda: not alive(pid), 20, "users ends")
        output = alone.run("stack/native/doctor", "--wait", "0").stdout
    finally:
        alone.ctl("start")
    assert re.search(r"FAIL  user-service is not ready \(50\d .*\)\n      → make status", output), output
    assert "ok    order-service is ready" in output


def counted(stack):
    """Requests that the gateway's own metrics know of."""
    text = fetch(stack.url("METRICS") + "/metrics")[2]
    return sum(float(value) for value in re.findall(r"^http_server_request_duration_seconds_count\{.*\} (\S+)", text,
                                                    re.MULTILINE))


def test_load_sends_what_it_says(alone):
    before = len((alone.dir / "logs/api-gateway.log").read_text().splitlines())
    wait_until(lambda: counted(alone) == before, 20, "the requests of other tests are counted")
    done = alone.run("stack/native/load", "--rate", "100", "--seconds", "3")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert len(lines) in (2, 3) and all(re.match(r" +\d s +\d+ requests/s +p95 +[\d.]+ ms   in all: ", line)
                                        for line in lines)
    answered, unanswered = map(int, re.match(r"(\d+) requests answered, (\d+) not", last).groups())
    assert (answered, unanswered) == (300, 0)
    wait_until(lambda: counted(alone) - before == answered, 20,
               lambda: f"{counted(alone) - before} counted, {answered} answered")


def test_load_where_nobody_listens(tmp_path):
    done = Stack(tmp_path, []).run("stack/native/load", "--rate", "50", "--seconds", "1")
    assert done.returncode == 1 and "0 requests answered" in done.stdout


def test_native_targets_follow_the_ports(tmp_path):
    stack = Stack(tmp_path, [])
    text = stack.run("stack/native-targets").stdout
    targets = dict(re.findall(r'- labels: \{job: (\S+)\}\n  targets: \["(\S+)"\]', text))
    assert {job: targets[job] for job in SERVICES} == {
        "api-gateway": f"127.0.0.1:{stack.ports['METRICS']}", "user-service": f"127.0.0.1:{stack.ports['USERS']}",
        "order-service": f"127.0.0.1:{stack.ports['ORDERS']}",
        "notification-service": f"127.0.0.1:{stack.ports['NOTIFICATIONS']}"}
    in_containers = set(re.findall(r"job: ([\w-]+)", (STACK / "prometheus/targets.compose.yml").read_text()))
    assert set(targets) == in_containers, "the same jobs as in containers"
    assert (ROOT / "stack/stack.mk").read_text().count("native-targets") == 1
