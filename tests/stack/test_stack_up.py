# SPDX-License-Identifier: MIT
"""make stack-up and make stack-up-backends without Docker: what is refused, in which words; what is done, in which
order."""
import os
import re
import socket
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pretended_docker
import pytest
from backends import Stack
from pretended_docker import ROOT, container

READS = {"version", "info", "ps", "inspect", "image", "config", "logs", "--version"}


class Docker:
    """A pretended docker on the PATH of a stack's commands."""

    def __init__(self, stack, directory):
        self.stack, self.dir = stack, directory
        (self.dir / "bin").mkdir()
        program = self.dir / "bin/docker"
        program.write_text(f"#!/bin/sh\nexec {sys.executable} '{pretended_docker.__file__}' \"$@\"\n")
        program.chmod(0o755)
        self.state()

    def state(self, *containers, fail=None, version="2.40.3"):
        pretended_docker.write(self.dir, {"containers": list(containers), "fail": fail, "version": version})
        (self.dir / "calls").write_text("")

    def there(self):
        return {one["id"]: one["state"] for one in pretended_docker.read(self.dir)["containers"]}

    def run(self, *command, **environment):
        path = f"{self.dir}/bin:{self.stack.env['PATH']}"
        variables = [f"{name}={text}" for name, text in ({"PRETEND": self.dir, "PATH": path} | environment).items()]
        return self.stack.run("env", *variables, *command)

    def done(self):
        """What was asked that changes something."""
        words = [[word for word in line.split() if not re.match(r"-f$|/|compose$", word)]
                 for line in (self.dir / "calls").read_text().splitlines()]
        return [" ".join(line) for line in words if line[0] not in READS]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A system of make run, with a trace store at Tempo's ports."""
    stack = Stack(tmp_path_factory.mktemp("alone"), [])
    del stack.env["OTEL_EXPORTER_OTLP_ENDPOINT"]
    stack.env["TRACES_PORT"] = stack.env["TEMPO_PORT"]
    with stack:
        yield stack


@pytest.fixture
def docker(tmp_path):
    """Where nothing runs."""
    (tmp_path / "stack").mkdir()
    return Docker(Stack(tmp_path / "stack", []), tmp_path)


@pytest.fixture
def beside(alone, tmp_path):
    return Docker(alone, tmp_path)


@contextmanager
def listening(*ports):
    with ExitStack() as sockets:
        for port in ports:
            sockets.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


# ---- is Docker there ----

@pytest.mark.parametrize("state, says", [
    ({"version": None}, "docker has no compose plugin (2.24.0 or newer)"),
    ({"version": "2.23.3"}, "docker compose is 2.23.3, and 2.24.0 is needed"),
    ({"version": "v2.9.0"}, "docker compose is v2.9.0, and 2.24.0 is needed"),
    ({"fail": "daemon"}, "the Docker daemon does not answer")])
def test_what_is_missing_is_named(docker, state, says):
    docker.state(**state)
    for command in ("stack-up", "stack-up-backends"):
        done = docker.run("make", command)
        assert done.returncode and says in done.stderr, done.stderr
        assert "unknown shorthand" not in done.stderr and "***" not in done.stderr
    assert docker.done() == []


def test_no_docker_at_all(docker):
    done = docker.run("stack/native/containers", "up", PATH="/nowhere")
    assert done.returncode == 1 and "docker is not installed" in done.stderr and "apt-get install" in done.stderr


# ---- who has the ports ----

def test_beside_the_system_of_make_run(beside):
    ports = beside.stack.ports
    with listening(ports["GRAFANA"]):
        done = beside.run("make", "stack-up")
    assert "make stop ends that system; end the other programs; or choose" in done.stderr, done.stderr
    done = beside.run("make", "stack-up")
    assert done.returncode and "ports are taken, and nothing was started" in done.stderr
    line, = [line for line in done.stderr.splitlines() if "the system of make run in" in line]
    for name in ("GATEWAY", "USERS", "ORDERS", "NOTIFICATIONS", "TEMPO", "OTLP_HTTP"):
        assert f"{ports[name]} ({name}_PORT)" in line, line
    assert "PROMETHEUS" not in done.stderr and "***" not in done.stderr
    assert "make stop ends that system; or choose other ports: make stack-up GATEWAY_PORT=" in done.stderr
    assert beside.done() == []
    others = dict(word.split("=") for word in re.findall(r"\w+_PORT=\d+", done.stderr))
    assert len(others) == 6
    for _ in range(5):  # another program may have taken one of them since
        others |= dict(word.split("=") for word in re.findall(r"\w+_PORT=\d+", done.stderr))
        done = beside.run("make", "stack-up", **others)
        if "ports are taken" not in done.stderr:
            break
    assert done.returncode == 0, "what it proposes works\n" + done.stderr
    assert beside.done() == ["up -d --build --wait"]
    assert f"gateway: http://localhost:{others['GATEWAY_PORT']}" in done.stdout


