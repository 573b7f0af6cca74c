# SPDX-License-Identifier: MIT
"""Deadlines, shares of threads, circuits and queues: what cannot be answered in time is not done, reads go on."""
import json
import re
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import metrics
from lib.client import Client, check_problem
from lib.load import ORDER as TEA, Threads
from lib.nginx_alone import NginxAlone
from lib.program import request
from lib.service import OK, Service
from lib.wait import SLOWNESS, wait_until

ORDER = b'{"user_id":1,"product":"Tea","amount":9.9}'
USER = b'{"name":"Ada","email":"ada.l@example.com"}'
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


def sent(seconds_ago, wait_ms=15000):
    """What nginx would say of a request that it sent some time ago."""
    return [("APM_SENT_AT", f"{time.time() - seconds_ago:.3f}"), ("APM_WAIT_MS", str(wait_ms))]


def caller(milliseconds):
    return [("HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS", str(milliseconds))]


def start(program, name, **settings):
    return program(name, OTEL_SDK_DISABLED="false", OTEL_TRACES_SAMPLER="always_off", **settings)


def orders_of(program, service, **settings):
    return start(program, "orders", USERS_URL=service.url, NOTIFICATIONS_URL=service.url, **settings)


def order(program, **options):
    return program.ask(method="POST", path="/api/v1/orders", body=ORDER, **options)


def scrape(program):
    return metrics.samples(program.ask(path="/metrics").body.decode())


def refused(program):
    """{reason: count} of requests."""
    found = metrics.by_label(scrape(program), "http_server_refused_total", "reason")
    return {reason: count for (reason,), count in found.items()}


def refused_calls(program):
    return metrics.by_label(scrape(program), "http_client_refused_total", "peer", "reason")


def circuit(program, peer="users"):
    return scrape(program)[metrics.key("http_client_circuit_state", peer=peer)]


def circuits(program):
    answer = program.ask(path="/readyz")
    assert answer.status == 200  # a neighbour that fails makes nothing unready
    return json.loads(answer.body)["circuits"]


def stored(program, table):
    with sqlite3.connect(f"file:{program.environment['DATA_DIR']}/{table}.db?mode=ro", uri=True) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def check_refused(answer, words):
    assert answer.status == 503 and answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert re.search(words, json.loads(answer.body)["detail"]), answer.body


# ---- a request that is late when it comes


@pytest.mark.parametrize("extra, words, reason", [
    (lambda: sent(8), "waited too long for its turn", "queue"),
    (lambda: caller(0), "cannot be answered in time", "deadline"),
], ids=["queued", "caller"])
def test_what_is_late_is_refused_before_it_does_anything(program, extra, words, reason):
    users = start(program, "users")
    before = stored(users, "users")
    check_refused(users.ask(method="POST", path="/api/v1/users", body=USER, extra=extra()), words)
    check_refused(users.ask(path="/api/v1/users/1", extra=extra()), words)
    assert stored(users, "users") == before
    assert refused(users) == {reason: 2}
    for path in ("/healthz", "/readyz", "/metrics"):  # of use to whoever asks
        assert users.ask(path=path, extra=extra()).status == 200
    assert users.ask(path="/nothing", extra=extra()).status == 404


def test_a_clock_that_jumped_refuses_nothing(program):
    users = start(program, "users")
    for seconds in (-3600, -1, 16, 3600, 86400 * 365):
        assert users.ask(path="/api/v1/users/1", extra=sent(seconds)).status == 200
    # Older than nginx waits, and nginx still waits: the clocks differ.
    assert users.ask(method="POST", path="/api/v1/users", body=USER, extra=sent(3, wait_ms=2500)).status == 201
    for said in ("", "soon", "1e9", "99999999999999999999"):
        extra = [("APM_SENT_AT", said), ("APM_WAIT_MS", said)]
        assert users.ask(path="/api/v1/users/1", extra=extra).status == 200
    assert not refused(users)


def test_only_callers_on_this_machine_shorten_the_time(program):
    users = start(program, "users")
    assert users.ask(path="/api/v1/users/1", extra=[("APM_GATEWAY", "1"), *caller(0)]).status == 200
    check_refused(users.ask(path="/api/v1/users/1", extra=caller(0)), "in time")


