# SPDX-License-Identifier: MIT
"""The commands with which a person looks: make trace, logs, doctor, load. Against servers of the test, for what a
sound system never answers, and once against a whole system."""
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

from lib.fixtures import console_fixture
from lib.place import BACKENDS, ID, OLD, PORTS, READY, TOOLS, Place, batches, faults, serve_well, span, up
from lib.ports import closed_port, free_ports
from lib.system import INHERITED, ROOT
from lib.terminal import Screen, width
from lib.wait import wait_until

console = console_fixture("console")


def piped(tool, place, **more):
    return subprocess.Popen([TOOLS / tool], env=place.env(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def place(tmp_path):
    one = Place(tmp_path)
    yield one
    one.close()


# ---- make trace ----

def failing(code, *events, **more):
    return {"status": {"code": "STATUS_CODE_ERROR", **more}, "events": list(events), "attributes": [
        {"key": "error.type", "value": {"stringValue": str(code)}},
        {"key": "http.response.status_code", "value": {"intValue": str(code)}}]}


def serve_trace(place, answer):
    """`answer`: what is JSON, or a function that returns it."""
    def answers(path):
        value = answer() if callable(answer) else answer
        return (200, "application/json", value if isinstance(value, str) else json.dumps(value))
    place.serve("TRACES", lambda path: answers(path) if path == f"/api/traces/{ID}" else None)


def test_a_trace_fits_the_terminal(place):
    deep = [span(i, i - 1, f"第{i}层 测试商品 " + "x" * 50, start=OLD + i * 1000) for i in range(2, 60)]
    serve_trace(place, batches(span(1, **failing(422)), *deep))
    for columns in (80, 60, 40, 200):
        screen = place.look("trace", ID, columns=columns)
        assert screen.status == 0 and "59 spans of 1 service" in screen.text
        rows = [line for line in screen.lines if "▕" in line]
        assert len(rows) == 59 and "✗ 422" in rows[0] and "422 422" not in screen.text
        assert all("…" in line for line in rows[1:] if columns < 100)
    assert "\033[31m" in screen.raw
    assert not re.search("\033.[0-9;]*m", place.look("trace", ID, NO_COLOR="1").raw)
    piped = place.ask("trace", ID, COLUMNS="80").stdout
    assert max(map(width, piped.splitlines())) <= 80 and "\033" not in piped


def test_every_span_of_an_odd_trace_is_shown_and_marked(place):
    serve_trace(place, batches(
        span(1, 3, "circle a"), span(2, 1, "circle b"), span(3, 2, "circle c"), span(4, 4, "itself"),
        span(5, 99, "orphan"), span(6, 5, "client"), span(6, 5, "server"), span(7, 6, "below"), span(8, 3, "aside")))
    done = place.ask("trace", ID)
    rows = [line.split("▕")[0].strip(" └├│") for line in done.stdout.splitlines() if "▕" in line]
    assert sorted(rows) == sorted([
        "↻ order-service SERVER circle a", "order-service SERVER circle b", "order-service SERVER circle c",
        "↻ order-service SERVER itself", "? order-service SERVER orphan", "≡ order-service SERVER client",
        "≡ order-service SERVER server", "order-service SERVER below", "order-service SERVER aside"]), done.stdout
    assert "9 spans of 1 service" in done.stdout
    for remark in ("? the parent of 1 span is not here", "↻ the parents of 2 spans go round",
                   "≡ 2 spans share their id"):
        assert remark in done.stdout
    assert done.returncode == 0 and "may still grow" not in done.stdout


ODD = {
    "of version 2": {"trace": {"resourceSpans": batches(span(1))["batches"]}},
    "without anything": {"batches": [{"scopeSpans": [{"spans": [{}]}]}]},
    "with nulls": {"batches": [{"resource": None, "scopeSpans": [{"scope": None, "spans": [
        {"spanId": None, "parentSpanId": 5, "name": None, "kind": [], "status": None, "startTimeUnixNano": "x",
         "endTimeUnixNano": 1e400, "attributes": [None, {"key": None}], "events": 7}, None, 3]}, None]}, None]},
    "with a status and nothing in it": batches(span(1, status={"code": 2}, events=[{}], attributes=None)),
    "base64": batches({**span(1), "spanId": "AAAAAAAAAAE=", "parentSpanId": ""}),
    "not base64": batches({**span(1), "spanId": "\033[2J!"}),
}


@pytest.mark.parametrize("shape", ODD)
def test_odd_answers_are_shown(place, shape):
    serve_trace(place, ODD[shape])
    done = place.ask("trace", "--wait", "0", ID)
    assert done.returncode == 0 and "1 span of 1 service" in done.stdout, done.stdout + done.stderr
    assert "\033" not in done.stdout


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"batches":{}}', "<html><p>hello</p>", "", '"x"'])
def test_answers_that_are_no_trace_end_with_a_sentence(place, text):
    serve_trace(place, text)
    done = place.ask("trace", "--wait", "0", ID)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("apm: "), done.stdout + done.stderr


def test_no_sender_steers_the_terminal(place):
    evil = "\033[2J\x9b31m\u202e\r\nmake stop\x07"
    serve_trace(place, batches(span(1, name=evil, **failing(evil, {"name": evil}, message=evil)), service=evil))
    done = place.ask("trace", ID)
    assert done.returncode == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout), repr(done.stdout)
    assert len([line for line in done.stdout.splitlines() if line]) == 4, "two of the head, the span, what it says"


