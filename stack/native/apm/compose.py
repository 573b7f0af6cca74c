# SPDX-License-Identifier: MIT
"""The compose files: which ports they want of this machine, who has these, and what of the containers has changed."""
import json
import re
import subprocess
from typing import NamedTuple

from apm import client, docker, names, parts, ports, settings
from apm.common import Refused, relative
from apm.docker import STACK

# A port of this machine: behind an address in the compose files, or a variable of its own name in an environment. A
# default stands here where stack/defaults.env has none.
WANTED = re.compile(r"(?:\$\{(\w+_ADDRESS)(?::-([^}]*))?\}:|_PORT: )\$\{(\w+_PORT)(?::-(\d+))?\}")
ELSEWHERE = 10000  # a port that is taken is moved by so many, in what is proposed
TEMPO_HAS = {"OTLP_HTTP_PORT", "TEMPO_PORT"}
NATIVE = ["compose.yaml", "compose.native.yaml"]  # the backends beside a native system
SHIPPERS = ("alloy", "promtail")  # of logs: COMPOSE_PROFILES chooses one
UNSCRAPED = ["alert-log"]  # has no metrics


class Port(NamedTuple):
    service: str
    variable: str
    number: int
    address: str
    address_variable: str


class Compose:
    """Some files of one project; `environment` has the values of their variables."""

    def __init__(self, files, project, environment):
        self.files = [STACK / name for name in files]
        self.project = project
        given = {name: text for name, text in environment.items() if text}
        self.environment = {**given, "COMPOSE_PROJECT_NAME": project}
        self.values = {**settings.defaults(), **given}  # as compose has them, by .env

    def words(self, *words):
        return ["compose", *(word for file in self.files for word in ("-f", str(file))), *words]

    def ask(self, *words):
        return docker.ask(*self.words(*words), environment=self.environment)

    def do(self, *words):
        """A command whose output is a person's to read."""
        done = subprocess.run(["docker", *self.words(*words)], env=self.environment, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Refused(f"docker compose {words[0]} failed: its messages are above")

    def services(self):
        """{name: its part of the files, as compose understands it}, of those that are wanted."""
        return json.loads(self.ask("config", "--format", "json"))["services"]

    # ---- ports

    def blocks(self):
        """(service, its lines) of the last file, which says where the services listen."""
        found = re.split(r"^  ([a-z][a-z0-9-]*):.*\n", self.files[-1].read_text(encoding="utf-8"), flags=re.MULTILINE)
        return list(zip(found[1::2], found[2::2]))

    def ports(self, services):
        """Those that these services would have."""
        found = {}
        for service, text in self.blocks():
            for address, at, variable, default in WANTED.findall(text) if service in services else ():
                number = self.values.get(variable) or default
                if not number.isdecimal() or not 0 < int(number) < 65536:
                    raise settings.BadSettings(f"{variable} is '{number}': it has to be a whole number from 1 to 65535")
                address = address or "BIND_ADDRESS"
                where = self.values[address] or at
                found.setdefault(variable, Port(service, variable, int(number), where, address))
        by_number = {}
        for port in found.values():
            if port.number in by_number:
                raise settings.BadSettings(f"{by_number[port.number]} and {port.variable} are both {port.number}: "
                                           "choose another for one of them")
            by_number[port.number] = port.variable
        return list(found.values())

    # ---- containers

    def containers(self):
        return [one for one in docker.containers() if one.project == self.project]

    def check_settings(self):
        """Raises BadSettings for what a program or a mount would refuse, when the container of before has ended."""
        settings.read(self.values)
        chosen = self.values.get("COMPOSE_PROFILES", "")
        if chosen not in SHIPPERS:
            raise settings.BadSettings(f"COMPOSE_PROFILES is '{chosen}': it has to be {' or '.join(SHIPPERS)}")

    def check_copy(self):
        """Raises Refused when another copy's containers have this project's name: they would be replaced by ours."""
        for one in self.containers():
            if one.directory and not docker.is_ours(one.directory):
                raise Refused(f"the containers of {self.project} are another copy's: {one.directory}\n"
                              "end them there (make stack-down), or give these ones another name: "
                              "COMPOSE_PROJECT_NAME=…, with ports of their own")

    def end_other_shipper(self, services):
        """The one of before, when COMPOSE_PROFILES chooses another: compose leaves alone what it does not choose."""
        others = [one.id for one in self.containers() if one.service in SHIPPERS and one.service not in services]
        if others:
            docker.ask("stop", *others)
            docker.ask("rm", *others)

    def changed(self, services, wanted):
        """{service: its running containers} of those, among the wanted ones, that compose would replace."""
        hashes = dict(line.split() for line in self.ask("config", "--hash", "*").splitlines())
        found, fresh = {name: [] for name in wanted}, set()
        for one in self.containers():
            if one.state == "running" and one.service in found:
                if (one.hash, one.image) == (hashes[one.service], image_id(services[one.service]["image"])):
                    fresh.add(one.service)  # what is left beside it compose ends by itself
                else:
                    found[one.service].append(one)
        return {name: old for name, old in found.items() if old and name not in fresh}


def image_id(name):
    return docker.ask("image", "inspect", "--format", "{{.Id}}", name).strip()


# ---- who has the ports ----

def check_ports(compose, services, command):
    """Raises Refused with every port that somebody else has, and what to do. `command`: what was to be done."""
    containers = [one for one in docker.containers() if one.state == "running"]
    published = {port: one for one in containers for port in one.ports}
    own = {one.service for one in containers if one.project == compose.project and one.host}
    native, listeners, held = native_ports(compose.environment), ports.listening(), {}
    for one in containers:
        if one.host:
            sockets = ports.sockets_of(one.pid)  # none for a user who may not know; then its process is named
            published |= {port: one for port, inodes in listeners.items() if inodes & sockets}
    wanted = [port for port in compose.ports(services) if port.service not in own]
    for port in wanted:
        check_address(port)
        who = holder(port, compose.project, published, native, listeners)
        if who:
            held.setdefault(who, []).append(port)
    if not held:
        return
    lines = [f"{', '.join(f'{port.number} ({port.variable})' for port in taken)}: {who}"
             for who, taken in held.items()]
    if native and any(port.variable in TEMPO_HAS for port in held.get(native[1], ())) and "backends" in command:
        lines.append(f"its trace store has Tempo's ports: make stop, {command}, make run")
    raise Refused("\n".join(["ports are taken, and nothing was started:", *lines,
                             remedy(held, native, containers, wanted, listeners, command)]))


def check_address(port):
    """Raises BadSettings when no port at all can be had there: another one would not help."""
    try:
        settings.address(port.address)
        why = ports.trouble(0, [port.address], set(), {})
        if why:
            raise ValueError(f"an IP address of this machine: a port {why}")
    except ValueError as wanted:
        raise settings.BadSettings(f"{port.address_variable} is '{port.address}': it has to be {wanted}") from None


def holder(port, project, published, native, listeners):
    """Who has it, in words; None: nobody, or the service itself."""
    one = published.get(port.number)
    if one:
        return None if (one.project, one.service) == (project, port.service) else docker.called(one)
    if port.number in listeners and native and port.number in native[0]:
        return native[1]
    why = ports.trouble(port.number, [port.address], set(), listeners)
    return why and why.removeprefix("is taken by ")


def native_ports(environment):
    """(the ports of the system of make run, what it is called); None when it does not run."""
    try:
        run_dir = settings.run_dir_of(environment)
        if not client.parts(run_dir):
            return None
        found = set(settings.ports(settings.read({}, settings.remembered(run_dir))).values())
        return found, f"the system of make run in {relative(run_dir)}"
    except (OSError, ValueError, KeyError, settings.BadSettings):
        return None


def remedy(held, native, containers, wanted, listeners, command):
    ends = ["make stop ends that system"] if native and native[1] in held else []
    holding = [one for one in containers if docker.called(one) in held]
    ends += dict.fromkeys(map(docker.ended_by, holding))
    if set(held) - {docker.called(one) for one in holding} - {native and native[1]}:
        ends.append("end the other programs" if ends else "end these programs")
    taken = set(listeners) | {port for one in containers for port in one.ports} | {port.number for port in wanted}
    moved = []
    for port in (port for some in held.values() for port in some):
        first = port.number + ELSEWHERE if port.number + ELSEWHERE < 60000 else ELSEWHERE
        number = next(n for n in range(first, 65536)
                      if n not in taken and not ports.trouble(n, [port.address], set(), listeners))
        taken.add(number)
        moved.append(f"{port.variable}={number}")
    return f"{'; '.join(ends)}; or choose other ports: {command} {' '.join(moved)}"


# ---- who is scraped beside a native system ----

def targets(environment):
    """targets.yml beside prometheus.yml, for a Prometheus on this machine's network."""
    values = settings.running(environment)
    local = parts.host(values["SERVICE_ADDRESS"])
    found = {names.GATEWAY: f"{local}:{values['METRICS_PORT']}"}
    found |= {names.container(name): f"{local}:{values[settings.variable(name)]}" for name in settings.services()}
    stack = Compose(NATIVE, "", environment)
    scraped = [name for name, _ in stack.blocks() if name not in UNSCRAPED and (
        name not in SHIPPERS or name in stack.values.get("COMPOSE_PROFILES", "").split(","))]
    by_variable = {port.variable: f"{parts.host(port.address)}:{port.number}" for port in stack.ports(scraped)}
    found |= {name: by_variable[settings.variable(name)] for name in scraped if settings.variable(name) in by_variable}
    return "".join(f'- labels: {{job: {name}}}\n  targets: ["{where}"]\n' for name, where in found.items())