def test_a_request_that_waits_too_long_for_a_thread(program):
    """And one whose client has gone meanwhile: neither is begun."""
    with Service(None) as service:
        orders = orders_of(program, service, WORKER_THREADS="1", QUEUE_TIMEOUT_MS="100", CALL_TIMEOUT_MS="30000")
        holder, waiting, gone = (orders.connect() for _ in range(3))
        before = stored(orders, "orders")
        holder.send(request(method="POST", path="/api/v1/orders", body=ORDER))
        assert service.asked.acquire(timeout=10 * SLOWNESS)
        for connection in (waiting, gone):
            connection.send(request(method="POST", path="/api/v1/orders", body=ORDER, extra=sent(0)))
        gone.close()
        time.sleep(0.15)  # longer than QUEUE_TIMEOUT_MS
        service.answer = OK
        service.connections[0].sendall(OK)
        assert holder.answer().status == 201
        check_refused(waiting.answer(), "waited too long for its turn")
        wait_until(lambda: refused(orders) == {"queue": 1, "client_gone": 1}, lambda: refused(orders))
        assert stored(orders, "orders") == before + 1
        assert [head.split()[0] for _, head, _ in service.requests] == ["GET", "POST"]


# ---- later on


def test_the_rest_of_the_time_is_passed_on(program):
    with Service() as service:
        call_ms = 4000
        orders = orders_of(program, service, QUEUE_TIMEOUT_MS="60000", CALL_TIMEOUT_MS=str(call_ms))

        def told(**options):
            service.requests.clear()
            assert order(orders, **options).status == 201
            heads = [dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
                     for _, head, _ in service.requests]
            return [int(head["x-envoy-expected-rq-timeout-ms"]) for head in heads]
        assert told() == [call_ms, call_ms]
        assert told(extra=caller(99999999)) == [call_ms, call_ms]
        limit_ms = 4000
        first, second = told(extra=caller(limit_ms))
        assert 0 < second <= first <= limit_ms * 3 // 4  # a quarter is set aside
        first, second = told(extra=[*sent(13, 17000), ("APM_GATEWAY", "1"), *caller(100)])
        assert 0 < second <= first <= 3000  # a second is set aside


def test_a_slow_neighbour_is_waited_for_as_long_as_there_is_time(program):
    with Service(None) as service:
        orders = orders_of(program, service, CALL_TIMEOUT_MS="60000")
        before = stored(orders, "orders")
        check_refused(order(orders, extra=caller(1000 * SLOWNESS)), "user service")
        assert stored(orders, "orders") == before
        assert circuit(orders) == 0 and not refused_calls(orders)  # so little time says nothing about the neighbour


