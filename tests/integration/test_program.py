# SPDX-License-Identifier: MIT
"""How a program treats the web server's connections: requests in step, broken peers, draining, starting and failing."""
import errno
import json
import os
import resource
import signal
import socket
import threading
import time

import pytest

from lib import logs
from lib.program import ABORT, BEGIN, PARAMS, STDIN, begin, pairs, params_of, record, request, stream
from lib.service import Service
from lib.wait import SLOWNESS, wait_until

NOBODY = b'{"name":"Nobody","email":"nobody@example.org"}'
ORDER = b'{"user_id":1,"product":"Tea","amount":9.9}'


def users(program):
    return len(json.loads(program.ask(path="/api/v1/users?limit=100").body)["items"])


# ---- requests in step

def test_kept_connection_serves_many_requests(program):
    connection = program().connect()
    for _ in range(50):
        assert connection.ask(path="/api/v1/users/1").status == 200
        assert connection.ask(method="POST", path="/api/v1/users", body=b"{}").status == 422
    assert not connection.is_closed(0.2)


@pytest.mark.parametrize("wish", [{"keep": False}, {"extra": [("APM_ONCE", "_once")]}])
def test_other_connection_is_closed_at_once(program, wish):
    connection = program().connect()
    started = time.monotonic()
    assert connection.ask(**wish).status == 200
    assert connection.is_closed()
    assert time.monotonic() - started < 3 * SLOWNESS


def test_idle_connections_take_no_thread(program):
    alone = program(WORKER_THREADS="2")
    silent = [alone.connect() for _ in range(20)]
    kept = [alone.kept() for _ in range(50)]
    assert all(connection.ask(path="/api/v1/users/1").status == 200 for connection in kept)
    assert all(connection.ask().status == 200 for connection in silent)


@pytest.mark.parametrize("name", ["users", "orders", "notifications"])
def test_no_thread_stands_behind_other_processes(program, name):
    """A thread that is SCHED_BATCH, or nicer, waits while a compiler runs beside it."""
    alone = program(name, WORKER_THREADS="7")
    alone.ask()
    wait_until(lambda: len(os.listdir(f"/proc/{alone.process.pid}/task")) > 7, "the threads do not start")
    for thread in map(int, os.listdir(f"/proc/{alone.process.pid}/task")):
        assert os.sched_getscheduler(thread) == os.sched_getscheduler(0)
        assert os.getpriority(os.PRIO_PROCESS, thread) == os.getpriority(os.PRIO_PROCESS, 0)


def test_whole_body_is_read_whatever_becomes_of_it(program):
    connection = program().connect()
    for body in (b"x" * 65536, b"x" * 65537, b"x" * 300000):
        answer = connection.ask(method="POST", path="/api/v1/users", body=body)
        assert answer.status == (400 if len(body) == 65536 else 413)
        assert connection.ask(path="/nothing", body=body).status == 404
        assert connection.ask(method="DELETE", path="/healthz", body=body).status == 405
        assert connection.ask(path="/api/v1/users/1", body=body).status == 200


def test_long_parameters(program):
    connection = program().connect()
    extra = [(f"HTTP_X_{i}", "v" * 8000) for i in range(8)]
    for _ in range(3):
        assert connection.ask(path="/api/v1/users/1", extra=extra).status == 200


def test_records_cut_anywhere(program):
    connection = program().connect()
    body = b'{"name":""}'
    params = pairs(params_of(method="POST", path="/api/v1/users", body=body))
    data = begin() + b"".join(record(PARAMS, params[i:i + 7], padding=i % 9) for i in range(0, len(params), 7))
    data += record(PARAMS) + b"".join(record(STDIN, body[i:i + 1]) for i in range(len(body))) + record(STDIN)
    for i in range(0, len(data), 11):
        connection.send(data[i:i + 11])
    assert connection.answer().status == 422


