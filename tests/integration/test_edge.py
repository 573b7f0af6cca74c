# SPDX-License-Identifier: MIT
"""What clients may bring to the edge: traces and baggage when they are trusted, and how much of the sampling."""
from collections import Counter

import pytest

from lib.nginx_alone import NginxAlone, render
from lib.peer import Peer
from lib.ports import free_ports

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def parent(flags="01"):
    return "traceparent", f"00-{TRACE_ID}-{SPAN_ID}-{flags}"


CONTEXT = [parent(), ("tracestate", "a=1"), ("tracestate", "b=2"), ("baggage", "who=me"), ("baggage", "more=1")]


@pytest.fixture
def nginx(tmp_path):
    made = []

    def make(**environment):
        made.append(NginxAlone(tmp_path, environment).start())
        return made[0]
    yield make
    for one in made:
        one.close()


def joined(request, name):
    """nginx does so itself from 1.23 on."""
    return b", ".join(request.all(name))


# ---- TRACE_TRUST


def test_trusted_clients_bring_all_of_it(nginx):
    nginx = nginx()
    assert nginx.get("/api/v1/users", CONTEXT).trace_id == TRACE_ID
    request = nginx.programs["users"].last
    assert (request.param("TRACE_VALID"), joined(request, "HTTP_TRACESTATE")) == ("1", b"a=1, b=2")
    assert joined(request, "HTTP_BAGGAGE") == b"who=me, more=1"
    assert nginx.line(TRACE_ID)["parent_span_id"] == SPAN_ID


def test_of_other_clients_nothing_counts(nginx):
    """Every answer, those of nginx itself too, belongs to a new trace; its sampling is the gateway's."""
    nginx = nginx(TRACE_TRUST="off", TRACE_SAMPLE_PERCENT="0")
    for path in ("/api/v1/users", "/healthz", "/nothing"):
        answer = nginx.get(path, CONTEXT)
        trace_id, span_id, flags = answer.server_timing
        assert trace_id != TRACE_ID and trace_id.startswith(span_id) and flags == "02"
        if path != "/healthz":
            assert nginx.line(trace_id)["parent_span_id"] == ""
    request = nginx.programs["users"].last
    assert TRACE_ID not in request.param("HTTP_TRACEPARENT") and request.param("TRACE_VALID") == "0"
    assert request.all("HTTP_BAGGAGE") == []


def test_the_services_trust_each_other_in_any_case(nginx):
    nginx = nginx(TRACE_TRUST="off")
    nginx.get("/api/v1/users", CONTEXT, name="users")
    request = nginx.programs["users"].last
    assert request.param("HTTP_TRACEPARENT") == parent()[1]
    assert joined(request, "HTTP_BAGGAGE") == b"who=me, more=1"


def test_a_system_that_does_not_trust(extended, make_system):
    """Whole: the trace has its root at the gateway, and a call behind it carries nothing that the client sent."""
    peer_port, = free_ports(1)
    system = make_system("edge", root=extended.root, services={"relays": "relay-service"},
                         environment={"PEER_URL": f"http://127.0.0.1:{peer_port}", "TRACE_TRUST": "off",
                                      "GREETINGS_PORT": str(free_ports(1)[0])})
    with Peer(peer_port) as peer:
        call = [{"url": f"http://127.0.0.1:{peer_port}/there", "arguments": []}]
        answer = system.gateway.post("/api/v1/relays", call, CONTEXT)
        headers = peer.take()
    assert answer.json() == [200] and answer.trace_id != TRACE_ID
    assert answer.trace_id in headers["traceparent"][0]
    assert headers["tracestate"] == ["ot=th:0"] and "baggage" not in headers, "the new trace's own"
    spans = system.trace(answer)
    root, = [span for span in spans if not span.parent_id]
    assert (root.service, root.kind) == ("api-gateway", "SERVER") and not system.collector.spans(TRACE_ID)
    make_system.finish(system)


# ---- TRACE_CLIENT_SAMPLE_PERCENT


@pytest.mark.parametrize("percent", ["0", "12.5", "100"])
def test_a_client_cannot_demand_more_sampling(nginx, percent):
    """Not even by one trace id again and again. What it calls unsampled stays so; new traces are not concerned."""
    nginx = nginx(TRACE_CLIENT_SAMPLE_PERCENT=percent)
    with nginx.client() as client:
        flags = Counter(client.get("/healthz", [parent(("01", "03")[i % 2])]).server_timing[2] for i in range(1000))
        low = {flag: {client.get("/healthz", [parent(flag)]).server_timing[2] for _ in range(50)}
               for flag in ("00", "02")}
        new = {client.get("/healthz").server_timing[2] for _ in range(50)}
    assert low == {"00": {"00"}, "02": {"02"}} and new == {"03"}
    sampled = flags["01"] + flags["03"]
    assert sampled + flags["00"] + flags["02"] == 1000
    assert flags["00"] + flags["01"] == 500, "the random flag is kept"
    assert abs(sampled / 10 - float(percent)) < 6, flags  # 5.7 standard deviations
    if float(percent) in (0, 100):
        assert sampled == 10 * float(percent)


def test_the_program_and_the_log_follow_the_decision(nginx):
    nginx = nginx(TRACE_CLIENT_SAMPLE_PERCENT="0")
    answer = nginx.get("/api/v1/users", CONTEXT)
    assert answer.server_timing[2] == "00" and nginx.line(TRACE_ID)["trace_flags"] == "00"
    request = nginx.programs["users"].last
    assert request.param("HTTP_TRACEPARENT").endswith("-00") and request.param("TRACE_VALID") == "1"


@pytest.mark.parametrize("name, value", [("TRACE_TRUST", "yes"), ("TRACE_TRUST", "ON"),
                                         ("TRACE_CLIENT_SAMPLE_PERCENT", "101"), ("TRACE_CLIENT_SAMPLE_PERCENT", "x")])
def test_refused_settings(tmp_path, name, value):
    done = render("out", cwd=tmp_path, environment={name: value}, check=False)
    assert done.returncode == 1 and name in done.stderr and not (tmp_path / "out").exists()
