# SPDX-License-Identifier: MIT
"""nginx and the programs behind it: kept connections, big answers, many clients, restarts."""
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.client import Client
from lib.fastcgi import Program, Reply
from lib.nginx_alone import NginxAlone
from lib.wait import wait_until


@pytest.fixture
def nginx(tmp_path):
    alone = NginxAlone(tmp_path).start()
    yield alone
    alone.close()


def test_what_may_be_repeated_shares_kept_connections(nginx):
    """HEAD may be repeated too, but nginx closes the connection once it has the header of the answer."""
    program = nginx.programs["users"]
    for method in ("GET", "DELETE"):
        for name in ("gateway", "users"):
            for _ in range(20):
                assert nginx.request(method, "/api/v1/users/1", name=name).status == 200
    connections = {request.connection for request in program.requests}
    assert len(program.requests) == 80 and len(connections) <= 2, "one for each nginx worker"
    assert all(request.keep for request in program.requests)
    assert len(program.connections) <= 2


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "FOO"])
def test_what_must_not_be_repeated_has_its_own_connection(nginx, method):
    program = nginx.programs["orders"]
    for _ in range(20):
        assert nginx.request(method, "/api/v1/orders", {"a": 1}).status == 200
    assert len({request.connection for request in program.requests}) == len(program.requests) == 20
    wait_until(lambda: not program.connections, "nginx keeps such a connection")


@pytest.mark.parametrize("service, repeated", [("notifications", True), ("orders", False)])
def test_a_notification_may_be_repeated(nginx, service, repeated):
    """Its event is stored once, so its POST shares kept connections, and is sent again when one dies under it."""
    program, path = nginx.programs[service], f"/api/v1/{service}"
    for _ in range(20):
        assert nginx.request("POST", path, {}, name=service).status == 200
    connections = len({request.connection for request in program.requests})
    assert connections <= 2 if repeated else connections == 20
    assert {request.param("APM_ONCE") or "" for request in program.requests} == {"" if repeated else "_once"}

    lost = []
    program.answer = lambda request: Reply() if lost else lost.append(request)
    assert nginx.request("POST", path, {}, name=service).status == (200 if repeated else 502)
    assert len(lost) == 1 and len(program.requests) == 20 + (2 if repeated else 1)


def test_many_clients_keep_no_more_than_eight_connections_a_worker(nginx):
    program = nginx.programs["users"]
    program.answer = lambda request: time.sleep(0.02) or Reply()

    def client(_):
        with Client(nginx.ports["gateway"]) as one:
            return [one.get("/api/v1/users").status for _ in range(10)]
    with ThreadPoolExecutor(60) as pool:
        statuses = [status for result in pool.map(client, range(60)) for status in result]
    assert statuses == [200] * 600
    wait_until(lambda: len(program.connections) <= 16, lambda: f"{len(program.connections)} are kept")


def test_a_program_that_starts_again(nginx):
    """Its kept connections die; the requests that find them dead are repeated."""
    with Client(nginx.ports["gateway"]) as client:
        assert client.get("/api/v1/users").status == 200
        old = nginx.programs["users"]
        (nginx.run / "users.sock").rename(nginx.run / "old.sock")
        nginx.programs["users"] = Program(nginx.run / "users.sock")
        for connection in list(old.connections):
            connection.shutdown(socket.SHUT_RDWR)
        old.close()
        assert client.get("/api/v1/users").status == 200
        assert nginx.request("POST", "/api/v1/users", {}).status == 200
        assert len(nginx.programs["users"].requests) == 2


def test_a_big_answer_to_a_slow_reader(nginx):
    body = bytes(range(256)) * 12000
    nginx.programs["users"].answer = lambda request: Reply(body=body)
    with socket.create_connection(("127.0.0.1", nginx.ports["gateway"])) as client:
        client.sendall(b"GET /api/v1/users HTTP/1.0\r\n\r\n")
        time.sleep(0.3)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    assert received.endswith(b"\r\n\r\n" + body)
    assert sorted(path.name for path in (nginx.run / "tmp").iterdir()) == ["body", "fastcgi", "proxy", "scgi", "uwsgi"]


def test_a_closed_gateway_leaves_the_services_ports(tmp_path):
    """As ctl stops: requests in progress end, and may still call services; new ones are refused."""
    nginx = NginxAlone(tmp_path / "a b").start()
    try:
        nginx.programs["orders"].answer = lambda request: time.sleep(1) or Reply(body=str(
            nginx.get("/api/v1/users", name="users").status).encode())
        answers = []
        thread = threading.Thread(target=lambda: answers.append(nginx.get("/api/v1/orders")))
        thread.start()
        wait_until(lambda: nginx.programs["orders"].requests, "the program was not asked")
        old = nginx.workers()
        nginx.environment = {"GATEWAY_CLOSED": "1"}
        nginx.render()
        nginx.signal(signal.SIGHUP)
        wait_until(lambda: not set(old) & set(nginx.workers()), "the old workers are still there")
        thread.join()
        assert (answers[0].status, answers[0].body) == (200, b"200")
        with pytest.raises(ConnectionRefusedError):
            nginx.get("/healthz")
    finally:
        nginx.close()


def test_quit_answers_what_was_accepted(nginx):
    nginx.programs["users"].answer = lambda request: time.sleep(1) or Reply(body=b"late")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(nginx.get("/api/v1/users")))
    thread.start()
    wait_until(lambda: nginx.programs["users"].requests, "the program was not asked")
    started = time.monotonic()
    nginx.stop()
    assert time.monotonic() - started < 5
    thread.join()
    assert answers[0].body == b"late"


def test_reload_drops_no_request(nginx):
    nginx.programs["users"].answer = lambda request: time.sleep(0.01) or Reply()
    stop, statuses = threading.Event(), []

    def load():
        while not stop.is_set():
            try:
                statuses.append(nginx.get("/api/v1/users").status)
            except OSError as error:
                statuses.append(error)
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 4):
        wait_until(lambda number=number: len(statuses) >= 20 * number, "no load")
        old = nginx.workers()
        nginx.render()
        nginx.signal(signal.SIGHUP)
        wait_until(lambda old=old: len(nginx.workers()) == 2 and not set(old) & set(nginx.workers()), "new workers")
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
