# SPDX-License-Identifier: MIT
"""The trace context through nginx alone: what the client, the program and the log see of it."""
import re
from collections import Counter

import pytest

from lib.fastcgi import Reply
from lib.nginx_alone import NginxAlone, nginx_version, render
from lib.trace_context import Generator, parse_traceparent

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[0-3])")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    alone = NginxAlone(tmp_path_factory.mktemp("nginx")).start()
    yield alone
    alone.close()


def test_generated_values(nginx):
    generator = Generator(7)
    continued, cases = 0, {}
    program = nginx.programs["users"]
    with nginx.client() as client:
        for _ in range(2500):
            value, state = generator.value(), generator.value()
            answer = client.get("/api/v1/users", [("traceparent", value), ("tracestate", state)])
            expected = parse_traceparent(value)
            trace_id, span_id, flags = answer.server_timing
            sent = TRACEPARENT.fullmatch(program.last.param("HTTP_TRACEPARENT")).groups()
            assert sent[0] == trace_id and sent[2] == flags and sent[1] != span_id
            assert program.last.all("HTTP_TRACESTATE") == [state.strip(b" ")], "the program judges it"
            assert program.last.param("TRACE_VALID") == ("1" if expected else "0"), value
            if expected:
                continued += 1
                assert (trace_id, int(flags, 16)) == (expected.trace_id, expected.flags), value
                assert expected.span_id not in (span_id, sent[1])
            else:
                assert trace_id.encode() not in value.lower() and flags == "03", value
                assert (span_id, sent[1]) == (trace_id[:16], trace_id[16:])
            assert trace_id not in cases
            cases[trace_id] = (span_id, sent[1], flags, expected.span_id if expected else "")
    assert 600 < continued < 1900
    nginx.line(trace_id)
    lines = {line["trace_id"]: line for line in nginx.lines() if line["trace_id"] in cases}
    assert len(lines) == len(cases)
    for trace_id, case in cases.items():
        line = lines[trace_id]
        assert (line["span_id"], line["client_span_id"], line["trace_flags"], line["parent_span_id"]) == case


def test_a_client_cannot_play_the_gateway(nginx):
    headers = [("Apm-Gateway", "1"), ("Trace-Valid", "1"), ("Trace_Valid", "1"), ("Proxy", "http://evil"),
               ("Document-Uri", "/x")]
    for name in ("gateway", "users"):
        nginx.get("/api/v1/users", headers, name=name)
        request = nginx.programs["users"].last
        assert request.param("APM_GATEWAY") == ("1" if name == "gateway" else None)
        assert request.param("TRACE_VALID") == ("0" if name == "gateway" else None)
        assert request.param("DOCUMENT_URI") == "/api/v1/users" and request.param("HTTP_PROXY") is None


def test_two_headers(nginx):
    """Two traceparents start a new trace where nginx can see both; every tracestate arrives."""
    headers = [("traceparent", GOOD), ("traceparent", GOOD.replace("b7", "b8")), ("tracestate", "a=1"),
               ("tracestate", "b=2")]
    answer = nginx.get("/api/v1/users", headers)
    request = nginx.programs["users"].last
    assert len(request.all("HTTP_TRACEPARENT")) == 1
    if nginx_version() >= (1, 23):
        assert answer.trace_id != GOOD[3:35] and request.param("TRACE_VALID") == "0"
    assert b", ".join(request.all("HTTP_TRACESTATE")) in (b"a=1, b=2", b"a=1,b=2")


def test_a_service_port_passes_the_context_as_it_came(nginx):
    nginx.programs["users"].answer = lambda request: Reply(200, [("X-Trace-Id", "1" * 32), ("Server-Timing", "mine"),
                                                                 ("X-Apm-Route", "/api/v1/users")])
    headers = {"traceparent": "anything", "tracestate": "a=1", "baggage": "b=2"}
    answer = nginx.get("/api/v1/users", headers.items(), name="users")
    request = nginx.programs["users"].last
    assert {name: request.param(f"HTTP_{name.upper()}") for name in headers} == headers
    assert (answer.header("X-Trace-Id"), answer.header("Server-Timing")) == ("1" * 32, "mine")
    assert answer.header("X-Apm-Route") is None
    answer = nginx.get("/api/v1/users/1?a=b")  # check_traced: once each, the gateway's
    assert answer.trace_id != "1" * 32
    assert nginx.line(answer.trace_id)["route"] == "/api/v1/users"


def test_ids_are_unique_and_never_zero(nginx):
    with nginx.client() as client:
        ids = [client.get("/healthz").trace_id for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(Counter(digit for trace_id in ids for digit in trace_id)[digit] > 3000 for digit in "0123456789abcdef")


@pytest.mark.parametrize("percent", ["0", "12.5", "100"])
def test_head_sampling(tmp_path, percent):
    nginx = NginxAlone(tmp_path, {"TRACE_SAMPLE_PERCENT": percent}).start()
    try:
        with nginx.client() as client:
            flags = Counter(client.get("/healthz").server_timing[2] for _ in range(1000))
            kept = [client.get("/healthz", [("traceparent", GOOD[:-1] + digit)]).server_timing[2] for digit in "0123"]
        assert set(flags) <= {"02", "03"} and kept == ["00", "01", "02", "03"]
        if float(percent) in (0, 100):
            assert len(flags) == 1
        assert abs(flags["03"] / 10 - float(percent)) < 6, flags  # 5.7 standard deviations
    finally:
        nginx.close()


@pytest.mark.parametrize("percent, rules", [
    ("0.00", ["default 02;\n}", 'default "";']),
    ("25", ['"~^.{18}(?:[cdef])" 03;', 'default "ot=th:c";']),
    ("100.00", ['"~^.{18}(?:[0123456789abcdef])" 03;', 'default "ot=th:0";'])])
def test_a_sampling_share_is_exact(tmp_path, percent, rules):
    """Which traces these rules sample: test_sampling.py."""
    render("out", cwd=tmp_path, environment={"TRACE_SAMPLE_PERCENT": percent})
    for rule in rules:
        assert f"    {rule}\n" in (tmp_path / "out/settings/trace.conf").read_text()


@pytest.mark.parametrize("percent", ["-1", "100.01", "101", "1.234", "x", "1e1", " 5", "5%", "."])
def test_a_bad_sampling_share_is_refused(tmp_path, percent):
    done = render("out", cwd=tmp_path, environment={"TRACE_SAMPLE_PERCENT": percent}, check=False)
    assert done.returncode == 1 and "TRACE_SAMPLE_PERCENT" in done.stderr
