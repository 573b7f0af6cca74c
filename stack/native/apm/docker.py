# SPDX-License-Identifier: MIT
"""Asks Docker: whether it is there with its compose plugin, and which containers there are."""
import json
import os
import re
import subprocess
from typing import NamedTuple

from apm.common import Refused
from apm.settings import ROOT

STACK = ROOT / "stack"  # where the compose files are
COMPOSE_LEAST = (2, 24, 0)
LABEL = "com.docker.compose."
SECONDS = 60  # that the daemon may take for one command


class Container(NamedTuple):
    id: str
    name: str
    project: str  # of compose; "" when compose did not make it
    directory: str  # of the project's file
    service: str
    state: str  # created, running, restarting, exited, …
    image: str  # the id of what it was made from
    hash: str  # of its part of the compose file
    health: tuple  # the command that its health check runs
    ports: frozenset  # of this machine, that lead to it
    pid: int
    host: bool  # it has this machine's network, and listens by itself


def ask(*words, environment=None, errors=False):
    """Returns the output of a docker command, with its errors if so wanted. Raises Refused with its complaint."""
    try:
        done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, text=True, errors="replace", timeout=SECONDS,
                              stderr=subprocess.STDOUT if errors else subprocess.PIPE, check=False,
                              stdin=subprocess.DEVNULL, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"docker {words[0]}: {error}") from None
    if done.returncode:
        last = (done.stdout if errors else done.stderr).strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Refused(f"docker {words[0]}: {last[-1]}")
    return done.stdout


# ---- is it there ----

def check():
    """Raises Refused with what is missing. Without its plugin docker would take compose's options for its own."""
    needed = ".".join(map(str, COMPOSE_LEAST))
    try:
        subprocess.run(["docker", "--version"], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        raise Refused("docker is not installed\n"
                      "sudo apt-get install docker.io, and the compose plugin (see docs/stack.md)") from None
    try:
        version = ask("compose", "version", "--short").strip()
    except Refused:
        raise Refused(f"docker has no compose plugin ({needed} or newer)\nit is in the package docker-compose-v2 "
                      "(Ubuntu), docker-compose (Debian 13) or docker-compose-plugin (Docker's)") from None
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if not found or tuple(map(int, found.groups())) < COMPOSE_LEAST:
        raise Refused(f"docker compose is {version}, and {needed} is needed\ninstall a newer version of the plugin")
    try:
        ask("info")
    except Refused:
        raise Refused("the Docker daemon does not answer\n"
                      "start it (sudo systemctl start docker), or join the group docker") from None


# ---- what runs ----

def described(one):
    """A container, of what docker inspect says of it."""
    labels, network = one["Config"].get("Labels") or {}, one.get("NetworkSettings") or {}
    bound = [binding for bindings in (network.get("Ports") or {}).values() for binding in bindings or []]
    test = (one["Config"].get("Healthcheck") or {}).get("Test") or []
    return Container(
        id=one["Id"], name=one["Name"].lstrip("/"), project=labels.get(LABEL + "project", ""),
        directory=labels.get(LABEL + "project.working_dir", ""), service=labels.get(LABEL + "service", ""),
        state=one["State"]["Status"], image=one["Image"], hash=labels.get(LABEL + "config-hash", ""),
        health=tuple(test[1:]) if test[:1] == ["CMD"] else (),
        ports=frozenset(int(binding["HostPort"]) for binding in bound if binding.get("HostPort")),
        pid=one["State"].get("Pid") or 0, host=one["HostConfig"].get("NetworkMode") == "host")


def containers():
    """All of this machine, those that have ended as well."""
    ids = ask("ps", "-aq", "--no-trunc").split()
    if not ids:
        return []
    try:
        return [described(one) for one in json.loads(ask("inspect", "--type", "container", *ids))]
    except Refused:  # one has gone meanwhile
        return [described(json.loads(text)[0]) for text in map(inspected, ids) if text]


def inspected(one):
    try:
        return ask("inspect", "--type", "container", one)
    except Refused:
        return ""


def publishers():
    """{port: the container that it leads to}; {} where Docker cannot say."""
    try:
        return {port: one for one in containers() if one.state == "running" for port in one.ports}
    except Refused:
        return {}


def is_ours(directory):
    """Whether a project's file is in this copy: stack/compose.yaml, or the one at the root, which includes it."""
    return os.path.realpath(directory) in (str(STACK), str(ROOT))


# ---- in words ----

def called(one):
    """A container, as a person knows it."""
    return f"the containers of the compose project {one.project}" if one.project else f"the container {one.name}"


def ended_by(one):
    """Returns the command that ends it, and all that belong to it."""
    if not one.project:
        return f"docker stop {one.name} ends that container"
    if not is_ours(one.directory):
        return f"docker compose -p {one.project} down ends those containers"
    return f"make stack-down{'-backends' if one.project.endswith('-backends') else ''} ends those containers"