def test_the_settings_that_run_are_remembered(beside):
    """Its ports are known without being given; so are those of a stack that has others."""
    ports = {f"{name}_PORT": port for name, port in beside.stack.ports.items()}
    done = beside.run("env", *(f"--unset={name}" for name in ports), "stack/native/containers", "targets")
    for name in ("METRICS", "USERS", "ORDERS", "NOTIFICATIONS"):
        assert f'["127.0.0.1:{ports[f"{name}_PORT"]}"]' in done.stdout, done.stdout


def test_backends_beside_a_trace_store(beside):
    done = beside.run("make", "stack-up-backends")
    assert done.returncode
    assert "its trace store has Tempo's ports: make stop, make stack-up-backends, make run" in done.stderr
    assert beside.done() == []


def test_a_program_of_somebody_else(docker):
    ports = docker.stack.ports
    with listening(ports["PROMETHEUS"], ports["GRAFANA"]):
        for command, more in (("stack-up", ()), ("stack-up-backends", ("LOKI_GRPC",))):
            with listening(*(ports[name] for name in more)):
                done = docker.run("make", command)
            assert done.returncode and docker.done() == [], done.stderr
            for name in ("PROMETHEUS", "GRAFANA", *more):
                assert f"{ports[name]} ({name}_PORT)" in done.stderr
                assert re.search(rf"make {command} .*{name}_PORT=\d+", done.stderr), done.stderr
            assert re.search(r": \S+ \(pid \d+\)", done.stderr) and "end these programs" in done.stderr


def test_containers_of_another_copy(docker, tmp_path):
    """Docker's own way to a container needs no listener that a user could see."""
    ports = docker.stack.ports
    copy = {"project": "second", "directory": str(tmp_path)}
    docker.state(container(1, "grafana", ports=[ports["GRAFANA"]], **copy),
                 container(2, "somebody", project="", ports=[ports["LOKI"]]),
                 container(3, "tempo", project="apm-backends", ports=[ports["TEMPO"]]))
    done = docker.run("make", "stack-up")
    assert done.returncode and docker.done() == []
    for name, who, remedy in (
            ("GRAFANA", "the compose project second", "docker compose -p second down"),
            ("TEMPO", "the compose project apm-backends", "make stack-down-backends"),
            ("LOKI", "the container -somebody-id2", "docker stop -somebody-id2")):
        assert re.search(rf"{ports[name]} \({name}_PORT\): .*{who}", done.stderr), done.stderr
        assert remedy in done.stderr, done.stderr


def test_backends_beside_the_whole_stack(docker):
    docker.state(container(1, "grafana", ports=[docker.stack.ports["GRAFANA"]]))
    done = docker.run("make", "stack-up-backends")
    assert done.returncode and docker.done() == []
    assert "(GRAFANA_PORT): the containers of the compose project apm\n" in done.stderr
    assert "make stack-down ends those containers; or choose other ports: make stack-up-backends GRAFANA" in done.stderr


def test_containers_on_the_network_of_the_machine(docker):
    """Those of make stack-up-backends, which listen by themselves: here the test does, in their place."""
    docker.state(container(1, "loki", project="apm-backends", host=True, pid=os.getpid()))
    with listening(docker.stack.ports["LOKI"]):
        done = docker.run("make", "stack-up")
        again = docker.run("make", "stack-up-backends")
    assert "(LOKI_PORT): the containers of the compose project apm-backends\n" in done.stderr, done.stderr
    assert "make stack-down-backends ends those containers" in done.stderr
    assert again.returncode == 0, again.stderr


