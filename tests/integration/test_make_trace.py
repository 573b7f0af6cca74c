# SPDX-License-Identifier: MIT
"""make trace shows a trace as a waterfall, whatever the store answers. Against servers of the test, for what a sound
system never answers."""
import json
import re
import time

import pytest

from lib.place import ID, OLD, batches, serve_trace, span
from lib.terminal import width


def failing(code, *events, **more):
    return {"status": {"code": "STATUS_CODE_ERROR", **more}, "events": list(events), "attributes": [
        {"key": "error.type", "value": {"stringValue": str(code)}},
        {"key": "http.response.status_code", "value": {"intValue": str(code)}}]}


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
