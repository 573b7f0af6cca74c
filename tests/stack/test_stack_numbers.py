# SPDX-License-Identifier: MIT
"""Every figure on a dashboard is what happened: panels and recorded series against the log files, the databases, the
kernel and the services' own counters, over the same time."""
import math
import re
import time
from collections import Counter

import grafana
import pytest
from backends import SERVICES, answer_of
from lib.wait import wait_until
from figures import PANELS, RULES
from judges import RECORDED
from promql import dashboards, expressions, filled, lacks, panels, source, targets
from truth import log_lines, requests


def judged():
    """[(dashboard, title, expression, judge)] of every expression that has a judge."""
    seen, result = {}, []
    for dashboard, title, expression in expressions():
        entry = PANELS[dashboard][title]
        position = seen[dashboard, title] = seen.get((dashboard, title), -1) + 1
        if not isinstance(entry, str):
            result.append((dashboard, title, expression, entry[position]))
    return result


def faults_of(items, truth):
    """What is not as it should be, of all items together: they are of the same two moments."""
    faults = []
    for dashboard, title, expression, judge in items:
        for service in SERVICES if dashboard == "service" else [None]:
            found = judge.faults(filled(expression, service or ".*"), truth, service)
            faults += [f"{dashboard}: {title}{f' of {service}' if service else ''}: {fault}" for fault in found]
    return faults


def test_every_panel_is_judged_or_excused_in_words():
    for name, dashboard in dashboards().items():
        there = {}
        for panel in panels(dashboard):
            there[panel["title"]] = there.get(panel["title"], 0) + len(panel["targets"])
        assert set(there) == set(PANELS[name]), f"{name}: add to figures.py what the panel is judged by"
        for title, entry in PANELS[name].items():
            assert isinstance(entry, str) or len(entry) == there[title], f"{name}: {title}: a judge each"


def test_every_recorded_series_is_judged():
    assert set(RECORDED) == set(RULES)


def test_panels_of_the_system(scraped, truth):
    items = [item for item in judged() if item[0] != "telemetry" and not source(item[2])]
    assert len(items) > 40
    faults = faults_of(items, truth(scraped))
    assert not faults, "\n".join(faults)


def test_panels_of_the_host(scraped, truth):
    if "node-exporter" not in scraped.backends:
        pytest.skip("no program node_exporter or prometheus-node-exporter on PATH, nor NODE_EXPORTER_BIN")
    items = [item for item in judged() if source(item[2]) == {"node-exporter"}]
    assert len(items) == 4
    faults = faults_of(items, truth(scraped))
    assert not faults, "\n".join(faults)


def faults_of_rules(names, truth):
    return [f"{name}: {fault}" for name in names if not isinstance(RULES[name], str)
            for fault in RULES[name].faults(RECORDED[name], truth)]


def test_recorded_series(scraped, truth):
    names = [name for name in RECORDED if not source(RECORDED[name]) and "log_lines" not in name]
    assert len(names) > 15
    faults = faults_of_rules(names, truth(scraped))
    assert not faults, "\n".join(faults)


# ---- with every backend ----

@pytest.fixture(scope="module")
def known(full, truth):
    """What happened in the full system, when the backends have all of it."""
    result = truth(full)

    def shipped():
        return sum(lines_by(full, result, '{job="application-logs"}', "job").values())
    written = len(result.all_written())
    wait_until(lambda: shipped() == written, lambda: f"{shipped()} of {written} lines in Loki", 30)
    return result


def lines_by(full, known, selector, label):
    """{value of the label: number of lines} between the two moments, as Loki counts them."""
    window = math.ceil(known.seconds)
    query = f"sum by ({label}) (count_over_time({selector}[{window}s]))"
    answer = answer_of(full.url("LOKI") + "/loki/api/v1/query", query=query, time=known.end)
    return {series["metric"][label]: int(series["value"][1]) for series in answer["data"]["result"]}


def test_panels_of_everything(full, known):
    """Those of the system as well, now that its spans and lines go somewhere."""
    items = [item for item in judged() if not lacks(item[2], full.backends)]
    assert len(items) > 70
    faults = faults_of(items, known) + faults_of_rules(RECORDED, known)
    assert not faults, "\n".join(faults)


def test_panels_of_log_lines(full, known):
    """Every line of the files is in Loki, once, with its service and its level."""
    for service, level in {(line["service"], line["level"]) for line in known.all_written()}:
        mine = [line for line in known.all_written() if (line["service"], line["level"]) == (service, level)]
        selector = f'{{job="application-logs", service="{service}", level="{level}"}}'
        assert lines_by(full, known, selector, "level") == {level: len(mine)}, selector
    asked = 0
    for dashboard, title, target in targets():
        if target["datasource"]["uid"] != "loki" or '"alertmanager"' in target["expr"]:  # test_stack_alerts.py
            continue
        asked += 1
        for service in SERVICES if dashboard == "service" else [".*"]:
            query = filled(target["expr"], service)
            selector = re.search(r"\{.*?\}", query).group()
            mine = Counter(line["level"] for line in known.all_written() if service in (".*", line["service"])
                           and (line["level"] in ("warn", "error") or "level=" not in query))
            assert lines_by(full, known, selector, "level") == mine, f"{title}: {query}"
    assert asked == 3


def test_panels_of_traces(full, known):
    """Each trace is one that the panel speaks of, and so many are there as it has place for."""
    every = {service: requests(log_lines(full)[service]) for service in SERVICES}
    for line in every["api-gateway"]:
        line["duration_ms"] += 1  # nginx's clock has milliseconds: its spans end with the last one that they touched
    kinds = {  # who may be there, and who has to be: a span lasts until its line is written, however long that takes
        "Slow traces": (lambda line: True, lambda line: line["duration_ms"] >= 1),
        "Refused requests": (lambda line: 400 <= line["status"] < 500,) * 2,
    }
    for dashboard, title, target in targets():
        for service in (SERVICES if dashboard == "service" else [".*"]) if title in kinds else []:
            may, must = ({line["trace_id"] for name in SERVICES if service in (".*", name) for line in every[name]
                          if kind(line)} for kind in kinds[title])
            found = {trace["traceID"].rjust(32, "0")
                     for trace in grafana.search(full, filled(target["query"], service), target["limit"])}
            assert found <= may and len(found) >= min(target["limit"], len(must)), f"{title} of {service}"


def test_panel_of_failed_traces(full, known):
    """A span in error of the service: its own 5xx, or a call of its that was refused."""
    now = time.time() * 1000
    for dashboard, title, target in targets():
        for service in (SERVICES if dashboard == "service" else [".*"]) if title == "Failed traces" else []:
            found = grafana.search(full, filled(target["query"], service), target["limit"])
            failed = [line for name in SERVICES if service in (".*", name) for line in known.lines(name)
                      if line["status"] >= 500]
            assert bool(found) >= bool(failed), service
            for trace in found:
                answers = {(span.service, int(span.tags.get("http.response.status_code", 0)) >= 400)
                           for span in grafana.trace(full, trace["traceID"], now - 900000, now)}
                assert any(bad and service in (".*", name) for name, bad in answers), f"{service}: {trace}"
