# SPDX-License-Identifier: MIT
"""The names of one program, and the one place where one is made of another.

A program has one name as a binary, a part, a socket and a unit: users. Its telemetry has a service's name, as its
source fcgi/services/users.c declares it: user-service. Its log and its container are called after that. The gateway is
one service of two parts, nginx and the program gateway. The container and the access log of nginx have the service's
name, api-gateway; those of the program have the name that it declares for its log, gateway-shipper."""
import re

from apm.settings import ROOT

PROGRAMS = ROOT / "fcgi/services"
GATEWAY = "api-gateway"  # nginx's container, and the gateway's service


def declared(program, field):
    """Returns the text that a program's source gives to this field of its struct app; None when it gives none."""
    try:
        found = re.search(rf'\.{field} = "([^"]+)"', (PROGRAMS / f"{program}.c").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found and found[1]


def log(part):
    """Returns the name of a part's log, LOG_DIR/NAME.log."""
    if part == "nginx":
        return "nginx-error"
    return declared(part, "log_name") or declared(part, "service_name") or part


def container(part):
    """Returns the name of a part's container; a backend, which is no program of ours, has one name everywhere."""
    return GATEWAY if part == "nginx" else log(part)


def logs():
    """Returns {the log of a program: that program}."""
    return {log(file.stem): file.stem for file in sorted(PROGRAMS.glob("*.c"))}