def test_a_trace_of_which_the_store_hands_out_a_part(place):
    serve_trace(place, {"trace": batches(span(1)), "status": "PARTIAL", "message": "cut off at 10000 spans"})
    assert "! the store says: cut off at 10000 spans" in place.ask("trace", ID).stdout


def test_a_failed_span_says_why_in_one_line(place):
    exception = {"name": "exception", "attributes": [
        {"key": "exception.type", "value": {"stringValue": "ValueError"}},
        {"key": "exception.message", "value": {"stringValue": "not a\nnumber"}}]}
    serve_trace(place, batches(span(1, **failing(500, exception, {"name": "gave up"}, message="it broke"))))
    lines = place.ask("trace", ID).stdout.splitlines()
    assert lines[3].strip() == "it broke; ValueError: not a⏎number; gave up"
    assert lines[2].endswith("✗ 500")


@pytest.mark.parametrize("took, text", [
    (800, "800 ns"), (12_345, "12 µs"), (999_999, "1.00 ms"), (5_000_000, "5.00 ms"), (2_340 * 10**6, "2.34 s"),
    (59_996 * 10**6, "1m 0s"), (90 * 10**9, "1m 30s"), (3600 * 10**9, "1h 0m"), (3 * 3600 * 10**9, "3h 0m"),
    (50 * 3600 * 10**9, "2d 2h")])
def test_durations_have_the_unit_that_a_person_reads(place, took, text):
    serve_trace(place, batches(span(1, start=OLD - took, took=took)))
    assert place.ask("trace", ID).stdout.splitlines()[2].endswith(f" {text}")


def test_it_waits_until_the_trace_is_whole(place):
    asked = []

    now = time.time_ns()

    def answer():
        asked.append(1)
        return batches(span(2, 1, start=now), *([span(1, start=now)] if len(asked) > 3 else []))
    serve_trace(place, answer)
    done = place.ask("trace", ID)
    assert "2 spans of 1 service" in done.stdout and "may still grow" not in done.stdout and len(asked) > 6


def test_it_says_that_a_trace_may_still_grow(place):
    spans = [span(1, start=time.time_ns())]

    def answer():
        spans.append(span(len(spans) + 1, 1, start=time.time_ns()))
        return batches(*spans)
    serve_trace(place, answer)
    done = place.ask("trace", "--wait", "1", ID)
    assert done.returncode == 0 and "This trace may still grow" in done.stdout


def test_a_trace_that_is_not_there(place):
    place.serve("TRACES", {})
    done = place.ask("trace", "--wait", "0", ID[:-1])
    assert done.returncode == 1 and f"has no trace {ID[:-1]} (an id has 32 digits, this has 31)" in done.stderr
    assert "kept for 1 h" in done.stderr and "without an id lists the newest" in done.stderr


