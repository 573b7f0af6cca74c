# SPDX-License-Identifier: MIT
"""Thousands of requests that are wrong in every way: no 5xx, no hang, no restart, no leak, every error a problem."""
import collections
import itertools
import os
import re
import socket
import struct
import threading
import time

from lib import logs, sandbox
from lib.client import Answer, check_problem, check_traced
from lib.system import ROOT
from lib.wait import MODE, SLOWNESS, wait_until
from malformed import ANSWERED, CUT, RESET, Generator

THREADS = 8
HANG_SECONDS = 40 * SLOWNESS  # longer than any time-out of nginx
PATIENCE_SECONDS = 0.15  # for an answer that may be owed, before the end is shown
ALLOWED = (501, 505)  # RFC 9110, sections 15.6.2 and 15.6.6


class Hang(Exception):
    pass


def read(connection, seconds):
    """(bytes, whether the server has closed within this time after the last byte)"""
    received = b""
    connection.settimeout(seconds)
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except TimeoutError:
        return received, False
    except (ConnectionResetError, BrokenPipeError):
        pass  # it had its say and closed before it had read everything
    return received, True


def exchange(port, attack):
    """What came back. Raises Hang when the server neither answers nor closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in attack.pieces:
                connection.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass
        except TimeoutError as error:
            raise Hang("it does not read") from error
        if attack.ending == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return b""
        received, closed = b"", False
        if attack.ending != CUT:
            received, closed = read(connection, HANG_SECONDS if attack.ending == ANSWERED else PATIENCE_SECONDS)
        if not closed and attack.ending != ANSWERED:
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            rest, closed = read(connection, HANG_SECONDS)
            received += rest
        if not closed:
            raise Hang(received[:300])
        return received


def answers_in(received):
    """The answers, one after the other; an answer to HEAD has no body. HTTP/0.9 has no header: it is left out."""
    while received.startswith(b"HTTP/1."):
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(re.split(r":\s*", line, maxsplit=1)) for line in lines[1:]]
        answer = Answer(int(lines[0].split()[1]), headers, b"")
        length = int(answer.header("Content-Length") or 0)
        if not rest.startswith(b"HTTP/1."):
            answer.body, rest = rest[:length], rest[length:]
        if answer.status != 100:
            yield answer
        received = rest


def judge(attack, received):
    """[status …] of what was answered."""
    found = list(answers_in(received))
    if attack.ending == ANSWERED:
        assert found, f"no answer: {received[:300]!r}"
    for answer in found:
        check_traced(answer)
        assert answer.status < 500 or answer.status in ALLOWED, answer
        if answer.status >= 400 and answer.body:
            check_problem(answer, answer.status)
        elif answer.status >= 400:
            assert answer.header("Content-Type") == "application/problem+json", answer
    return [answer.status for answer in found]


class Attackers:
    """Threads that share one generator: the attacks are the same on every run, whoever sends them."""

    def __init__(self, port, seed, count, progress):
        self.port, self.count, self.progress = port, count, progress
        self.attacks = itertools.islice(iter(Generator(seed).attack, None), count)
        self.lock = threading.Lock()
        self.outcomes = collections.Counter()  # by status; None: no answer
        self.sent = collections.Counter()  # by kind
        self.faults = []

    def next(self):
        with self.lock:
            return next(self.attacks, None)

    def work(self):
        while (attack := self.next()) and len(self.faults) < 20:
            try:
                statuses = judge(attack, exchange(self.port, attack)) or [None]
            except (Hang, OSError, AssertionError, ValueError, KeyError) as error:
                self.faults.append(f"{attack}: {error!r}")
                continue
            with self.lock:
                self.sent[attack.kind] += 1
                self.outcomes.update(statuses)
                if (done := self.sent.total()) % 5000 == 0:
                    self.progress(f"{done} requests of {self.count}")

    def run(self):
        threads = [threading.Thread(target=self.work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_malformed_requests(make_system, progress, say):
    count, seed = int(os.environ.get("ATTACK_REQUESTS", 10000)), int(os.environ.get("ATTACK_SEED", 1))
    mode = "asan" if MODE == "release" else MODE  # whose report of a leak or a wrong access is a fault of the system
    sandbox.build(ROOT, mode)
    system = make_system("malformed", environment={"MODE": mode, "CALL_TIMEOUT_MS": "15000"})
    system.overflow_expected = True
    before = system.processes()
    attackers = Attackers(system.ports["gateway"], seed, count, progress)
    start = time.monotonic()
    attackers.run()
    seconds = time.monotonic() - start
    statuses = dict(sorted(attackers.outcomes.items(), key=lambda item: str(item[0])))
    say(f"{attackers.sent.total()} malformed requests (seed {seed}) in {seconds:.0f} s, answers: {statuses}")
    say(f"of each kind: {dict(attackers.sent)}")

    assert not attackers.faults, "\n".join(attackers.faults[:5])
    assert len(attackers.sent) == len(Generator(0).kinds) and attackers.sent.total() == count
    assert {400, 404, 405, 413, 414, 415, 422, 431, 501, 505} <= set(statuses), "the attacks have become tame"
    assert system.processes() == before, "something was started again"
    # Also what the clients did not stay to hear.
    lines, _ = logs.read(system.log / "api-gateway.log")
    failed = [line for line in lines if line["status"] >= 500 and line["status"] not in ALLOWED]
    assert len(lines) > count / 2 and not failed, failed[:3]
    wait_until(lambda: system.gateway.get("/readyz").status == 200, "it is not ready")  # 429 for a moment
    assert system.gateway.post("/api/v1/orders", {"user_id": 1, "product": "Tea", "amount": 1}).status == 201
    make_system.finish(system)
