# SPDX-License-Identifier: MIT
"""Parsers of others judge both expositions, which the unit program test_expose prints."""

import math
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "unit" / "test_expose"


def exposition(accept):
    assert PROGRAM.exists(), f"{PROGRAM} is not built: make unit-tests"
    run = subprocess.run([PROGRAM, accept], cwd=ROOT, capture_output=True, timeout=60, check=True)
    return run.stdout.decode("utf-8")


@pytest.fixture(scope="module")
def families():
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="python3-prometheus-client is missing")
    text = exposition("application/openmetrics-text")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def test_promtool_accepts_the_text_format():
    if not shutil.which("promtool"):
        pytest.skip("promtool (package prometheus) is missing")
    text = exposition("text/plain")
    run = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()
    # It parses at all: a broken line is refused.
    broken = text.replace("test_plain_total 3.0", "test_plain_total three")
    run = subprocess.run(["promtool", "check", "metrics"], input=broken.encode(), capture_output=True, timeout=60)
    assert run.returncode != 0


def test_prometheus_client_reads_the_text_format():
    parser = pytest.importorskip("prometheus_client.parser", reason="python3-prometheus-client is missing")
    values = {}
    for family in parser.text_string_to_metric_families(exposition("text/plain")):
        for sample in family.samples:
            assert sample.exemplar is None
            values[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    assert values["test_plain_total", ()] == 3
    assert values["test_kinds_total", (("kind", 'a"b\\c'), ("other", "测试"))] == 1
    assert values["test_request_duration_seconds_count", (("http_route", "/api/v1/orders/{id}"),)] == 4


def test_openmetrics_values(families):
    assert {s.name: s.value for s in families["test_amount"].samples} == {"test_amount_total": pytest.approx(100.1)}
    kinds = families["test_kinds"].samples
    assert [sorted(s.labels.items()) for s in kinds] == [
        [("kind", 'a"b\\c'), ("other", "测试")],
        [("kind", ""), ("other", "line?break")],
    ]
    many = families["test_many"].samples
    assert len(many) == 257
    assert many[-1].labels == {"otel_metric_overflow": "true"} and many[-1].value == 256
    assert families["test_unused"].samples == []
    extremes = {s.labels["what"]: s.value for s in families["test_extremes"].samples}
    assert math.isnan(extremes.pop("none"))
    assert extremes == {"infinite": math.inf, "negative": -math.inf, "small": 5e-324, "large": 1.5e300}


def test_openmetrics_target(families):
    assert families["target"].type == "info"
    (sample,) = families["target"].samples
    assert sample.labels["service_name"] == "test-service"
    assert sample.labels["service_namespace"] == "apm"
    assert sample.labels["team"] == '测"x\\\n'
    assert sample.labels["k8s_pod_name"] == "p;q"
    assert sample.labels["_day"] == "1"


def test_exemplars_lie_in_their_buckets(families):
    found = 0
    for family in families.values():
        lower = 0.0
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                lower = 0.0
                continue
            upper = float(sample.labels["le"])
            if sample.exemplar:
                found += 1
                assert lower < sample.exemplar.value <= upper
                assert sample.exemplar.labels == {"trace_id": "4b" * 16, "span_id": "0a" * 8}
                assert float(sample.exemplar.timestamp) == pytest.approx(1763815800.123, abs=1e-6)
            lower = upper
    assert found == 3
