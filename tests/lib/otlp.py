# SPDX-License-Identifier: MIT
"""An OTLP/HTTP receiver inside the test process (OTLP 1.x, section OTLP/HTTP, binary protobuf).

Its decoder is made by protoc from tests/otlp.proto, so it shares no code with the encoder under test.
"""
import gzip
import importlib.util
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lib.ports import free_port
from lib.wait import wait_until

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
PROTO = Path(__file__).resolve().parents[1] / "otlp.proto"


def compile_proto(directory):
    """The Python classes of tests/otlp.proto, made in `directory`."""
    subprocess.run(["protoc", f"--proto_path={PROTO.parent}", f"--python_out={directory}", PROTO.name], check=True)
    spec = importlib.util.spec_from_file_location("otlp_pb2", Path(directory) / "otlp_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Span:
    service: str
    resource: dict
    scope: str
    schema_url: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    start: int
    end: int
    attributes: dict
    status: int
    message: str
    flags: int
    trace_state: str
    events: list = field(default_factory=list)
    links: list = field(default_factory=list)
    dropped: tuple = (0, 0, 0)

    def __str__(self):
        return f"{self.service} {self.kind} {self.name} [{self.span_id} <- {self.parent_id or 'root'}]"


@dataclass
class LogRecord:
    service: str
    resource: dict
    scope: str
    schema_url: str
    time: int
    observed_time: int
    severity: int
    severity_text: str
    body: object
    attributes: dict
    dropped: int
    flags: int
    trace_id: str
    span_id: str
    event_name: str


@dataclass
class Metric:
    service: str
    resource: dict
    scope: str
    name: str
    unit: str
    description: str
    kind: str  # counter, sum, gauge, histogram
    points: list


@dataclass
class Point:
    """Of a number: value. Of a histogram: count, sum, bounds, buckets, exemplars (value, time, trace id, span id)."""
    attributes: dict
    start: int
    time: int
    value: float = None
    count: int = None
    sum: float = None
    bounds: list = None
    buckets: list = None
    exemplars: list = None


def any_value(value):
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if kind == "array_value":
        return [any_value(item) for item in inner.values]
    if kind == "kvlist_value":
        return attribute_map(inner.values)
    return inner


def attribute_map(pairs):
    result = {}
    for pair in pairs:
        assert pair.key and pair.key not in result, f"attribute {pair.key!r} is empty or twice"
        result[pair.key] = any_value(pair.value)
    return result


def read_spans(request):
    """The spans of an ExportTraceServiceRequest, with their resource."""
    for resource_spans in request.resource_spans:
        resource = attribute_map(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Span(
                    service=resource.get("service.name", ""),
                    resource=resource,
                    scope=scope_spans.scope.name,
                    schema_url=scope_spans.schema_url or resource_spans.schema_url,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    name=span.name,
                    kind=KINDS.get(span.kind, str(span.kind)),
                    start=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    attributes=attribute_map(span.attributes),
                    status=span.status.code,
                    message=span.status.message,
                    flags=span.flags,
                    trace_state=span.trace_state,
                    events=[(event.name, event.time_unix_nano, attribute_map(event.attributes))
                            for event in span.events],
                    links=[(link.trace_id.hex(), link.span_id.hex(), attribute_map(link.attributes))
                           for link in span.links],
                    dropped=(span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
                )


def read_logs(request):
    """The log records of an ExportLogsServiceRequest, with their resource."""
    for resource_logs in request.resource_logs:
        resource = attribute_map(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                yield LogRecord(
                    service=resource.get("service.name", ""),
                    resource=resource,
                    scope=scope_logs.scope.name,
                    schema_url=scope_logs.schema_url or resource_logs.schema_url,
                    time=record.time_unix_nano,
                    observed_time=record.observed_time_unix_nano,
                    severity=record.severity_number,
                    severity_text=record.severity_text,
                    body=any_value(record.body),
                    attributes=attribute_map(record.attributes),
                    dropped=record.dropped_attributes_count,
                    flags=record.flags,
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                    event_name=record.event_name,
                )


def read_histogram_point(point):
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1 and sum(point.bucket_counts) == point.count
    assert list(point.explicit_bounds) == sorted(set(point.explicit_bounds))
    return Point(attribute_map(point.attributes), point.start_time_unix_nano, point.time_unix_nano, count=point.count,
                 sum=point.sum, bounds=list(point.explicit_bounds), buckets=list(point.bucket_counts),
                 exemplars=[(exemplar.as_double, exemplar.time_unix_nano, exemplar.trace_id.hex(),
                             exemplar.span_id.hex()) for exemplar in point.exemplars])


def read_number_point(point):
    assert point.WhichOneof("value") == "as_double" and not point.exemplars
    return Point(attribute_map(point.attributes), point.start_time_unix_nano, point.time_unix_nano,
                 value=point.as_double)


def read_metric(metric, resource, scope):
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    if kind != "gauge":
        assert data.aggregation_temporality == 2, "it is not cumulative"
    return Metric(
        service=resource.get("service.name", ""),
        resource=resource,
        scope=scope,
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        kind="counter" if kind == "sum" and data.is_monotonic else kind,
        points=[(read_histogram_point if kind == "histogram" else read_number_point)(point)
                for point in data.data_points])


def read_metrics(request):
    """The metrics of an ExportMetricsServiceRequest, with their resource."""
    for resource_metrics in request.resource_metrics:
        resource = attribute_map(resource_metrics.resource.attributes)
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                yield read_metric(metric, resource, scope_metrics.scope.name)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b"".join(self.chunks())
        else:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # its sender was killed in the midst of it
                self.close_connection = True
                return
        if misbehave := self.server.collector.misbehave:
            misbehave(self, body)
            return
        status, headers = self.server.collector.receive(self.path, self.headers, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")  # an ExportTraceServiceResponse without fields: full success
        self.end_headers()

    def chunks(self):
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            yield self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a sender that was killed or gave up; what matters is asserted on the spans


def plain(headers, body):
    """The body as it was before it was compressed."""
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body


class Collector:
    """
    Keeps every span, log record and metric it gets. `answer` (status, headers) may be replaced; `gate` cleared makes
    it hang; `misbehave(handler, body)` does with a request whatever it likes instead. `tls`: an SSLContext, for https.
    """

    def __init__(self, classes, tls=None):
        self.classes = classes
        self.tls = tls
        self.lock = threading.Lock()
        self.by_trace = {}
        self.logs = []
        self.metrics = []  # a list of metrics for each request
        self.errors = []
        self.requests = 0
        self.encodings = set()
        self.headers = None  # of the last request
        self.answer = (200, {})
        self.misbehave = None
        self.gate = threading.Event()
        self.gate.set()
        self.server = None
        self.listen()
        self.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"

    def listen(self):
        """Again at the same port, after refuse()."""
        self.server = Server(("127.0.0.1", self.server.server_port if self.server else free_port()), Handler)
        self.server.collector = self
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def refuse(self):
        """No new connection any more; those that are open go on."""
        self.server.shutdown()
        self.server.server_close()

    def close(self):
        self.gate.set()
        self.refuse()

    def receive(self, path, headers, body):
        self.gate.wait(timeout=60)
        with self.lock:
            self.requests += 1
            self.headers = headers
            answer = self.answer  # a test may replace it at any moment; what was kept is not refused
            if answer[0] != 200:
                return answer
            try:
                assert path in ("/v1/traces", "/v1/logs", "/v1/metrics"), f"path {path}"
                assert headers.get("Content-Type") == "application/x-protobuf", headers.get("Content-Type")
                self.encodings.add(headers.get("Content-Encoding", "identity"))
                if path == "/v1/traces":
                    self.keep(self.decode(headers, body))
                elif path == "/v1/metrics":
                    self.metrics.append(list(read_metrics(self.classes.ExportMetricsServiceRequest.FromString(
                        plain(headers, body)))))
                else:
                    self.logs.extend(read_logs(self.classes.ExportLogsServiceRequest.FromString(
                        plain(headers, body))))
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(repr(error))
                return 400, {}
        return answer

    def decode(self, headers, body):
        """The spans of a request."""
        return list(read_spans(self.classes.ExportTraceServiceRequest.FromString(plain(headers, body))))

    def keep(self, spans):
        for span in spans:
            self.by_trace.setdefault(span.trace_id, []).append(span)

    def spans(self, trace_id=None):
        with self.lock:
            if trace_id:
                return list(self.by_trace.get(trace_id, ()))
            return [span for spans in self.by_trace.values() for span in spans]

    def log_records(self, **wanted):
        """Those whose fields are as given."""
        with self.lock:
            return [record for record in self.logs
                    if all(getattr(record, name) == value for name, value in wanted.items())]

    def find(self, trace_id, span_id):
        return next((span for span in self.spans(trace_id) if span.span_id == span_id), None)

    def wait_span(self, trace_id, span_id, seconds=30):
        return wait_until(lambda: self.find(trace_id, span_id), seconds=seconds,
                          what=lambda: f"span {span_id} of trace {trace_id} was not exported; the trace has "
                                       f"{[str(span) for span in self.spans(trace_id)]}")
