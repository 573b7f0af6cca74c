"""Every figure on a dashboard is what happened: panels and recorded series against the log files, the databases, the
kernel and the services' own counters, over the same time."""
import pytest
from backends import SERVICES
from figures import PANELS, RULES
from judges import RECORDED
from promql import dashboards, expressions, filled, panels, source


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


def test_panels_of_the_system_and_the_host(scraped, truth):
    backends = {"node-exporter"} & set(scraped.backends)
    items = [item for item in judged() if item[0] != "telemetry" and source(item[2]) <= backends]
    assert len(items) > (45 if backends else 40)
    faults = faults_of(items, truth(scraped))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_series(scraped, truth, name):
    faults = RULES[name].faults(RECORDED[name], truth(scraped))
    assert not faults, "\n".join(faults)
