# SPDX-License-Identifier: MIT
"""
Replaces a service's container. What does not come up is taken back: the one of before is started again.

At its socket (stack/container/program) a new container takes the place of the one of before, which then answers what it
has accepted, and ends; the new one waits for that, then it answers, and no request is lost. A port of this machine has
room for one container: the new one is made, the other one ended, the new one started, and in between nobody answers.
"""
import sys
import time

from apm import docker
from apm.common import Refused, wait

LABEL = "apm.hand-over"  # of services that are replaced so
SOCKET, PORT = "socket", "port"
LISTENS = "listens"      # what the entry point says when it has the place
LISTEN_SECONDS = 60      # for that, from the container's start
READY_SECONDS = 15       # for the first answer, from the end of the one of before: so long nginx waits


def handed_over(services):
    """{name: SOCKET or PORT}, in the order in which they are replaced."""
    found = {name: (one.get("labels") or {}).get(LABEL) for name, one in services.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: found[name] == PORT) if found[name]}


def replace(compose, service, place, old):
    """`old`: the service's running containers. Returns the seconds for which requests waited, or nobody answered."""
    before = [one for one in compose.containers() if one.service == service]
    compose.ask("up", "-d" if place == SOCKET else "--no-start", "--no-deps", "--no-recreate", "--no-build", "--scale",
                f"{service}={len(before) + 1}", service)
    known = {one.id for one in before}
    new = next((one for one in compose.containers() if one.service == service and one.id not in known), None)
    if new is None:
        raise Refused("docker compose made no new container")
    try:
        seconds = hand_over(new, place, old)
    except BaseException:
        attempt("the container of before is not started again", take_back, new, place, old)
        raise
    attempt("the container of before is not removed", docker.ask, "rm", *(one.id for one in old))
    return seconds


def attempt(complaint, work, *arguments):
    """Tells a failure of this work, which hides neither that the new container is well nor why it is not."""
    try:
        work(*arguments)
    except Refused as failure:
        print(f"{complaint}: {failure}", file=sys.stderr, flush=True)


def hand_over(new, place, old):
    if place == SOCKET and not wait(lambda: listens(new), LISTEN_SECONDS):
        raise Refused(f"its new container does not listen{last_words(new)}")
    begin = time.monotonic()
    docker.ask("stop", *(one.id for one in old))
    if place == PORT:
        docker.ask("start", new.id)
    if not wait(lambda: is_well(new), READY_SECONDS):
        raise Refused(f"its new container is not well{last_words(new)}")
    return time.monotonic() - begin


def check_runs(one):
    """Nobody waits for a container that ends again and again."""
    if docker.ask("inspect", "--format", "{{.RestartCount}}", one.id).strip() != "0":
        raise Refused(f"its new container does not start{last_words(one)}")


def listens(one):
    check_runs(one)
    return LISTENS in docker.ask("logs", one.id)


def is_well(one):
    check_runs(one)
    try:
        docker.ask("exec", one.id, *one.health)
        return True
    except Refused:
        return False


def take_back(new, place, old):
    print("the container of before is started again", flush=True)
    had_place = place == PORT or LISTENS in docker.ask("logs", new.id)
    docker.ask("rm", "-f", new.id)
    if had_place:
        docker.ask("restart" if place == SOCKET else "start", *(one.id for one in old))


def last_words(one):
    text = docker.ask("logs", "--tail", "5", one.id, errors=True).strip()
    return f":\n{text}" if text else ""
