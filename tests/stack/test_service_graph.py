"""Tempo counts what happened: each edge of the service graph, each span, and no counter begins again."""
import math

import pytest
from backends import SERVICES, Stack, answer_of, wait_until
from conftest import load, need, send_what_is_rare
from truth import Truth, quiet

# Every 10 s Tempo looks whether its processors run what is configured: long enough to see several of these looks.
SECONDS, RATE = 35, 20
WITHIN = 0.1


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The system and Tempo, with its metrics, under the traffic of make load."""
    need("prometheus", "tempo")
    with Stack(tmp_path_factory.mktemp("graph"), ["prometheus", "tempo"]) as stack:
        before = quiet(stack)
        load(stack, seconds=SECONDS, rate=RATE)
        send_what_is_rare(stack)
        stack.truth = Truth(stack, before, quiet(stack))
        settle(stack)
        yield stack


def counts(stack, metric, *labels):
    """{label values: value}"""
    result = {}
    for series in stack.promql(f"sum by ({', '.join(labels)}) ({metric})"):
        result[tuple(series["metric"].get(label, "") for label in labels)] = float(series["value"][1])
    return result


def settle(stack):
    """Until Tempo's counters stand still, and it has counted the requests of users, which it does last: with those it
    waits for a caller's half. What they then say is judged by the tests."""
    seen = []

    def stands_still():
        answer = answer_of(stack.url("PROMETHEUS") + "/api/v1/query",
                           query='sum(traces_service_graph_request_total) + sum(traces_spanmetrics_calls_total)')
        at = answer_of(stack.url("PROMETHEUS") + "/api/v1/query",
                       query='max(timestamp(traces_spanmetrics_calls_total))')["data"]["result"]
        seen.append((at[0]["value"][1] if at else 0, answer["data"]["result"][0]["value"][1] if at else 0))
        # 14 s: the wait for a caller (10 s), the look for whom nobody came for (2 s) and Tempo's own scrape of itself
        return at and float(at[0]["value"][1]) - float(seen[0][0] or math.inf) > 14 and len(
            {value for moment, value in seen if float(at[0]["value"][1]) - float(moment) < 14}) == 1
    wait_until(stands_still, 60, "Tempo's counters stand still")