def test_a_store_that_is_down(place):
    done = place.ask("trace", ID)
    assert done.returncode == 1 and "Start it: make run" in done.stderr
    place.supervise([{"name": "trace-store", "state": "down", "last": "killed by signal 9"}])
    done = place.ask("trace", ID)
    assert done.returncode == 1 and "trace-store is down: killed by signal 9" in done.stderr


@pytest.mark.parametrize("text", ["zzz", "0" * 32, ID + "0", "1 2", "-", "é"])
def test_it_says_what_an_id_is(place, text):
    done = place.ask("trace", ID=text)
    assert done.returncode == 2 and "is not the id of a trace: that has 32 digits" in done.stderr
    assert "X-Trace-Id" in done.stderr and "make trace without an id" in done.stderr


def test_a_traceparent_is_an_id_too(place):
    serve_trace(place, batches(span(1)))
    assert place.ask("trace", ID=f" 00-{ID.upper()}-0123456789abcdef-01 ").returncode == 0


def test_without_an_id_it_lists_the_newest(place):
    traces = [{"traceID": ID[1:], "rootServiceName": "api-gateway", "rootTraceName": f"GET /{i}\033", "durationMs": i,
               "startTimeUnixNano": str(OLD + i * 10**9), "serviceStats": {"x": {"errorCount": i}}} for i in range(3)]
    place.serve("TRACES", {"/api/search": (200, "application/json", json.dumps({"traces": [*traces, {}, None]}))})
    lines = place.look("trace").lines
    assert [re.search(r"GET /(\d)", line)[1] for line in lines[1:4]] == ["2", "1", "0"]
    assert "0" + ID[1:] in lines[1] and "✗ 2" in lines[1] and "\033" not in lines[1]


