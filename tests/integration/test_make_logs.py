# SPDX-License-Identifier: MIT
"""make logs shows the log files as a person reads them, and follows them. Against files of the test."""
import json
import os
import threading
import time

import pytest

from lib.place import ID, TOOLS, line, piped
from lib.terminal import Screen
from lib.wait import wait_until

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
