# SPDX-License-Identifier: MIT
"""promtool's judgement of the configuration and the rules, and what it does not judge."""
import json
import re
import shutil
import subprocess

import pytest
from backends import ROOT, STACK

RULE_TESTS = sorted((ROOT / "tests/stack/rules").glob("*.test.yml"))
ALERT = re.compile(r"- alert: (\w+)\n(.*?)(?=\n      - alert:|\n\n|\Z)", re.DOTALL)


def tool(name, package):
    """A function that runs it, sees that it is content, and returns what it says."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed (package {package})")

    def run(*arguments):
        done = subprocess.run([name, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr
    return run


@pytest.fixture(scope="module")
def promtool():
    return tool("promtool", "prometheus")


def alerts():
    files = [*(STACK / "prometheus/rules").glob("*.yml"), *(STACK / "loki/rules").glob("*/*.yml")]
    return dict(found for file in files for found in ALERT.findall(file.read_text()))


def test_configuration(promtool, tmp_path):
    shutil.copytree(STACK / "prometheus", tmp_path / "prometheus")
    shutil.copy(STACK / "prometheus/targets.compose.yml", tmp_path / "prometheus/targets.yml")
    assert "SUCCESS: 4 rule files found" in promtool("check", "config", str(tmp_path / "prometheus/prometheus.yml"))


def test_rules(promtool):
    for file in (STACK / "prometheus/rules").glob("*.yml"):
        assert "SUCCESS" in promtool("check", "rules", str(file))


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.name)
def test_rule_units(promtool, file):
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_every_alert_has_a_unit_that_sees_it_fire_and_one_that_does_not():
    units = "".join(file.read_text() for file in RULE_TESTS)
    for name in alerts().keys() - {"HeartbeatMissing"}:  # Loki's: test_stack_alerts.py
        fires = re.search(rf"alertname: {name}\n\s+eval_time: \w+\n\s+exp_alerts:", units)
        assert fires, f"{name} never fires in a test"
        silent = re.search(rf"{{alertname: {name}, eval_time: \w+}}", units)
        assert silent or name == "Heartbeat", f"{name} is never silent in a test"


def test_every_alert_says_what_to_do_and_where_to_look():
    uids = {json.loads(file.read_text())["uid"] for file in (STACK / "grafana/dashboards").glob("*.json")}
    assert len(alerts()) == 29
    for name, text in alerts().items():
        assert re.search(r"severity: (page|ticket|none)\b", text), name
        assert len(re.search(r"description: >-\n(.*?)\n          \w+:", text, re.DOTALL).group(1)) > 150, name
        assert re.search(r"dashboard: http://localhost:3000/d/([\w-]+)", text).group(1) in uids, name
