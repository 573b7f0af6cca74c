# SPDX-License-Identifier: MIT
"""The notification service was away for long: how fast the outbox gets rid of what has gathered, and each message once.

    ATTACK_BACKLOG=100000 …    messages; 2,000 in the short variant, 100,000 in the long one
"""
import json
import os
import random
import signal
import sqlite3
import time
import uuid
from contextlib import closing

from lib import metrics
from lib.wait import SLOWNESS, wait_until

LONG_SECONDS = 60
CREATED = "2026-11-22T12:30:00.000Z"


def backlog_of(seconds):
    return int(os.environ.get("ATTACK_BACKLOG", 100_000 if seconds >= LONG_SECONDS else 2_000))


def fill(path, count):
    """What orders that were placed meanwhile have left. {event id: order id}"""
    with closing(sqlite3.connect(path)) as connection:
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone()[0]
        ids = range(first, first + count)
        events = {str(uuid.uuid4()): order for order in ids}
        connection.executemany("INSERT INTO orders (id, user_id, product, amount_cents, created_at)"
                               " VALUES (?, 1, 'Tea', 990, ?)", ((order, CREATED) for order in ids))
        connection.executemany(
            "INSERT INTO outbox (order_id, event_id, payload, traceparent, next_attempt_ms, created_at)"
            " VALUES (?, ?, ?, '', ?, ?)",
            ((order, event, json.dumps({"event_id": event, "user_id": 1, "order_id": order, "channel": "email",
                                        "message": f"Order {order} received"}), order, CREATED)
             for event, order in events.items()))
        connection.commit()
    return events


def pending(system):
    return system.query("orders", "SELECT count(*) FROM outbox WHERE delivered_at IS NULL")[0][0]


def check_each_once(system, events):
    stored = system.query("notifications", "SELECT event_id, order_id FROM notifications")
    ours = [row for row in stored if row[0] in events]
    assert len(ours) == len(events) and dict(ours) == events, "each message once, and about its order"


def test_a_backlog_drains(make_system, seconds, progress, say):
    count = backlog_of(seconds)
    # one trace in a hundred: what receives them is this test's own
    system = make_system("drain", environment={"OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                                               "OTEL_TRACES_SAMPLER_ARG": "0.01"})
    with system.without("orders"):
        events = fill(system.data / "orders.db", count)
    start, told = time.monotonic(), time.monotonic()

    def drained():
        nonlocal told
        if (left := pending(system)) and time.monotonic() - told > 10:
            told = time.monotonic()
            progress(f"{count - left} of {count}, {(count - left) / (told - start):.0f} a second")
        return not left
    wait_until(drained, lambda: f"{pending(system)} of {count} are left", seconds=60 + count / 50, interval=0.1)
    taken = time.monotonic() - start
    check_each_once(system, events)
    answers = metrics.by_label(system.scrape("orders"), "http_client_request_duration_seconds_count",
                               "http_request_method", "http_response_status_code")
    say(f"{count} messages in {taken:.1f} s: {count / taken:.0f} a second; answers {answers}")
    assert metrics.total(system.scrape("orders"), "order_outbox_pending") == 0
    make_system.finish(system)


def test_a_backlog_drains_through_kills_and_freezes(make_system, seconds, say):
    """Both sides are killed and the receiver hangs in between: no message is lost, none is stored twice."""
    count = min(20_000, backlog_of(seconds))
    choose = random.Random(1)
    system = make_system("drain-kills", environment={"CALL_TIMEOUT_MS": str(1000 * SLOWNESS)})
    system.losses_expected = True  # of spans that were queued in a program as it was killed
    with system.without("orders"):
        events = fill(system.data / "orders.db", count)
    start, deeds = time.monotonic(), 0
    while pending(system) and deeds < 3 + seconds / 5:
        before = pending(system)
        wait_until(lambda: pending(system) < max(before - count // 20, 1), lambda: f"stuck at {pending(system)}",
                   seconds=120, interval=0.1)
        deeds += 1
        if deeds % 3 == 0:
            with system.frozen("notifications"):
                time.sleep(choose.random() * 2)
        else:
            program = ("notifications", "orders")[deeds % 2]
            old = system.worker(program)
            system.kill(program, signal.SIGKILL)
            system.wait_respawned(program, old)
    wait_until(lambda: not pending(system), lambda: f"{pending(system)} are left", seconds=120 + count / 20,
               interval=0.1)
    check_each_once(system, events)
    say(f"{count} messages, {deeds} kills and freezes: each once, in {time.monotonic() - start:.1f} s")
    make_system.finish(system)
