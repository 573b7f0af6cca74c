# SPDX-License-Identifier: MIT
"""Consistent probability sampling: nginx decides as the programs do, and the tracestate tells everybody how."""
import os
import random
import re
import signal
import socket
import subprocess
import uuid

import pytest

from lib import trees
from lib.client import Client
from lib.nginx_alone import NGINX, NginxAlone, ended, render
from lib.peer import Peer
from lib.ports import free_port, free_ports
from lib.system import ROOT
from lib.wait import MODE, wait_until

DIGITS = 14  # of the trace id, which are random
ANSWER = re.compile(rb"\n=([0-9a-f]{32}) (0[0-3]) ([^\n]*)\n")

# ---- nginx alone, with the configuration that render makes


class Decider:
    """nginx with trace.conf, which answers with its decision alone: as many requests on one connection as one likes."""

    def __init__(self, directory, percent, given_ids=False):
        render("made", cwd=directory, environment={"TRACE_SAMPLE_PERCENT": percent})
        text = "".join((directory / "made" / name).read_text() for name in ("trace.conf", "settings/trace.conf"))
        if given_ids:  # nginx takes the ids of new traces from the request, to try those that are seldom
            assert "$request_id" in text
            text = text.replace("$request_id", "$arg_id")
        (directory / "trace.conf").write_text(text)
        temporary = re.findall(r'\w+_temp_path "[^"]*";', (directory / "made/settings/http.conf").read_text())
        self.port = free_port()
        (directory / "nginx.conf").write_text(f"""
            pid "{directory}/pid"; error_log "{directory}/error.log"; worker_processes 1; events {{ }}
            http {{
                {" ".join(temporary)}
                access_log off; keepalive_requests 1000000; server_tokens off;
                include trace.conf;
                server {{
                    listen 127.0.0.1:{self.port};
                    return 200 "=$trace_id $trace_flags $trace_state\\n";
                }}
            }}""")
        self.pid_file = directory / "pid"
        subprocess.run(["env", "-u", "NGINX", NGINX, "-e", directory / "error.log", "-p", directory,
                        "-c", directory / "nginx.conf"], check=True)

    def __enter__(self):
        wait_until(lambda: self.pid_file.exists() and self.pid_file.read_text().strip(), "nginx did not start")
        return self

    def __exit__(self, *_):
        pid = int(self.pid_file.read_text())
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: ended(pid), "nginx did not end")

    def decide(self, ids):
        """{trace id: (flags, tracestate)}, in the order of the requests; an id None is made by nginx."""
        found = []
        requests = [f"GET /{f'?id={given}' if given else ''} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for given in ids]
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            for first in range(0, len(requests), 100):  # what both sockets' buffers hold
                some = requests[first:first + 100]
                connection.sendall(b"".join(some))
                data = b""
                while data.count(b"\n=") < len(some) or not data.endswith(b"\n"):
                    more = connection.recv(1 << 20)
                    assert more, "nginx closed the connection"
                    data += more
                found += ANSWER.findall(data)
        assert len(found) == len(requests)
        return {trace_id.decode(): (flags.decode(), state.decode()) for trace_id, flags, state in found}


def decided_by_the_library(percent, ids):
    """The tracestate of sampled traces, and the sampled ids: what fcgi/tel does with the ratio."""
    whole, _, decimals = f"{percent}.".partition(".")
    ratio = f"{int(whole) // 100}.{int(whole) % 100:02}{decimals.rstrip('.')}"
    done = subprocess.run([ROOT / "build" / MODE / "unit/test_sampler", ratio], capture_output=True, text=True,
                          check=True, input="".join(f"{one}\n" for one in ids))
    state, *decisions = done.stdout.split("\n")
    assert decisions.pop() == "" and len(decisions) == len(ids)
    return state, {one for one, decision in zip(ids, decisions) if decision == "1"}


def check_alike(percent, decisions):
    state, sampled = decided_by_the_library(percent, list(decisions))
    assert {one for one, (flags, _) in decisions.items() if flags == "03"} == sampled
    for flags, told in decisions.values():
        assert (flags, told) == ("03", state) or (flags, told) == ("02", "")
    return sampled


@pytest.mark.parametrize("percent, count", [("10", 100_000), ("0", 2000), ("0.1", 20_000), ("33.3", 5000), ("50", 2000),
                                            ("99.99", 20_000), ("100", 2000)])
def test_nginx_and_the_programs_sample_the_same_traces(tmp_path, percent, count):
    with Decider(tmp_path, percent) as nginx:
        decisions = nginx.decide([None] * count)
    assert len(decisions) == count
    sampled = len(check_alike(percent, decisions))
    share = float(percent) / 100
    assert abs(sampled - count * share) <= 6 * (count * share * (1 - share)) ** .5 + 10 * (0 < share < 1)


def edges(threshold):
    """Numbers of 14 digits around a threshold: neighbours, and those that differ from it in one digit."""
    yield from (0, 16 ** DIGITS - 1, threshold - 1, threshold, threshold + 1)
    text = f"{threshold:014x}"
    for place in range(DIGITS):
        for digit in "0123456789abcdef":
            for rest in ("0", "f"):
                yield int(text[:place] + digit + rest * (DIGITS - 1 - place), 16)


@pytest.mark.parametrize("percent", ["0", "0.01", "0.1", "1", "10", "12.5", "25", "33.3", "33.33", "50", "66.67", "75",
                                     "90", "99.9", "99.99", "100", "100.00", "010"])
def test_the_edges_of_a_threshold(tmp_path, percent):
    state, _ = decided_by_the_library(percent, [])
    threshold = int(state.removeprefix("ot=th:").ljust(DIGITS, "0"), 16) if state else 16 ** DIGITS - 1
    assert abs((16 ** DIGITS - threshold) / 16 ** DIGITS - float(percent) / 100) < 1e-15 or not state
    source = random.Random(percent)
    ids = {f"{source.getrandbits(72):018x}{number:014x}" for number in edges(threshold) if 0 <= number < 16 ** DIGITS}
    with Decider(tmp_path, percent, given_ids=True) as nginx:
        decisions = nginx.decide(sorted(ids))
    assert set(decisions) == ids
    sampled = check_alike(percent, decisions)
    assert sampled == {one for one in ids if state and int(one[-DIGITS:], 16) >= threshold}


def test_every_percentage_makes_the_threshold_of_its_ratio(tmp_path):
    """A share of all that there are, by render's own text; which ones follows from the seed."""
    source = random.Random(17)
    for hundredths in source.sample(range(1, 10_000), 10):
        percent = f"{hundredths / 100:.2f}"
        render("made", cwd=tmp_path, environment={"TRACE_SAMPLE_PERCENT": percent})
        text = (tmp_path / "made/settings/trace.conf").read_text()
        state, _ = decided_by_the_library(percent, [])
        assert f'    default "{state}";\n' in text, percent
        pattern, = re.findall(r'^    "~\^\.\{18\}\((\?:\S+)\)" 03;$', text, re.MULTILINE)
        assert pattern.count("|") < DIGITS, "one alternative a digit, at most"


# ---- a whole system

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"  # the last digits are below th:8, above th:4
ORDER = {"user_id": 1, "product": "Tea", "amount": 9.90}


def order(system, *headers):
    answer = system.gateway.post("/api/v1/orders", ORDER, list(headers))
    assert answer.status == 201, answer
    return answer


def parent(trace_id=None, flags="03"):
    return "traceparent", f"00-{trace_id or uuid.uuid4().hex}-{SPAN_ID}-{flags}"


def states(spans):
    """The one tracestate of all spans, of which the gateway and every service have made some."""
    assert {span.service for span in spans} == {"api-gateway", "user-service", "order-service", "notification-service"}
    return {span.trace_state for span in spans}


def test_all_spans_of_a_new_trace_tell_the_threshold(system):
    """Whatever tracestate came without a valid traceparent."""
    for headers in ([], [("tracestate", "a=1,ot=th:8")], [parent("0" * 32), ("tracestate", "ot=th:c;rv:" + "f" * 14)]):
        assert states(system.trace(order(system, *headers))) == {"ot=th:0"}


def test_the_tracestate_of_a_trace_that_goes_on(system):
    """It stays as it came, but for a threshold that the sampled flag contradicts."""
    sampled_id = uuid.uuid4().hex[:18] + "8" + uuid.uuid4().hex[:13]
    below, above = "rv:7" + "f" * 13, "rv:8" + "0" * 13
    for sent, wanted in (("a=1,b=2", "a=1,b=2"), ("a=1,ot=th:8,b=2", "a=1,ot=th:8,b=2"),
                         (f"ot=th:8;{above}", f"ot=th:8;{above}"), (f"ot=th:8;{below},a=1", f"ot={below},a=1"),
                         ("a=1,ot=th:f", "a=1"), ("a=1,ot=th:F", "a=1"), ("a=1,B=2", "")):
        sampled_id = sampled_id[:-8] + uuid.uuid4().hex[:8]  # a trace of its own
        spans = system.trace(order(system, parent(sampled_id), ("tracestate", sent)))
        assert states(spans) == {wanted}, sent
        trees.only(spans, "api-gateway", "SERVER")


def test_some_traces_of_a_system(make_system):
    """At 50 %: a trace has all its spans with the threshold of nginx's configuration, or none of them."""
    half = make_system("half", environment={"TRACE_SAMPLE_PERCENT": "50"})
    answers = [order(half) for _ in range(20)]
    last = order(half, parent())  # sampled in any case: what was sent before it has arrived
    half.trace(last)
    for answer in answers:
        sampled = int(answer.trace_id[-DIGITS:], 16) >= 8 * 16 ** 13
        assert answer.server_timing[2] == ("03" if sampled else "02")
        if sampled:
            assert states(half.trace(answer)) == {"ot=th:8"}
        else:
            assert half.collector.spans(answer.trace_id) == []
    make_system.finish(half)


def test_a_decision_that_is_not_the_trace_ids_has_no_threshold(make_system):
    """TRACE_CLIENT_SAMPLE_PERCENT below 100: whether a request is sampled does not follow from its trace id, so nobody
    may claim the client's threshold any more; the rest of the tracestate stays. A new trace is not concerned."""
    capped = make_system("capped", environment={"TRACE_CLIENT_SAMPLE_PERCENT": "99.99"})
    sent = "a=1,ot=th:8;rv:8" + "0" * 13
    for _ in range(20):  # one that is not sampled is one in ten thousand
        answer = order(capped, parent(), ("tracestate", sent))
        if answer.server_timing[2] == "03":
            break
    assert states(capped.trace(answer)) == {"ot=rv:8" + "0" * 13 + ",a=1"}
    line, = capped.wait_log("api-gateway", lambda line: line.get("trace_id") == answer.trace_id, "of the request")
    assert (line["trace_state"], line["trace_resampled"]) == (sent, 1)
    assert states(capped.trace(order(capped))) == {"ot=th:0"}
    make_system.finish(capped)


@pytest.mark.parametrize("percent", ["0", "50"])
def test_what_a_program_behind_nginx_is_told(tmp_path, percent):
    nginx = NginxAlone(tmp_path, {"TRACE_CLIENT_SAMPLE_PERCENT": percent, "TRACE_SAMPLE_PERCENT": percent}).start()
    try:
        for _ in range(20):
            for headers, resampled in (([], "0"), ([parent(TRACE_ID, "02")], "0"), ([parent(TRACE_ID)], "1"),
                                       ([parent(TRACE_ID, "01"), ("tracestate", "ot=th:4")], "1")):
                answer = nginx.get("/api/v1/users", headers)
                request = nginx.programs["users"].last
                assert request.param("TRACE_RESAMPLED") == resampled
                new_and_sampled = not headers and answer.server_timing[2] == "03"
                assert request.param("TRACE_STATE") == ("ot=th:8" if new_and_sampled else "")
    finally:
        nginx.close()


def test_a_program_that_decides_for_itself(extended, make_system):
    """OTEL_TRACES_SAMPLER=traceidratio: in what it sends its own threshold takes the place of its parent's."""
    peer_port, = free_ports(1)
    system = make_system("itself", root=extended.root, services={"relays": "relay-service"},
                         environment={"PEER_URL": f"http://127.0.0.1:{peer_port}",
                                      "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5",
                                      "GREETINGS_PORT": str(free_ports(1)[0])})
    call = [{"url": f"http://127.0.0.1:{peer_port}/there", "arguments": []}]

    def relayed(*headers):
        with Client(system.ports["relays"]) as client:
            assert client.post("/api/v1/relays", call, headers).json() == [200]
        headers = peer.take()
        return headers["traceparent"][0][-2:], ",".join(headers.get("tracestate", []))

    with Peer(peer_port) as peer:
        below, above = "7" + "f" * 13, "8" + "0" * 13
        for id_end, rv, flags, sent, wanted in (
                (below, "", "03", "ot=th:4,a=1", ("02", "a=1")),
                (above, "", "02", "a=1", ("03", "ot=th:8,a=1")),
                (below, above, "00", "a=1,ot=rv:{}", ("01", "ot=rv:{};th:8,a=1")),
                (above, below, "03", "a=1,ot=th:0;rv:{}", ("02", "ot=rv:{},a=1"))):
            got = relayed(parent(TRACE_ID[:18] + id_end, flags), ("tracestate", sent.format(rv)))
            assert got == (wanted[0], wanted[1].format(rv))
        for _ in range(10):
            assert relayed() in (("03", "ot=th:8"), ("02", ""))
    make_system.finish(system)


# ---- the trace store


def test_the_trace_store_has_the_tracestate(make_system):
    otlp, tempo = free_ports(2)
    system = make_system("stored", environment={
        "OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTLP_HTTP_PORT": str(otlp), "TRACES_PORT": str(tempo),
        "OTEL_BSP_SCHEDULE_DELAY": "500", "TRACE_SAMPLE_PERCENT": "99.99"})
    for _ in range(20):
        answer = order(system)
        if answer.server_timing[2] == "03":
            break

    def found():
        with Client(tempo, traced=False) as client:
            reply = client.get(f"/api/v2/traces/{answer.trace_id}", [("Accept", "application/json")])
        if reply.status != 200:
            return None
        spans = [span for resource in reply.json()["trace"]["resourceSpans"] for scope in resource["scopeSpans"]
                 for span in scope["spans"]]
        return spans if len(spans) == 10 else None

    assert {span["traceState"] for span in wait_until(found, "the trace is not whole")} == {"ot=th:00068db8bac71"}
    make_system.finish(system)
