# SPDX-License-Identifier: MIT
"""A collector that is away, busy, hanging or refusing: requests never notice, and every span is accounted for."""
import time

from lib import metrics
from lib.load import MIXED, Load
from lib.ports import closed_port
from lib.system import SERVICES
from lib.wait import SLOWNESS, wait_until

LOGS = (*SERVICES.values(), "gateway-shipper")


def warnings(system):
    """Lines about the export, by log."""
    return {name: [line for line in system.log_lines(name)
                   if line["level"] in ("warn", "error") and line["msg"] != "request"] for name in LOGS}


def test_no_collector(make_system):
    port, holder = closed_port()
    start = time.monotonic()
    system = make_system("alone", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                                               "OTEL_BSP_MAX_QUEUE_SIZE": "512"})
    system.losses_expected = True
    with Load(system.ports["gateway"], MIXED) as load:
        load.wait_more(600, seconds=60)
    assert not load.faults()
    wait_until(lambda: any(warnings(system).values()), "nobody said that the collector is down")
    make_system.finish(system)  # ends in time, or ctl stop would have told
    minutes = 1 + (time.monotonic() - start) // 60
    for name, lines in warnings(system).items():
        assert len(lines) <= minutes + 1, (name, lines)  # one more: what was lost at the end
    holder.close()


def test_a_full_queue_drops_and_counts(make_system):
    port, holder = closed_port()
    system = make_system("full", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                                              "OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"})
    system.losses_expected = True
    for _ in range(50):
        assert system.gateway.get("/api/v1/users/1").status == 200
    samples = system.scrape("users")
    assert metrics.total(samples, "otel_sdk_span_dropped_total", reason="queue_full") > 0
    assert metrics.total(samples, "otel_sdk_processor_span_queue_capacity") == 16
    assert metrics.total(samples, "otel_sdk_processor_span_queue_size") <= 16
    make_system.finish(system)
    holder.close()


def test_a_hanging_collector(make_system):
    system = make_system("hanging", environment={"OTEL_EXPORTER_OTLP_TIMEOUT": "500"})
    system.losses_expected = system.repeats_expected = True
    system.collector.gate.clear()
    with Load(system.ports["gateway"], MIXED) as load:
        load.wait_more(300, seconds=60)
    assert not load.faults()
    for program in system.programs:
        system.scrape(program)
    start = time.monotonic()
    system.stop()  # within the time that ctl grants, though the export hangs
    assert time.monotonic() - start < 30 * SLOWNESS
    system.start()
    system.collector.gate.set()
    for result in load.results:
        system.collector.wait_span(result.answer.trace_id, result.answer.span_id, seconds=30)
    make_system.finish(system)


def test_a_refusing_collector_costs_the_batch_and_is_counted(make_system):
    system = make_system("refusing")
    system.losses_expected = True
    system.collector.answer = (400, {})
    for _ in range(20):
        assert system.gateway.get("/api/v1/users/1").status == 200
    for program in ("users", "gateway"):
        wait_until(lambda: metrics.total(system.scrape(program), "otel_sdk_span_dropped_total") >= 40,  # noqa: B023
                   f"{program} did not count its losses")
    system.collector.answer = (200, {})
    answer = system.gateway.get("/api/v1/users/1")
    assert len(system.trace(answer)) == 4
    assert len(system.collector.by_trace) == 1
    wait_until(lambda: warnings(system)["user-service"] and warnings(system)["gateway-shipper"], "nobody said so")
    make_system.finish(system)
