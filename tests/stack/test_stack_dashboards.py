# SPDX-License-Identifier: MIT
"""The dashboards: that they are what their source says, refer to nothing that is not there, and show data."""
import json
import re
import shutil
import subprocess

import pytest
from backends import STACK, answer_of
from lib.wait import wait_until
from promql import dashboards, expressions, filled, has_number, metrics, panels, provider, source

# Series that appear with the first loss, or while an alert fires.
ONLY_WITH_TROUBLE = {"ALERTS", "gateway_log_gaps_total", "loki_discarded_samples_total", "loki_mutated_samples_total",
                     "tempo_discarded_spans_total", "tempo_metrics_generator_spans_discarded_total"}


def names(items):
    return [f"{dashboard}: {title}: {text[:40]}" for dashboard, title, text in items]


def provisioned():
    text = (STACK / "grafana/provisioning/datasources/datasources.yaml").read_text()
    return set(re.findall(r"^    uid: (\w+)$", text, re.MULTILINE))


def test_the_json_is_what_the_source_writes(tmp_path):
    shutil.copytree(STACK / "grafana/source", tmp_path / "source")
    (tmp_path / "dashboards").mkdir()
    subprocess.run([tmp_path / "source/dashboards.py"], check=True)
    for file in (STACK / "grafana/dashboards").glob("*.json"):
        written = tmp_path / "dashboards" / file.name
        assert file.read_text() == written.read_text(), f"run make dashboards ({file.name})"


def test_data_sources_are_provisioned():
    assert provisioned() == {"prometheus", "tempo", "loki", "alertmanager"}
    for name, dashboard in dashboards().items():
        used = set(re.findall(r'"uid": "([\w-]+)"', json.dumps(dashboard))) - {dashboard["uid"]}
        assert used <= provisioned(), name


def test_correlations_name_data_sources_that_exist():
    text = (STACK / "grafana/provisioning/datasources/datasources.yaml").read_text()
    assert set(re.findall(r"datasourceUid: (\w+)", text)) == {"prometheus", "tempo", "loki"}
    for jump in ("exemplarTraceIdDestinations", "tracesToLogsV2", "tracesToMetrics", "serviceMap", "nodeGraph",
                 "derivedFields"):
        assert jump in text


def test_trace_to_metrics_queries_return_data(scraped):
    """As Grafana fills them in for a span of the order service."""
    text = (STACK / "grafana/provisioning/datasources/datasources.yaml").read_text()
    queries = re.findall(r"^            query: (.*)$", text, re.MULTILINE)
    assert len(queries) == 3
    for query in queries:
        for tags in ('job="order-service"', 'job="order-service", http_route="/api/v1/orders"'):
            asked = query.replace("$$__tags", tags)
            wait_until(lambda: scraped.order() and has_number(scraped.promql(asked)), asked, 20)


def test_every_panel_says_what_it_shows():
    for name, dashboard in dashboards().items():
        assert dashboard["description"]
        for panel in panels(dashboard):
            assert panel["description"], f"{name}: {panel['title']}"
            assert panel["fieldConfig"]["defaults"]["unit"], f"{name}: {panel['title']}"
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], f"{name}: {panel['title']}"
        assert len({panel["title"] for panel in panels(dashboard)}) >= 10


def test_panels_do_not_overlap():
    for name, dashboard in dashboards().items():
        cells = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not mine & cells, f"{name}: {panel['title']}"
            cells |= mine


def test_links_lead_to_dashboards_that_exist():
    uids = {dashboard["uid"] for dashboard in dashboards().values()}
    assert set(re.findall(r'"url": "/d/([\w-]+)', json.dumps(dashboards()))) <= uids


def missing(stack, asked):
    """The metrics that Prometheus does not know; a rule's result may need some seconds."""
    there = answer_of(stack.url("PROMETHEUS") + "/api/v1/label/__name__/values")["data"]
    return asked - set(there) - ONLY_WITH_TROUBLE


OWN = [item for item in expressions() if not source(item[2])]
FOREIGN = [item for item in expressions() if source(item[2])]
UNJUDGED = [item for item in OWN if item[0] == "telemetry"]


@pytest.mark.parametrize("dashboard, title, expression", UNJUDGED, ids=names(UNJUDGED))
def test_expression_returns_data(scraped, dashboard, title, expression):
    """Of spans and lines that go nowhere here; test_stack_numbers.py judges all others, and these with the backends."""
    wait_until(lambda: has_number(scraped.promql(filled(expression))), f"{expression} has a value", 20)


def test_variables_offer_something(scraped):
    for dashboard in dashboards().values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            answer = answer_of(f"{scraped.url('PROMETHEUS')}/api/v1/label/{label}/values",
                               **{"match[]": filled(series, "order-service")})
            assert len(answer["data"]) >= (4 if label == "job" else 2), variable["name"]


def test_metrics_of_the_system_exist(scraped):
    asked = set().union(*(metrics(expression) for _, _, expression in OWN))
    assert len(asked) > 40
    wait_until(lambda: not missing(scraped, asked), lambda: f"metrics {missing(scraped, asked)}", 40)


def test_metrics_of_the_backends_exist(full):
    asked = {metric for _, _, expression in FOREIGN for metric in metrics(expression)
             if provider(metric) in (None, *full.backends)}
    wait_until(lambda: not missing(full, asked), lambda: f"metrics {missing(full, asked)}", 40)
