# SPDX-License-Identifier: MIT
"""make doctor names the cause of a fault once, with a remedy. Against servers of the test, and whole systems."""
import json
import os
import socket
import subprocess
import urllib.request

from lib.fixtures import console_fixture
from lib.place import BACKENDS, PORTS, READY, TOOLS, Place, faults, serve_well, up
from lib.ports import closed_port, free_ports
from lib.system import INHERITED

console = console_fixture("console")
ALL = ("nginx", "users", "orders", "notifications", "gateway", "trace-store")


def test_a_healthy_system_is_well(place):
    serve_well(place)
    place.supervise(up(*ALL))
    screen = place.look("doctor")
    assert screen.status == 0 and "FAIL" not in screen.text, screen.text
    assert "11 of 11 checks are well" in screen.text
    assert "the console (CONSOLE=off)" in screen.text and "Prometheus, Loki, Tempo, Grafana" in screen.text


def test_a_whole_system_is_well_and_no_service_of_the_doctor_stays(console, tmp_path):
    env = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
    prometheus, loki = free_ports(2)
    env |= {"RUN_DIR": str(console.run), "PROMETHEUS_PORT": str(prometheus), "LOKI_PORT": str(loki)}
    done = subprocess.run([TOOLS / "doctor"], env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout + done.stderr
    assert "its trace is stored: 4 spans of api-gateway and user-service" in done.stdout
    url = f"http://127.0.0.1:{console.environment()['TRACES_PORT']}/api/v2/search/tag/resource.service.name/values"
    with urllib.request.urlopen(url) as answer:
        found = {one["value"] for one in json.load(answer)["tagValues"]}
    assert found and found <= {"api-gateway", "user-service", "order-service", "notification-service"}
    traces = subprocess.run([TOOLS / "trace"], env=env, capture_output=True, text=True, check=True)
    assert "api-gateway" in traces.stdout
    load = subprocess.run([TOOLS / "load", "--seconds", "1"], env=env, capture_output=True, text=True, check=True)
    assert f"20 requests answered, 0 not, by http://127.0.0.1:{console.ports['gateway']}" in load.stdout
    logs = subprocess.run([TOOLS / "logs"], env={**env, "FOLLOW": "off"}, capture_output=True, text=True, check=True)
    assert len(logs.stdout.splitlines()) == 20 and all(map(json.loads, logs.stdout.splitlines()))


def test_its_request_leaves_a_trace_where_few_do(make_system, tmp_path):
    """TRACE_SAMPLE_PERCENT=0: it asks for one as a client may; where none is heeded it looks for none."""
    store = Place(tmp_path)
    system = make_system("unsampled", environment={
        "TRACE_SAMPLE_PERCENT": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "", "TRACES_PORT": store.ports["TRACES"],
        "OTLP_HTTP_PORT": store.ports["OTLP_HTTP"]})
    ports = {f"{name.upper()}_PORT": str(port) for name, port in system.ports.items()}
    ports |= {name: store.values[name] for name in ("TRACES_PORT", "OTLP_HTTP_PORT")}
    ports |= {"RUN_DIR": str(system.run), "LOG_DIR": str(system.log), "DATA_DIR": str(system.data), "CONSOLE": "off"}
    ours = store.env(**ports)
    for more, text in (({}, "its trace is stored: 4 spans"), ({"TRACE_TRUST": "off"}, "a trace of every request")):
        done = subprocess.run([TOOLS / "doctor"], env={**ours, "TRACE_SAMPLE_PERCENT": "0", **more}, check=False,
                              capture_output=True, text=True)
        assert done.returncode == 0 and text in done.stdout, done.stdout + done.stderr
    make_system.finish(system)


def test_the_cause_comes_first_and_once(place):
    serve_well(place, "USERS", "GATEWAY", "METRICS")
    not_ready = (503, "application/json", '{"status":503,"detail":"The users service cannot answer."}')
    place.serve("METRICS", {"/healthz": READY, "/readyz": not_ready})
    bad = (502, "text/html", "<html><h1>502 Bad Gateway</h1>\033[31m")
    place.serve("GATEWAY", {"/healthz": READY, "/api/v1/users": bad})
    last = "ended with 1: \033[31mcannot open users.db: it is damaged"
    place.supervise(up("nginx", "orders", "notifications", "gateway", "trace-store", users=last))
    screen = place.look("doctor")
    (what, following), = faults(screen.text)
    assert what == "users is down: ended with 1: \ufffd[31mcannot open users.db: it is damaged"
    assert following == ["gateway is not ready: 503 The users service cannot answer.",
                         "a GET through the gateway is answered 502 Bad Gateway \ufffd[31m"]
    assert "→ make logs SERVICE=users FOLLOW=off" in screen.text and "docker" not in screen.text
    assert screen.status == 1 and "1 failed, 2 follow from that" in screen.text


def test_a_supervisor_that_is_mute(place):
    serve_well(place)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(place.run / "supervisor.sock"))
        mute.listen()
        done = place.ask("doctor")
    (what, _), = faults(done.stdout)
    assert "the supervisor of" in what and "does not answer as it should" in what and "make stop" in done.stdout


