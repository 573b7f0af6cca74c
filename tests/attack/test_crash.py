# SPDX-License-Identifier: MIT
"""kill -9 of a random program every second while clients place orders: what was acknowledged exists, once."""
import collections
import http.client
import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing

from lib.client import Client
from lib.wait import SLOWNESS, wait_until

CLIENTS = 8
RETRIED = (409, 502, 503, 504)  # the same key is still running; the program died; a service behind it did


class Customer(threading.Thread):
    """Places one order after the other, each with a key of its own, and repeats it until it is acknowledged."""

    def __init__(self, port, number, stop):
        super().__init__()
        self.port, self.number, self.stop = port, number, stop
        self.acknowledged = {}  # key: (order, trace, span); whole answers by the million stop us to be collected
        self.tries = collections.Counter()  # by outcome
        self.faults = []
        self.times = []  # of the acknowledgements

    def run(self):
        with Client(self.port, timeout=30 * SLOWNESS) as client:
            while not self.stop.is_set() and not self.faults:
                self.place(client, f"{self.number}-{len(self.acknowledged)}")

    def place(self, client, key):
        deadline = time.monotonic() + 60 * SLOWNESS
        while time.monotonic() < deadline:
            status = self.try_once(client, key)
            if status == 201:
                return
            if status not in (None, *RETRIED):
                self.faults.append(f"order {key}: {status}")
                return
            time.sleep(0.05)
        self.faults.append(f"order {key} was never acknowledged")

    def try_once(self, client, key):
        """None: no answer came."""
        try:
            answer = client.post("/api/v1/orders", {"user_id": 1, "product": f"key {key}", "amount": 1.25},
                                 [("Idempotency-Key", f'"{key}"')])
        except (OSError, http.client.HTTPException):
            self.tries["none"] += 1
            return None
        self.tries[answer.status] += 1
        if answer.status == 201:
            self.acknowledged[key] = (answer.json()["id"], answer.trace_id, answer.span_id)
            self.times.append(time.monotonic())
        return answer.status


def child_of(system, program, killed):
    """The pid of the program at this moment, also while it starts; not the one that was killed before."""
    def child():
        pid = system.worker(program)
        return pid if pid != killed else None
    return wait_until(child, "no process")


def kill_at_random(system, seconds, progress):
    """One kill a second at a random moment of it; every program gets its turn. {program: kills}"""
    choose = random.Random(1)
    kills, killed = dict.fromkeys(system.programs, 0), {}
    start, turn = time.monotonic(), []
    second = start
    while time.monotonic() - start < seconds:
        time.sleep(max(0, second + choose.random() - time.monotonic()))
        second = max(second + 1, time.monotonic())  # what a machine that stood still has missed is not made up for
        turn = turn or choose.sample(system.programs, len(system.programs))
        program = turn.pop()
        killed[program] = child_of(system, program, killed.get(program))
        os.kill(killed[program], signal.SIGKILL)
        system.deaths[program] += 1
        kills[program] += 1
        if (count := sum(kills.values())) % 15 == 0:
            progress(f"{count} kills of {seconds:.0f}")
    return kills


def counted(system, database, sql):
    """{first column: second column}"""
    return dict(system.query(database, sql))


def check_orders(system, acknowledged):
    """Every acknowledged order once, and as it was acknowledged; also what was not acknowledged is not there twice."""
    ids = counted(system, "orders", "SELECT product, id FROM orders WHERE product LIKE 'key %'")
    times = counted(system, "orders",
                    "SELECT product, count(*) FROM orders WHERE product LIKE 'key %' GROUP BY product")
    assert not [product for product, count in times.items() if count != 1], times
    told = {f"key {key}": number for key, (number, _, _) in acknowledged.items()}
    lost = {product: number for product, number in told.items() if ids.get(product) != number}
    assert not lost, f"{len(lost)} acknowledged orders are lost: {lost}"
    return ids


def check_notified(system, seconds):
    """Each order has one notification, at last. How long that took."""
    start = time.monotonic()
    orders = {number for number, in system.query("orders", "SELECT id FROM orders WHERE product LIKE 'key %'")}

    def missing():
        count = counted(system, "notifications", "SELECT order_id, count(*) FROM notifications GROUP BY order_id")
        twice = {number: count[number] for number in orders if count.get(number, 0) > 1}
        assert not twice, f"notified more than once: {twice}"
        return orders - set(count)
    wait_until(lambda: not missing(), lambda: f"without a notification: {sorted(missing())}", seconds, interval=0.2)
    return time.monotonic() - start


def check_files(system):
    for file in system.data.glob("*.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == [], file


def test_nothing_acknowledged_is_lost(make_system, seconds, progress, say):
    system = make_system("crash", environment={"CALL_TIMEOUT_MS": str(2000 * SLOWNESS)})
    system.losses_expected = True  # of spans that were queued in a program as it was killed
    system.repeats_expected = True  # the shipper was killed between an answer and its checkpoint
    stop = threading.Event()
    customers = [Customer(system.ports["gateway"], number, stop) for number in range(CLIENTS)]
    start = time.monotonic()
    for customer in customers:
        customer.start()
    try:
        kills = kill_at_random(system, seconds, progress)
    finally:
        stop.set()
        for customer in customers:
            customer.join()
    tries = sum((customer.tries for customer in customers), collections.Counter())
    times = sorted(moment for customer in customers for moment in customer.times)
    gap = max(after - before for before, after in zip([start, *times], times))
    total = sum(tries.values())
    say(f"{time.monotonic() - start:.0f} s, {sum(kills.values())} kills {kills}: {len(times)} orders acknowledged, "
        f"availability {100 * tries[201] / total:.2f} % of {total} tries {dict(tries)}, longest pause {gap:.2f} s")

    assert not [fault for customer in customers for fault in customer.faults]
    acknowledged = {key: answer for customer in customers for key, answer in customer.acknowledged.items()}
    assert len(acknowledged) > 5 * sum(kills.values()) and all(kills.values()), "too little to mean something"
    ids = check_orders(system, acknowledged)
    waited = check_notified(system, seconds=60)
    say(f"{len(ids)} orders are there once, the last notification came {waited:.1f} s after the last kill")
    check_files(system)

    # The keys are remembered, and the gateway's spans of every acknowledgement reach the collector.
    for key in random.Random(2).sample(sorted(acknowledged), 20):
        again = system.gateway.post("/api/v1/orders", {"user_id": 1, "product": f"key {key}", "amount": 1.25},
                                    [("Idempotency-Key", f'"{key}"')])
        assert again.status == 201 and again.json()["id"] == ids[f"key {key}"], again
    for _, trace_id, span_id in acknowledged.values():
        system.collector.wait_span(trace_id, span_id, seconds=30)
    make_system.finish(system)
