# SPDX-License-Identifier: MIT
"""Programs that fork: a server with workers of its own, and a daemon. All three signals go to the collector."""
import json
from collections import Counter

import pytest

from lib import library
from lib.wait import MODE, wait_until

WORKERS, REQUESTS = 6, 40
pytestmark = pytest.mark.skipif(MODE in ("asan", "tsan"),
                                reason="the sanitizers' runtime does not survive fork() beside threads")


@pytest.fixture(scope="module")
def program(build, tmp_path_factory):
    return library.build("tel_prefork", tmp_path_factory.mktemp("program"))


def log_lines(directory):
    return [json.loads(line) for line in (directory / "prefork.log").read_text(encoding="utf-8").splitlines()]


def check_spans(collector):
    """Each span once, and under the one that was open in the parent; each process is an instance of its own."""
    spans = collector.spans()
    manage, = [span for span in spans if span.name == "manage"]
    served = [span for span in spans if span.name == "serve"]
    assert len(spans) == 1 + WORKERS * REQUESTS == 1 + len(served)
    assert len({span.span_id for span in spans}) == len(spans)
    assert {(span.trace_id, span.parent_id) for span in served} == {(manage.trace_id, manage.span_id)}
    assert {(span.attributes["worker"], span.attributes["request"]) for span in served} == {
        (worker, request) for worker in range(WORKERS) for request in range(REQUESTS)}
    instances = {}
    for span in spans:
        instances.setdefault(span.resource["service.instance.id"], set()).add(span.attributes.get("worker"))
    assert sorted(map(len, instances.values())) == [1] * (WORKERS + 1)
    return {(span.attributes["worker"], span.attributes["request"]): span for span in served}


def check_lines(lines, served):
    """Each line once and whole, with the ids of its span. Workers log before they have an exporter of their own."""
    assert Counter(line["msg"] for line in lines) == {
        "begins": 1, "forked": WORKERS, "served": WORKERS * REQUESTS, "ends": 1,
        "log records are dropped: this process was forked, and has not called tel_init since": WORKERS}
    for line in lines:
        if line["msg"] == "served":
            assert served[line["worker"], line["request"]].span_id == line["span_id"]


def check_log_records(collector, served):
    """Each once, with the ids of its span, from the process that has logged it."""
    records = collector.log_records()
    assert Counter(record.body for record in records) == {"begins": 1, "served": WORKERS * REQUESTS, "ends": 1}
    requests = {(record.attributes.get("worker"), record.attributes.get("request")): record for record in records
                if record.body == "served"}
    assert requests.keys() == served.keys()
    for request, record in requests.items():
        span = served[request]
        assert (record.trace_id, record.span_id, record.resource) == (span.trace_id, span.span_id, span.resource)


def check_metrics(collector, served):
    """What each process has counted itself, since it began."""
    counts, starts = {}, {}
    with collector.lock:
        for metric in (metric for request in collector.metrics for metric in request
                       if metric.name == "requests.served"):
            instance, point = metric.resource["service.instance.id"], metric.points[0]
            counts[instance] = max(counts.get(instance, 0), point.value)
            starts.setdefault(instance, set()).add(point.start)
    workers = {span.resource["service.instance.id"] for span in served.values()}
    parent, = counts.keys() - workers
    assert counts == dict.fromkeys(workers, REQUESTS) | {parent: 1000}
    assert all(len(times) == 1 for times in starts.values())
    assert all(min(starts[parent]) < min(starts[worker]) for worker in workers)


def check(collector, lines):
    served = check_spans(collector)
    check_lines(lines, served)
    check_log_records(collector, served)
    check_metrics(collector, served)


def settings(collector, directory):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "LOG_DIR": directory, "OTEL_BSP_SCHEDULE_DELAY": "20",
            "OTEL_LOGS_EXPORTER": "otlp", "OTEL_BLRP_SCHEDULE_DELAY": "20", "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_METRIC_EXPORT_INTERVAL": "20"}


def test_workers_of_a_server(program, collector, tmp_path):
    output, _ = library.run(program, WORKERS, REQUESTS, **settings(collector, tmp_path))
    assert output == [str(WORKERS * REQUESTS)]  # the parent's 1000 are not theirs
    check(collector, log_lines(tmp_path))


def test_a_daemon(program, collector, tmp_path):
    """It goes on in the same log, which its lock keeps for it."""
    _, told = library.run(program, WORKERS, REQUESTS, "daemon", **settings(collector, tmp_path))
    wait_until(lambda: any(line["msg"] == "ends" for line in log_lines(tmp_path)), "it does not end")
    assert not told
    check(collector, log_lines(tmp_path))


def test_lines_on_a_pipe_are_whole(program, collector):
    """Many processes write one pipe, which takes only so much at once."""
    environment = settings(collector, "")
    _, lines = library.run(program, WORKERS, REQUESTS, **environment)
    check(collector, lines)
