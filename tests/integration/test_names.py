# SPDX-License-Identifier: MIT
"""What a service is called changes what its telemetry says, and no file; who writes a file writes it alone."""
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lib import logs, metrics
from lib.wait import SLOWNESS, wait_until

PROGRAMS = {"users": "user-service", "orders": "order-service", "notifications": "notification-service",
            "trace-store": "trace-store", "gateway": "gateway-shipper"}

NAMES = {
    "slash": "shop/backend", "dots": "..", "dot": ".", "absolute": "/etc/passwd", "access log": "api-gateway",
    "long": "x" * 4096, "escapes": "a%00b\\u0000\\0", "quotes": "a\"b'c`d", "newlines": "a\nb\r\n{\"level\":\"error\"}",
    "control": "\x01\x1b[31m\x7f", "format": "%s%n%d", "not ASCII": "商店 🛒", "spaces": "  two  words  ",
    "braces": "{a=\"b\"} 1\n# EOF",
}


def shared(tmp_path):
    """What all programs of one system have in common."""
    log = tmp_path / "logs"
    log.mkdir()
    (log / "api-gateway.log").touch()
    return {"LOG_DIR": str(log), "ACCESS_LOG": str(log / "api-gateway.log"),
            "CHECKPOINT_FILE": str(log / "api-gateway.checkpoint")}


def check_name(alone, log, name):
    """Its metrics and its log are valid and say the name."""
    for accept, parse in (("", text_string_to_metric_families),
                          ("application/openmetrics-text; version=1.0.0", metrics.families)):
        text = alone.ask(path="/metrics", extra=[("HTTP_ACCEPT", accept)]).body.decode()
        info, = (sample for family in parse(text) if family.name in ("target", "target_info")
                 for sample in family.samples)
        assert info.labels["service_name"] == name
    wait_until(lambda: logs.read(log)[0], f"{log} is empty")
    entries, faults = logs.read(log)
    assert not faults, faults
    assert {entry["service"] for entry in entries} == {name[:4096]}


@pytest.mark.parametrize("variable", ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_file_name(program, collector, tmp_path, name, variable):
    value = NAMES[name]
    if variable == "OTEL_RESOURCE_ATTRIBUTES":
        encoded = "".join(f"%{byte:02x}" for byte in value.encode())
        value = f"service.name={encoded},service.instance.id={encoded},log_name={encoded}"
    alone = program(**shared(tmp_path), OTEL_SDK_DISABLED="false", OTEL_BSP_SCHEDULE_DELAY="50",
                    OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **{variable: value})
    answer = alone.ask(path="/api/v1/users/1")
    assert answer.status == 200
    span, = wait_until(lambda: [span for span in collector.spans(answer.headers["X-Trace-Id"])
                                if span.kind == "SERVER"], "no span came")
    assert span.resource["service.name"] == NAMES[name]
    check_name(alone, tmp_path / "logs/user-service.log", NAMES[name])
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"logs/api-gateway.log", "logs/user-service.log", "logs/.user-service-log.lock"}


def test_a_name_that_is_not_utf_8_is_told_of(program, tmp_path):
    alone = program(**shared(tmp_path), OTEL_SDK_DISABLED="false", OTEL_SERVICE_NAME="caf\udce9")
    check_name(alone, tmp_path / "logs/user-service.log", "user-service")
    assert [entry["variable"] for entry in logs.read(tmp_path / "logs/user-service.log")[0]
            if entry["level"] == "warn"] == ["OTEL_SERVICE_NAME"]


def test_one_name_for_all_is_not_one_file(program, tmp_path):
    environment = shared(tmp_path)
    running = {name: program(name, OTEL_SDK_DISABLED="false", OTEL_SERVICE_NAME="api-gateway",
                             STUB_STATUS_URL="http://127.0.0.1:1", **environment) for name in PROGRAMS}
    for name, alone in running.items():
        check_name(alone, tmp_path / f"logs/{PROGRAMS[name]}.log", "api-gateway")
    assert not (tmp_path / "logs/api-gateway.log").read_text()


# ---- one writer

def refused(alone):
    """What a program says that does not start."""
    alone.start(ready=False)
    assert alone.wait()[0] == 1
    return alone.process.stderr.read().decode()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_log_has_one_writer(program, tmp_path, name):
    environment = shared(tmp_path)
    log = tmp_path / f"logs/{PROGRAMS[name]}.log"
    first = program(name, **environment)
    wait_until(lambda: logs.read(log)[0], "nothing is logged")
    second = program(name, start=False, **environment)
    said = refused(second)
    assert f"process {first.process.pid} writes {log}" in said and "another LOG_DIR" in said, said
    log.rename(f"{log}.1")  # the new file is not written yet, and still its own
    assert "writes" in refused(second)
    first.process.kill()  # the kernel gives the lock back
    first.wait()
    first.pid_file.unlink()
    second.start()
    assert second.ask().status == 200


