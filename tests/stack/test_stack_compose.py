# SPDX-License-Identifier: MIT
"""The compose file: what it promises on paper, and, where an engine and the images are there, in containers."""
import json
import os
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from backends import INHERITED, ROOT, SERVICES, STACK, answer_of, fetch, free_ports
from lib.wait import wait_until

from lib.load import MIXED, Load

PROGRAMS = ["user-service", "order-service", "notification-service", "gateway-shipper"]
OWN = ["api-gateway", *PROGRAMS, "alert-log"]
NEEDED = ["prometheus", "tempo", "loki", "alloy", "alertmanager"]
PUBLISHED = ["GATEWAY", "USERS", "ORDERS", "NOTIFICATIONS", "TEMPO", "OTLP_GRPC", "OTLP_HTTP", "ZIPKIN", "JAEGER",
             "PROMETHEUS", "LOKI", "GRAFANA", "ALERTMANAGER"]


def clean_environment():
    return {name: value for name, value in os.environ.items()
            if INHERITED.fullmatch(name) or name.startswith("DOCKER_")}


def compose(*arguments, files=("compose.yaml",), environment=None, timeout=600):
    command = ["docker", "compose"]
    for file in files:
        command += ["-f", str(STACK / file)]
    return subprocess.run([*command, *arguments], env={**clean_environment(), **(environment or {})}, cwd=ROOT,
                          check=False, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def cli():
    if not shutil.which("docker") or compose("version").returncode:
        pytest.skip("the docker compose plugin is not installed")


def configuration(files=("compose.yaml",), **environment):
    done = compose("config", "--format", "json", files=files, environment=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


@pytest.fixture(scope="module")
def services(cli):
    return configuration()


def test_all_parts_are_there(services):
    assert set(services) == {*OWN, *NEEDED, "grafana", "node-exporter"}
    promtail = configuration(COMPOSE_PROFILES="promtail")
    assert set(services) - set(promtail) == {"alloy"} and set(promtail) - set(services) == {"promtail"}


def test_it_works_from_the_root(services):
    """compose.yaml there means the same containers, so that neither place replaces those of the other."""
    done = subprocess.run(["docker", "compose", "config", "--format", "json"], env=clean_environment(), cwd=ROOT,
                          check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["services"] == services


def test_the_log_shipper_that_runs_is_scraped_and_no_other(cli):
    for name in ("alloy", "promtail"):
        mounted = {volume["target"]: volume for volume in configuration(COMPOSE_PROFILES=name)["prometheus"]["volumes"]}
        shipper = mounted["/etc/prometheus/shipper.yml"]
        assert not shipper["bind"].get("create_host_path")
        assert re.findall(r"job: (\w+)}\n  targets: \[(\w+):", Path(shipper["source"]).read_text()) == [(name, name)]
        others = Path(mounted["/etc/prometheus/targets.yml"]["source"]).read_text()
        assert f"job: {name}}}" not in others
    refused = compose("config", environment={"COMPOSE_PROFILES": ""})
    assert refused.returncode and "alloy or promtail" in refused.stderr


def test_memory_is_one_and_a_half_gigabytes_at_most(services):
    for parts in (services, configuration(COMPOSE_PROFILES="promtail")):
        assert sum(int(service["mem_limit"]) for service in parts.values()) <= 1.5 * 2**30


def test_versions_are_exact(services):
    for name, service in services.items():
        if name not in OWN:
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


def test_grafana_fetches_nothing(services):
    environment = services["grafana"]["environment"]
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES"] == "false"


def test_only_the_gateway_is_reachable_from_outside(services):
    ports = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert {(name, port["target"]) for name, port in ports if port["host_ip"] != "127.0.0.1"} == {("api-gateway", 8080)}
    for target in (8080, 8081, 8082, 8083, 3200, 4317, 4318, 9411, 14268, 9090, 3100, 9093, 3000):
        assert target in [port["target"] for _, port in ports]


def test_every_published_port_is_a_variable(cli):
    numbers = {f"{name}_PORT": str(20000 + i) for i, name in enumerate(PUBLISHED)}
    published = [port["published"] for service in configuration(**numbers).values()
                 for port in service.get("ports", [])]
    assert sorted(published) == sorted(numbers.values())


def test_own_containers_are_locked_down(services):
    for name in OWN:
        service = services[name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
    assert len(re.findall(r"^USER apm$", (STACK / "Dockerfile").read_text(), re.MULTILINE)) == 2
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"] and service["restart"], name
        assert "privileged" not in service, name


def test_data_is_in_named_volumes_and_the_rest_is_read_only(services):
    for name, service in services.items():
        for volume in service.get("volumes", []):
            assert volume["type"] == "volume" or volume["read_only"], f"{name}: {volume}"


def test_parts_wait_for_each_other_by_health(services):
    checked = {name for name, service in services.items() if service.get("healthcheck")}
    assert set(services) - checked == {"node-exporter"}, "its image has nothing to check with"
    assert configuration(COMPOSE_PROFILES="promtail")["promtail"]["healthcheck"]
    assert {name: need["condition"] for name, need in services["api-gateway"]["depends_on"].items()} \
        == dict.fromkeys(PROGRAMS, "service_healthy")


@pytest.mark.parametrize("name, port", [("alloy", "12345"), ("promtail", "9080")])
def test_the_health_check_of_an_image_that_has_bash_only(cli, name, port):
    class Answers(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self):  # noqa: N802  pylint: disable=invalid-name
            self.send_response(self.status)
            self.end_headers()
    command = configuration(COMPOSE_PROFILES=name)[name]["healthcheck"]["test"]
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [word.replace("$$", "$").replace(port, str(server.server_port)) for word in command[1:]]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
        Answers.status = 503
        assert subprocess.run(command, check=False, capture_output=True).returncode
        server.shutdown()
    assert subprocess.run(command, check=False, capture_output=True).returncode


def test_backends_beside_a_native_system(cli):
    files = ("compose.yaml", "compose.native.yaml")
    parts = configuration(files, PROMETHEUS_TARGETS="/tmp/targets.yml", LOGS_VOLUME="/tmp/logs", GRAFANA_PORT="13000")
    parts |= configuration(files, PROMETHEUS_TARGETS="/tmp/targets.yml", LOGS_VOLUME="/tmp/logs",
                           COMPOSE_PROFILES="promtail", GRAFANA_PORT="13000")
    for name in (*NEEDED, "promtail", "alert-log", "grafana", "node-exporter"):
        assert parts[name]["network_mode"] == "host" and not parts[name].get("ports"), name
    assert parts["grafana"]["environment"]["GF_SERVER_HTTP_PORT"] == "13000"
    for name in ("alloy", "promtail"):
        assert {"source": "/tmp/logs", "target": "/var/log/apps"}.items() <= parts[name]["volumes"][1].items()
    mounted = {volume["target"]: volume["source"] for volume in parts["prometheus"]["volumes"]}
    assert mounted["/etc/prometheus/shipper.yml"] == "/dev/null", "the targets name the shipper"


# ---- in containers ----

@pytest.fixture(scope="module")
def containers(cli, services):
    """The whole file under a name and on ports of its own; Grafana and the node exporter where their images are."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine runs here")

    def there(image):
        return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0
    missing = [image for image in ["debian:bookworm-slim", *(services[name]["image"] for name in NEEDED)]
               if not there(image)]
    if missing:
        pytest.skip(f"no image {', '.join(missing)} here, and tests do not pull")
    started = [*OWN, *NEEDED, *(name for name in ("grafana", "node-exporter") if there(services[name]["image"]))]

    class Containers:
        ports = dict(zip(PUBLISHED, free_ports(len(PUBLISHED))))
        environment = {"COMPOSE_PROJECT_NAME": f"apmtest{os.getpid()}", "GATEWAY_ADDRESS": "127.0.0.1",
                       "APM_PROGRAM_IMAGE": "apm-program-test", "APM_GATEWAY_IMAGE": "apm-gateway-test"}
        parts = started

        def url(self, name):
            return f"http://127.0.0.1:{self.ports[name]}"

        def __call__(self, *arguments):
            done = compose(*arguments, environment=self.environment)
            assert done.returncode == 0, done.stderr[-4000:]
            return done.stdout

    run = Containers()
    run.environment |= {f"{name}_PORT": str(port) for name, port in run.ports.items()}
    try:
        run("up", "-d", "--build", "--wait", "--wait-timeout", "180", *started)
        yield run
    finally:
        compose("down", "-v", "--remove-orphans", environment=run.environment)


def test_everything_comes_up_healthy(containers):
    states = [json.loads(line) for line in containers("ps", "-a", "--format", "json").splitlines()]
    assert {state["Service"] for state in states} == set(containers.parts)
    for state in states:
        assert state["State"] == "running" and state["Health"] in ("healthy", ""), state


def test_an_order_arrives_in_all_three_backends(containers):
    body = {"user_id": 1, "product": "测试商品", "amount": 99.99}
    status, headers, text = fetch(containers.url("GATEWAY") + "/api/v1/orders", body)
    assert status == 201 and json.loads(text)["notification"] == "sent"
    trace_id = headers["X-Trace-Id"]

    def spans():
        answer = answer_of(f"{containers.url('TEMPO')}/api/v2/traces/{trace_id}") or {"trace": {}}
        return sum(len(scope["spans"]) for resource in answer["trace"].get("resourceSpans", [])
                   for scope in resource["scopeSpans"])
    wait_until(lambda: spans() == 10, lambda: f"10 spans in Tempo: {spans()}", 20)

    def services_of_lines():
        answer = answer_of(containers.url("LOKI") + "/loki/api/v1/query_range", start=time.time_ns() - 600 * 10**9,
                           query=f'{{job="application-logs"}} | trace_id="{trace_id}"')
        return {stream["stream"]["service"] for stream in answer["data"]["result"]}
    wait_until(lambda: services_of_lines() == set(SERVICES), lambda: f"lines in Loki: {services_of_lines()}", 30)

    def metric(query):
        return answer_of(containers.url("PROMETHEUS") + "/api/v1/query", query=query)["data"]["result"]
    for service in SERVICES:
        wait_until(lambda: metric(f'http_server_request_duration_seconds_count{{job="{service}"}}'),
                   f"metrics of {service}", 20)
    wait_until(lambda: metric('traces_service_graph_request_total{client="order-service", server="orders"}'),
               "the graph", 40)


def test_doctor_in_containers(containers):
    environment = {**clean_environment(), **containers.environment}
    done = subprocess.run([STACK / "native/doctor"], env=environment, capture_output=True, text=True, timeout=120,
                          check=False)
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    if "grafana" not in containers.parts:
        faults = [line for line in faults if "Grafana" not in line]
    assert not faults, done.stdout


def test_containers_are_locked_down(containers):
    for name, user in (("api-gateway", "10001"), ("order-service", "10001")):
        script = "id -u; touch /x 2>/dev/null && echo writable; grep CapEff /proc/1/status"
        lines = containers("exec", "-T", name, "sh", "-c", script).split()
        assert lines[0] == user and "writable" not in lines and lines[-1].strip("0") == "", lines


def test_logs_are_begun_anew(containers):
    """A log that somebody moved away stands for one that has grown too large."""
    def files():
        return set(containers("exec", "-T", "order-service", "ls", "/var/log/apps").split())
    names = {f"{name}.log" for name in ("api-gateway", "nginx-error", "user-service", "order-service",
                                        "notification-service", "gateway-shipper")}
    moves = "; ".join(f"mv {name} {name}.moved" for name in names)
    containers("exec", "-T", "-w", "/var/log/apps", "order-service", "sh", "-c", moves)
    wait_until(lambda: names <= files(), lambda: f"new logs: {files()}", 30)
    test_an_order_arrives_in_all_three_backends(containers)


def test_a_program_that_is_killed_comes_back(containers):
    containers("exec", "-T", "order-service", "sh", "-c", "for p in /proc/[0-9]*; do case $(readlink $p/exe) in"
               " */orders) kill -9 ${p#/proc/};; esac; done")
    for _ in range(20):
        status, _, text = fetch(containers.url("GATEWAY") + "/api/v1/orders?limit=1")
        assert status in (200, 502), text
        time.sleep(0.05)
    wait_until(lambda: fetch(containers.url("GATEWAY") + "/api/v1/orders?limit=1")[0] == 200, "orders are back", 5)


def ids(containers):
    """{service: the id of its one container}"""
    states = [json.loads(line) for line in containers("ps", "--format", "json").splitlines()]
    found = {state["Service"]: state["ID"] for state in states}
    assert len(found) == len(states), "one container of each"
    return found


def stack_up(containers, **changes):
    environment = {**clean_environment(), **containers.environment, **changes}
    done = subprocess.run([STACK / "native/containers", "up"], env=environment, cwd=ROOT, capture_output=True,
                          text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_changed_services_are_replaced_without_losing_a_request(containers, services, record_property):
    """make stack-up under 50 requests a second; then once more, when there is nothing to do."""
    if missing := set(services) - set(containers.parts):
        pytest.skip(f"no image of {', '.join(sorted(missing))} here, and make stack-up starts all")
    before = ids(containers)
    with Load(containers.ports["GATEWAY"], MIXED, threads=5, pause=0.1) as load:
        load.wait_more(50)
        said = stack_up(containers, OTEL_BSP_SCHEDULE_DELAY="900")
        load.wait_more(50)
    after = ids(containers)
    assert {name for name in after if after[name] != before[name]} == set(PROGRAMS), said
    slowest = max(load.results, key=lambda result: result.seconds)
    record_property("figures", f"{len(load.results)} requests, {len(load.faults())} not answered with 2xx, the slowest "
                    f"{slowest.seconds:.2f} s; {'; '.join(re.findall('.* is replaced: .*', said))}")
    assert not load.faults(), "\n".join(load.faults())
    assert "is replaced" not in stack_up(containers, OTEL_BSP_SCHEDULE_DELAY="900") and ids(containers) == after


def test_stopping_drains(containers):
    """Last: stops the system."""
    containers("stop", *OWN)
    for line in containers("ps", "-a", "--format", "json").splitlines():
        state = json.loads(line)
        if state["Service"] in OWN:
            assert state["ExitCode"] == 0, state
