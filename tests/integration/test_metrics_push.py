# SPDX-License-Identifier: MIT
"""Metrics that a program pushes by OTLP say what its /metrics says, under the names that OpenTelemetry has for them."""
import json
import re


from lib import metrics
from lib.wait import wait_until

UNITS = {"s": "seconds", "By": "bytes"}
# Of the process under names of their own, or different at each look at them.
APART = re.compile(r"process[._]|otel[._]|target_info")


def family(metric):
    """The name that Prometheus has for it."""
    name = metric.name.replace(".", "_")
    unit = UNITS.get(metric.unit, "")
    return name + (f"_{unit}" if unit and not name.endswith(unit) else "") + ("_total" if metric.kind == "counter"
                                                                              else "")


def label_values(point):
    return {name.replace(".", "_"): value for name, value in point.attributes.items()}


def histogram_samples(name, point):
    labels, below = label_values(point), 0
    for bound, count in zip([*point.bounds, float("inf")], point.buckets):
        below += count
        yield metrics.key(f"{name}_bucket", le="+Inf" if bound == float("inf") else repr(bound), **labels), below
    yield metrics.key(f"{name}_sum", **labels), point.sum
    yield metrics.key(f"{name}_count", **labels), point.count


def pushed_samples(pushed):
    """The metrics of a push as samples of /metrics."""
    result = {}
    for metric in pushed:
        for point in metric.points if not APART.match(metric.name) else ():
            if metric.kind == "histogram":
                result |= histogram_samples(family(metric), point)
            else:
                result[metrics.key(family(metric), **label_values(point))] = point.value
    return result


def scraped_samples(program):
    """Those of /metrics; an empty label is none."""
    samples = metrics.samples(program.ask(path="/metrics").body.decode())
    return {(name, frozenset(pair for pair in labels if pair[1])): value for (name, labels), value in samples.items()
            if not APART.match(name)}


def latest(collector):
    with collector.lock:
        return collector.metrics[-1] if collector.metrics else []


def ask_some(program):
    for path, status in (("/api/v1/users/1", 200), ("/api/v1/users/9999", 404), ("/nowhere", 404)):
        for _ in range(3):
            assert program.ask(path=path).status == status
    body = json.dumps({"name": "Push", "email": "push@example.org"}).encode()
    assert program.ask(method="POST", path="/api/v1/users", body=body).status == 201


def test_pushed_and_scraped_metrics_agree(program, collector):
    users = program("users", OTEL_SDK_DISABLED="false", OTEL_METRICS_EXPORTER="prometheus,otlp",
                    OTEL_METRIC_EXPORT_INTERVAL="200", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
                    OTEL_SERVICE_NAME="pushing")
    ask_some(users)

    def agree():
        scraped, pushed = scraped_samples(users), pushed_samples(latest(collector))
        return scraped == pushed and len(scraped) > 50

    def differences():
        scraped, pushed = scraped_samples(users), pushed_samples(latest(collector))
        return f"scraped {scraped.items() - pushed.items()}, pushed {pushed.items() - scraped.items()}"

    wait_until(agree, what=differences)
    by_name = {metric.name: metric for metric in latest(collector)}
    requests = by_name["http.server.request.duration"]
    assert requests.unit == "s" and requests.kind == "histogram" and requests.resource["service.name"] == "pushing"
    assert sum(point.count for point in requests.points) == 10
    assert all(0 < point.start < point.time for point in requests.points)
    exemplars = [exemplar for point in requests.points for exemplar in point.exemplars]
    wait_until(lambda: collector.spans(), what="no span came")
    spans = {(span.trace_id, span.span_id) for span in collector.spans()}
    assert exemplars and wait_until(
        lambda: {(trace_id, span_id) for _, _, trace_id, span_id in exemplars}
        <= {(span.trace_id, span.span_id) for span in collector.spans()}, what=f"{exemplars} are not of {spans}")


def test_the_process_has_the_names_of_the_conventions(program, collector):
    program("users", OTEL_SDK_DISABLED="false", OTEL_METRICS_EXPORTER="otlp", OTEL_METRIC_EXPORT_INTERVAL="200",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    wait_until(lambda: latest(collector), what="nothing was pushed")
    of_process = {metric.name: metric for metric in latest(collector) if metric.name.startswith("process.")}
    assert {name: (metric.kind, metric.unit) for name, metric in of_process.items()} == {
        "process.cpu.time": ("counter", "s"),
        "process.memory.usage": ("sum", "By"),
        "process.memory.virtual": ("sum", "By"),
        "process.unix.file_descriptor.count": ("sum", "{file_descriptor}"),
        "process.uptime": ("gauge", "s"),
        "process.max_fds": ("gauge", "{fd}"),
    }
    assert {point.attributes["cpu.mode"] for point in of_process["process.cpu.time"].points} == {"user", "system"}
    (resident,), (virtual,) = of_process["process.memory.usage"].points, of_process["process.memory.virtual"].points
    assert 100000 < resident.value <= virtual.value
    (uptime,) = of_process["process.uptime"].points
    assert 0 <= uptime.value < 600


def test_the_end_pushes_what_was_counted_last(program, collector):
    users = program("users", OTEL_SDK_DISABLED="false", OTEL_METRICS_EXPORTER="otlp",
                    OTEL_METRIC_EXPORT_INTERVAL="3600000", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    ask_some(users)
    assert not latest(collector)
    users.terminate()
    assert users.wait(20)[0] == 0
    counts = {metric.name: sum(point.value if point.count is None else point.count for point in metric.points)
              for metric in latest(collector)}
    assert counts["http.server.request.duration"] == 10
    assert counts["users.created"] == 1
    assert counts["otel.sdk.span.started"] == counts["otel.sdk.exporter.span.exported"] == len(collector.spans())
