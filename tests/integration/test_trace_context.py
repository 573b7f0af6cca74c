# SPDX-License-Identifier: MIT
"""W3C Trace Context: a thousand generated values against a reference parser, and W3C's own validation harness."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.peer import Peer
from lib.trace_context import Generator, parse_traceparent
from lib.wait import SLOWNESS, wait_until


def test_the_reference_parser_itself():
    good = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert parse_traceparent(good).flags == 1
    assert parse_traceparent(b" \t" + good + b" ").trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert parse_traceparent(b"cc" + good[2:] + b"-more").span_id == "b7ad6b7169203331"
    assert parse_traceparent(b"00" + good[2:-2] + b"ff").flags == 3
    for bad in (b"", good + b"-", b"ff" + good[2:], good.upper(), good[:-1], b"cc" + good[2:] + b"x",
                good + b"," + good):
        assert parse_traceparent(bad) is None, bad


def test_a_thousand_values_are_continued_or_restarted(system):
    """Judged by the answer, by the gateway's log, and by what reached the program (its log line)."""
    generator = Generator(20261122)
    cases, continued = {}, 0
    for number in range(1000):
        value = generator.value()
        answer = system.gateway.get("/api/v1/users/1", [("traceparent", value)])
        assert answer.status == 200, (value, answer)
        expected = parse_traceparent(value)
        trace_id, span_id, flags = answer.server_timing
        if expected:
            continued += 1
            assert trace_id == expected.trace_id, (number, value)
            assert flags == f"{expected.flags:02x}", (number, value)
            assert span_id != expected.span_id
        else:
            assert trace_id.encode() not in value.lower() and flags == "03", (number, value)
        assert trace_id not in cases, "the test needs each trace id once"
        cases[trace_id] = (value, expected, span_id, flags)
    assert 300 < continued < 700, continued

    def lines(service):
        return {line["trace_id"]: line for line in system.log_lines(service) if line.get("trace_id") in cases}
    for service in ("api-gateway", "user-service"):
        found = wait_until(lambda: (got := lines(service)) and len(got) == len(cases) and got,  # noqa: B023
                           f"lines of {service}.log")
        for trace_id, (value, expected, span_id, flags) in cases.items():
            line = found[trace_id]
            assert line["trace_flags"] == flags, (value, line)
            if service == "api-gateway":
                assert line["span_id"] == span_id, (value, line)
                assert line["parent_span_id"] == (expected.span_id if expected else ""), (value, line)
            else:
                assert line["span_id"] != span_id
    system.flush()


def harness_directory():
    directory = os.environ.get("TRACE_CONTEXT_HARNESS")
    if not directory:
        pytest.skip("TRACE_CONTEXT_HARNESS names no copy of W3C's harness (github.com/w3c/trace-context, folder test)")
    path = Path(directory)
    path = path if (path / "test.py").exists() else path / "test"
    assert (path / "test.py").exists(), f"TRACE_CONTEXT_HARNESS={directory} has no test.py"
    try:
        import aiohttp  # noqa: F401  pylint: disable=unused-import,import-outside-toplevel
    except ImportError:
        pytest.skip("the harness needs python3-aiohttp")
    return path


# nginx before 1.23 shows configuration the first of several equal headers only.
DUPLICATES = "test_traceparent_duplicated"


def test_w3c_validation_harness(extended):
    directory = harness_directory()
    environment = {**os.environ, "SPEC_LEVEL": "2", "STRICT_LEVEL": "2", "HARNESS_HOST": "127.0.0.1",
                   "HARNESS_PORT": str(extended.peer_port), "HARNESS_TIMEOUT": str(5 * SLOWNESS),
                   "PYTHONDONTWRITEBYTECODE": "1"}
    endpoint = f"http://127.0.0.1:{extended.ports['gateway']}/api/v1/relays"
    done = subprocess.run([sys.executable, "test.py", endpoint], cwd=directory, env=environment, timeout=300,
                          capture_output=True, text=True, check=False)
    output = done.stderr
    failed = {line.split()[1] for line in output.splitlines() if line.startswith(("FAIL:", "ERROR:"))}
    passed = output.count("... ok")
    print(f"W3C harness: {passed} passed, failed: {sorted(failed) or 'none'}")
    allowed = {DUPLICATES} if extended.nginx_version < (1, 23) else set()
    assert passed + len(failed) >= 41, output[-3000:]
    assert failed <= allowed, output[-6000:]


# ---- what a called server sees


@pytest.fixture(scope="module")
def peer(extended):
    with Peer(extended.peer_port) as server:
        yield server


def relayed(extended, peer, headers, port="gateway"):
    """The headers of the call that the relay makes for a request with these headers."""
    call = [{"url": f"http://127.0.0.1:{peer.port}/there", "arguments": []}]
    answer = extended.client(port).post("/api/v1/relays", call, headers)
    assert (answer.status, answer.json()) == (200, [200])
    return peer.take()


PARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def members(values):
    return [member.strip(" \t") for value in values for member in value.split(",")]


