# SPDX-License-Identifier: MIT
"""How the doctor examines: a check knows what it rests on, so that a fault is told once, with what follows from it."""
import socket
import subprocess
import time
from typing import Callable, NamedTuple

from apm import answers, names
from apm.common import Refused
from apm.terminal import count, said

POLL_SECONDS = 0.2


class Check(NamedTuple):
    name: str
    needs: tuple  # names of checks: when one of them fails, it is why this one does
    examine: Callable  # of the seconds that it may wait; returns what is well, or raises Refused


class Place(NamedTuple):
    """Where it runs: what a remedy looks like there."""
    name: str
    start: str
    look: Callable  # of a part's name: the command that shows what it says
    logs: str = ""  # the command that shows what a container writes; its name follows


NATIVE = Place("native", "make run", lambda part: f"make logs SERVICE={part} FOLLOW=off")
COMPOSE = "docker compose -f stack/compose.yaml"


def look_inside(part):
    """Our own containers write to files, backends to Docker."""
    name = names.container(part)
    if name == part:
        return f"{STACK.logs} {name}"
    return f"{COMPOSE} exec {name} tail -n 50 /var/log/apps/{names.log(part)}.log"


STACK = Place("stack", "make stack-up", look_inside, f"{COMPOSE} logs --tail 50")


def beside(project):
    """The backends' containers beside a native system."""
    logs = f"docker compose -p {project} logs --tail 50"
    return Place("beside", "make stack-up-backends", lambda part: f"{logs} {part}", logs)


def eventually(ask, seconds):
    """Asks until the answer is true or time is up; the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer or time.monotonic() >= deadline:
            return answer
        time.sleep(POLL_SECONDS)


def listens(host, number):
    try:
        with socket.create_connection((host.strip("[]"), int(number)), 2):
            return True
    except OSError:
        return False


def stranger(number, variable, answer):
    """The failure of a port that another program has."""
    return Refused(f"port {number} ({variable}) is another program's, it answers: {answer}\n"
                   f"see who it is: ss -ltnp 'sport = :{number}'; end it, or choose another port: {variable}=…")


def containers(project):
    """{service: (state, status)} of a compose project; None when Docker cannot say."""
    command = ["docker", "ps", "-a", "--filter", f"label=com.docker.compose.project={project}", "--format",
               '{{.Label "com.docker.compose.service"}}\t{{.State}}\t{{.Status}}']
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {line[0]: (line[1], said(line[2])) for line in lines if len(line) == 3}


def container_checks(found, place):
    """A check of each container that containers() has found, so that what rests on it follows from it."""
    def examine(name):
        state, status = found[name]
        if state != "running" or "unhealthy" in status:
            raise Refused(f"the container {name} is not well: {status}\n{place.logs} {name}; "
                          f"or start it: {place.start}")

    programs = [f"container {name}" for name in found if name in names.logs()]
    for name in sorted(found, key=lambda name: name == names.GATEWAY):  # which is as well as those behind it
        yield Check(f"container {name}", tuple(programs) if name == names.GATEWAY else (),
                    lambda _, name=name: examine(name))
    if found and all(state == "running" for state, _ in found.values()):
        yield Check("containers", (), lambda _: f"all {count(len(found), 'container')} run")


class Outcome(NamedTuple):
    check: Check
    what: str
    remedy: str


def examine(checks, patience, report):
    """
    Runs the checks in order; report(text) is told what is well, None is of no interest. Returns [(failed outcome,
    [those that follow])]. For what rests on something that failed nobody waits.
    """
    roots, failed = {}, {}
    for check in checks:
        cause = next((failed[name] for name in check.needs if name in failed), None)
        try:
            well = check.examine(0 if cause else patience)
            if well:
                report(well)
        except Refused as failure:
            what, _, remedy = str(failure).partition("\n")
            failed[check.name] = cause or check.name
            roots.setdefault(failed[check.name], []).append(Outcome(check, what, remedy))
    return [(first, others) for first, *others in roots.values()]


def asked(url, wait):
    """The answer to a GET, which is asked for again until it is 200 or time is up."""
    latest = [None]

    def well():
        latest[0] = answers.get(url)
        return latest[0].status == 200
    eventually(well, wait)
    return latest[0]


def ready(name, url, variable, place, wait):
    """Whether a part says of itself that it is ready."""
    number, answer = url.rpartition(":")[2], asked(f"{url}/readyz", wait)
    if answer.status == 0:
        raise Refused(f"{name} does not answer at port {number} ({answer.text})\n"
                      f"{place.look(name)}; or start it: {place.start}")
    ours = '"status"' in answer.text
    if answer.status == 200 and ours:
        return f"{name} is ready"
    if not ours and "nginx" not in answer.headers.get("Server", ""):  # which answers for a program that is not there
        raise stranger(number, variable, answer)
    raise Refused(f"{name} is not ready: {answer}\n{place.look(name)}")
