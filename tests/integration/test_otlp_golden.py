# SPDX-License-Identifier: MIT
"""What the golden OTLP requests say, read by Python's protobuf: the unit tests hold the encoder to these bytes."""
import shutil
from pathlib import Path

import pytest

from lib.otlp import compile_proto, read_logs, read_metrics, read_spans

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = "0102030405060708"
SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
REMOTE_KNOWN, REMOTE = 0x100, 0x200


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Decodes a golden file; what tests/otlp.proto does not know would come back as other bytes."""
    if not shutil.which("protoc"):
        pytest.skip("protoc is not installed")
    otlp = compile_proto(tmp_path_factory.mktemp("otlp"))

    def decode(name, message="ExportTraceServiceRequest"):
        data = (GOLDEN / name).read_bytes()
        request = getattr(otlp, message).FromString(data)
        request.DiscardUnknownFields()
        assert request.ByteSize() == len(data), "there are unknown fields, defaults, or lengths not the shortest"
        return request

    return decode


def test_small(read):
    request = read("otlp_small.bin")
    (resource_spans,) = request.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert resource_spans.schema_url == scope_spans.schema_url == SCHEMA
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("apm", "1.2.3")
    (span,) = read_spans(request)
    assert span.resource == {"service.name": "order-service", "service.namespace": "apm", "text": "héllo"}
    assert (span.trace_id, span.span_id, span.parent_id, span.trace_state) == (TRACE, SPAN, "", "")
    assert (span.name, span.kind, span.start, span.end) == ("small", "INTERNAL", 1, 2)
    assert (span.attributes, span.events, span.links, span.dropped) == ({}, [], [], (0, 0, 0))
    assert (span.status, span.flags) == (0, 1 | REMOTE_KNOWN)


def test_everything(read):
    request = read("otlp_full.bin")
    span, other = read_spans(request)
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, SPAN, PARENT)
    assert span.trace_state == "vendor=value,other=1"
    assert (span.name, span.kind) == ("GET /api/v1/users/{id}", "SERVER")
    assert (span.start, span.end) == (1763815800123456789, 1763815800223456789)
    assert span.attributes == {
        "text": "测试",
        "literal": "GET",
        "int": 200,
        "negative": -1,
        "least": -(2**63),
        "zero": 0,
        "double": 0.1,
        "yes": True,
        "no": False,
        "empty": "",
        "repaired": "a\ufffdbé\ufffd",
        "nul": "a\0b",
        "after.event": "y",
        "error.type": "503",
    }
    assert [type(span.attributes[key]) for key in ("int", "double", "yes")] == [int, float, bool]
    assert span.events == [
        ("event", 1763815800200000000, {"of.event": "x", "of.event.int": 1}),
        ("bare", 1763815800200000000, {}),
    ]
    assert span.links == [(TRACE, PARENT, {})]
    assert span.dropped == (1, 300, 65535)
    assert (span.status, span.flags) == (2, 3 | REMOTE_KNOWN | REMOTE)

    message = request.resource_spans[0].scope_spans[0].spans[0]
    assert [event.dropped_attributes_count for event in message.events] == [3, 0]
    assert [link.flags for link in message.links] == [1 | REMOTE_KNOWN | REMOTE]

    assert (other.span_id, other.parent_id, other.name, other.kind) == (PARENT, SPAN, "other", "CLIENT")
    assert (other.start, other.end, other.status, other.flags) == (1, 2**64 - 1, 1, 1 | REMOTE_KNOWN)


def test_logs(read):
    request = read("otlp_logs.bin", "ExportLogsServiceRequest")
    (resource_logs,) = request.resource_logs
    (scope_logs,) = resource_logs.scope_logs
    assert resource_logs.schema_url == scope_logs.schema_url == SCHEMA
    assert (scope_logs.scope.name, scope_logs.scope.version) == ("apm", "1.2.3")
    plain, everything, event, long = read_logs(request)
    for record in (plain, everything, event, long):
        assert record.resource == {"service.name": "order-service", "service.namespace": "apm", "text": "héllo"}
        assert record.time == record.observed_time == 1763815800123456789
    assert [(record.severity, record.severity_text) for record in (plain, everything, event, long)] == [
        (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")]
    assert [(record.trace_id, record.span_id, record.flags) for record in (plain, everything, event, long)] == [
        ("", "", 0), (TRACE, SPAN, 3), (TRACE, SPAN, 0), ("", "", 0)]
    assert [record.event_name for record in (plain, everything, event, long)] == ["", "", "payment.declined", ""]
    assert [record.dropped for record in (plain, everything, event, long)] == [0, 0, 0, 1]

    assert (plain.body, plain.attributes) == ("no span, no attributes", {})
    assert everything.body == "everything"
    assert everything.attributes == {
        "text": "测试", "literal": "GET", "int": 200, "negative": -1, "zero": 0, "double": 0.1, "yes": True,
        "no": False, "empty": "", "repaired": "a\ufffdbé\ufffd", "nul": "a\0b", "null": ""}
    assert [type(everything.attributes[key]) for key in ("int", "double", "yes")] == [int, float, bool]
    assert (event.body, event.attributes) == ("payment.declined", {"text": "测试"})
    assert long.body == "not UTF-8: \ufffd"
    assert long.attributes == {"long": "x" * 4095, "last": 1, "truncated": True}


def test_metrics(read):
    request = read("otlp_metrics.bin", "ExportMetricsServiceRequest")
    (resource_metrics,) = request.resource_metrics
    (scope_metrics,) = resource_metrics.scope_metrics
    assert resource_metrics.schema_url == scope_metrics.schema_url == SCHEMA
    assert (scope_metrics.scope.name, scope_metrics.scope.version) == ("apm", "1.2.3")
    metrics = {metric.name: metric for metric in read_metrics(request)}
    assert {name: (metric.kind, metric.unit, metric.description) for name, metric in metrics.items()} == {
        "test.orders": ("counter", "{order}", "A counter."),
        "test.level": ("gauge", "", "A gauge: 测试."),
        "test.steps": ("sum", "By", "A sum of steps up and down."),
        "test.duration": ("histogram", "s", "A histogram."),
        "test.all": ("histogram", "s", "One bucket."),
        "test.many": ("counter", "", "More series than there may be."),
    }
    begin, now = 1763815800123456789, 1763815900123456789
    assert all(metric.resource == {"service.name": "order-service", "service.namespace": "apm", "text": "héllo"}
               for metric in metrics.values())
    assert all((point.start, point.time) == (0 if metric.kind == "gauge" else begin, now)
               for metric in metrics.values() for point in metric.points)

    assert [(point.attributes, point.value) for point in metrics["test.orders"].points] == [
        ({"payment.method": "card", "country": "测试"}, 3.5), ({"country": "de"}, 0.0)]
    assert [(point.attributes, point.value) for point in metrics["test.level"].points] == [({}, -1.25)]
    assert [(point.attributes, point.value) for point in metrics["test.steps"].points] == [({}, 5.0)]
    many = metrics["test.many"].points
    assert len(many) == 256 and many[0].attributes == {"number": "1"}  # the first of 257 is in no request of this test
    assert [point.attributes for point in many[-2:]] == [{"number": "255"}, {"otel.metric.overflow": True}]
    assert many[-1].value == 256 + 257

    (point,) = metrics["test.duration"].points
    assert (point.attributes, point.count, point.sum) == ({"http.route": "/x"}, 5, 12.0501)
    assert (point.bounds, point.buckets) == ([0.001, 0.1, 1.0], [2, 1, 1, 1])
    assert point.exemplars == [
        (0.0001, 1763815800123456789, TRACE, SPAN), (11.0, 1763815800123456789, TRACE, SPAN)]
    (point,) = metrics["test.all"].points
    assert (point.count, point.sum, point.bounds, point.buckets) == (0, 0.0, [], [0])
