# SPDX-License-Identifier: MIT
"""What the trace store gives back, read as Grafana reads Tempo: traces of any shape, searches, tags, their cost."""
import gzip
import json
import os
import struct
import subprocess
import threading
import time
import urllib.parse
import uuid

import pytest

from lib import metrics
from lib.client import Client
from lib.ports import free_ports
from lib.system import ROOT
from lib.wait import wait_until

NOW = time.time_ns()
SECOND = 10**9


class Store:
    """A system that stores its traces, and what is sent to it here."""

    def __init__(self, make_system, name, classes):
        otlp, tempo = free_ports(2)
        self.system = make_system(name, environment={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTLP_HTTP_PORT": str(otlp), "TRACES_PORT": str(tempo),
            "TRACES_SPANS_PER_SECOND": "1000000"})
        self.otlp, self.tempo, self.classes = otlp, tempo, classes

    def send(self, request):
        body = gzip.compress(request.SerializeToString(), 1)
        with Client(self.otlp, traced=False) as client:
            answer = client.request("POST", "/v1/traces", body, [("Content-Encoding", "gzip")],
                                    "application/x-protobuf")
        assert answer.status == 200, answer
        return answer

    def get(self, path, **parameters):
        accept = parameters.pop("accept", None)
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with Client(self.tempo, traced=False) as client:
            return client.get(path + query, [("Accept", accept)] if accept else [])

    def json(self, path, **parameters):
        answer = self.get(path, **parameters)
        assert answer.status == 200, answer
        return answer.json()

    def search(self, q, **parameters):
        return self.json("/api/search", q=q, **parameters)["traces"]

    def values(self, name, version="/v2", **parameters):
        path = f"/api{version}/search/tag/{urllib.parse.quote(name, safe='')}/values"
        found = self.json(path, **parameters)["tagValues"]
        return [(one["type"], one["value"]) for one in found] if version else found

    def tags(self, **parameters):
        return {scope["name"]: scope["tags"] for scope in self.json("/api/v2/search/tags", **parameters)["scopes"]}

    def counted(self, name, **labels):
        return metrics.total(metrics.samples(self.get("/metrics").body.decode()), name, **labels)

    def steps_of(self, ask):
        before = self.counted("traces_question_steps_total")
        ask()
        return self.counted("traces_question_steps_total") - before


@pytest.fixture(scope="module")
def store(make_system, classes):
    made = Store(make_system, "reading", classes)
    yield made
    make_system.finish(made.system)


def span_id(number):
    return number.to_bytes(8, "big")


class Request:
    def __init__(self, store, service="sender", **attributes):
        self.message = store.classes.ExportTraceServiceRequest()
        self.resource_spans = self.message.resource_spans.add()
        put(self.resource_spans.resource.attributes, {"service.name": service, **attributes})
        self.scope_spans = self.resource_spans.scope_spans.add()

    def add(self, trace_id, number, parent=0, name="work", kind=1, start=NOW, length=5_000_000, error=None, **more):
        span = self.scope_spans.spans.add(
            trace_id=trace_id, span_id=span_id(number), parent_span_id=span_id(parent) if parent else b"", name=name,
            kind=kind, start_time_unix_nano=start, end_time_unix_nano=start + length)
        put(span.attributes, more)
        if error is not None:
            span.status.code, span.status.message = 2, error
        return span


def put(attributes, values):
    for key, value in values.items():
        field = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(attributes.add(key=key).value, field, value)


def all_spans(answer):
    trace = answer.get("trace", answer)
    return [span for batch in trace.get("batches", trace.get("resourceSpans", [])) for scope in batch["scopeSpans"]
            for span in scope["spans"]]


