# SPDX-License-Identifier: MIT
"""The machine's clock is set, ahead, back, or right at last: no message waits for it, and no key is forgotten."""
import json
import os
import shlex
import struct
import subprocess
import time
from contextlib import closing
import sqlite3

import pytest

from lib import metrics
from lib.service import OK, Service
from lib.system import ROOT
from lib.wait import MODE, wait_until

ORDER = b'{"user_id":1,"product":"Tea","amount":9.9}'
DOWN = b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
DAY = 86400

pytestmark = pytest.mark.skipif(MODE != "release", reason="sanitizers take the calls of the clock for themselves")


class WallClock:
    """Of the programs that run with `environment`."""

    def __init__(self, directory):
        library, self.path = directory / "wall_clock.so", directory / "ahead"
        subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-shared", "-fPIC", "-O1", "-o", library,
                        ROOT / "tests/lib/wall_clock.c", "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_AHEAD": str(self.path)}
        self.set_ahead(0)

    def set_ahead(self, seconds):
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


@pytest.fixture
def clock(tmp_path):
    return WallClock(tmp_path)


@pytest.fixture
def peers():
    """(users, notifications), of which the second is down."""
    with Service() as users, Service(DOWN) as notifications:
        yield users, notifications


def start(program, clock, peers):
    users, notifications = peers
    return program("orders", USERS_URL=users.url, NOTIFICATIONS_URL=notifications.url, OTEL_SDK_DISABLED="false",
                   OTEL_TRACES_SAMPLER="always_off", **clock.environment)


def place(orders, key=None):
    extra = [("HTTP_IDEMPOTENCY_KEY", f'"{key}"')] if key else []
    answer = orders.ask(method="POST", path="/api/v1/orders", body=ORDER, extra=extra)
    assert answer.status == 201, answer
    return json.loads(answer.body)


def restart(orders):
    orders.terminate()
    assert orders.wait()[0] == 0
    orders.start()


def oldest(orders):
    return metrics.total(metrics.samples(orders.ask(path="/metrics").body.decode()), "order_outbox_oldest_seconds")


def wait_sent(orders, ids):
    def pending():
        connection = orders.connect()
        states = {order: json.loads(connection.ask(path=f"/api/v1/orders/{order}").body)["notification"]
                  for order in ids}
        connection.close()
        return [order for order, state in states.items() if state != "sent"]
    wait_until(lambda: not pending(), lambda: f"still pending: {pending()}", seconds=60, interval=0.5)


@pytest.mark.parametrize("stop", [False, True], ids=["running", "stopped"])
def test_no_order_waits_for_the_clock(program, clock, peers, stop):
    """Ahead by a day and back, with orders at each step that nobody takes; then somebody does."""
    orders = start(program, clock, peers)
    assert time.time() - json_time(place(orders)) < 3600
    ids = [place(orders)["id"]]
    for ahead in (DAY, 0, -DAY, 0):
        clock.set_ahead(ahead)
        if stop:
            restart(orders)
        placed = place(orders)
        assert abs(json_time(placed) - time.time() - ahead) < 3600, "the order says what the machine's clock says"
        ids.append(placed["id"])
        wait_until(lambda: 0 < oldest(orders) < 3 * 3600 + 1800, lambda: f"its age: {oldest(orders)}")
    peers[1].answer = CREATED
    wait_sent(orders, ids)
    wait_until(lambda: oldest(orders) == 0, lambda: f"its age: {oldest(orders)}")


def json_time(order):
    text = order["created_at"]
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute("SELECT CAST(strftime('%s', ?) AS INTEGER)", (text,)).fetchone()[0]


def test_a_key_of_1970_is_kept(program, clock, peers):
    """A machine without a battery starts in 1970, and gets its time a moment later."""
    peers[1].answer = OK
    clock.set_ahead(1000 - int(time.time()))
    orders = start(program, clock, peers)
    first = place(orders, "k")
    assert first["created_at"].startswith("1970-01-01")
    clock.set_ahead(0)
    assert place(orders, "k")["id"] == first["id"]
    restart(orders)
    assert place(orders, "k")["id"] == first["id"]
    assert place(orders, "other")["id"] != first["id"]
    clock.set_ahead(1000 - int(time.time()))
    restart(orders)
    assert place(orders, "k")["id"] == place(orders, "k")["id"] == first["id"]