@pytest.mark.parametrize("leaves", (False, True), ids=["late", "gone"])
def test_the_time_is_looked_at_again_before_the_commit(program, leaves):
    """The request waits for a lock that somebody has, until it is late, or until its client has left."""
    with Service() as service:
        orders = orders_of(program, service, BUSY_TIMEOUT_MS="30000")
        before = stored(orders, "orders")
        lock = sqlite3.connect(orders.dir / "data/orders.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        connection = orders.connect()
        limit_ms = 60000 if leaves else 4000 * SLOWNESS
        connection.send(request(method="POST", path="/api/v1/orders", body=ORDER, extra=caller(limit_ms)))
        assert service.asked.acquire(timeout=10 * SLOWNESS)  # the user is known: what follows is the commit
        if leaves:
            connection.close()
        else:
            time.sleep(limit_ms / 1000)
        lock.execute("ROLLBACK")
        lock.close()
        if not leaves:
            check_refused(connection.answer(), "nothing was stored")
        wait_until(lambda: refused(orders) == {"commit": 1}, lambda: refused(orders))
        assert stored(orders, "orders") == before
        assert len(service.requests) == 1  # nobody was told
        assert order(orders).status == 201


# ---- shares of the threads


def test_calls_that_hang_leave_threads_for_the_rest(program):
    """8 threads, 2 neighbours, one of them silent: it holds 3 of them; whoever comes later is refused at once."""
    with Service(None) as silent, ThreadPoolExecutor(40) as pool:
        orders = orders_of(program, silent, WORKER_THREADS="8", CALL_TIMEOUT_MS="60000")
        before = stored(orders, "orders")
        assert circuits(orders) == {"users": "closed", "notifications": "closed"}
        answers = [pool.submit(order, orders) for _ in range(40)]
        wait_until(lambda: sum(answer.done() for answer in answers) == 37, lambda: sum(a.done() for a in answers))
        assert len(silent.requests) == 3
        for answer in answers:
            if answer.done():
                check_refused(answer.result(), "user service")
        assert refused_calls(orders) == {("users", "lane_full"): 37}
        for path in ("/api/v1/orders/1", "/api/v1/orders?limit=3", "/healthz", "/readyz", "/metrics"):
            assert orders.ask(path=path).status in (200, 404), path
        assert not any(answer.done() for answer in answers if answer.cancel())
        assert sum(answer.done() for answer in answers) == 37  # three hang, and all of that was answered
        for connection in silent.connections:
            connection.shutdown(socket.SHUT_RDWR)
        assert {answer.result().status for answer in answers} == {503}
        assert stored(orders, "orders") == before


def test_a_quick_neighbour_is_waited_for(program):
    """More come at once than may call: they take turns, but for few, since the neighbour here may be held up. That
    nobody at all is refused while it answers in time is for a clock that stands still:
    tests/unit/api/test_neighbour.c."""
    count = 200
    with Service(seconds=0.002) as service, ThreadPoolExecutor(12) as pool:
        orders = orders_of(program, service, WORKER_THREADS="8", CALL_TIMEOUT_MS="60000")
        answers = list(pool.map(lambda _: order(orders), range(count)))
        quick = [answer for answer in answers if answer.status == 201]
        assert len(quick) >= count * 3 // 4
        assert [json.loads(answer.body)["notification"] for answer in quick].count("sent") >= count * 3 // 4
        assert {answer.status for answer in answers} <= {201, 503}
        assert {reason for _, reason in refused_calls(orders)} <= {"lane_full"}


# ---- the circuit


def test_a_neighbour_that_keeps_failing_is_asked_less(program):
    with Service(BUSY) as service:
        orders = orders_of(program, service, CALL_TIMEOUT_MS="60000")
        assert circuit(orders) == circuit(orders, "notifications") == 0
        for _ in range(5):
            check_refused(order(orders), "user service")
        assert circuits(orders)["users"] != "closed" and circuits(orders)["notifications"] == "closed"
        # Nobody calls: it stands ready for a try, which is made by the next who does.
        wait_until(lambda: circuit(orders) == 1, "it stays open for ever")
        assert circuits(orders) == {"users": "half_open", "notifications": "closed"} and len(service.requests) == 5

        # It is asked no more, until one request is let through as a try. That one hangs here.
        service.answer = None
        tries = []
        with ThreadPoolExecutor(1) as pool:
            while len(service.requests) == 5:
                tries.append(pool.submit(order, orders))
                wait_until(lambda: tries[-1].done() or len(service.requests) == 6, "neither refused nor tried")
            assert circuits(orders)["users"] == "half_open" and circuit(orders) == 1
            check_refused(order(orders), "user service")
            assert len(service.requests) == 6
            service.answer = BUSY  # for libcurl sends again what met a kept connection that breaks
            service.connections[service.requests[-1][0] - 1].shutdown(socket.SHUT_RDWR)
            check_refused(tries[-1].result(), "user service")
        assert circuits(orders)["users"] != "closed"
        assert refused_calls(orders) == {("users", "circuit_open"): len(tries)}

        service.answer = OK
        wait_until(lambda: order(orders).status == 201, "the circuit stays open")
        assert circuits(orders) == {"users": "closed", "notifications": "closed"} and circuit(orders) == 0


@pytest.mark.parametrize("status", (404, 422, 500))
def test_answers_about_one_request_open_no_circuit(program, status):
    with Service(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status) as service:
        orders = orders_of(program, service)
        for _ in range(10):
            assert order(orders).status == (422 if status == 404 else 503)
        assert len(service.requests) == 10 and circuit(orders) == 0


@pytest.mark.parametrize("name, bad", [("CALL_SHARE_PERCENT", "0"), ("CALL_SHARE_PERCENT", "101"),
                                       ("QUEUE_TIMEOUT_MS", "0"), ("QUEUE_TIMEOUT_MS", "5s")])
def test_settings_are_checked(program, name, bad):
    one = program("orders", start=False, **{name: bad}).start(ready=False)
    assert one.wait()[0] == 1
    assert name in one.process.stderr.read().decode()


# ---- nginx


def test_nginx_says_when_it_asked_and_how_long_it_waits(tmp_path):
    nginx = NginxAlone(tmp_path).start()
    try:
        waits = {line for file in nginx.run.rglob("*.conf")
                 for line in re.findall(r"fastcgi_read_timeout (\d+)s;", file.read_text())}
        assert len(waits) == 1
        for name in ("gateway", "users"):
            before = time.time()
            headers = [("X-Envoy-Expected-Rq-Timeout-Ms", "700"), ("APM-Sent-At", "1"), ("APM_SENT_AT", "2")]
            assert nginx.request("POST", "/api/v1/users", {}, headers, name=name).status == 200
            asked = nginx.programs["users"].last
            assert before - 0.1 <= float(asked.param("APM_SENT_AT")) <= time.time() + 0.1
            assert asked.param("APM_WAIT_MS") == waits.copy().pop() + "000"
            assert asked.param("HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS") == "700"  # the program knows whom to believe
            assert nginx.get("/api/v1/users", name=name).status == 200
            assert nginx.programs["users"].last.param("APM_SENT_AT")
    finally:
        nginx.close()


# ---- the whole system


@pytest.fixture(scope="module")
def pressed(make_system):
    system = make_system("pressed", environment={"CALL_TIMEOUT_MS": str(1000 * SLOWNESS)})
    yield system
    make_system.finish(system)


class Crowd(Threads):
    """A few dozen clients that place orders, each once a moment, beside one that reads."""

    def __init__(self, system, clients=36):
        self.system = system
        self.answers, self.reads = [], []
        super().__init__(*[self.place] * clients, self.read)

    def place(self):
        with Client(self.system.ports["gateway"]) as client:
            while not self.stop.is_set():
                self.answers.append(client.post("/api/v1/orders", TEA))
                self.stop.wait(0.1)

    def read(self):
        with Client(self.system.ports["gateway"]) as client, Client(self.system.ports["orders"], False) as own:
            while not self.stop.is_set():
                self.reads += [client.get("/api/v1/orders/1").status, own.get("/readyz").status,
                               own.get("/metrics").status]
                self.stop.wait(0.02)

    def wait_more(self, count):
        answers, reads = len(self.answers) + count, len(self.reads) + 30
        wait_until(lambda: len(self.answers) >= answers and len(self.reads) >= reads,
                   lambda: f"{len(self.answers)} of {answers} answers, {len(self.reads)} of {reads} reads")


def new_orders(system, last):
    return {row[0] for row in system.query("orders", "SELECT id FROM orders WHERE id > ?", last)}


def last_order(system):
    return system.query("orders", "SELECT coalesce(max(id), 0) FROM orders")[0][0]


def wait_until_called_again(system):
    """The circuits close with the next answers."""
    wait_until(lambda: system.gateway.post("/api/v1/orders", TEA).status == 201, "orders are refused")
    wait_until(lambda: set(system.client("orders").get("/readyz").json()["circuits"].values()) == {"closed"},
               "a circuit stays open")


def test_users_frozen(pressed):
    assert pressed.gateway.post("/api/v1/orders", TEA).status == 201
    last = last_order(pressed)
    with Crowd(pressed) as crowd:
        with pressed.frozen("users"):
            crowd.answers.clear()
            crowd.wait_more(150)
            wait_until(lambda: pressed.client("orders").get("/readyz").json()["circuits"]["users"] != "closed",
                       "the circuit stays closed")
            frozen = len(crowd.answers)
    for answer in crowd.answers[:frozen]:
        if answer.status != 201:
            check_problem(answer, 503)
            assert answer.header("Retry-After") == "1"
    assert sum(answer.status == 503 for answer in crowd.answers) >= 100
    assert set(crowd.reads) == {200}
    acknowledged = {answer.json()["id"] for answer in crowd.answers if answer.status == 201}
    assert acknowledged <= new_orders(pressed, last)
    wait_until_called_again(pressed)


def test_a_frozen_user_service_stores_nothing(pressed):
    with pressed.frozen("users"):
        last = last_order(pressed)
        with Crowd(pressed) as crowd:
            crowd.wait_more(80)
        assert {answer.status for answer in crowd.answers} == {503}
        assert set(crowd.reads) == {200}
        assert not new_orders(pressed, last)
    wait_until_called_again(pressed)
    # What the frozen service was still asked is nobody's business any more.
    wait_until(lambda: metrics.total(pressed.scrape("users"), "http_server_active_requests") == 0, "users is busy")


def test_frozen_notifications_wait(pressed):
    last = last_order(pressed)
    with pressed.frozen("notifications"):
        with Crowd(pressed) as crowd:
            crowd.wait_more(80)
        assert {answer.status for answer in crowd.answers} == {201}
        assert {answer.json()["notification"] for answer in crowd.answers} == {"pending"}
        assert set(crowd.reads) == {200}
    ids = {answer.json()["id"] for answer in crowd.answers}
    assert ids == new_orders(pressed, last)

    def told():
        return [row[0] for row in pressed.query("notifications", "SELECT order_id FROM notifications "
                                                "WHERE order_id > ?", last)]
    wait_until(lambda: ids <= set(told()), lambda: f"{len(ids - set(told()))} are not told", seconds=90)
    assert len(told()) == len(set(told()))
    wait_until_called_again(pressed)
