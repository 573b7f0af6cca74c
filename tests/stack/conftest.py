# SPDX-License-Identifier: MIT
"""The observability stack against the real system. The backends' programs are found by TEMPO_BIN, LOKI_BIN, ALLOY_BIN,
PROMTAIL_BIN, PROMETHEUS_BIN, NODE_EXPORTER_BIN or on PATH; where one is missing, what needs it is skipped and says
so."""
import pytest
from backends import Stack, program, shipper
from lib.fixtures import place  # noqa: F401
from traffic import load, need, send_what_is_rare
from truth import Truth, quiet


@pytest.fixture(scope="session")
def scraped(tmp_path_factory):
    """The system under mixed traffic, scraped by Debian's Prometheus; nothing else."""
    if not program("prometheus"):
        pytest.skip("Prometheus is not installed (package prometheus)")
    backends = ["prometheus"] + (["node-exporter"] if program("node_exporter", "prometheus-node-exporter") else [])
    with Stack(tmp_path_factory.mktemp("scraped"), backends) as stack:
        stack.load_output = load(stack)
        yield stack


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """The system and every backend, of the log shippers Alloy where it is there."""
    backends = ["prometheus", "tempo", "loki", shipper()]
    need(*backends)
    if program("node_exporter", "prometheus-node-exporter"):
        backends.append("node-exporter")
    with Stack(tmp_path_factory.mktemp("full"), backends) as stack:
        stack.first_order = stack.order()
        stack.load_output = load(stack, seconds=20, rate=40)
        yield stack


@pytest.fixture(scope="session")
def truth():
    """truth(stack): what is known of some seconds of traffic there. Measured once, after other traffic."""
    known = {}

    def measured(stack):
        if stack not in known:
            send_what_is_rare(stack)
            before = quiet(stack)
            load(stack)
            send_what_is_rare(stack, failures=30)
            known[stack] = Truth(stack, before, quiet(stack))
        return known[stack]
    return measured
