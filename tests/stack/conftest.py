"""The observability stack against the real system. The backends' programs are found by TEMPO_BIN, LOKI_BIN, ALLOY_BIN,
PROMTAIL_BIN, PROMETHEUS_BIN, NODE_EXPORTER_BIN or on PATH; where one is missing, what needs it is skipped and says
so."""
import pytest
from backends import ROOT, Stack, program, shipper


def load(stack, seconds=12, rate=60):
    done = stack.run(ROOT / "stack/native/load", "--rate", str(rate), "--seconds", str(seconds))
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    missing = [name for name in backends if not program(name)]
    if missing:
        variables = ", ".join(f"{name.upper()}_BIN" for name in missing)
        pytest.skip(f"no program {', '.join(missing)}: neither on PATH nor given as {variables}")
    if program("node_exporter", "prometheus-node-exporter"):
        backends.append("node-exporter")
    with Stack(tmp_path_factory.mktemp("full"), backends) as stack:
        stack.first_order = stack.order()
        stack.load_output = load(stack, seconds=20, rate=40)
        yield stack