def waterfall(store, trace_id):
    environment = {**os.environ, "TRACES_PORT": str(store.tempo), "COLUMNS": "120"}
    done = subprocess.run([ROOT / "stack/native/trace", trace_id.hex(), "--wait", "0"], env=environment,
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


# ---- one trace ----

def test_status_scope_and_resource_are_always_there(store):
    """Grafana's data source reads them without asking."""
    trace_id = uuid.uuid4().bytes
    bare = store.classes.ExportTraceServiceRequest()
    bare.resource_spans.add().scope_spans.add().spans.add(trace_id=trace_id, span_id=span_id(1))
    store.send(bare)
    request = Request(store)
    request.add(trace_id, 2, error="it broke")
    store.send(request.message)
    for path, key in (("/api/traces/", "batches"), ("/api/v2/traces/", "resourceSpans")):
        path += trace_id.hex()
        answer = store.json(path)
        for batch in answer.get("trace", answer)[key]:
            assert isinstance(batch["resource"], dict)
            for scope in batch["scopeSpans"]:
                assert isinstance(scope["scope"], dict)
                assert all(isinstance(span["status"], dict) for span in scope["spans"])
        assert sorted(span["status"].get("message", "") for span in all_spans(answer)) == ["", "it broke"]
        assert "status" not in answer and "message" not in answer  # COMPLETE, which JSON of protobuf leaves out
        body = store.get(path, accept="application/protobuf").body
        if "v2" in path:
            body = strip_field(body)
        message = store.classes.ExportTraceServiceRequest.FromString(body)
        for batch in message.resource_spans:
            assert batch.HasField("resource")
            assert all(scope.HasField("scope") for scope in batch.scope_spans)
            assert all(span.HasField("status") for scope in batch.scope_spans for span in scope.spans)


def strip_field(body):
    """The content of field 1, the only one of the message."""
    assert body[0] == 0x0a
    length, shift, at = 0, 0, 1
    while True:
        length |= (body[at] & 0x7f) << shift
        shift, at = shift + 7, at + 1
        if body[at - 1] < 0x80:
            break
    assert at + length == len(body), "there is more than a trace"
    return body[at:]


def test_a_span_that_came_twice_is_one(store):
    trace_id = uuid.uuid4().bytes
    request = Request(store)
    request.add(trace_id, 1)
    request.add(trace_id, 2, parent=1)
    for length in (5_000_000, 9_000_000, 7_000_000):  # other words each time, so that they are stored
        request.scope_spans.spans[1].end_time_unix_nano = NOW + length
        store.send(request.message)
    spans = all_spans(store.json(f"/api/traces/{trace_id.hex()}"))
    assert len(spans) == 2
    assert max(int(span["endTimeUnixNano"]) for span in spans) == NOW + 9_000_000
    assert store.search(f'{{ trace:id = "{trace_id.hex()}" }}')[0]["serviceStats"] == {"sender": {"spanCount": 2}}


def test_two_kinds_of_one_id_are_two(store):
    """As Zipkin's client and server share it."""
    trace_id = uuid.uuid4().bytes
    for service, kind in (("shop", 3), ("stock", 2)):
        request = Request(store, service)
        request.add(trace_id, 1, kind=kind, name=f"{service} call")
        store.send(request.message)
    spans = all_spans(store.json(f"/api/traces/{trace_id.hex()}"))
    assert sorted(span["kind"] for span in spans) == ["SPAN_KIND_CLIENT", "SPAN_KIND_SERVER"]
    text = waterfall(store, trace_id)
    assert "2 spans of 2 services" in text and "shop call" in text and "stock call" in text and "≡" in text


def test_circles_and_orphans_are_shown(store):
    trace_id = uuid.uuid4().bytes
    request = Request(store)
    request.add(trace_id, 1, parent=2, name="round")
    request.add(trace_id, 2, parent=1, name="about")
    request.add(trace_id, 3, parent=9, name="orphan")
    request.add(trace_id, 4, parent=4, name="itself")
    store.send(request.message)
    assert len(all_spans(store.json(f"/api/v2/traces/{trace_id.hex()}"))) == 4
    text = waterfall(store, trace_id)
    assert all(name in text for name in ("round", "about", "orphan", "itself", "4 spans of 1 service"))
    assert "?" in text and "↻" in text
    found, = store.search(f'{{ trace:id = "{trace_id.hex()}" }}')
    assert found["spanSets"][0]["matched"] == 4


def test_numbers_come_back_as_they_were(store):
    trace_id = uuid.uuid4().bytes
    request = Request(store)
    request.add(trace_id, 1, zero=-0.0, large=2**63 - 1, small=-(2**63), third=1 / 3, yes=True)
    store.send(request.message)
    text = store.get(f"/api/traces/{trace_id.hex()}").body
    span, = all_spans(json.loads(text))
    values = {pair["key"]: pair["value"] for pair in span["attributes"]}
    assert struct.pack("d", values["zero"]["doubleValue"]) == struct.pack("d", -0.0)
    assert values["large"] == {"intValue": str(2**63 - 1)} and values["small"] == {"intValue": str(-(2**63))}
    assert values["third"] == {"doubleValue": 1 / 3} and values["yes"] == {"boolValue": True}
    found, = store.search(f'{{ trace:id = "{trace_id.hex()}" && span.large = {2**53 + 1} }}') or [None]
    assert found is None
    assert store.values("span.large") == [("int", str(2**63 - 1))]


def test_each_value_that_is_offered_can_be_asked_for(store):
    """Grafana puts a value into the query as it was offered; what no query can hold is not offered."""
    key = f"v{uuid.uuid4().hex}"
    sent = [2**63 - 1, -2**63, 1, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 0.1, float("inf"), -float("inf"),
            float("nan"), True, "a\nb", 'say "hi" \\', "x" * 2048, "x" * 2049, "nul\0nul"]
    request = Request(store)
    for number, value in enumerate(sent, 1):
        request.add(uuid.uuid4().bytes, number, **{key: value})
    store.send(request.message)
    offered = store.values(f"span.{key}")
    assert len(offered) == len(sent) - 2
    found = set()
    for kind, value in offered:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        one, = store.search(f"{{ span.{key} = " + (f'"{quoted}"' if kind == "string" else value) + " }")
        found.add(one["traceID"])
        shown, = one["spanSets"][0]["spans"][0]["attributes"]
        assert shown["key"] == key and None not in shown["value"].values()
    assert len(found) == len(offered)


def test_a_duration_is_one_that_grafana_reads(store):
    """The API has 32 bits for it."""
    mark = uuid.uuid4().hex
    request = Request(store)
    request.add(uuid.uuid4().bytes, 1, length=2**63, mark=mark)
    store.send(request.message)
    one, = store.search(f'{{ span.mark = "{mark}" }}')
    assert one["durationMs"] == 2**32 - 1


# ---- searches ----

def test_span_sets_have_the_attributes_of_the_conditions(store):
    trace_id, mark = uuid.uuid4().bytes, uuid.uuid4().hex
    request = Request(store, "attributes", zone="north")
    request.add(trace_id, 1, mark=mark, code=503, ratio=0.5, cached=False, error="no", kind=3, other="x")
    store.send(request.message)
    found, = store.search(f'{{ .mark = "{mark}" && span.code >= 500 && (.ratio < 1 || .cached = false) && '
                          'resource.zone =~ "n.*" && status = error && kind = client && name = "work" }')
    span_set, = found["spanSets"]
    span, = span_set["spans"]
    attributes = {pair["key"]: pair["value"] for pair in span["attributes"]}
    assert attributes == {
        "mark": {"stringValue": mark}, "code": {"intValue": "503"}, "ratio": {"doubleValue": 0.5},
        "cached": {"boolValue": False}, "zone": {"stringValue": "north"}, "status": {"stringValue": "error"},
        "kind": {"stringValue": "client"}}
    assert len(span["attributes"]) == 7 and span["name"] == "work"


def test_events_links_and_scopes_are_asked_for(store):
    trace_id, mark = uuid.uuid4().bytes, uuid.uuid4().hex
    request = Request(store, "events")
    request.scope_spans.scope.name, request.scope_spans.scope.version = f"library {mark}", "1.2"
    span = request.add(trace_id, 1)
    for i in range(3):
        event = span.events.add(name=f"event {i} {mark}", time_unix_nano=NOW)
        put(event.attributes, {"try": f"{i} {mark}"})
    link = span.links.add(trace_id=uuid.uuid4().bytes, span_id=span_id(7))
    put(link.attributes, {"why": mark})
    store.send(request.message)
    for query in (f'event.try = "2 {mark}"', f'event:name = "event 1 {mark}"', f'link.why = "{mark}"',
                  f'instrumentation:name = "library {mark}" && instrumentation:version = "1.2"',
                  f'span:parentID = "" && instrumentation:name =~ ".*{mark}"'):
        assert [one["traceID"] for one in store.search(f"{{ {query} }}")] == [trace_id.hex()], query
    tags = store.tags()
    assert "try" in tags["event"] and "why" in tags["link"] and "event:name" in tags["intrinsic"]
    assert len([value for _, value in store.values("event.try") if mark in value]) == 3
    assert len([value for _, value in store.values("event:name") if mark in value]) == 3
    assert ("string", mark) in store.values("link.why")
    assert ("string", f"library {mark}") in store.values("instrumentation:name")


@pytest.mark.parametrize("query, column, says", [
    ('{ resource.service.name = "x" && nonsense = 2 }', 34, "found nonsense; wanted a field. Known are span."),
    ('{ status = "error" }', 12, "a status is compared with unset, ok or error"),
    ('{ duration > "1s" }', 14, "a duration is wanted, such as 100ms"),
    ('{ kind = 2 }', 10, "a kind is compared with"),
    ('{ name = 5 }', 10, "a text in quotes"),
    ('{ name =~ "(" }', 11, "( is not closed"),
    ('{ .a + 1 > 2 }', 6, "arithmetic is not known here"),
    ('{} | count() > 2', 4, "pipelines"),
    ('{} >> {}', 4, "structural operators"),
    ('{} && {}', 4, "between span sets"),
    ('{ nestedSetParent < 0 }', 3, "TraceQL has it, but it is not known here"),
])
def test_errors_of_traceql_name_the_place(store, query, column, says):
    for path in ("/api/search", "/api/v2/search/tags", "/api/v2/search/tag/name/values"):
        answer = store.get(path, q=query)
        assert answer.status == 400 and answer.header("Content-Type") == "application/problem+json"
        assert answer.json()["detail"].startswith(f"TraceQL, line 1, column {column}: "), answer.json()
        assert says in answer.json()["detail"]


@pytest.mark.parametrize("path", ["query_range", "query", "summary"])
def test_metrics_of_traceql_are_refused_in_words(store, path):
    answer = store.get(f"/api/metrics/{path}", q="{} | rate()")
    assert answer.status == 501 and "TraceQL metrics are not known here" in answer.json()["detail"]


# ---- tags ----

@pytest.fixture(scope="module")
def crowd(store):
    """A rare service, and 1,100 other traces after it."""
    mark = uuid.uuid4().hex
    request = Request(store, f"rare {mark}", rack=f"rack {mark}")
    request.add(uuid.uuid4().bytes, 1, start=NOW - 600 * SECOND, name=f"rare work {mark}", error="gone", kind=5,
                **{f"rare.{mark}": mark})
    store.send(request.message)
    request = Request(store, f"crowd {mark}")
    for i in range(1100):
        request.add(uuid.uuid4().bytes, 1, name=f"crowd work {mark}", count=i, mark=mark)
    store.send(request.message)
    return mark


def test_tags_are_exact_over_what_is_stored(store, crowd):
    assert ("string", f"rare {crowd}") in store.values("resource.service.name")
    assert f"rare {crowd}" in store.values("service.name", version="")
    assert store.values(f"span.rare.{crowd}") == [("string", crowd)]
    assert store.values(f".rare.{crowd}") == store.values(f"rare.{crowd}") == [("string", crowd)]
    assert f"rare.{crowd}" in store.tags()["span"]
    assert f"rare.{crowd}" in store.json("/api/search/tags")["tagNames"]
    found, = store.search(f'{{ resource.service.name = "rare {crowd}" }}', limit=1)
    assert found["rootServiceName"] == f"rare {crowd}"
    numbers = store.values("span.count", q=f'{{ .mark = "{crowd}" }}')
    assert {value for _, value in numbers} == {str(i) for i in range(1100)}
    assert {kind for kind, _ in numbers} == {"int"}


def test_tags_keep_to_the_question(store, crowd):
    rare, others = f'{{ resource.service.name = "rare {crowd}" }}', f'{{ resource.service.name = "crowd {crowd}" }}'
    assert store.values("resource.service.name", q=others) == [("string", f"crowd {crowd}")]
    assert store.values("resource.service.name", q=rare) == [("string", f"rare {crowd}")]
    assert store.tags(q=rare) == {**store.tags(q=rare), "span": [f"rare.{crowd}"], "resource": ["rack", "service.name"]}
    assert store.tags(q=others)["span"] == ["count", "mark"]
    assert list(store.tags(scope="span")) == ["span"] and list(store.tags(scope="intrinsic")) == ["intrinsic"]
    assert "status" in store.json("/api/search/tags", scope="intrinsic")["tagNames"]
    assert store.json("/api/search/tags", scope="resource", q=rare)["tagNames"] == ["rack", "service.name"]
    assert len(store.values("span.count", limit=7)) == 7 and len(store.tags(limit=1)["resource"]) == 1
    then, now = (NOW - 600 * SECOND) // SECOND, NOW // SECOND
    assert store.values("resource.service.name", start=then - 5, end=then + 5) == [("string", f"rare {crowd}")]
    assert ("string", f"rare {crowd}") not in store.values("resource.service.name", start=now - 5, end=now + 5)
    assert f"rare.{crowd}" not in store.tags(start=now - 5, end=now + 5)["span"]
    for wrong in ({"scope": "nonsense"}, {"limit": "x"}, {"start": "x"}):
        assert store.get("/api/v2/search/tags", **wrong).status == 400


def test_intrinsics_have_values(store, crowd):
    rare = f'{{ resource.service.name = "rare {crowd}" }}'
    work, service = f"rare work {crowd}", f"rare {crowd}"
    for name, value in (("name", work), ("span:name", work), ("rootName", work), ("rootServiceName", service),
                        ("trace:rootService", service), ("statusMessage", "gone")):
        assert store.values(name, q=rare) == [("string", value)], name
        assert store.values(name, version="", q=rare) == [value], name
    assert store.values("status", q=rare) == [("keyword", "error")]
    assert store.values("kind", q=rare) == [("keyword", "consumer")]
    assert store.values("duration", q=rare) == []


@pytest.mark.parametrize("name", [
    "a/b", "a//b", "/a/", "with space", 'with "quotes"', "a%2Fb", "a+b", "测试", "a.b/values", "values/values", "status",
    "../up", "a/../b", "?x=1&y", "#", "{x}", ".", "span.x", "back\\slash"])
def test_any_name_can_be_asked_for(store, name):
    mark = uuid.uuid4().hex
    request = Request(store, "names")
    request.add(uuid.uuid4().bytes, 1, **{name: mark})
    store.send(request.message)
    assert name in store.tags(scope="span")["span"]
    for scope in ("span.", ".")[:1 if name == "." else 2]:  # a path cannot say ..
        assert ("string", mark) in store.values(scope + name)
    assert mark in store.values("span." + name, version="")
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    assert ("string", mark) in store.values(f'span."{quoted}"')
    assert len(store.search(f'{{ span."{quoted}" = "{mark}" }}')) == 1


# ---- what it costs ----

def test_a_poison_trace_costs_what_it_weighs(store):
    """20,000 attributes of the resource times 5,000 spans, in some kB of gzip: the work is their sum."""
    request = Request(store, "poison")
    put(request.resource_spans.resource.attributes, {f"key {i}": "v" for i in range(20000)})
    trace_id = uuid.uuid4().bytes
    for i in range(5000):
        request.add(trace_id, i + 1, parent=1 if i else 0, name="")
    questions = [
        lambda: store.json("/api/search", q='{ resource.absent = "x" && .nothing != "y" }'),
        lambda: store.json("/api/search", q='{ resource.absent =~ "(a*)*b" || .nothing > 7 }'),
        lambda: store.json("/api/search", tags="absent=x nothing=y"),
        lambda: store.json("/api/search/tags"), lambda: store.json("/api/v2/search/tags"),
        lambda: store.values("resource.absent"), lambda: store.values(".nothing"), lambda: store.values("rootName"),
        lambda: store.values("name", q='{ resource.absent = "x" }'),
        lambda: store.get("/api/v2/traces/" + trace_id.hex())]
    before = [store.steps_of(ask) for ask in questions]
    partial = store.counted("traces_questions_total", result="partial")
    store.send(request.message)
    for ask, plain in zip(questions, before):
        assert store.get("/api/traces/" + trace_id.hex()).status == 200
        assert store.steps_of(ask) - plain < 20 * (20000 + 5000 * 10)
    assert store.counted("traces_questions_total", result="partial") == partial


# ---- large traces; after all that reads the whole store and counts on an answer within the time that it has ----

def test_a_trace_that_is_cut_off_says_so(store):
    trace_id = uuid.uuid4().bytes
    for begin in range(0, 21000, 7000):
        request = Request(store, "too large")
        for i in range(begin, begin + 7000):
            request.add(trace_id, i + 1, parent=1 if i else 0)
        store.send(request.message)
    answer = store.json(f"/api/v2/traces/{trace_id.hex()}")
    assert len(all_spans(answer)) == 20000
    assert answer["status"] == "PARTIAL" and answer["message"].startswith("1000 spans of this trace were not stored")
    body = store.get(f"/api/v2/traces/{trace_id.hex()}", accept="application/protobuf").body
    tail = body[-400:]
    assert b"\x18\x01\x22" in tail and b"1000 spans of this trace" in tail  # status 3: PARTIAL, message 4
    assert "1000 spans of this trace were not stored" in waterfall(store, trace_id)
    # what is stored of it is found, and the search is complete
    answer = store.json("/api/search", q=f'{{ trace:id = "{trace_id.hex()}" }}')
    assert answer["traces"][0]["spanSets"][0]["matched"] == 20000
    assert answer["metrics"]["completedJobs"] == answer["metrics"]["totalJobs"] == 1


@pytest.mark.parametrize("count", [6000, 20000])
def test_large_traces_are_read_whole(store, count):
    trace_id = uuid.uuid4().bytes
    for begin in range(0, count, 5000):
        request = Request(store, "large")
        for i in range(begin, min(begin + 5000, count)):
            request.add(trace_id, i + 1, parent=1 if i else 0, name=f"step {i}", http_status=200 + i % 5)
        assert store.send(request.message).body == b""
    for path in ("/api/traces/", "/api/v2/traces/"):
        answer = store.json(path + trace_id.hex())
        assert "status" not in answer
        assert len({span["name"] for span in all_spans(answer)}) == count
        body = store.get(path + trace_id.hex(), accept="application/protobuf").body
        message = store.classes.ExportTraceServiceRequest.FromString(strip_field(body) if "v2" in path else body)
        assert sum(len(scope.spans) for batch in message.resource_spans for scope in batch.scope_spans) == count
    found, = store.search(f'{{ trace:id = "{trace_id.hex()}" && span.http_status = 204 }}')
    assert found["spanSets"][0]["matched"] == count // 5


# ---- what costs too much ----

def test_a_question_that_costs_too_much_says_so(store):
    """What was found so far, and that it is not all, as Tempo says it."""
    trace_id = uuid.uuid4().bytes
    request = Request(store, "costly")
    for i in range(3):
        request.add(trace_id, i + 1, text="a" * 1_000_000)
    store.send(request.message)
    partial = store.counted("traces_questions_total", result="partial")
    costly = '{ resource.service.name = "costly" && .text =~ "(.*a?){100}b" }'
    for path, found in (("/api/search", "traces"), ("/api/v2/search/tags", "scopes"),
                        ("/api/v2/search/tag/name/values", "tagValues")):
        answer = store.json(path, q=costly)
        assert found in answer
        assert (answer["metrics"]["completedJobs"], answer["metrics"]["totalJobs"]) == (0, 1)
    assert store.counted("traces_questions_total", result="partial") == partial + 3


def test_the_seventh_question_is_refused_and_spans_are_taken(store):
    """Many readers ask at once, until one is told to come again; ingestion goes on beside them."""
    request = Request(store, "many")
    for i in range(3000):
        request.add(uuid.uuid4().bytes, 1, text="a" * 200 + str(i))
    store.send(request.message)
    refused, ended, others = [], threading.Event(), []

    def ask():
        while not ended.is_set():
            answer = store.get("/api/search", q='{ .text =~ "(a|b|.)*(aa?)*x" }')
            (refused if answer.status == 429 else others).append(answer)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: refused, "none of twelve readers is refused", 60)
        one = Request(store)
        one.add(uuid.uuid4().bytes, 1)
        store.send(one.message)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert {answer.status for answer in others} == {200}
    assert refused[0].header("Retry-After") == "1"
    assert refused[0].header("Content-Type") == "application/problem+json"
    assert store.counted("traces_questions_total", result="refused") >= len(refused)
    assert store.search("{}")


def test_names_of_control_characters_fit_an_answer(store):
    """In JSON each is six bytes; what does not fit is left out, and the answer says that it is not all."""
    request = Request(store)
    span = request.add(uuid.uuid4().bytes, 1, **{"\x01" * 1_800_000: 1})
    put(span.events.add(name="e").attributes, {"\x02" * 1_800_000: 1})
    store.send(request.message)
    for path in ("/api/v2/search/tags", "/api/search/tags", "/api/v2/search/tag/.x/values"):
        answer = store.get(path)
        assert answer.status == 200, answer
        if "tags" in path:
            figures = answer.json()["metrics"]
            assert figures["completedJobs"] < figures["totalJobs"]
