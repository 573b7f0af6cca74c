# SPDX-License-Identifier: MIT
"""Who listens on this machine's TCP ports, and whether one can be had."""
import os
import socket
from pathlib import Path

LISTEN = "0A"  # include/net/tcp_states.h


def listening():
    """{port: the inodes of the sockets that listen on it}"""
    found = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTEN:
                found.setdefault(int(fields[1].rsplit(":", 1)[1], 16), set()).add(fields[9])
    return found


def sockets_of(pid):
    """The inodes of a process's sockets; none when it is gone or another user's."""
    found = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                name = os.readlink(link)
            except OSError:
                continue
            if name.startswith("socket:["):
                found.add(name[8:-1])
    except OSError:
        pass
    return found


def owner(inodes):
    """"NAME (pid N)" of a process that has one of these sockets, as far as this user may know."""
    for directory in Path("/proc").glob("[0-9]*"):
        if sockets_of(directory.name) & inodes:
            try:
                return f"{(directory / 'comm').read_text(encoding='utf-8', errors='replace').strip()} " \
                       f"(pid {directory.name})"
            except OSError:
                pass
    return "another program"


def trouble(port, addresses, own_sockets, listeners):
    """
    Why this port cannot be had on these addresses, or None. `own_sockets` are those that we listen with already,
    `listeners` what listening() says. It is bound for a moment: an outgoing connection may have it as well.
    """
    inodes = listeners.get(port, set())
    if inodes & own_sockets and not inodes - own_sockets:
        return None
    if inodes - own_sockets:
        return f"is taken by {owner(inodes - own_sockets)}"
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, port))
            except PermissionError:
                return "needs root, as all below 1024 do"
            except OSError as error:
                return f"cannot be had on {address}: {error.strerror}"
    return None
