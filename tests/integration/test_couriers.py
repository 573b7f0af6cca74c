# SPDX-License-Identifier: MIT
"""The outbox delivers several messages at a time: each to a receiver that fails, hangs or comes back, and each once."""
import collections
import json
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from lib import metrics
from lib.service import OK, Service
from lib.wait import SLOWNESS, wait_until

COURIERS = 4
FAILED = b"HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"


class Receiver(Service):
    """Counts who is on the way at a time, and which events were answered 201. `mood` gives the answer to an event: the
    bytes, or None to be silent."""

    def __init__(self, mood=lambda event, tries: CREATED):
        self.mood, self.lock = mood, threading.Lock()
        self.tries, self.taken = collections.Counter(), collections.Counter()
        self.order, self.at_once, self.most_at_once = [], 0, 0
        self.gate = threading.Event()  # closed: all wait
        self.gate.set()
        super().__init__()

    def reply(self, connection, number, served, request):
        event = json.loads(request[1])["event_id"]
        with self.lock:
            self.tries[event] += 1
            self.order.append(event)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.gate.wait(60)
        answer = self.mood(event, self.tries[event])
        with self.lock:
            self.at_once -= 1
            if answer == CREATED:
                self.taken[event] += 1
        if answer is not None:
            connection.sendall(answer)
        return True


@pytest.fixture
def orders(program):
    """Makes a program with a backlog of so many messages, event-1 and so on, that are due in this order."""
    def make(receiver, count, **environment):
        alone = program("orders", start=False, NOTIFICATIONS_URL=receiver.url, OTEL_SDK_DISABLED="false",
                        OTEL_TRACES_SAMPLER="always_off", CALL_TIMEOUT_MS=str(5000 * SLOWNESS), **environment)
        alone.start()
        alone.terminate()
        assert alone.wait()[0] == 0
        with closing(sqlite3.connect(alone.dir / "data/orders.db")) as connection:
            connection.executemany("INSERT INTO outbox (order_id, event_id, payload, traceparent, next_attempt_ms,"
                                   " created_at) VALUES (1, ?, ?, '', ?, '2026-11-22T12:30:00.000Z')",
                                   ((f"event-{i}", json.dumps({"event_id": f"event-{i}"}), i)
                                    for i in range(1, count + 1)))
            connection.commit()
        return alone
    return make


def rows(alone, condition):
    with closing(sqlite3.connect(f"file:{alone.dir}/data/orders.db?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute("SELECT count(*) FROM outbox WHERE event_id LIKE 'event-%'"
                                  f" AND {condition}").fetchone()[0]


def wait_drained(alone, left=0):
    wait_until(lambda: rows(alone, "delivered_at IS NULL") <= left,
               lambda: f"{rows(alone, 'delivered_at IS NULL')} are left", seconds=90, interval=0.1)


def check_each_once(receiver, count):
    assert len(receiver.taken) == count and set(receiver.taken.values()) == {1}, receiver.taken.most_common(3)


def test_several_at_a_time_the_oldest_first(orders):
    with Receiver() as receiver:
        receiver.gate.clear()
        alone = orders(receiver, 300).start()
        wait_until(lambda: receiver.at_once == COURIERS, "one at a time")
        assert sorted(receiver.order) == [f"event-{i}" for i in range(1, COURIERS + 1)]
        receiver.gate.set()
        wait_drained(alone)
        check_each_once(receiver, 300)
        assert receiver.most_at_once == COURIERS and max(receiver.tries.values()) == 1


def test_a_receiver_that_fails_and_hangs_now_and_then(orders):
    """Of a thousand some fail at first, some are never answered at first; in between the others go on."""
    def mood(event, tries):
        number = int(event.split("-")[1])
        if tries == 1 and number % 250 == 0:
            return None
        return FAILED if tries == 1 and number % 17 == 0 else CREATED

    with Receiver(mood) as receiver:
        alone = orders(receiver, 1000).start()
        wait_drained(alone)
        check_each_once(receiver, 1000)
        assert rows(alone, "attempts > 0") == sum(i % 250 == 0 or i % 17 == 0 for i in range(1, 1001))


def test_one_message_that_always_hangs_holds_up_no_other(orders):
    with Receiver(lambda event, tries: None if event == "event-1" else CREATED) as receiver:
        alone = orders(receiver, 600).start()
        wait_drained(alone, left=1)
        assert set(receiver.taken) == {f"event-{i}" for i in range(2, 601)} and max(receiver.taken.values()) == 1
        samples = metrics.samples(alone.ask(path="/metrics").body.decode())
        assert metrics.total(samples, "order_outbox_pending") == 1
        assert metrics.total(samples, "order_outbox_oldest_seconds") > 0


def test_a_dead_receiver_is_not_stormed_and_then_all_comes(orders):
    dead = threading.Event()
    dead.set()
    with Receiver(lambda event, tries: FAILED if dead.is_set() else CREATED) as receiver:
        alone = orders(receiver, 500).start()
        wait_until(lambda: sum(receiver.tries.values()) >= 3 + COURIERS, "it gives up")
        start, before = time.monotonic(), sum(receiver.tries.values())
        wait_until(lambda: time.monotonic() - start > 3, "time stands still")
        assert sum(receiver.tries.values()) - before <= 1 + (time.monotonic() - start), "more than one a second"
        dead.clear()
        wait_drained(alone)
        check_each_once(receiver, 500)


def test_a_stop_waits_for_what_is_on_its_way(orders):
    """What the receiver has taken by then is stored, and nothing else is begun; the next start goes on behind it."""
    with Receiver() as receiver:
        alone = orders(receiver, 400)
        receiver.gate.clear()
        alone.start()
        wait_until(lambda: receiver.at_once == COURIERS, "one at a time")
        alone.terminate()
        wait_until(lambda: '"stopping"' in alone.log.read_text(), "it does not stop")
        receiver.gate.set()
        assert alone.wait()[0] == 0
        taken = sum(receiver.taken.values())
        assert taken >= COURIERS and rows(alone, "delivered_at IS NOT NULL") == taken
        alone.start()
        wait_drained(alone)
        check_each_once(receiver, 400)


def test_a_kill_repeats_what_was_on_its_way_at_most(orders):
    """kill -9: what was taken and not yet stored is sent again, which the notification service knows by its id."""
    with Receiver() as receiver:
        alone = orders(receiver, 3000)
        alone.start()
        wait_until(lambda: sum(receiver.taken.values()) > 200, "nothing is sent")
        alone.process.kill()
        alone.wait()
        alone.pid_file.unlink()
        alone.start()
        wait_drained(alone)
        assert len(receiver.taken) == 3000 and max(receiver.taken.values()) <= 2


def test_an_order_is_told_beside_a_backlog_that_hangs(orders):
    """The request's own try does not queue behind the couriers."""
    def mood(event, tries):
        return None if event.startswith("event-") else CREATED

    with Service(OK) as users, Receiver(mood) as receiver:
        alone = orders(receiver, 50, USERS_URL=users.url).start()
        wait_until(lambda: receiver.tries, "nothing is sent")
        answer = alone.ask(method="POST", path="/api/v1/orders", body=b'{"user_id":1,"product":"Tea","amount":9.9}')
        assert answer.status == 201 and json.loads(answer.body)["notification"] == "sent"
