#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands in for docker: keeps containers in a file, writes down what it was asked, fails where it is told to."""
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = "docker.json"


def read(directory):
    return json.loads((Path(directory) / FILE).read_text(encoding="utf-8"))


def write(directory, state):
    (Path(directory) / FILE).write_text(json.dumps(state), encoding="utf-8")


def container(number, service, **other):
    """One as the state has it: running, made by this copy, from the images that are there."""
    return {"id": f"id{number}", "project": "apm", "directory": str(ROOT / "stack"), "service": service,
            "state": "running", "image": "new", "hash": f"hash-of-{service}", "ports": [], "host": False, "pid": 0,
            "restarts": 0} | other


def inspected(one):
    labels = {"com.docker.compose.project": one["project"], "com.docker.compose.service": one["service"],
              "com.docker.compose.project.working_dir": one["directory"],
              "com.docker.compose.config-hash": one["hash"]} if one["project"] else {}
    ports = {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for port in one["ports"]} | {"9/tcp": None}
    return {"Id": one["id"], "Name": f"/{one['project']}-{one['service']}-{one['id']}", "Image": one["image"],
            "State": {"Status": one["state"], "Pid": one["pid"]}, "NetworkSettings": {"Ports": ports},
            "HostConfig": {"NetworkMode": "host" if one["host"] else "bridge"},
            "Config": {"Labels": labels, "Healthcheck": {"Test": ["CMD", "/healthy", one["service"]]}}}


def services():
    """Of the compose file, as far as they are asked about."""
    text = (ROOT / "stack/compose.yaml").read_text(encoding="utf-8").partition("\nservices:\n")[2]
    blocks = re.split(r"^  ([a-z][a-z-]*):.*\n", text.partition("\nvolumes:\n")[0], flags=re.MULTILINE)
    chosen = os.environ.get("COMPOSE_PROFILES", "alloy")
    return {name: {"image": "program" if "*program" in block else "other",
                   "labels": dict(re.findall(r"(apm.hand-over): (port)", block)) | (
                       {"apm.hand-over": "socket"} if "*program" in block else {})}
            for name, block in zip(blocks[1::2], blocks[2::2])
            if "profiles: [" not in block or f"profiles: [{chosen}]" in block}


def up(state, words, names):
    if state["fail"] == "up":  # half-way
        state["containers"] += [container(90 + i, name) for i, name in enumerate(("tempo", "loki"))]
        write(os.environ["PRETEND"], state)
        sys.exit("port is already allocated")
    there = {one["service"] for one in state["containers"]}
    if "--scale" in words and state["fail"] == "scale":
        return
    if "--scale" in words:
        one = container(50 + len(state["containers"]), names[-1])
        state["containers"].append(one | {"restarts": 1 if state["fail"] in ("start", "start, rm") else 0})
        return
    state["containers"] += [container(10 + i, name) for i, name in enumerate(names or services()) if name not in there]


def compose(state, words):
    if words[0] == "version":
        if state["version"] is None:
            sys.exit("unknown shorthand flag: 'f' in -f")
        print(state["version"])
        return
    names = [word for i, word in enumerate(words) if word in services() and words[i - 1] != "--scale"]
    command = next(word for i, word in enumerate(words) if word in ("config", "build", "up", "down"))
    if command == "config" and "--hash" in words:
        print("\n".join(f"{name} hash-of-{name}" for name in services()))
    elif command == "config":
        print(json.dumps({"services": services()}))
    elif command == "up":
        up(state, words, names)


def main(words):
    directory = os.environ["PRETEND"]
    with open(Path(directory) / "calls", "a", encoding="utf-8") as calls:
        print(*words, file=calls)
    state = read(directory)
    chosen = [one for one in state["containers"] if one["id"] in words]
    if words[0] == "compose":
        compose(state, words[1:])
    elif words[0] == "info" and state["fail"] == "daemon":
        sys.exit("Cannot connect to the Docker daemon")
    elif words[0] == "ps":
        print("\n".join(one["id"] for one in state["containers"]))
    elif words[:2] == ["image", "inspect"]:
        print("new")
    elif words[0] == "inspect" and "--format" in words:
        print(chosen[0]["restarts"])
    elif words[0] == "inspect":
        print(json.dumps([inspected(one) for one in chosen]))
    elif words[0] == "logs":
        print("users listens\nusers: something is wrong")
    elif words[0] == "exec" and state["fail"] == "health":
        sys.exit(1)
    elif words[0] == "rm" and state["fail"] in ("rm", "start, rm"):
        sys.exit("removal is already in progress")
    elif words[0] in ("stop", "restart"):
        for one in chosen:
            one["state"] = "exited" if words[0] == "stop" else "running"
    elif words[0] == "rm":
        state["containers"] = [one for one in state["containers"] if one not in chosen]
    write(directory, state)


if __name__ == "__main__":
    main(sys.argv[1:])
