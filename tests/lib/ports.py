# SPDX-License-Identifier: MIT
"""Free TCP ports of the loopback.

They are taken below the range that the kernel gives to outgoing connections, so that none of those can take one
between the choice and its use; start() of the system still tries again with others when it is told that one is taken.
"""
import os
import random
import socket


def outgoing_range_start():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except OSError:
        return 32768


def candidates():
    """The ports of this process alone: each worker of pytest-xdist has its share, none is given twice."""
    top = min(max(outgoing_range_start(), 12000), 32768)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(10000 + worker, top, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))))
    random.SystemRandom().shuffle(ports)
    return ports


remaining = candidates()


def free_port():
    while remaining:
        port = remaining.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no TCP port is left")


def free_ports(count):
    return [free_port() for _ in range(count)]


def closed_port():
    """A port that refuses connections, and the socket that keeps it so: bound, never listening."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder.getsockname()[1], holder
