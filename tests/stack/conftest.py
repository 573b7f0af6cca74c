# SPDX-License-Identifier: MIT
"""The observability stack against the real system. The backends' programs are found by TEMPO_BIN, LOKI_BIN, ALLOY_BIN,
PROMTAIL_BIN, PROMETHEUS_BIN, NODE_EXPORTER_BIN or on PATH; where one is missing, what needs it is skipped and says
so."""
import json
import time

import pytest
from backends import ROOT, Stack, fetch, program, shipper
from truth import Truth, quiet


def need(*backends):
    missing = [name for name in backends if not program(name)]
    if missing:
        variables = ", ".join(f"{name.upper()}_BIN" for name in missing)
        pytest.skip(f"no program {', '.join(missing)}: neither on PATH nor given as {variables}")


def load(stack, seconds=12, rate=60):
    done = stack.run(ROOT / "stack/native/load", "--rate", str(rate), "--seconds", str(seconds))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def scraped(tmp_path_factory):
    """The system under mixed traffic, scraped by Debian's Prometheus; nothing else."""
    if not program("prometheus"):
        pytest.skip("Prometheus is not installed (package prometheus)")
    backends = ["prometheus"] + (["node-exporter"] if program("node_exporter", "prometheus-node-exporter") else [])
    with Stack(tmp_path_factory.mktemp("scraped"), backends) as stack:
        stack.load_output = load(stack)
        yield stack


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """The system and every backend, of the log shippers Alloy where it is there."""
    backends = ["prometheus", "tempo", "loki", shipper()]
    need(*backends)
    if program("node_exporter", "prometheus-node-exporter"):
        backends.append("node-exporter")
    with Stack(tmp_path_factory.mktemp("full"), backends) as stack:
        stack.first_order = stack.order()
        stack.load_output = load(stack, seconds=20, rate=40)
        yield stack


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


@pytest.fixture(scope="session")
def truth():
    """truth(stack): what is known of some seconds of traffic there. Measured once, after other traffic."""
    known = {}

    def measured(stack):
        if stack not in known:
            send_what_is_rare(stack)
            before = quiet(stack)
            load(stack)
            send_what_is_rare(stack, failures=30)
            known[stack] = Truth(stack, before, quiet(stack))
        return known[stack]
    return measured