def test_nothing_runs(place):
    done = place.ask("doctor")
    assert done.returncode == 1 and len(faults(done.stdout)) == 1, done.stdout
    assert "make run" in done.stdout and "make stack-up" in done.stdout


def test_a_port_that_a_stranger_has(place):
    text = "<html><script>x</script>\033[2J" + "I am somebody else " * 50
    place.serve("GATEWAY", lambda path: (200, "text/html", text))
    screen = place.look("doctor")
    (what, following), = faults(screen.text)
    assert f"port {place.ports['GATEWAY']} (GATEWAY_PORT) is another program's" in what and len(what) < 200
    assert not following and "ss -ltnp" in screen.text and "\033[2J" not in screen.raw and "<html>" not in screen.text


def test_a_prometheus_of_somebody_else_is_not_judged(place):
    serve_well(place)
    place.supervise(up(*ALL))
    nothing = (200, "application/json", '{"data":{"result":[]}}')
    place.serve("PROMETHEUS", {"/-/ready": (200, "text/plain", "Prometheus Server is Ready."),
                               "/api/v1/query": nothing})
    done = place.ask("doctor")
    assert done.returncode == 0, done.stdout


def test_backends_beside_the_system_are_judged(place):
    serve_well(place)
    place.supervise(up(*ALL))
    streams = {"data": {"result": [{"stream": {"service": name}} for name in ("api-gateway", "user-service")]}}
    place.serve("LOKI", {"/metrics": (200, "text/plain", "loki_build_info 1"),
                         "/loki/api/v1/query_range": (200, "application/json", json.dumps(streams))})
    done = place.ask("doctor", "--wait", "0")
    found = dict(faults(done.stdout))
    assert len(found) == 2, done.stdout
    (prometheus, metrics), (grafana, sources) = found.items()
    assert prometheus.startswith("Prometheus does not answer") and len(metrics) == 2
    assert grafana.startswith("Grafana does not answer") and len(sources) == 2
    assert "docker compose -p apm-backends logs" in done.stdout and "ok    Loki has the request's lines" in done.stdout


def test_containers_are_judged_with_their_own_remedies(place, tmp_path):
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nprintf 'api-gateway\\trunning\\tUp 2 hours (healthy)\\n'\n"
                      "printf 'tempo\\texited\\tExited (137) 3 minutes ago\\n'\n")
    docker.chmod(0o755)
    (place.run / "settings.json").unlink()
    serve_well(place)
    ports = {f"{name}_PORT": place.ports[name] for name in PORTS + BACKENDS}
    done = place.ask("doctor", "--wait", "0", PATH=f"{docker.parent}:{os.environ['PATH']}", **ports)
    found = faults(done.stdout)
    assert done.returncode == 1 and found[0][0] == "the container tempo is not well: Exited (137) 3 minutes ago"
    assert any("Tempo does not answer" in one for one in found[0][1]), done.stdout
    assert "→ docker compose -f stack/compose.yaml logs --tail 50 tempo" in done.stdout
    assert "make logs" not in done.stdout


def test_spans_that_go_where_nobody_listens(place):
    port, holder = closed_port()
    with holder:
        place.remember(TRACE_STORE="off", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        serve_well(place, "TRACES")
        place.supervise(up(*ALL))
        done = place.ask("doctor", "--wait", "0")
    (what, _), = faults(done.stdout)
    assert what == f"spans go to http://127.0.0.1:{port}, where nobody listens" and "TEMPO_URL" in done.stdout
