# SPDX-License-Identifier: MIT
"""The gateway program alone: it finds its access log again, whatever a person has called it."""
import json
import os
import uuid

import pytest

from lib import metrics
from lib.otlp import Collector
from lib.wait import wait_until

from apm import rotation

NAMES = ["api-gateway.log.kept", "api-gateway.log.old", "api-gateway.log.1", "monday", "api-gateway.log~"]


class Gateway:
    """The program, and what nginx does to its log."""

    def __init__(self, program, collector, directory):
        self.collector, self.dir = collector, directory
        self.log = directory / "api-gateway.log"
        self.log.touch()
        self.program = program("gateway", OTEL_SDK_DISABLED="false", OTEL_BSP_SCHEDULE_DELAY="20",
                               OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, ACCESS_LOG=str(self.log),
                               CHECKPOINT_FILE=str(directory / "checkpoint"), STUB_STATUS_URL="http://127.0.0.1:1")
        self.counted = 0  # requests, by programs that have ended
        self.traces = []

    def write(self, count, path=None):
        with open(path or self.log, "a") as file:
            for _ in range(count):
                self.traces.append(uuid.uuid4().hex)
                file.write(json.dumps({
                    "ts": "2026-11-22T12:00:00.000000Z", "level": "info", "service": "api-gateway", "msg": "request",
                    "trace_id": self.traces[-1], "span_id": uuid.uuid4().hex[:16], "trace_flags": "03",
                    "parent_span_id": "", "client_span_id": uuid.uuid4().hex[:16], "method": "GET",
                    "route": "/api/v1/users", "path": "/api/v1/users", "query": "", "status": 200, "duration_ms": 1,
                    "up_addr": "unix:/users.sock", "up_status": "200", "up_time": "0.001", "up_start": "1763812800.000",
                    "host": "localhost", "port": 8080, "scheme": "http", "client": "127.0.0.1", "user_agent": "",
                    "protocol": "HTTP/1.1", "bytes_in": 80, "bytes_out": 200, "msec": "1763812800.001"}) + "\n")

    def count(self):
        values = metrics.samples(self.program.ask(path="/metrics").body.decode())
        return metrics.total(values, "http_server_request_duration_seconds_count")

    def check(self):
        """Every request came as two spans and was counted once."""
        def missing():
            return [trace for trace in self.traces if len(self.collector.spans(trace)) != 2]
        wait_until(lambda: not missing(), lambda: f"{len(missing())} of {len(self.traces)} requests lack spans")
        wait_until(lambda: self.counted + self.count() >= len(self.traces), "not all requests were counted")
        assert self.counted + self.count() == len(self.traces)
        values = metrics.samples(self.program.ask(path="/metrics").body.decode())
        assert metrics.total(values, "gateway_log_gaps_total") == 0

    def outlives(self, rotate, running):
        """What is written around it is sent and counted once, whether the program runs meanwhile or not."""
        self.write(3)
        self.check()
        if not running:
            self.stop()
        rotate()
        if not running:
            self.program.start()
        self.check()
        self.stop()
        self.program.start()
        self.write(1)
        self.check()  # nothing is sent again

    def stop(self):
        self.check()
        self.counted += self.count()
        self.program.terminate()
        assert self.program.wait()[0] == 0


@pytest.fixture
def gateway(program, classes, tmp_path):
    collector = Collector(classes)
    yield Gateway(program, collector, tmp_path)
    collector.close()
    assert not collector.errors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("running", [False, True], ids=["down", "running"])
def test_a_log_is_found_whatever_it_is_called(gateway, name, running):
    kept = gateway.dir / name

    def rename():
        gateway.write(200)
        gateway.log.rename(kept)
        gateway.write(2, kept)  # nginx has not had its signal
        gateway.write(100)
    gateway.outlives(rename, running)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("running", [False, True], ids=["down", "running"])
def test_every_file_is_read_that_was_begun_anew(gateway, times, running):
    def rotate():
        for _ in range(times):
            gateway.write(50)
            rotation.begin_anew(str(gateway.log), 4)
            gateway.write(2, f"{gateway.log}.1")
            gateway.write(20)
    gateway.outlives(rotate, running)


def test_every_rotation_under_another_name(gateway):
    for number in range(4):
        gateway.write(20)
        gateway.check()
        gateway.write(20)
        os.rename(gateway.log, gateway.dir / f"kept-{number}")
    gateway.write(20)
    gateway.check()