def test_another_copy_under_the_same_name(docker, tmp_path):
    docker.state(container(1, "user-service", directory=str(tmp_path / "copy/stack")))
    done = docker.run("make", "stack-up")
    assert done.returncode and docker.done() == []
    assert str(tmp_path / "copy/stack") in done.stderr and "COMPOSE_PROJECT_NAME=" in done.stderr


def test_containers_that_were_started_from_the_root_are_ours(docker):
    docker.state(container(1, "user-service", directory=str(ROOT)))
    done = docker.run("make", "stack-up")
    assert done.returncode == 0 and docker.done(), done.stderr


def test_a_port_that_is_none(docker):
    done = docker.run("make", "stack-up", LOKI_PORT="31O0")
    assert done.returncode and "LOKI_PORT is '31O0': it has to be a whole number from 1 to 65535" in done.stderr
    assert docker.done() == []


@pytest.mark.parametrize("name, text", [("LOG_LEVEL", "loud"), ("LOG_MAX_MB", "abc"), ("COMPOSE_PROFILES", "both")])
def test_a_setting_that_cannot_be_used(docker, name, text):
    """Nothing that runs makes way for what would not come up."""
    done = docker.run("make", "stack-up", **{name: text})
    assert done.returncode and f"{name} is '{text}': it has to be " in done.stderr, done.stderr
    assert docker.done() == []


@pytest.mark.parametrize("variable", ["GATEWAY_ADDRESS", "BIND_ADDRESS"])
@pytest.mark.parametrize("text", ["192.0.2.1", "[::1]", "localhost"])  # the first is of no machine: RFC 5737
def test_an_address_of_another_machine(docker, variable, text):
    """Other ports would not help, and none are proposed."""
    done = docker.run("make", "stack-up", **{variable: text})
    assert done.returncode and docker.done() == [], done.stderr
    assert f"{variable} is '{text}': it has to be an IP address of this machine" in done.stderr, done.stderr
    assert "other ports" not in done.stderr


def test_two_ports_that_are_one(docker):
    done = docker.run("make", "stack-up", LOKI_PORT=docker.stack.ports["GRAFANA"])
    assert done.returncode and "LOKI_PORT and GRAFANA_PORT are both" in done.stderr and docker.done() == []


def test_make_run_beside_containers(docker):
    gateway = docker.stack.ports["GATEWAY"]
    docker.state(container(1, "api-gateway", ports=[gateway]))
    with listening(gateway):
        done = docker.run("stack/native/ctl", "check")
    assert done.returncode == 1
    assert f"port {gateway} (GATEWAY_PORT) is taken by the containers of the compose project apm" in done.stderr
    assert "make stack-down ends those containers, or move all ports at once" in done.stderr, done.stderr


# ---- what is done ----

OURS = ["api-gateway", "user-service", "order-service", "notification-service", "gateway-shipper", "tempo"]


def ours(docker, **changed):
    """The containers that run, some of them other than they would be made now."""
    ports = {"api-gateway": [docker.stack.ports["GATEWAY"]], "tempo": [docker.stack.ports["TEMPO"]]}
    return [container(i, name, ports=ports.get(name, []), **changed.get(name.replace("-", "_"), {}))
            for i, name in enumerate(OURS)]


def test_from_nothing_it_is_one_command(docker):
    done = docker.run("make", "stack-up")
    assert done.returncode == 0 and docker.done() == ["up -d --build --wait"], done.stderr


def test_our_own_containers_are_no_obstacle(docker):
    docker.state(*ours(docker))
    with listening(docker.stack.ports["GATEWAY"], docker.stack.ports["TEMPO"]):  # docker-proxy
        done = docker.run("make", "stack-up")
    assert done.returncode == 0, done.stderr
    assert docker.done() == ["build", "up -d --no-build --wait"], "nothing is replaced"


@pytest.mark.parametrize("change", [{"image": "old"}, {"hash": "another"}])
def test_what_has_changed_is_replaced(docker, change):
    docker.state(*ours(docker, user_service=change, gateway_shipper=change, tempo=change, api_gateway=change))
    done = docker.run("make", "stack-up")
    assert done.returncode == 0, done.stderr
    assert docker.done() == [
        "build",
        "up -d --no-deps --no-recreate --no-build --scale user-service=2 user-service",
        "stop id1", "exec id56 user-service", "rm id1",
        "up -d --no-deps --no-recreate --no-build --scale gateway-shipper=2 gateway-shipper",
        "stop id4", "exec id56 gateway-shipper", "rm id4",
        "up --no-start --no-deps --no-recreate --no-build --scale api-gateway=2 api-gateway",
        "stop id0", "start id56", "exec id56 api-gateway", "rm id0",
        "up -d --no-build --wait"]
    assert "user-service is replaced: requests waited for" in done.stdout
    assert "api-gateway is replaced: nobody answered for" in done.stdout


