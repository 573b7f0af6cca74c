# SPDX-License-Identifier: MIT
"""What a test of the stack asks for and sends, before it looks at what the backends say."""
import json
import time

import pytest
from backends import ROOT, fetch, program


def need(*backends):
    missing = [name for name in backends if not program(name)]
    if missing:
        variables = ", ".join(f"{name.upper()}_BIN" for name in missing)
        pytest.skip(f"no program {', '.join(missing)}: neither on PATH nor given as {variables}")


def load(stack, seconds=12, rate=60):
    done = stack.run(ROOT / "stack/native/load", "--rate", str(rate), "--seconds", str(seconds))
    assert done.returncode == 0, done.stderr
    return done.stdout


def send_what_is_rare(stack, failures=1):
    """What stack/native/load sends seldom, and requests that fail. A counter of which Prometheus sees the beginning
    too late, since there was no series before, has lost it: so all are sent before what is judged."""
    gateway = stack.url("GATEWAY") + "/api/v1/"
    name = f"{time.time_ns():x}"
    _, _, user = fetch(gateway + "users", {"name": name, "email": f"{name}@example.com"})
    _, order = stack.order()
    for path in ("users/999999", "orders/999999", f"users/{json.loads(user)['id']}", f"orders/{order['id']}"):
        change = {"status": "cancelled"} if "orders" in path else {"name": name}
        for method in ("GET", "PATCH", "PATCH", "DELETE"):
            fetch(gateway + path, change if method == "PATCH" else None, method=method)
    fetch(gateway + "orders", {"user_id": 999999, "product": "Tea", "amount": 1})
    fetch(gateway + "users", {"name": name})
    fetch(gateway + "nowhere")
    for _ in range(failures):
        fetch(gateway + "orders", {}, {"Transfer-Encoding": "apm-test"})