@pytest.mark.parametrize("common", ["ACCESS_LOG", "CHECKPOINT_FILE"])
def test_an_access_log_has_one_reader(program, tmp_path, common):
    """Whatever else two copies do not share: their spans would come twice."""
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir(), other.mkdir()
    settings = shared(own)
    first = program("gateway", OTEL_SDK_DISABLED="false", STUB_STATUS_URL="http://127.0.0.1:1", **settings)
    changed = shared(other) | {common: settings[common]}
    second = program("gateway", start=False, OTEL_SDK_DISABLED="false", STUB_STATUS_URL="http://127.0.0.1:1", **changed)
    said = refused(second)
    assert f"{common}: process {first.process.pid} reads {settings[common]}" in said, said
    errors = [line for line in logs.read(other / "logs/gateway-shipper.log")[0] if line["level"] == "error"]
    assert [line.get("variable") for line in errors] == [common, None]
    first.terminate()
    assert first.wait()[0] == 0
    second.start()
    assert second.process.poll() is None


def test_a_stop_leaves_no_lock(program, tmp_path):
    alone = program("gateway", OTEL_SDK_DISABLED="false", STUB_STATUS_URL="http://127.0.0.1:1", **shared(tmp_path))
    assert len(list((tmp_path / "logs").glob(".*.lock"))) == 3
    alone.terminate()
    assert alone.wait()[0] == 0
    assert not list((tmp_path / "logs").glob(".*"))


# ---- bad settings

@pytest.mark.parametrize("name, variable, value, demand", [
    ("users", "WORKER_THREADS", "many", "a whole number of threads from 1 to 1024"),
    ("users", "WORKER_THREADS", "0", "a whole number of threads from 1 to 1024"),
    ("users", "BUSY_TIMEOUT_MS", "1s", "a whole number of milliseconds from 0 to 60000"),
    ("orders", "CALL_TIMEOUT_MS", "2.5", "a whole number of milliseconds from 1 to 60000"),
    ("orders", "LOG_LEVEL", "loud", "none of debug, info, warn, error"),
    ("orders", "USERS_URL", "localhost:8081", "a URL of the form http://HOST:PORT"),
    ("orders", "NOTIFICATIONS_PORT", "80O3", "a whole number from 1 to 65535"),
    ("gateway", "STUB_STATUS_URL", "127.0.0.1:8084", "a URL of the form"),
    ("gateway", "READY_URLS", "users=http://127.0.0.1:1/readyz orders=127.0.0.1:8081",
     "NAME=http://HOST:PORT/PATH, separated by spaces"),
    ("trace-store", "TRACES_MAX_MB", "1e3", "a whole number of MiB from 32 to 65536"),
    ("trace-store", "TRACES_MAX_AGE_SECONDS", "1h", "a whole number of seconds from 1 to 604800"),
    ("trace-store", "TRACES_SPANS_PER_SECOND", "-1", "a whole number of spans from 1 to 1000000"),
])
def test_a_bad_setting_stops_the_start(program, tmp_path, name, variable, value, demand):
    alone = program(name, start=False, **shared(tmp_path), **{variable: value})
    said = refused(alone)
    assert f'{variable}="{value}"' in said and demand in said and "correct it" in said, said
    assert not list((alone.dir / "data").iterdir())  # it has touched nothing
    error, = (line for line in logs.read(tmp_path / f"logs/{PROGRAMS[name]}.log")[0] if line["level"] == "error")
    assert f'{variable}="{value}"' in error["reason"]


def test_a_service_that_nobody_tells_of_stops_the_start(program, tmp_path):
    alone = program("orders", start=False, **shared(tmp_path), USERS_URL="", USERS_PORT="")
    said = refused(alone)
    assert "USERS_PORT is not set, nor USERS_URL" in said and "NOTIFICATIONS" not in said, said
    assert not list((alone.dir / "data").iterdir())


def test_bad_values_of_the_specification_are_logged_once(program, tmp_path):
    bad = {"OTEL_BSP_SCHEDULE_DELAY": "soon", "OTEL_TRACES_SAMPLER": "sometimes",
           "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
           "OTEL_EXPORTER_OTLP_HEADERS": "nonsense", "OTEL_RESOURCE_ATTRIBUTES": "nonsense",
           "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_NO_SUCH_THING": "1", "OTEL_SERVICE_NAME": ""}
    for name in PROGRAMS:
        (tmp_path / name).mkdir()
        alone = program(name, OTEL_SDK_DISABLED="false", STUB_STATUS_URL="http://127.0.0.1:1",
                        **shared(tmp_path / name), **bad)
        alone.terminate()
        assert alone.wait(10 * SLOWNESS)[0] == 0
        entries = logs.read(tmp_path / name / f"logs/{PROGRAMS[name]}.log")[0]
        warned = {entry["variable"]: entry for entry in entries if "variable" in entry}
        assert sorted(warned) == sorted(set(bad) - {"OTEL_SERVICE_NAME"})
        assert len(warned) == sum("variable" in entry for entry in entries)
        used = "500" if name in ("gateway", "trace-store") else "5000"
        delay = warned["OTEL_BSP_SCHEDULE_DELAY"]
        assert (delay["level"], delay["value"], delay["used"]) == ("warn", "soon", used)
        assert warned["OTEL_EXPORTER_OTLP_HEADERS"]["value"] == "(hidden)"