@pytest.mark.parametrize("command", ["stack-up", "stack-up-backends"])
def test_the_shipper_that_is_not_chosen_any_more_ends(docker, command):
    """Compose ends what has left its file, and leaves alone what its profile no longer chooses."""
    project = "apm-backends" if "backends" in command else "apm"
    docker.state(container(7, "alloy", project=project), container(8, "loki", project=project))
    done = docker.run("make", command)
    assert done.returncode == 0 and docker.there()["id7"] == "running", done.stderr
    done = docker.run("make", command, COMPOSE_PROFILES="promtail")
    assert done.returncode == 0 and docker.done()[-2:] == ["stop id7", "rm id7"], done.stderr
    assert docker.there()["id8"] == "running"


@pytest.mark.parametrize("command", ["stack-down", "stack-down-backends"])
def test_both_shippers_end_with_the_rest(docker, command):
    docker.run("make", command)
    assert "--profile * down --remove-orphans" in docker.done()[0]


def test_what_does_not_start_is_taken_back(docker):
    docker.state(*ours(docker, user_service={"image": "old"}, order_service={"image": "old"}), fail="start")
    done = docker.run("make", "stack-up")
    says = "user-service is not replaced: its new container does not start"
    assert done.returncode and says in done.stderr and "something is wrong" in done.stderr, done.stderr
    assert docker.done()[2:] == ["rm id56", "restart id1"]
    assert docker.there() == {f"id{i}": "running" for i in range(6)}
    assert "nothing was started by this call" in done.stderr and "***" not in done.stderr


def test_a_container_that_cannot_be_removed(docker):
    """It is told, and does not hide what has become of the new one."""
    docker.state(*ours(docker, user_service={"image": "old"}), fail="rm")
    done = docker.run("make", "stack-up")
    assert done.returncode == 0 and "user-service is replaced: requests waited for" in done.stdout, done.stderr
    assert "the container of before is not removed: docker rm: removal is already in progress" in done.stderr
    docker.state(*ours(docker, user_service={"image": "old"}), fail="start, rm")
    done = docker.run("make", "stack-up")
    assert done.returncode and "the container of before is not started again: docker rm: removal" in done.stderr
    assert "user-service is not replaced: its new container does not start" in done.stderr, done.stderr


def test_no_new_container_is_told_in_words(docker):
    docker.state(*ours(docker, user_service={"image": "old"}), fail="scale")
    done = docker.run("make", "stack-up")
    assert done.returncode and "user-service is not replaced: docker compose made no new container" in done.stderr
    assert docker.there() == {f"id{i}": "running" for i in range(6)} and "Traceback" not in done.stderr, done.stderr


def test_what_fails_half_way_says_what_there_is(docker):
    docker.state(fail="up")
    done = docker.run("make", "stack-up")
    assert done.returncode and "port is already allocated" in done.stderr
    assert "docker compose up failed: its messages are above" in done.stderr
    assert "started by this call, and running on: loki, tempo\n" in done.stderr
    assert "repeat make stack-up; make stack-down ends all containers" in done.stderr


def test_backends_are_told_whom_to_scrape_and_to_tell(docker):
    done = docker.run("make", "stack-up-backends")
    assert done.returncode == 0, done.stderr
    call, = docker.done()
    assert call.startswith("up -d --wait ") and "grafana" in call and "service" not in call and "gateway" not in call
    text = (Path(docker.stack.env["RUN_DIR"]) / "prometheus-targets.yml").read_text()
    assert f'"127.0.0.1:{docker.stack.ports["METRICS"]}"' in text
    text = (Path(docker.stack.env["RUN_DIR"]) / "alertmanager.yml").read_text()
    assert f"http://127.0.0.1:{docker.stack.ports['ALERT_LOG']}/alerts" in text and "alert-log:" not in text
