# SPDX-License-Identifier: MIT
"""Concurrent requests while a test breaks something."""
import functools
import itertools
import threading
import time
from dataclasses import dataclass

from lib.client import Client
from lib.wait import wait_until

ORDER = {"user_id": 1, "product": "Tea", "amount": 1.25}


@dataclass
class Result:
    method: str
    path: str
    answer: object = None  # None: no answer came
    error: object = None
    seconds: float = 0

    def __str__(self):
        return f"{self.method} {self.path}: {self.answer or self.error!r}"


class Threads:
    """Runs each of some functions on a thread until the block is left; they look at self.stop, which is set then."""

    def __init__(self, *functions):
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=function) for function in functions]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *args):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Load(Threads):
    """
    `threads` threads that each send the requests (method, path, body and perhaps headers) in turn until the block is
    left. New connections: `kept` False. Without `pause`, seconds, a thread sends the next one at once.
    """

    def __init__(self, port, requests, threads=4, kept=True, pause=0):
        self.port, self.requests, self.kept, self.pause = port, requests, kept, pause
        self.results = []
        super().__init__(*(functools.partial(self.work, number) for number in range(threads)))

    def work(self, number):
        client = Client(self.port)
        for method, path, body, *headers in itertools.islice(itertools.cycle(self.requests), number, None):
            if self.stop.is_set():
                break
            result, start = Result(method, path), time.monotonic()
            try:
                result.answer = client.request(method, path, body, *headers)
            except (OSError, EOFError, AssertionError) as error:
                result.error = error
            except Exception as error:  # http.client's own  pylint: disable=broad-except
                result.error = error
            result.seconds = time.monotonic() - start
            self.results.append(result)
            if not self.kept:
                client.close()
            self.stop.wait(self.pause)
        client.close()

    def wait_more(self, count, seconds=20):
        goal = len(self.results) + count
        wait_until(lambda: len(self.results) >= goal, lambda: f"{len(self.results)} of {goal} requests", seconds)

    def faults(self, *good):
        """The results whose status is none of these; without any: that are not 2xx."""
        return [str(result) for result in self.results if not result.answer
                or (result.answer.status not in good if good else not 200 <= result.answer.status < 300)]

    def orders(self):
        """The ids of the orders that were answered 201."""
        return sorted(result.answer.json()["id"] for result in self.results
                      if result.answer and result.answer.status == 201 and result.path == "/api/v1/orders")


MIXED = [("POST", "/api/v1/orders", ORDER), ("GET", "/api/v1/users/1", None), ("GET", "/api/v1/orders?limit=3", None),
         ("POST", "/api/v1/orders", ORDER), ("GET", "/api/v1/notifications?limit=2", None)]
READS = [("GET", "/api/v1/users/1", None), ("GET", "/api/v1/orders/1", None), ("GET", "/api/v1/notifications", None)]

# What the services do and refuse, with keys that are in use or were used, and the statuses of it.
USER = {"name": "Ada", "email": "ada@example.com"}  # a conflict from the second on
EVERYTHING = [*MIXED, ("POST", "/api/v1/users", USER), ("PATCH", "/api/v1/users/2", {"name": "Grace"}),
              ("GET", "/api/v1/users?limit=100", None), ("HEAD", "/api/v1/users/1", None),
              ("GET", "/api/v1/orders?user_id=1&status=created&limit=100", None), ("GET", "/api/v1/nothing", None),
              ("PATCH", "/api/v1/orders/1", {"status": "cancelled"}), ("DELETE", "/api/v1/users/999999", None),
              ("POST", "/api/v1/orders", {"user_id": 999999, "product": "Tea", "amount": 1}),
              ("POST", "/api/v1/orders", {"product": "", "amount": "x" * 3000}), ("GET", "/api/v1/users/%ff", None),
              ("PUT", "/api/v1/users/1", {}), ("GET", "/api/v1/notifications?user_id=1&order_id=1", None),
              *(("POST", "/api/v1/orders", ORDER, [("Idempotency-Key", f'"key {n}"')]) for n in (1, 2, 1, 3, 2, 1))]
EVERYTHING_STATUSES = (200, 201, 404, 405, 409, 422)