def test_no_shell_reads_what_a_person_gives_to_make(place, tmp_path):
    mark = tmp_path / "mark"
    for text in (f'"; touch {mark}; "', f"$$(touch {mark})", f"$(shell touch {mark})", f"`touch {mark}`",
                 f"'; touch {mark} #"):
        for target, name in (("trace", "ID"), ("logs", "SERVICE"), ("logs", "TRACE"), ("load", "RATE")):
            done = subprocess.run(["make", "-s", target, f"{name}={text}"], env=place.env(), cwd=ROOT, check=False,
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode and text[:9] in done.stderr, done.stderr
            assert not mark.exists(), (target, text)


def test_a_closed_pipe_is_no_fault(place):
    serve_trace(place, batches(*[span(i + 1, i, "x" * 80) for i in range(5000)]))
    (place.log / "order-service.log").write_bytes(line() * 5000)
    for tool, more in (("trace", {"ID": ID}), ("logs", {"LINES": "5000"})):
        with piped(tool, place, **more) as one:
            one.stdout.readline()
            one.stdout.close()
            assert one.stderr.read() == b"" and one.wait() == 0


@pytest.mark.parametrize("tool", ["trace", "logs", "load", "doctor"])
def test_output_that_nobody_can_have(place, tool):
    (place.log / "order-service.log").write_bytes(line() * 5)
    done = subprocess.run(["sh", "-c", f"'{TOOLS / tool}' >&- 2>&-; echo $?"], env=place.env(), check=False,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n" if tool == "logs" else "1\n", "")
    done = subprocess.run(["sh", "-c", f"'{TOOLS / tool}' >/dev/full"], env=place.env(), check=False,
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("apm: ") and "Traceback" not in done.stderr


def test_ctrl_c_needs_no_words(place):
    place.serve("TRACES", {})
    screen = place.look("trace", ID, interrupt="so far, looking for more")
    assert screen.status == 130 and screen.lines[-1:] in ([], [""]), screen.text


@pytest.mark.parametrize("how", [
    {"LC_ALL": "C"}, {"LC_ALL": "nowhere"}, {"http_proxy": "http://127.0.0.1:1"}, {"TZ": "Asia/Kathmandu"},
    {"CDPATH": "/tmp"}, {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}])
def test_the_environment_changes_nothing(place, tmp_path, how):
    serve_trace(place, batches(span(1)))
    (tmp_path / "json.py").write_text("raise SystemExit('this is not the json that is meant')")
    before = place.ask("trace", ID).stdout
    assert place.ask("trace", ID, cwd=tmp_path, **how).stdout == before
    assert subprocess.run(["make", "-s", "trace", f"ID={ID}"], env=place.env(**how), cwd=ROOT, check=False,
                          capture_output=True).stdout.decode() == before


def test_the_sources_may_be_anywhere(place, tmp_path):
    serve_trace(place, batches(span(1)))
    there = tmp_path / "mit Leer zeichen ä"
    for part in ("stack/native", "nginx"):
        shutil.copytree(ROOT / part, there / part)
    shutil.copy(ROOT / "stack/defaults.env", there / "stack")
    done = subprocess.run([there / "stack/native/trace", ID], env=place.env(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (place.log / "a b.log").write_bytes(line())
    done = subprocess.run([there / "stack/native/logs"], env=place.env(), capture_output=True, check=False)
    assert done.stdout == line(), done.stderr


@pytest.mark.parametrize("tool", ["trace", "logs", "load", "doctor"])
def test_help(place, tool):
    done = place.ask(tool, "--help")
    assert done.returncode == 0 and f"make {tool}" in done.stdout and "Exit codes: 0" in done.stdout
    assert max(map(width, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("tool", ["trace", "logs", "load", "doctor"])
def test_settings_that_cannot_be_used(place, tool):
    done = place.ask(tool, GATEWAY_PORT="x")
    assert done.returncode == 2 and done.stderr.startswith("apm: GATEWAY_PORT is 'x': it has to be")


# ---- make logs ----

def line(second=0, level="info", service="order-service", message="stored", **facts):
    values = {"ts": f"2026-11-28T12:30:{second:02}.123456Z", "level": level, "service": service, "msg": message}
    return json.dumps({**values, **facts}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


NGINX = (b"2026/11/28 12:30:02 [error] 12#12: *3 connect() failed (111: Connection refused) while connecting to "
         b'upstream, client: 127.0.0.1, server: , request: "GET /x HTTP/1.1", upstream: "fastcgi://x", host: "h:1"\n')


@pytest.fixture
def logged(place):
    (place.log / "api-gateway.log").write_bytes(line(
        3, "warn", "api-gateway", "request", trace_id=ID, method="GET", path="/api/v1/users", query="limit=1",
        status=404, duration_ms=3, route="/api/v1/users", up_addr="unix:/x", bytes_in=7))
    (place.log / "order-service.log").write_bytes(
        line(1) + line(4, "error", trace_id="f" * 32, reason="disk is full", text="a\033[2Jb\nc"))
    (place.log / "user-service.log").write_bytes(line(5, "debug", "user-service"))
    (place.log / "nginx-error.log").write_bytes(NGINX)
    return place


def test_logs_are_read_on_a_terminal(logged):
    screen = logged.look("logs")
    assert screen.status == 0
    assert screen.lines[:6] == [
        "── 2026-11-28, times are UTC ──",
        "12:30:01.123 info  order        stored",
        "12:30:02.000 error nginx        connect() failed (111: Connection refused) whil…",
        "12:30:03.123 warn  gateway      GET /api/v1/users?limit=1 404 3 ms 01234567",
        '12:30:04.123 error order        stored reason="disk is full" text="a\\u… ffffffff',
        "12:30:05.123 debug user         stored"], screen.text
    assert "the system does not run" in screen.text and "\033[31merror" in screen.raw and "\033[2J" not in screen.raw
    wide = Screen([TOOLS / "logs"], logged.env(WIDE="on", SERVICE="gateway"))
    assert "bytes_in=7" in wide.text and f"trace_id={ID}" in wide.text


def test_logs_are_json_through_a_pipe(logged):
    lines = logged.ask("logs").stdout.encode().splitlines(keepends=True)
    written = {one for file in logged.log.glob("*-*.log") for one in file.read_bytes().splitlines(keepends=True)}
    assert len(lines) == 5 and set(lines) - written == {lines[1]} and written - set(lines) == {NGINX}
    nginx = json.loads(lines[1])
    assert (nginx["ts"], nginx["level"], nginx["service"]) == ("2026-11-28T12:30:02.000000Z", "error", "nginx")
    assert nginx["msg"].endswith("while connecting to upstream") and nginx["request"] == "GET /x HTTP/1.1"


def services(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(one)["service"] for one in done.stdout.splitlines()]


@pytest.mark.parametrize("name, found", [
    ("orders", ["order-service"] * 2), ("order-service", ["order-service"] * 2), ("nginx", ["nginx"]),
    ("gateway", ["api-gateway"]), ("api-gateway", ["api-gateway"]), ("nginx,users", ["nginx", "user-service"]),
    ("supervisor", []), ("notifications", [])])
def test_logs_of_one_service(logged, name, found):
    if found:
        assert services(logged.ask("logs", SERVICE=name)) == found
    else:
        done = logged.ask("logs", SERVICE=name)
        assert done.returncode == 1 and "no logs" in done.stderr
    assert len(services(logged.ask("logs", SERVICE="all"))) == 5


@pytest.mark.parametrize("file", ["orders.log", "order-service.log", "order.log"])
def test_a_service_is_found_whatever_its_file_is_called(place, file):
    (place.log / file).write_bytes(line())
    for name in ("orders", "order-service"):
        assert services(place.ask("logs", SERVICE=name)) == ["order-service"]


def test_logs_by_level_number_and_trace(logged):
    assert services(logged.ask("logs", LEVEL="warn")) == ["nginx", "api-gateway", "order-service"]
    assert services(logged.ask("logs", LINES="2")) == ["order-service", "user-service"]
    assert services(logged.ask("logs", LINES="1", LEVEL="error")) == ["order-service"]
    assert services(logged.ask("logs", TRACE=ID)) == ["api-gateway"]
    assert services(logged.ask("logs", TRACE=ID[:8])) == ["api-gateway"]
    (logged.log / "user-service.log.1").write_bytes(line(1, service="user-service", trace_id=ID))
    assert services(logged.ask("logs", TRACE=ID)) == ["user-service", "api-gateway"]
    (logged.log / "user-service.log.12").write_bytes(line(0, service="user-service", trace_id=ID))
    assert services(logged.ask("logs", TRACE=ID)) == ["user-service", "user-service", "api-gateway"]
    assert "no line has the trace" in logged.ask("logs", TRACE="e" * 32).stderr


def test_the_last_lines_of_a_log_that_was_begun_anew(place):
    """Are those before it, of each log by itself; of older files there are too many."""
    (place.log / "order-service.log").write_bytes(line(9, n=9))
    (place.log / "order-service.log.1").write_bytes(line(6, n=6) + line(7, n=7))
    (place.log / "order-service.log.2").write_bytes(line(5, n=5))
    (place.log / "user-service.log").write_bytes(line(1, n=1) + line(2, n=2) + line(3, n=3))
    found = [json.loads(one)["n"] for one in place.ask("logs", LINES="3").stdout.splitlines()]
    assert found == [6, 7, 9]


@pytest.mark.parametrize("name, text, says", [
    ("SERVICE", "nobody", "There are: all, "), ("LEVEL", "loud", "debug or info or warn or error"),
    ("LINES", "-1", "(lines)"), ("FOLLOW", "yes", "on or off"), ("TRACE", "zzz", "the id of a trace"),
    ("WIDE", "1", "on or off")])
def test_settings_of_logs(logged, name, text, says):
    done = logged.ask("logs", **{name: text})
    assert done.returncode == 2 and says in done.stderr and f"'{text}'" in done.stderr


def test_no_logs_yet(place):
    done = place.ask("logs")
    assert done.returncode == 1 and f"there are no logs in {place.log} yet" in done.stderr and "make run" in done.stderr


def test_lines_that_are_no_json_are_shown_safely(place):
    (place.log / "order-service.log").write_bytes(
        line(1) + b"caf\xe9 \x1b[2J\n[1,2]\n{\"ts\":5,\"level\":null,\"msg\":{}}\n\n" + line(2)[:-1])
    found = [json.loads(one) for one in place.ask("logs").stdout.splitlines()]
    assert [one.get("msg") for one in found] == ["stored", "caf\ufffd \x1b[2J", "[1,2]", {}, "stored"]
    assert "\033[2J" not in place.look("logs").raw


class Following:
    """make logs that goes on, through a pipe."""

    def __init__(self, place, **more):
        self.lines = []
        self.process = piped("logs", place, FOLLOW="on", **more)

    def __enter__(self):
        threading.Thread(target=self.read, daemon=True).start()
        return self

    def read(self):
        for one in self.process.stdout:
            self.lines.append(json.loads(one))

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def expect(self, *numbers):
        wait_until(lambda: [one.get("n") for one in self.lines] == list(numbers), lambda: f"{numbers}: {self.lines}")


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def test_logs_are_followed_whatever_happens_to_the_files(place):
    path = place.log / "order-service.log"
    path.write_bytes(line(n=1) + line(n=2)[:20])
    with Following(place) as following:
        following.expect(1)
        append(path, line(n=2)[20:] + line(n=3))
        following.expect(1, 2, 3)
        path.rename(f"{path}.1")
        path.write_bytes(b"")
        time.sleep(0.1)  # nobody has told its writer yet
        append(f"{path}.1", line(n=4))
        append(path, line(n=5, filler="x" * 99))
        following.expect(1, 2, 3, 4, 5)
        os.truncate(path, 0)
        time.sleep(1)  # it looks four times a second; the next line is shorter, so a look that comes late is enough
        append(path, line(n=6))
        following.expect(1, 2, 3, 4, 5, 6)
        (place.log / "later.log").write_bytes(line(n=7))
        following.expect(1, 2, 3, 4, 5, 6, 7)
        path.unlink()
        append(place.log / "later.log", line(n=8))
        following.expect(1, 2, 3, 4, 5, 6, 7, 8)
        path.write_bytes(line(n=9))
        following.expect(1, 2, 3, 4, 5, 6, 7, 8, 9)


def test_following_ends_with_its_reader(place):
    (place.log / "order-service.log").write_bytes(line())
    with piped("logs", place, FOLLOW="on") as one:
        one.stdout.readline()
        one.stdout.close()  # and nothing more is written to the logs
        assert one.wait(timeout=60) == 0 and one.stderr.read() == b""


def test_following_ends_with_ctrl_c(place):
    (place.log / "order-service.log").write_bytes(line())
    place.supervise([])
    screen = place.look("logs", interrupt="stored")
    assert screen.status == 0 and screen.lines[-1].endswith("stored"), screen.text


# ---- make doctor ----

ALL = ("nginx", "users", "orders", "notifications", "gateway", "trace-store")


def test_a_healthy_system_is_well(place):
    serve_well(place)
    place.supervise(up(*ALL))
    screen = place.look("doctor")
    assert screen.status == 0 and "FAIL" not in screen.text, screen.text
    assert "11 of 11 checks are well" in screen.text
    assert "the console (CONSOLE=off)" in screen.text and "Prometheus, Loki, Tempo, Grafana" in screen.text


def test_a_whole_system_is_well_and_no_service_of_the_doctor_stays(console, tmp_path):
    env = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
    prometheus, loki = free_ports(2)
    env |= {"RUN_DIR": str(console.run), "PROMETHEUS_PORT": str(prometheus), "LOKI_PORT": str(loki)}
    done = subprocess.run([TOOLS / "doctor"], env=env, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout + done.stderr
    assert "its trace is stored: 4 spans of api-gateway and user-service" in done.stdout
    url = f"http://127.0.0.1:{console.environment()['TRACES_PORT']}/api/v2/search/tag/resource.service.name/values"
    with urllib.request.urlopen(url) as answer:
        found = {one["value"] for one in json.load(answer)["tagValues"]}
    assert found and found <= {"api-gateway", "user-service", "order-service", "notification-service"}
    traces = subprocess.run([TOOLS / "trace"], env=env, capture_output=True, text=True, check=True)
    assert "api-gateway" in traces.stdout
    load = subprocess.run([TOOLS / "load", "--seconds", "1"], env=env, capture_output=True, text=True, check=True)
    assert f"20 requests answered, 0 not, by http://127.0.0.1:{console.ports['gateway']}" in load.stdout
    logs = subprocess.run([TOOLS / "logs"], env={**env, "FOLLOW": "off"}, capture_output=True, text=True, check=True)
    assert len(logs.stdout.splitlines()) == 20 and all(map(json.loads, logs.stdout.splitlines()))


def test_its_request_leaves_a_trace_where_few_do(make_system, tmp_path):
    """TRACE_SAMPLE_PERCENT=0: it asks for one as a client may; where none is heeded it looks for none."""
    store = Place(tmp_path)
    system = make_system("unsampled", environment={
        "TRACE_SAMPLE_PERCENT": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "", "TRACES_PORT": store.ports["TRACES"],
        "OTLP_HTTP_PORT": store.ports["OTLP_HTTP"]})
    ports = {f"{name.upper()}_PORT": str(port) for name, port in system.ports.items()}
    ports |= {name: store.values[name] for name in ("TRACES_PORT", "OTLP_HTTP_PORT")}
    ports |= {"RUN_DIR": str(system.run), "LOG_DIR": str(system.log), "DATA_DIR": str(system.data), "CONSOLE": "off"}
    ours = store.env(**ports)
    for more, text in (({}, "its trace is stored: 4 spans"), ({"TRACE_TRUST": "off"}, "a trace of every request")):
        done = subprocess.run([TOOLS / "doctor"], env={**ours, "TRACE_SAMPLE_PERCENT": "0", **more}, check=False,
                              capture_output=True, text=True)
        assert done.returncode == 0 and text in done.stdout, done.stdout + done.stderr
    make_system.finish(system)


def test_the_cause_comes_first_and_once(place):
    serve_well(place, "USERS", "GATEWAY", "METRICS")
    not_ready = (503, "application/json", '{"status":503,"detail":"The users service cannot answer."}')
    place.serve("METRICS", {"/healthz": READY, "/readyz": not_ready})
    bad = (502, "text/html", "<html><h1>502 Bad Gateway</h1>\033[31m")
    place.serve("GATEWAY", {"/healthz": READY, "/api/v1/users": bad})
    last = "ended with 1: \033[31mcannot open users.db: it is damaged"
    place.supervise(up("nginx", "orders", "notifications", "gateway", "trace-store", users=last))
    screen = place.look("doctor")
    (what, following), = faults(screen.text)
    assert what == "users is down: ended with 1: \ufffd[31mcannot open users.db: it is damaged"
    assert following == ["gateway is not ready: 503 The users service cannot answer.",
                         "a GET through the gateway is answered 502 Bad Gateway \ufffd[31m"]
    assert "→ make logs SERVICE=users FOLLOW=off" in screen.text and "docker" not in screen.text
    assert screen.status == 1 and "1 failed, 2 follow from that" in screen.text


def test_a_supervisor_that_is_mute(place):
    serve_well(place)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(place.run / "supervisor.sock"))
        mute.listen()
        done = place.ask("doctor")
    (what, _), = faults(done.stdout)
    assert "the supervisor of" in what and "does not answer as it should" in what and "make stop" in done.stdout


def test_nothing_runs(place):
    done = place.ask("doctor")
    assert done.returncode == 1 and len(faults(done.stdout)) == 1, done.stdout
    assert "make run" in done.stdout and "make stack-up" in done.stdout


def test_a_port_that_a_stranger_has(place):
    text = "<html><script>x</script>\033[2J" + "I am somebody else " * 50
    place.serve("GATEWAY", lambda path: (200, "text/html", text))
    screen = place.look("doctor")
    (what, following), = faults(screen.text)
    assert f"port {place.ports['GATEWAY']} (GATEWAY_PORT) is another program's" in what and len(what) < 200
    assert not following and "ss -ltnp" in screen.text and "\033[2J" not in screen.raw and "<html>" not in screen.text


def test_a_prometheus_of_somebody_else_is_not_judged(place):
    serve_well(place)
    place.supervise(up(*ALL))
    nothing = (200, "application/json", '{"data":{"result":[]}}')
    place.serve("PROMETHEUS", {"/-/ready": (200, "text/plain", "Prometheus Server is Ready."),
                               "/api/v1/query": nothing})
    done = place.ask("doctor")
    assert done.returncode == 0, done.stdout


def test_backends_beside_the_system_are_judged(place):
    serve_well(place)
    place.supervise(up(*ALL))
    streams = {"data": {"result": [{"stream": {"service": name}} for name in ("api-gateway", "user-service")]}}
    place.serve("LOKI", {"/metrics": (200, "text/plain", "loki_build_info 1"),
                         "/loki/api/v1/query_range": (200, "application/json", json.dumps(streams))})
    done = place.ask("doctor", "--wait", "0")
    found = dict(faults(done.stdout))
    assert len(found) == 2, done.stdout
    (prometheus, metrics), (grafana, sources) = found.items()
    assert prometheus.startswith("Prometheus does not answer") and len(metrics) == 2
    assert grafana.startswith("Grafana does not answer") and len(sources) == 2
    assert "docker compose -p apm-backends logs" in done.stdout and "ok    Loki has the request's lines" in done.stdout


def test_containers_are_judged_with_their_own_remedies(place, tmp_path):
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nprintf 'api-gateway\\trunning\\tUp 2 hours (healthy)\\n'\n"
                      "printf 'tempo\\texited\\tExited (137) 3 minutes ago\\n'\n")
    docker.chmod(0o755)
    (place.run / "settings.json").unlink()
    serve_well(place)
    ports = {f"{name}_PORT": place.ports[name] for name in PORTS + BACKENDS}
    done = place.ask("doctor", "--wait", "0", PATH=f"{docker.parent}:{os.environ['PATH']}", **ports)
    found = faults(done.stdout)
    assert done.returncode == 1 and found[0][0] == "the container tempo is not well: Exited (137) 3 minutes ago"
    assert any("Tempo does not answer" in one for one in found[0][1]), done.stdout
    assert "→ docker compose -f stack/compose.yaml logs --tail 50 tempo" in done.stdout
    assert "make logs" not in done.stdout


def test_spans_that_go_where_nobody_listens(place):
    port, holder = closed_port()
    with holder:
        place.remember(TRACE_STORE="off", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        serve_well(place, "TRACES")
        place.supervise(up(*ALL))
        done = place.ask("doctor", "--wait", "0")
    (what, _), = faults(done.stdout)
    assert what == f"spans go to http://127.0.0.1:{port}, where nobody listens" and "TEMPO_URL" in done.stdout


# ---- make load ----

@pytest.mark.parametrize("name, text", [
    ("RATE", "x"), ("RATE", "0"), ("RATE", "nan"), ("RATE", "1e9"), ("SECONDS", "-1")])
def test_numbers_of_load(place, name, text):
    done = place.ask("load", **{name: text})
    assert done.returncode == 2 and f"{name} is '{text}': it has to be a number from " in done.stderr


def test_load_where_nobody_answers(place):
    done = place.ask("load", "--rate", "50")  # without an end: it ends by itself
    assert done.returncode == 1 and f"nobody answers at http://127.0.0.1:{place.ports['GATEWAY']}" in done.stderr
    assert "make run" in done.stderr and "make doctor" in done.stderr


def test_load_ends_with_a_summary(place):
    place.serve("GATEWAY", lambda path: (201, "application/json", "[]"))  # an answer that apm does not give
    screen = place.look("load", interrupt="2xx")
    assert screen.status == 0 and re.search(r"\d+ requests answered, 0 not, by http://127", screen.text), screen.text


def test_load_through_a_pipe_that_is_closed(place):
    place.serve("GATEWAY", lambda path: READY)
    with piped("load", place) as one:
        assert b"requests/s" in one.stdout.readline()
        one.stdout.close()
        assert one.wait(timeout=60) == 0 and one.stderr.read() == b""
