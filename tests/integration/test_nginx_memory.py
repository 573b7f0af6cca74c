# SPDX-License-Identifier: MIT
"""nginx's memory is bounded by its limits: those of the container add up, and hold."""
import re
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from apm import settings as apm_settings

from lib.client import check_problem
from lib.nginx_alone import NginxAlone, render
from lib.system import ROOT
from lib.wait import wait_until

KB, MB = 1 << 10, 1 << 20
BASE = 14 * MB  # both workers, the master and the shell that begins logs anew, as they are without a request
UNITS = {"": 1, "k": KB, "m": MB}


def size(text):
    number, unit = re.fullmatch(r"(\d+)([km]?)", text.lower()).groups()
    return int(number) * UNITS[unit]


def value(text, name):
    """The arguments of a directive that is there once."""
    found, = re.findall(rf"^\s*{name} ([^;]+);", text, re.MULTILINE)
    return found.split()


def buffers(text, name):
    number, each = value(text, name)
    return int(number) * size(each)


def memory_of_a_connection(text):
    """Of one whose header is being read, or that is between two requests: its pool, the header, epoll's part."""
    return buffers(text["limits.conf"], "large_client_header_buffers") + 3 * KB


def text_of(directory):
    return {path.relative_to(directory).as_posix(): path.read_text() for path in directory.rglob("*.conf")}


def memory_of_a_request(text):
    """Beside its connection: the body, the program's answer, and its compression (zlib.h has the formula)."""
    window, memory = (size(value(text["answers.conf"], name)[0]) for name in ("gzip_window", "gzip_hash"))
    compression = 8 * KB + 4 * window + 2 * memory + buffers(text["answers.conf"], "gzip_buffers")
    answer = size(value(text["fastcgi.conf"], "fastcgi_buffer_size")[0])
    answer += buffers(text["gateway.conf"], "fastcgi_buffers")
    return size(value(text["limits.conf"], "client_body_buffer_size")[0]) + answer + compression + 4 * KB


def test_the_container_has_what_its_limits_allow(tmp_path):
    part = yaml.safe_load((ROOT / "stack/compose.yaml").read_text())["services"]["api-gateway"]
    settings = {name: re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", str(part["environment"][name]))
                for name in ("CLIENT_REQUESTS", "GATEWAY_REQUESTS", "NGINX_CONNECTIONS")}
    render("out", cwd=tmp_path, environment=settings)
    text = text_of(tmp_path / "out")
    workers = int(value(text["nginx.conf"], "worker_processes")[0])
    connections = workers * int(value(text["settings/main.conf"], "worker_connections")[0])
    requests = int(re.search(r"^ *limit_conn everyone (\d+);", text["settings/servers.conf"], re.MULTILINE)[1])
    files = sum(size(match[1]) for match in map(re.compile(r"size=(\w+)").search, part["tmpfs"]))
    most = (BASE + files + connections * memory_of_a_connection(text)
            + requests * memory_of_a_request(text))
    assert most <= size(part["mem_limit"]), f"{most / MB:.0f} MB may be needed"
    assert most > size(part["mem_limit"]) * 0.8, "less would do"
    assert requests == int(settings["GATEWAY_REQUESTS"])
    assert int(settings["CLIENT_REQUESTS"]) <= requests // 2, "one address could hold the gateway"
    # An order is six connections: it, its two calls, and a program behind each. What clients may have leaves room.
    assert connections >= 6 * requests


def private_memory(nginx):
    """What the workers have written to: all that a request may add."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in nginx.workers()]
    return sum(int(number) * KB for text in rollups
               for number in re.findall(r"^(?:Private_Dirty|Swap): +(\d+) kB", text, re.MULTILINE))


def requests_with_a_header(nginx):
    return int(re.search(r"Writing: (\d+)", nginx.get("/stub_status", name="metrics").body.decode())[1]) - 1


def hold(stack, nginx, source):
    """A client that has sent all of a body but its last byte."""
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", nginx.ports["gateway"]), 10, (source, 0)))
    connection.sendall(b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       b"Content-Length: 65536\r\n\r\n" + b" " * 65535)
    return connection


def test_held_bodies_take_what_was_computed_and_no_more_are_taken(tmp_path):
    nginx = NginxAlone(tmp_path, {"GATEWAY_REQUESTS": "60", "CLIENT_REQUESTS": "40"}).start()
    try:
        text = text_of(nginx.run / "nginx")
        before = private_memory(nginx)
        with ExitStack() as stack:
            held = [hold(stack, nginx, source) for source in ["127.0.0.1"] * 35 + ["127.0.0.2"] * 25]
            wait_until(lambda: requests_with_a_header(nginx) >= 60, "nginx has not read the headers")
            wait_until(lambda: private_memory(nginx) - before >= 60 * 60 * KB, "the bodies are not there")
            grown = private_memory(nginx) - before
            assert grown <= 60 * (memory_of_a_connection(text) + memory_of_a_request(text)), f"{grown / MB:.1f} MB"
            check_problem(nginx.get("/api/v1/users"), 429)
            assert nginx.get("/readyz").status == 200 and nginx.get("/metrics", name="users").status == 200
            for connection in held:
                connection.sendall(b" ")
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
        wait_until(lambda: nginx.get("/api/v1/users").status == 200, "the limit does not end")
        assert len(nginx.programs["orders"].requests) == 60
    finally:
        nginx.close()


@pytest.mark.parametrize("name, value_", [
    ("CLIENT_REQUESTS", "0"), ("CLIENT_REQUESTS", "x"), ("GATEWAY_REQUESTS", "-1"),
    ("CLIENT_REQUESTS", "65536"), ("GATEWAY_REQUESTS", "65536"),
    ("NGINX_CONNECTIONS", "8"), ("NGINX_CONNECTIONS", "1;")])
def test_refused_settings(tmp_path, name, value_):
    done = render("out", cwd=tmp_path, environment={name: value_}, check=False)
    assert done.returncode == 1 and name in done.stderr
    with pytest.raises(apm_settings.BadSettings, match=name):
        apm_settings.read({name: value_})


def test_the_largest_limits(tmp_path):
    largest = {"CLIENT_REQUESTS": "65535", "GATEWAY_REQUESTS": "65535", "NGINX_CONNECTIONS": "64"}
    read = apm_settings.read(largest)
    assert {name: read[name] for name in largest} == largest
    nginx = NginxAlone(tmp_path, largest)
    try:
        nginx.render()
        done = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        for program in nginx.programs.values():
            program.close()
