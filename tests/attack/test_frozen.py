# SPDX-License-Identifier: MIT
"""Each service in turn is frozen (SIGSTOP) under hundreds of clients: what is refused is not stored, reads go on."""
import collections
import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lib.client import Client
from lib.wait import SLOWNESS, wait_until

FREEZE_MAX = 30
THREADS = 24  # of the order service, its default
PAUSE = 1  # between the orders of a client, and as Retry-After says


class Customer(threading.Thread):
    """Places orders. With keys, it repeats each until it is acknowledged; without, each is tried once."""

    def __init__(self, port, number, keys, stop):
        super().__init__()
        self.port, self.number, self.keys, self.stop = port, number, keys, stop
        self.answers = []  # (product, status, begin, end); status 0: none came
        self.count = 0

    def run(self):
        self.stop.wait(self.number % 100 * PAUSE / 100)  # not all at once
        with Client(self.port, timeout=60 * SLOWNESS) as client:
            while not self.stop.is_set():
                self.count += 1
                self.place(client, f"frozen {self.number} {self.count}")
                self.stop.wait(PAUSE)

    def place(self, client, product):
        """An order that was begun is repeated also after the end."""
        deadline = time.monotonic() + 120 * SLOWNESS
        headers = [("Idempotency-Key", f'"{product}"')] if self.keys else []
        while self.try_once(client, product, headers) != 201 and self.keys and time.monotonic() < deadline:
            time.sleep(PAUSE / 2)

    def try_once(self, client, product, headers):
        begin = time.monotonic()
        try:
            status = client.post("/api/v1/orders", {"user_id": 1, "product": product, "amount": 1.25}, headers).status
        except (OSError, http.client.HTTPException):
            status = 0
        self.answers.append((product, status, begin, time.monotonic()))
        return status


class Reader:
    """GETs by a process of its own, while the block lasts."""

    def __init__(self, port, path):
        self.process = subprocess.Popen([sys.executable, Path(__file__).with_name("reader.py"), str(port), path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        """(Counter of statuses, 50th and 99th percentile in ms)"""
        results = json.loads(self.process.communicate(timeout=120 * SLOWNESS)[0])
        times = sorted(seconds for _, seconds in results)
        return collections.Counter(status for status, _ in results), *(
            round(times[int(len(times) * share)] * 1000, 1) for share in (0.5, 0.99))


def stored(system):
    """{product: [order ids]} of this test's orders"""
    found = collections.defaultdict(list)
    for product, number in system.query("orders", "SELECT product, id FROM orders WHERE product LIKE 'frozen %'"):
        found[product].append(number)
    return found


def check_told(system, orders):
    """Every order once. Returns how long the last one took from now."""
    start, wanted = time.monotonic(), {number for numbers in orders.values() for number in numbers}

    def untold():
        times = dict(system.query("notifications", "SELECT order_id, count(*) FROM notifications GROUP BY order_id"))
        assert not [number for number in wanted if times.get(number, 0) > 1], "told more than once"
        return wanted - set(times)
    wait_until(lambda: not untold(), lambda: f"not told: {len(untold())}", seconds=90 + len(wanted) / 20, interval=0.5)
    return time.monotonic() - start


def judge_stored(frozen, customers, orders):
    """What contract and figures say of the orders; returns how many were stored without an answer that says so."""
    answered = collections.defaultdict(list)
    for customer in customers:
        for product, status, *_ in customer.answers:
            answered[product].append(status)
    assert not [product for product, numbers in orders.items() if len(numbers) > 1], "stored twice"
    acknowledged = {product for product, statuses in answered.items() if 201 in statuses}
    assert acknowledged <= set(orders), "acknowledged and not stored"
    keyed = {product for customer in customers if customer.keys for product, *_ in customer.answers}
    assert keyed == acknowledged & keyed, f"never acknowledged: {len(keyed - acknowledged)}"
    refused = {product for product, statuses in answered.items() if set(statuses) <= {503}}
    assert not refused & set(orders), "503, and stored"
    unanswered = set(orders) - acknowledged
    # As many as were past the last look when the service froze: a thread each.
    assert len(unanswered) <= (THREADS if frozen == "orders" else 0), f"{len(unanswered)} stored without an answer"
    return len(unanswered)


@pytest.mark.parametrize("frozen", ["users", "notifications", "orders"])
def test_a_frozen_service(make_system, seconds, say, frozen):
    freeze = min(FREEZE_MAX, seconds / 2)
    clients = 300 if seconds >= 30 else 100
    system = make_system(f"freeze-{frozen}", environment={"CALL_TIMEOUT_MS": str(2000 * SLOWNESS),
                                                          "TRACE_SAMPLE_PERCENT": "1",
                                                          "OTEL_BSP_MAX_QUEUE_SIZE": "65536"})  # for those at the thaw
    # Hundreds that waited are refused within a millisecond, and that may be more lines than the log's buffer takes.
    system.losses_expected = frozen == "orders"
    read = "users" if frozen == "orders" else "orders"
    assert system.gateway.post("/api/v1/orders", {"user_id": 1, "product": "first", "amount": 1}).status == 201
    stop = threading.Event()
    customers = [Customer(system.ports["gateway"], number, number % 2, stop) for number in range(clients)]
    for customer in customers:
        customer.start()
    try:
        wait_until(lambda: sum(len(customer.answers) for customer in customers) > clients, "no orders")
        reader = Reader(system.ports["gateway"], f"/api/v1/{read}/1")
        with system.frozen(frozen):
            froze = time.monotonic()
            time.sleep(freeze)
        thawed = time.monotonic()
        reads, median, most = reader.end()
        # A request that is begun from now on is answered 201.
        wait_until(lambda: any(status == 201 and begin > thawed for customer in customers
                               for _, status, begin, _ in list(customer.answers)), "it does not recover", interval=0.1)
        stop.wait(3)  # so that refusals that come late are seen
    finally:
        stop.set()
        for customer in customers:
            customer.join()
    orders = stored(system)
    unanswered = judge_stored(frozen, customers, orders)
    told = check_told(system, orders)
    answers = [answer for customer in customers for answer in customer.answers]
    during = collections.Counter(status for _, status, begin, end in answers if end > froze and begin < thawed)
    recovered = min(end for _, status, begin, end in answers if status == 201 and begin > thawed) - thawed
    last = max([end for _, status, begin, end in answers if status != 201 and end > thawed], default=thawed) - thawed
    say(f"{frozen} frozen for {freeze:.0f} s under {clients} clients: POSTs {dict(sorted(during.items()))}; "
        f"GETs of {read} {dict(reads)}, p50 {median} ms, p99 {most} ms; {len(orders)} orders stored, "
        f"{unanswered} without an answer; first 201 {recovered:.2f} s after SIGCONT, last refusal {last:.2f} s; "
        f"all told {told:.1f} s later")
    assert set(reads) == {200}
    assert most < 2000 * SLOWNESS, "reads wait for what hangs"
    make_system.finish(system)