def test_head_is_get_without_a_body(program):
    connection = program().connect()
    get, head = (connection.ask(method=method, path="/api/v1/users/1") for method in ("GET", "HEAD"))
    assert head.body == b"" and get.body
    assert set(get.headers) == set(head.headers)
    assert all(get.headers[name] == head.headers[name] for name in ("Status", "Content-Type", "Content-Length"))
    assert int(get.headers["Content-Length"]) == len(get.body)


def test_missing_parameters(program):
    connection = program().connect()
    for params in ([], [("REQUEST_METHOD", "GET")], [("DOCUMENT_URI", "/api/v1/users")], [("", "")]):
        connection.send(begin() + stream(PARAMS, pairs(params)) + stream(STDIN, b""))
        assert connection.answer().status in (404, 405)
    assert connection.ask().status == 200


def test_internal_routes_are_absent_through_the_gateway(program):
    connection = program("notifications").connect()
    gateway = [("APM_GATEWAY", "1")]
    options = {"method": "POST", "path": "/api/v1/notifications", "body": b"{}"}
    assert connection.ask(**options).status == 422
    assert connection.ask(extra=[("HTTP_APM_GATEWAY", "1")], **options).status == 422
    answer = connection.ask(extra=gateway, **options)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_every_answer_names_a_trace(program):
    connection = program().connect()
    seen = set()
    for path in ("/api/v1/users", "/nothing", "/healthz", "/readyz", "/metrics"):
        headers = connection.ask(path=path).headers
        version, trace_id, span_id, flags = headers["Server-Timing"].split('"')[1].split("-")
        assert (version, trace_id) == ("00", headers["X-Trace-Id"]) and len(trace_id) == 32 and len(span_id) == 16
        assert flags in ("00", "02") or not path.startswith(("/healthz", "/readyz", "/metrics"))
        seen.add(trace_id)
    assert len(seen) == 5


# ---- broken peers

