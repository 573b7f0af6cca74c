# SPDX-License-Identifier: MIT
"""Clients that hold on to what they can, and that look for what is not theirs."""
import os
import re
import signal
import socket
import sqlite3
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from lib.client import check_problem, check_traced, parse_raw, raw
from lib.fastcgi import Reply
from lib.nginx_alone import NginxAlone, nginx_version
from lib.system import ROOT
from lib.wait import wait_until

POST = b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
CONNECTIONS = 64  # of each nginx worker in these tests


def change(nginx, name, pattern, value, times):
    file = nginx.run / "nginx" / name
    text, count = re.subn(pattern, value, file.read_text())
    assert count == times
    file.write_text(text)


@pytest.fixture
def nginx(tmp_path):
    """Every time-out of clients is one second; so few connections that they can be used up."""
    alone = NginxAlone(tmp_path)
    alone.trouble_expected = "worker_connections"
    alone.start()
    change(alone, "limits.conf", r"(client_header|client_body|send|keepalive)_timeout \d+s", r"\1_timeout 1s", 4)
    change(alone, "settings/main.conf", r"worker_connections \d+", f"worker_connections {CONNECTIONS}", 1)
    old = alone.workers()
    alone.signal(signal.SIGHUP)
    wait_until(lambda: len(alone.workers()) == 2 and not set(old) & set(alone.workers()), "new workers")
    yield alone
    alone.close()


def connect(nginx, data=b"", buffer=None):
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", nginx.ports["gateway"]))
    connection.sendall(data)
    return connection


def drip(connection, seconds, start):
    """Sends a byte every tenth of a second until the server has had enough; returns how long that was since `start`."""
    connection.settimeout(0.1)
    while time.monotonic() - start < seconds:
        try:
            connection.send(b"a")
            if connection.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - start


def test_a_header_that_drips_has_one_time_out_in_all(nginx):
    start = time.monotonic()
    with connect(nginx, b"GET / HTTP/1.1\r\nHost: x\r\nX: ") as connection:
        assert 0.8 < drip(connection, 10, start) < 4
    assert [line["status"] for line in nginx.lines()] == [408]


def test_an_idle_connection_is_closed(nginx):
    """One that never said a word, and one that was used."""
    for data in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
        start = time.monotonic()
        with connect(nginx, data) as connection:
            received = b""
            while chunk := connection.recv(4096):
                received += chunk
            assert 0.8 < time.monotonic() - start < 4
            assert bool(received) == bool(data)


def test_bodies_that_drip_hold_no_program(nginx):
    """The program is asked when the whole body is there: no number of slow clients takes a thread from it."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(nginx, POST)) for _ in range(30)]
        for _ in range(15):  # for longer than a stalled body may
            for connection in slow:
                connection.send(b"a")
            time.sleep(0.1)
        assert nginx.request("POST", "/api/v1/orders", {"a": 1}).status == 200
        assert len(nginx.programs["orders"].requests) == 1
    wait_until(lambda: [line["status"] for line in nginx.lines()].count(200) == 1, "the log")


def test_a_client_that_does_not_read_is_let_go(nginx):
    nginx.programs["users"].answer = lambda request: Reply(body=b"[" + b"1," * 4_000_000 + b"1]")
    with connect(nginx, b"GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n", buffer=4096):
        line, = wait_until(nginx.lines, "it is still there")
    assert 1000 <= line["duration_ms"] < 5000 and line["bytes_out"] < 8_000_000
    assert 1000 * float(line["up_time"]) < line["duration_ms"], "the program was held as well"


def test_idle_clients_make_room(nginx):
    """More connections than nginx has, silent ones and used ones: it closes the idle for those that ask."""
    with ExitStack() as stack:
        for n in range(3 * CONNECTIONS):
            stack.enter_context(connect(nginx, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" if n % 2 else b""))
        for _ in range(10):
            assert nginx.get("/api/v1/users").status == 200


def test_slow_headers_take_what_there_is_only_for_so_long(nginx):
    with ExitStack() as stack:
        for _ in range(3 * CONNECTIONS):
            try:
                stack.enter_context(connect(nginx, b"GET / HTTP/1.1\r\nX: "))
            except OSError:
                pass  # nginx is full and says so
        start = time.monotonic()

        def served():
            try:
                return nginx.get("/api/v1/users").status == 200
            except OSError:
                return False
        wait_until(served, "nobody else is served")
        assert time.monotonic() - start < 4


# ---- what is not theirs


INSIDE = ["/metrics", "/stub_status", "/.problem", "/api/v1/users/metrics", "/api/v1/orders/healthz",
          "/api/v1/orders/../../../metrics", "/api/v1/users/..%2fmetrics", "//metrics", "/%6detrics", "/metrics%00",
          "/users.sock", "/run/users.sock", "/nginx.conf", "/trace.conf"]


@pytest.mark.parametrize("path", INSIDE)
def test_what_is_inside_cannot_be_named(system, path):
    port = system.ports["gateway"]
    hosts = ["x", "localhost", f"127.0.0.1:{system.ports['users']}", f"127.0.0.1:{system.ports['metrics']}", "users"]
    for host in hosts:
        for target in (path, f"http://{host}{path}"):
            request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Accel-Redirect: {path}\r\nConnection: close\r\n\r\n"
            answer = check_traced(parse_raw(raw(port, request.encode())))
            check_problem(answer, 400 if "%00" in path else 404)


def listening(pid):
    """{(hexadecimal address, port)} of the process's TCP sockets."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was just closed
            links.append(os.readlink(path))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
                address, port = fields[1].split(":")
                yield address, int(port, 16)


def test_only_the_gateway_faces_the_network(system):
    """nginx listens on the loopback (0100007F) but for the gateway's port; the programs listen on no port at all."""
    ours = set(listening((system.run / "nginx.pid").read_text().strip()))
    assert {port for _, port in ours} == set(system.ports.values())
    assert {port for address, port in ours if address != "0100007F"} == {system.ports["gateway"]}
    for program in system.programs:
        assert not set(listening(system.worker(program)))


def test_answers_do_not_tell_what_is_inside(system):
    """No versions, ports, paths of files or names of parts, whatever goes wrong."""
    version = (ROOT / "fcgi/VERSION").read_text().strip()
    secrets = [".".join(map(str, nginx_version())), sqlite3.sqlite_version, version, "libfcgi", "sqlite", ".sock",
               "unix:", "127.0.0.1", str(system.dir), *map(str, system.ports.values())]
    lines = ["GET /api/v1/users?limit=1", "GET /nothing", "GET /api/v1/users/0", "FOO /healthz", "GET /readyz",
             "TRACE /", "OPTIONS /api/v1/orders", "GET /api/v1/users?limit=x", "GET /" + "a" * 9000]
    requests = [b"garbage", b"GET / HTTP/3.0", b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: br",
                b"POST /api/v1/orders HTTP/1.1\r\nContent-Length: 70000"]
    seen = set()
    for request in [f"{line} HTTP/1.1".encode() for line in lines] + requests:
        received = raw(system.ports["gateway"], request + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        seen.add(check_traced(parse_raw(received)).status)
        head = re.sub(rb"(?i)(x-trace-id|server-timing|date|content-length): .*\r\n", b"", received)
        told = re.sub(rb'"trace_id":"[0-9a-f]{32}"', b"", head).decode()
        assert not [secret for secret in secrets if secret in told], told
    assert seen == {200, 404, 405, 400, 414, 422, 501, 505, 413}
