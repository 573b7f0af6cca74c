# SPDX-License-Identifier: MIT
"""Waiting on conditions: a deadline, never a blind sleep."""
import os
import time

MODE = os.environ.get("MODE", "release")
# Sanitizers slow programs down by 2 (ASan) to 15 times (TSan); time-outs follow, conditions stay.
SLOWNESS = {"asan": 3, "tsan": 6}.get(MODE, 1)


def wait_until(condition, what, seconds=30, interval=0.02):
    """Polls until condition() is true and returns its value; fails with `what` after the deadline. That is far away,
    for other tests run beside this one: what must be quick is asserted by itself."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOWNESS} s: {what() if callable(what) else what}")
        time.sleep(interval)