GARBAGE = {
    "nothing": b"",
    "http": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "version": record(BEGIN, bytes(8), version=2),
    "short_begin": record(BEGIN, b"\x00\x01\x01"),
    "request_0": begin(number=0),
    "role": begin(role=7) + stream(PARAMS, b"") + stream(STDIN, b""),
    "no_begin": stream(PARAMS, pairs(params_of())) + stream(STDIN, b""),
    "stdin_first": begin() + stream(STDIN, b"x"),
    "length_beyond": begin() + record(PARAMS, b"\x05\xffab") + record(PARAMS),
    "huge_length": begin() + record(PARAMS, b"\x01\xff\xff\xff\xffa") + record(PARAMS),
    "cut_header": begin() + record(PARAMS)[:5],
    "cut_begin": begin()[:10],
    "cut_params": (begin() + stream(PARAMS, pairs(params_of())))[:100],
    "no_stdin": begin() + stream(PARAMS, pairs(params_of())),
    "cut_stdin": request(method="POST", path="/api/v1/users", body=NOBODY)[:-12],
    "no_stdin_end": request(method="POST", path="/api/v1/users", body=NOBODY)[:-8],
    "abort": begin() + stream(PARAMS, pairs(params_of())) + record(ABORT),
    "announced": begin() + stream(PARAMS, pairs(params_of("POST", "/api/v1/users", NOBODY + b" "))) +
    stream(STDIN, NOBODY),
    "type": begin() + record(99, b"x"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_broken_requests_do_nothing(program, name):
    alone = program(WORKER_THREADS="1")
    before = users(alone)
    broken = alone.connect()
    broken.send(GARBAGE[name])
    broken.socket.shutdown(socket.SHUT_WR)
    while True:
        try:
            if not broken.socket.recv(65536):
                break
        except ConnectionResetError:
            break
    assert users(alone) == before
    assert alone.process.poll() is None


def test_peer_that_stops_in_the_middle_holds_one_thread_only(program):
    alone = program(WORKER_THREADS="2")
    stuck = alone.connect()
    stuck.send(request()[:20])
    for _ in range(5):
        assert alone.ask(path="/api/v1/users/1").status == 200
    stuck.send(request()[20:])
    assert stuck.answer().status == 200


def test_peer_that_does_not_read_is_left(program):
    """An answer larger than the socket's buffers, to someone who has gone."""
    alone = program(WORKER_THREADS="1")
    for _ in range(5):
        deaf = alone.connect()
        deaf.send(request(path="/metrics"))
        deaf.close()
    assert alone.ask().status == 200


def test_more_connections_than_descriptors(program):
    alone = program(start=False, WORKER_THREADS="4")
    limit = 64
    alone.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    crowd = [alone.connect() for _ in range(limit)]
    for connection in crowd:
        connection.send(request())
    for connection in crowd[:10]:
        assert connection.answer().status == 200
        connection.close()
    for connection in crowd[10:]:
        assert connection.answer().status == 200
        connection.close()
    assert alone.ask().status == 200


def test_the_queue_is_as_long_as_the_kernel_allows(program):
    """Whatever the socket came with: nginx refuses what finds it full."""
    alone = program(start=False)
    alone.listener.listen(1)
    alone.start()
    alone.process.send_signal(signal.SIGSTOP)
    waiting = []
    try:
        for _ in range(200):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            waiting[-1].connect(str(alone.path))  # BlockingIOError: the queue is full
    finally:
        alone.process.send_signal(signal.SIGCONT)
        for connection in waiting:
            connection.close()
    assert alone.ask().status == 200


# ---- draining

def test_stops_at_once_when_idle(program):
    alone = program()
    kept = [alone.kept() for _ in range(20)]
    alone.terminate()
    code, seconds = alone.wait()
    assert code == 0 and seconds < 3 * SLOWNESS  # given up requests take longer
    assert all(connection.is_closed(0) for connection in kept)
    assert not alone.pid_file.exists()
    assert [line["msg"] for line in logs.read(alone.log)[0]][-2:] == ["stopping", "stopped"]


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_both_signals_stop(program, number):
    alone = program()
    alone.process.send_signal(number)
    assert alone.wait()[0] == 0


def test_answers_what_kept_connections_have_sent(program):
    """One thread, so that most requests wait when the signal comes."""
    alone = program(WORKER_THREADS="1")
    kept = [alone.kept() for _ in range(100)]
    for connection in kept:
        connection.send(request(path="/api/v1/users?limit=100"))
    alone.terminate()
    assert [connection.answer().status for connection in kept] == [200] * 100
    assert all(connection.is_closed() for connection in kept)
    assert alone.wait()[0] == 0


def test_a_request_is_answered_or_cannot_be_sent(program):
    """Clients ask without a pause while the program stops: what they could send whole is answered."""
    alone = program(WORKER_THREADS="4")
    lost, refused = [], []

    def ask_until_closed(connection):
        data = request(path="/api/v1/users/1")
        while True:
            try:
                connection.send(data)
            except OSError as error:
                refused.append(error.errno)
                return
            try:
                assert connection.answer().status == 200
            except (EOFError, OSError) as error:
                lost.append(error)
                return

    threads = [threading.Thread(target=ask_until_closed, args=(alone.kept(),)) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    alone.terminate()
    for thread in threads:
        thread.join()
    assert alone.wait()[0] == 0
    assert not lost
    assert refused == [errno.EPIPE] * 16


def test_answers_the_first_request_of_an_accepted_connection(program):
    alone = program()
    fresh = [alone.connect() for _ in range(10)]
    assert alone.ask().status == 200  # so these have been accepted before
    alone.terminate()
    wait_until(lambda: "stopping" in alone.log.read_text(), "it does not stop")
    assert alone.process.poll() is None
    for connection in fresh:  # all at once: they have a second
        connection.send(request(method="POST", path="/api/v1/users", body=b"{}"))
    assert [connection.answer().status for connection in fresh] == [422] * 10
    assert all(connection.is_closed() for connection in fresh)
    assert alone.wait()[0] == 0


def test_silent_connections_are_given_a_second(program):
    alone = program()
    silent = [alone.connect() for _ in range(5)]
    assert alone.ask().status == 200
    alone.terminate()
    code, seconds = alone.wait()
    assert code == 0 and 0.9 < seconds < 3 * SLOWNESS
    assert all(connection.is_closed(0) for connection in silent)


def test_finishes_what_it_has_begun(program):
    with Service(seconds=1) as peer:
        alone = program("orders", USERS_URL=peer.url, NOTIFICATIONS_URL=peer.url)
        busy = alone.connect()
        busy.send(request(method="POST", path="/api/v1/orders", body=ORDER))
        assert peer.asked.acquire(timeout=10)
        alone.terminate()
        assert busy.answer().status == 201
        assert busy.is_closed()
        assert alone.wait()[0] == 0


def test_ends_within_five_seconds_whatever_hangs(program):
    with Service(answer=None) as peer:
        alone = program("orders", USERS_URL=peer.url, CALL_TIMEOUT_MS="60000")
        hung = alone.connect()
        hung.send(request(method="POST", path="/api/v1/orders", body=ORDER))
        half = alone.connect()
        half.send(request()[:30])
        assert peer.asked.acquire(timeout=10)
        alone.terminate()
        started = time.monotonic()
        code = alone.process.wait(10)
        assert code == 0 and time.monotonic() - started < 5
        assert any("take too long" in line["msg"] for line in logs.read(alone.log)[0])


def test_what_waits_to_be_accepted_is_answered(program):
    """In a container the socket ends with the program. Its one thread is busy, so that the others wait in the queue."""
    with Service(seconds=0.5) as peer:
        alone = program("orders", USERS_URL=peer.url, NOTIFICATIONS_URL=peer.url, WORKER_THREADS="1")
        busy = alone.connect()
        busy.send(request(method="POST", path="/api/v1/orders", body=ORDER))
        assert peer.asked.acquire(timeout=10)
        waiting = [alone.connect() for _ in range(20)]
        for connection in waiting:
            connection.send(request(keep=False, path="/api/v1/orders?limit=1"))
        alone.terminate()
        assert busy.answer().status == 201
        assert [connection.answer().status for connection in waiting] == [200] * 20
        assert alone.wait()[0] == 0


def test_what_waits_is_served_by_the_next(program):
    alone = program()
    alone.terminate()
    assert alone.wait()[0] == 0
    waiting = alone.connect()
    waiting.send(request(path="/api/v1/users/1"))
    alone.start()
    assert waiting.answer().status == 200


def test_killed_program_leaves_the_socket_usable(program):
    alone = program()
    kept = alone.kept()
    alone.process.kill()
    assert alone.wait()[0] == -signal.SIGKILL
    assert kept.is_closed()
    waiting = alone.connect()
    waiting.send(request(path="/api/v1/users/1"))
    alone.pid_file.unlink()
    alone.start()
    assert waiting.answer().status == 200


# ---- starting and failing

def test_writes_its_pid_and_opens_its_log_anew(program):
    alone = program()
    assert int(alone.pid_file.read_text()) == alone.process.pid
    alone.log.rename(alone.log.with_suffix(".1"))
    alone.process.send_signal(signal.SIGUSR1)
    wait_until(alone.log.exists, "no new log")
    alone.ask(path="/api/v1/users/1")
    wait_until(lambda: "/api/v1/users/1" in alone.log.read_text(), "nothing in the new log")


@pytest.mark.parametrize("broken, remedy", [
    ({"LOG_DIR": "/nonexistent/logs"}, "LOG_DIR"),
    ({"SCHEMA_DIR": "/nonexistent/schema"}, "database"),
    ({"DATA_DIR": "/dev/null/data"}, "database"),
])
def test_says_why_it_cannot_start(program, broken, remedy):
    alone = program(start=False, **broken).start(ready=False)
    code, seconds = alone.wait()
    assert code == 1 and seconds > 0.25  # who restarts it at once must not spin
    assert remedy in alone.process.stderr.read().decode()


def test_needs_a_socket(program):
    with open("/dev/null", "rb") as null:
        alone = program(start=False).start(ready=False, stdin=null)
    assert alone.wait()[0] == 1
    assert "make run" in alone.process.stderr.read().decode()
