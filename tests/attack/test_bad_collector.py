# SPDX-License-Identifier: MIT
"""A collector in every bad state: requests do not notice, what is lost is counted, the gateway's spans come once."""
import collections
import socket
import statistics
import struct
import threading

import pytest

from lib import metrics
from lib.load import MIXED, Load
from lib.wait import SLOWNESS, wait_until

TIMEOUT_SECONDS = 3 * SLOWNESS


class State:
    """What a collector does with a request; `lossy`: spans that it has answered, or may have, are not sent again."""

    lossy = loses_gateway = False

    def __init__(self, collector):
        self.collector = collector
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.met = set()  # services whose spans met it
        self.rejected = collections.Counter()  # spans, by service

    def __call__(self, handler, body):
        spans = self.collector.decode(handler.headers, body)
        self.act(handler, spans)
        with self.lock:  # after the answer, so that the state is not over before it was one
            self.met.add(spans[0].service)

    def begin(self):
        self.collector.misbehave = self

    def end(self):
        self.collector.misbehave = None
        self.over.set()

    def keep(self, spans):
        with self.collector.lock:
            self.collector.keep(spans)

    def reject(self, spans):
        with self.lock:
            self.rejected.update(span.service for span in spans)

    @staticmethod
    def answer(handler, status, body=b"", **headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @staticmethod
    def reset(handler):
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()


class Refused(State):
    def begin(self):
        self.collector.refuse()
        super().begin()

    def act(self, handler, spans):
        self.reset(handler)  # one that was open already

    def end(self):
        super().end()
        self.collector.listen()


class Hanging(State):
    lossy = True

    def act(self, handler, spans):
        self.over.wait(TIMEOUT_SECONDS + 1)
        handler.close_connection = True


class TooManyRequests(State):
    def act(self, handler, spans):
        self.answer(handler, 429, Retry_After="1")


class Unavailable(State):
    def act(self, handler, spans):
        self.answer(handler, 503, b"<html>not OTLP</html>", Retry_After="soon", Content_Type="application/x-protobuf")


class BadRequest(State):
    lossy = loses_gateway = True

    def act(self, handler, spans):
        self.reject(spans)
        self.answer(handler, 400, b"\x12\x04what", Content_Type="application/x-protobuf")


class PartialSuccess(State):
    lossy = loses_gateway = True

    def act(self, handler, spans):
        refused = spans[::3]
        self.reject(refused)
        self.keep([span for span in spans if span not in refused])
        answer = self.collector.classes.ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = len(refused)
        answer.partial_success.error_message = "every third"
        self.answer(handler, 200, answer.SerializeToString())


class GarbageInsteadOfHttp(State):
    lossy = True

    def act(self, handler, spans):
        handler.wfile.write(bytes(range(1, 256)) * 20)
        handler.close_connection = True


class GarbageInTheAnswer(State):
    """It has taken the spans: the status says so."""

    def act(self, handler, spans):
        self.keep(spans)
        self.answer(handler, 200, bytes(range(255, 0, -1)) * 300)


class Resets(State):
    def act(self, handler, spans):
        self.reset(handler)


STATES = [Refused, Hanging, TooManyRequests, Unavailable, BadRequest, PartialSuccess, GarbageInsteadOfHttp,
          GarbageInTheAnswer, Resets]


@pytest.fixture(scope="module")
def system(make_system):
    system = make_system("bad-collector", environment={"OTEL_EXPORTER_OTLP_TIMEOUT": str(1000 * TIMEOUT_SECONDS),
                                                       "OTEL_BSP_MAX_QUEUE_SIZE": "20000"})
    system.losses_expected = True
    yield system
    make_system.finish(system)


def send_load(system, count=200):
    """[seconds of each request]; all of them succeed."""
    with Load(system.ports["gateway"], MIXED) as load:
        load.wait_more(count, seconds=60)
    assert not load.faults(), load.faults()[:3]
    return load.results


def latency(results):
    """Milliseconds that half, and nineteen of twenty, of the requests stay below."""
    parts = statistics.quantiles((1000 * result.seconds for result in results), n=20)
    return parts[9], parts[18]


def told(dropped):
    """{program: {reason: count}} in words."""
    return ", ".join(f"{name} {count:.0f} {reason}" for name, reasons in dropped.items()
                     for reason, count in reasons.items()) or "nothing"


class Accounts:
    """What each program says about its spans, and what the collector has of them."""

    def __init__(self, system):
        self.samples = {name: system.scrape(name) for name in system.programs}
        ids = collections.defaultdict(collections.Counter)
        for span in system.collector.spans():
            ids[span.service].update([(span.trace_id, span.span_id)])
        self.received = {program: ids[name] for program, name in [*system.services.items(), ("gateway", "api-gateway")]}

    def since(self, before, program):
        """(started, taken, {reason: dropped}, received, received twice)"""
        change = metrics.difference(self.samples[program], before.samples[program])
        dropped = {reason: count for (reason,), count in
                   metrics.by_label(change, "otel_sdk_span_dropped_total", "reason").items()}
        taken = metrics.total(change, "otel_sdk_exporter_span_exported_total", error_type="")
        received = self.received[program] - before.received[program]
        return metrics.spans_started(change), taken, dropped, len(received), received.total() - len(received)


@pytest.mark.parametrize("kind", STATES, ids=[kind.__name__ for kind in STATES])
def test_a_collector_that_misbehaves(system, kind, say):
    well = send_load(system)
    system.flush(seconds=30)
    before = Accounts(system)
    state = kind(system.collector)
    state.begin()
    try:
        badly = send_load(system)
        if kind is not Refused:
            wait_until(lambda: len(state.met) == 4, lambda: f"only {state.met} met it", seconds=30)
        requests = len(badly)
    finally:
        state.end()
    system.flush(seconds=30)
    after = Accounts(system)
    half, most = latency(badly)
    good_half, good_most = latency(well)
    say(f"{kind.__name__}: p50 {half:.1f}, p95 {most:.1f} ms; with a good collector {good_half:.1f}, "
        f"{good_most:.1f} ms; dropped: {told({name: after.since(before, name)[2] for name in system.programs})}")

    # Beyond noise, which other programs on the machine make; whoever waits for a collector waits for seconds.
    assert half < 2 * good_half + 100 * SLOWNESS and most < 3 * good_most + 500 * SLOWNESS
    for program in system.programs:
        started, taken, dropped, received, twice = after.since(before, program)
        assert twice == 0, f"{program}: {twice} spans came twice"
        assert taken == received, f"{program}: {taken} taken, {received} received"
        assert sum(dropped.values()) == started - received, f"{program}: {started} {received} {dropped}"
        name = system.services.get(program, "api-gateway")
        assert dropped.get("rejected", 0) == state.rejected[name], (program, dropped, state.rejected)
        assert state.lossy or not dropped, (program, dropped)
    started, _, dropped, received, _ = after.since(before, "gateway")
    assert started == 2 * requests, "of the gateway's spans each exists once"
    assert received == started or (state.loses_gateway and set(dropped) == {"rejected"}), (received, started, dropped)
