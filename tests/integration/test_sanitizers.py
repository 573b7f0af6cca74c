# SPDX-License-Identifier: MIT
"""The same programs under ASan with UBSan, and under TSan: load, rotation, a busy collector, drain, the relay.

A report of theirs is a fault that closing the system tells. The whole suite runs so with MODE=asan and MODE=tsan.
"""
import signal

import pytest

from lib import sandbox
from lib.load import EVERYTHING, EVERYTHING_STATUSES, ORDER, Load
from lib.system import ROOT
from lib.wait import MODE, wait_until


@pytest.mark.skipif(MODE != "release", reason=f"the whole run is MODE={MODE} already")
@pytest.mark.parametrize("mode", ["asan", "tsan"])
def test_under_a_sanitizer(make_system, mode):
    sandbox.build(ROOT, mode)
    system = make_system(mode, environment={"MODE": mode, "CALL_TIMEOUT_MS": "15000"})  # slow, and no fault of it
    system.repeats_expected = True  # the gateway is ended under load, perhaps before a slow collector has answered
    with Load(system.ports["gateway"], EVERYTHING, threads=6) as load:
        load.wait_more(150, seconds=60)
        system.ctl("reopen-logs")
        system.collector.answer = (503, {"Retry-After": "1"})
        load.wait_more(150, seconds=60)
        system.collector.answer = (200, {})
        for program in system.programs:
            system.scrape(program)
            old = system.kill(program, signal.SIGTERM)
            system.wait_respawned(program, old, seconds=30)
        load.wait_more(150, seconds=60)
    assert not load.faults(*EVERYTHING_STATUSES)
    wait_until(lambda: system.gateway.get("/readyz").status == 200, "it is not ready again", seconds=30)

    with system.without("notifications"):
        orders = [system.gateway.post("/api/v1/orders", ORDER).json() for _ in range(10)]
    assert {order["notification"] for order in orders} == {"pending"}
    wait_until(lambda: system.gateway.get(f"/api/v1/orders/{orders[-1]['id']}").json()["notification"] == "sent",
               "the relay has not delivered it", seconds=30)
    system.flush(seconds=30)
    make_system.finish(system)