def test_a_call_has_one_traceparent_of_its_own(extended, peer):
    seen = set()
    for port in ("gateway", "relays"):
        headers = relayed(extended, peer, [PARENT], port)
        value, = headers["traceparent"]
        assert parse_traceparent(value.encode()).trace_id == "0af7651916cd43dd8448eb211c80319c"
        assert value.endswith("-01") and "b7ad6b7169203331" not in value
        seen.add(value)
        assert "tracestate" not in headers and "baggage" not in headers
    assert len(seen) == 2


@pytest.mark.parametrize("port", ["gateway", "relays"])
def test_a_tracestate_is_passed_on(extended, peer, port):
    long_value = "x" * 256
    for sent in (["a=1"], ["a=1,b=2"], ["a=1, b=2 ,\tc=3"], ["a=1", "b=2,c=3", "d=4"],
                 ["k" * 256 + "=" + long_value, "b=" + long_value], ["0v@x*y/z-_=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"],
                 [",".join(f"k{n}=v" for n in range(32))], ["a=1,,b=2"], ["a=b c"]):
        headers = relayed(extended, peer, [PARENT, *(("tracestate", value) for value in sent)], port)
        wanted = [member for member in members(sent) if member]
        got = [member for member in members(headers.get("tracestate", [])) if member]
        assert got == wanted, (sent, headers.get("tracestate"))


@pytest.mark.parametrize("port", ["gateway", "relays"])
@pytest.mark.parametrize("sent", [
    ["A=1"], ["a"], ["=1"], ["a=1=2"], ["a=\x01"], ["a=é"], ["a=1,A=2"], ["k" * 257 + "=1"], ["a=" + "x" * 257],
    [",".join(f"k{n}=v" for n in range(33))], ["a=1", "B=2"], ["a =1"], ["a=1,a=2"],
])
def test_an_invalid_tracestate_is_not(extended, peer, port, sent):
    headers = relayed(extended, peer, [PARENT, *(("tracestate", value.encode()) for value in sent)], port)
    if sent == ["a=1,a=2"]:  # the standard allows either: to discard all, or to keep it as it is
        return
    assert "tracestate" not in headers, headers["tracestate"]
    assert "0af7651916cd43dd8448eb211c80319c" in headers["traceparent"][0]


@pytest.mark.parametrize("port", ["gateway", "relays"])
def test_a_tracestate_needs_its_traceparent(extended, peer, port):
    for parent in ([], [("traceparent", PARENT[1].upper())], [("traceparent", "")]):
        headers = relayed(extended, peer, [*parent, ("tracestate", "a=1")], port)
        assert headers["tracestate"] == ["ot=th:0"], "that of the new trace"
        assert len(headers["traceparent"]) == 1


@pytest.mark.parametrize("port", ["gateway", "relays"])
def test_baggage_is_passed_on_whole_or_not_at_all(extended, peer, port):
    for sent in ("user=1", "a=1;property=x, b=%E4%BD%A0", ",".join(f"k{n}=v" for n in range(64)),
                 "k=" + "v" * 4000):
        headers = relayed(extended, peer, [("baggage", sent)], port)
        assert members(headers["baggage"]) == members([sent])
        headers = relayed(extended, peer, [PARENT, ("baggage", sent)], port)
        assert members(headers["baggage"]) == members([sent])
    two = relayed(extended, peer, [("baggage", "a=1"), ("baggage", "b=2")], port)
    assert members(two["baggage"]) == ["a=1", "b=2"]
    for sent in ([",".join(f"k{n}=v" for n in range(65))], ["a=\x01b"],
                 [f"k{n}=" + "v" * 3000 for n in range(3)]):
        headers = relayed(extended, peer, [("baggage", value) for value in sent], port)
        assert "baggage" not in headers, headers["baggage"]


def test_only_our_headers_reach_the_call(extended, peer):
    """No header of a client but the context travels on; ours are the context, and how long we wait."""
    headers = relayed(extended, peer, [("X-Secret", "1"), ("Authorization", "Bearer x"), ("Cookie", "a=b"),
                                       ("Proxy", "http://127.0.0.1:1"), ("User-Agent", "agent")])
    assert set(headers) <= {"host", "user-agent", "accept", "content-type", "content-length", "traceparent",
                            "tracestate", "x-envoy-expected-rq-timeout-ms"}, headers
    assert headers["tracestate"] == ["ot=th:0"]


def test_two_traceparents_start_a_new_trace(extended, peer):
    if extended.nginx_version < (1, 23):
        pytest.skip("nginx before 1.23 shows configuration the first of several equal headers only")
    other = ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    value, = relayed(extended, peer, [PARENT, other])["traceparent"]
    assert "0af7651916cd43dd8448eb211c80319c" not in value and "1" * 32 not in value


def test_two_traceparents_start_a_new_trace_at_a_service(extended, peer):
    other = ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    value, = relayed(extended, peer, [PARENT, other], "relays")["traceparent"]
    assert "0af7651916cd43dd8448eb211c80319c" not in value and "1" * 32 not in value
