# SPDX-License-Identifier: MIT
"""What the trace store accepts: within stated bounds, in all forms, and in work and memory that fit the body."""
import gzip
import json
import os
import re
import sqlite3
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from lib import metrics
from lib.system import MODE
from lib.wait import wait_until

PROTOBUF = "application/x-protobuf"
MIB = 1 << 20
MAX_SPANS, MAX_BODY = 20_000, 8 * MIB  # fcgi/trace_store/limits.h, request_split.h


# ---- protobuf by hand: what no library would write

def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, *parts):
    content = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(content)) + content


def span(trace, number=1, more=b""):
    return field(2, field(1, trace.to_bytes(16, "big")), field(2, number.to_bytes(8, "big")), field(5, b"n"), more)


def request(*spans, resource=b"", scope=b""):
    return field(1, resource, field(2, scope, *spans))


# ---- the store

@pytest.fixture
def store(program):
    return program("trace-store", OTEL_SDK_DISABLED="false", TRACES_SPANS_PER_SECOND="1000000")


def send(store, body, content_type=PROTOBUF, encoding=None, path="/v1/traces"):
    extra = [("HTTP_CONTENT_ENCODING", encoding)] if encoding else []
    return store.ask(method="POST", path=path, body=body, content_type=content_type, extra=extra)


def send_json(store, document, **options):
    text = document if isinstance(document, str) else json.dumps(document)
    return send(store, text.encode(), "application/json", **options)


def rows(store, sql):
    with closing(sqlite3.connect(f"file:{store.dir}/data/traces.db?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def figure(store, name, **labels):
    return metrics.total(metrics.samples(store.ask(path="/metrics").body.decode()), name, **labels)


def partial_success(answer):
    """(rejected_spans, error_message) of ExportTraceServiceResponse; (0, "") for a full success."""
    assert answer.status == 200, answer
    if answer.headers["Content-Type"].startswith("application/json"):
        told = json.loads(answer.body).get("partialSuccess", {})
        return int(told.get("rejectedSpans", 0)), told.get("errorMessage", "")
    if not answer.body:
        return 0, ""
    found = re.fullmatch(rb"\x0a[\x80-\xff]*[\x00-\x7f]\x08([\x80-\xff]*[\x00-\x7f])\x12[\x80-\xff]*[\x00-\x7f](.*)",
                         answer.body, re.DOTALL)
    return sum((byte & 0x7F) << 7 * i for i, byte in enumerate(found[1])), found[2].decode()


# ---- work and memory

TRACE = 10**12  # each shape has a trace of its own, so that none meets the limit for another
SHAPES = {
    "empty scopes": lambda: field(1, b"\x12\x00" * (4 * MIB - 8)),
    "empty resources": lambda: b"\x0a\x00" * (4 * MIB - 8),
    "spans without ids": lambda: request(b"\x12\x00" * (4 * MIB - 16)),
    "a span in each scope": lambda: field(1, *[field(2, span(TRACE + 5, i + 1)) for i in range(150_000)]),
    "a large resource and many scopes": lambda: field(
        1, field(3, b"x" * 400_000), *[field(2, span(TRACE + 6, i + 1)) for i in range(150_000)]),
    "a large scope and many scopes": lambda: field(
        1, field(2, field(3, b"x" * 400_000), span(TRACE + 7)),
        *[field(2, span(TRACE + 7, i + 2)) for i in range(150_000)]),
    "a span in each resource": lambda: b"".join(request(span(TRACE + 8, i + 1)) for i in range(150_000)),
    "a span in each trace": lambda: request(*[span(i % 150_000 + 1) for i in range(180_000)]),
    "traces in turn": lambda: b"".join(
        request(*[span(i % 100 + 1, i + 1) for i in range(n, n + 20)]) for n in range(0, 160_000, 20)),
    "one trace of all": lambda: request(*[span(TRACE + 11, i + 1) for i in range(180_000)]),
    "one field that is not known": lambda: request(span(TRACE + 12, more=b"\x98\x06\x01" * (2 * MIB))),
    "one attribute": lambda: request(span(TRACE + 13, more=field(9, field(1, b"x" * (8 * MIB - 1000))))),
    "an attribute of nothing often": lambda: request(span(TRACE + 14, more=b"\x4a\x00" * (4 * MIB - 100))),
    "events": lambda: request(span(TRACE + 15, more=b"\x5a\x00" * (4 * MIB - 100))),
}

JSON_SHAPES = {
    "empty objects": lambda: '{"a":[' + ",".join(["{}"] * (2 * MIB)) + "]}",
    "empty resources in JSON": lambda: '{"resourceSpans":[' + ",".join(["{}"] * (2 * MIB)) + "]}",
    "a long string": lambda: '{"a":"' + "x" * (MAX_BODY - 100) + '"}',
    "a long string of escapes": lambda: '{"resourceSpans":[{"schemaUrl":"' + "\\u0041" * (MIB + 300_000) + '"}]}',
    "a long number": lambda: '{"a":' + "7" * (MAX_BODY - 100) + "}",
    "many names": lambda: "{" + ",".join(f'"{i}":1' for i in range(600_000)) + "}",
    "a long name": lambda: '{"' + "\\u0061" * (MIB + 300_000) + '":1}',
    "levels without end": lambda: '{"a":' + "[" * (MAX_BODY - 100),
    "values of nothing": lambda: '{"resourceSpans":[{"resource":{"attributes":[{"value":{"arrayValue":{"values":['
                                 + ",".join(["null"] * 1_600_000) + "]}}}]}}]}",
}


def memory(store, which):
    status = (store.dir / f"/proc/{store.process.pid}/status").read_text()
    return int(re.search(rf"{which}:\s+(\d+) kB", status)[1]) * 1024


def cpu_seconds(store):
    fields = (store.dir / f"/proc/{store.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(store, body, content_type=PROTOBUF):
    """(answer, seconds of work, bytes of memory at most) of a body within the limits, sent as gzip."""
    assert len(body) <= MAX_BODY
    packed = gzip.compress(body, 6)
    (store.dir / f"/proc/{store.process.pid}/clear_refs").write_text("5")  # the peak begins anew
    before, memory_before = cpu_seconds(store), memory(store, "VmRSS")
    connection = store.connect()
    connection.socket.settimeout(600)  # it runs at a low priority, and work is what is asked for, not time
    answer = connection.ask(method="POST", path="/v1/traces", body=packed, content_type=content_type,
                            extra=[("HTTP_CONTENT_ENCODING", "gzip")])
    return answer, cpu_seconds(store) - before, memory(store, "VmHWM") - memory_before


def work_limit(store):
    """Some times the work that an ordinary body of the largest size is."""
    ordinary = request(*[span(i // 20 + 1, i + 1, field(9, field(1, b"key"), field(2, field(1, b"v" * 200))))
                         for i in range(30_000)])
    answer, work, _ = cost(store, ordinary)
    assert answer.status == 200
    return 15 * max(work, 0.1) * MAX_BODY / len(ordinary)


def test_work_and_memory_fit_the_body(store):
    """Of whatever shape it is."""
    limit = work_limit(store)
    shapes = ([(name, make(), PROTOBUF) for name, make in SHAPES.items()] +
              [(name, make().encode(), "application/json") for name, make in JSON_SHAPES.items()])
    for name, body, content_type in shapes:
        answer, work, more = cost(store, body, content_type)
        assert answer.status in (200, 400, 413), (name, answer)
        print(f"{name}: {answer.status}, {len(body)} bytes, {work:.2f} s of {limit:.2f}, {more / MIB:.1f} MiB")
        assert work <= limit, name
        if MODE not in ("asan", "tsan"):  # which keep what was given back
            assert more <= 64 * MIB, name
    if MODE not in ("asan", "tsan"):
        assert memory(store, "VmRSS") <= 128 * MIB
    assert partial_success(send(store, request(span(7)))) == (0, "")


def test_traces_that_are_not_kept_are_not_much_work(program):
    store = program("trace-store", OTEL_SDK_DISABLED="false", TRACES_SPANS_PER_SECOND="100")
    limit = work_limit(store)
    for turn in range(2):
        answer, work, _ = cost(store, request(*[span(TRACE * (turn + 2) + i) for i in range(180_000)]))
        assert partial_success(answer)[0] > 150_000 and work <= limit


# ---- limits

@pytest.mark.parametrize("form", ["protobuf", "json"])
def test_a_trace_over_the_limit_is_cut_off_and_the_sender_told(store, form):
    def batch(begin, end):
        if form == "protobuf":
            return send(store, request(*[span(7, i + 1) for i in range(begin, end)]))
        return send_json(store, {"resourceSpans": [{"scopeSpans": [{"spans": [
            {"traceId": f"{7:032x}", "spanId": f"{i + 1:016x}"} for i in range(begin, end)]}]}]})
    assert partial_success(batch(0, 15_000)) == (0, "")
    rejected, message = partial_success(batch(15_000, 25_000))
    assert rejected == 5_000 and "20000 spans" in message and "cut off" in message
    assert rows(store, "SELECT spans, cut_spans FROM traces") == [(MAX_SPANS, 5_000)]
    assert figure(store, "traces_spans_dropped_total", reason="limit") == 5_000
    assert figure(store, "traces_spans_received_total") == 25_000
    assert partial_success(send(store, request(span(8)))) == (0, "")


def test_what_is_taken_fits_what_is_read(store):
    """Long attributes: no more bytes of a trace than its limit, and the small span that comes later still fits."""
    long = [span(7, i + 1, field(9, field(1, os.urandom(30_000).hex().encode()))) for i in range(100)]
    rejected = sum(partial_success(send(store, request(*long[i:i + 50])))[0] for i in (0, 50))
    (spans, size, cut), = rows(store, "SELECT spans, span_bytes, cut_spans FROM traces")
    assert rejected == cut and spans + cut == 100 and 4 * MIB - 61_000 < size <= 4 * MIB
    assert partial_success(send(store, request(span(7, 1000)))) == (0, "")


def test_a_resource_has_a_limit(store):
    answer = send(store, request(span(7), span(8), resource=field(3, b"x" * 600_000)))
    rejected, message = partial_success(answer)
    assert rejected == 2 and "512 KiB" in message
    assert rows(store, "SELECT count(*) FROM traces") == [(0,)]


def test_the_same_batch_again_is_stored_once(store):
    body = request(*[span(7, i + 1) for i in range(15_000)])
    for _ in range(3):
        assert partial_success(send(store, body)) == (0, "")
    assert rows(store, "SELECT spans, cut_spans FROM traces") == [(15_000, 0)]
    assert figure(store, "traces_spans_repeated_total") == 30_000


# ---- forms

def value_of(store, value, number):
    """Sends an attribute's value as JSON text; (the answer, the value as the store has it)."""
    trace = f"{number:032x}"
    answer = send_json(store, '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"' + trace + '","spanId":'
                       '"0000000000000001","attributes":[{"key":"k","value":' + value + "}]}]}]}]}")
    if answer.status != 200:
        return answer, None
    stored = json.loads(store.ask(path=f"/api/traces/{trace}").body)["batches"][0]["scopeSpans"][0]["spans"][0]
    return answer, stored["attributes"][0].get("value", {})


def test_all_forms_of_json_are_taken(store):
    for number, (value, expected) in enumerate({
            '{"doubleValue":"1.5"}': {"doubleValue": 1.5}, '{"doubleValue":"NaN"}': {"doubleValue": "NaN"},
            '{"intValue":1.0}': {"intValue": "1"}, '{"intValue":"1e2"}': {"intValue": "100"},
            '{"int_value":-5}': {"intValue": "-5"}, '{"bytesValue":"-_8"}': {"bytesValue": "+/8="},
            '{"arrayValue":{"values":[null]}}': {"arrayValue": {"values": [{}]}},
            '{"stringValue":"\\u00e4","unknown":[{}]}': {"stringValue": "ä"}, "null": {}}.items()):
        answer, stored = value_of(store, value, number + 1)
        assert (answer.status, stored) == (200, expected), value


@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_values_nest(store, kind):
    inner = {"boolValue": True}
    for _ in range(20):
        inner = {kind: {"values": [inner if kind == "arrayValue" else {"key": "k", "value": inner}]}}
    answer, stored = value_of(store, json.dumps(inner), 1)
    assert (answer.status, stored) == (200, inner)
    answer, _ = value_of(store, '{"arrayValue":{"values":[' * 60 + "]}}" * 60, 2)
    assert answer.status == 400


@pytest.mark.parametrize("value, told", [
    ('{"intValue":9223372036854775808}', "intValue is out of range, at byte "),
    ('{"intValue":1.5}', "intValue must be a whole number, at byte "),
    ('{"intValue":1,"intValue":2}', "intValue comes twice, at byte "),
    ('{"doubleValue":1e999}', "doubleValue is out of range, at byte "),
    ('{"boolValue":"true"}', "boolValue must be true or false, at byte "),
    ('{"stringValue":"\\ud800"}', "half of a surrogate pair is in a string, at byte "),
    ('{"intValue":01}', "a number is wrong, at byte ")])
def test_what_cannot_be_kept_is_refused_with_its_place(store, value, told):
    answer, _ = value_of(store, value, 1)
    assert answer.status == 400
    assert told in json.loads(answer.body)["message"]
    assert rows(store, "SELECT count(*) FROM pieces") == [(0,)]


def test_bodies_may_be_compressed(store):
    body = request(span(7))
    for number, (encoding, packed) in enumerate((
            ("gzip", gzip.compress(body)), ("x-gzip", gzip.compress(body)), ("deflate", zlib.compress(body)),
            ("identity", body))):
        assert partial_success(send(store, packed, encoding=encoding)) == (0, ""), (number, encoding)
    for encoding, packed in (("gzip", zlib.compress(body)), ("deflate", gzip.compress(body)),
                             ("deflate", zlib.compress(body)[:-1]), ("deflate", zlib.compress(body) + b"x")):
        assert send(store, packed, encoding=encoding).status == 400
    assert send(store, zlib.compress(bytes(MAX_BODY + 1)), encoding="deflate").status == 413
    for encoding in ("br", "zstd", "gzip, gzip"):
        answer = send(store, body, encoding=encoding)
        assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "gzip, deflate")


@pytest.mark.parametrize("signal", ["metrics", "logs"])
def test_other_signals_are_answered_and_not_kept(store, signal):
    answer = send(store, b"\x0a\x00", path=f"/v1/{signal}")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, PROTOBUF, b"")
    answer = send(store, gzip.compress(b'{"resourceLogs":[]}'), "application/json", "gzip", path=f"/v1/{signal}")
    assert (answer.status, json.loads(answer.body)) == (200, {})
    assert send(store, b"x", "text/plain", path=f"/v1/{signal}").status == 415
    assert store.ask(path=f"/v1/{signal}").status in (404, 405)
    assert figure(store, "traces_requests_unkept_total", signal=signal) == 2


# ---- pressure

def test_what_is_stored_stays_whatever_comes(program):
    """A flood of traces, and among it the id of a stored one: it keeps what it has, and gets the rest of it."""
    store = program("trace-store", OTEL_SDK_DISABLED="false", TRACES_SPANS_PER_SECOND="50")
    kept = [10**30 + i for i in range(20)]
    assert partial_success(send(store, request(*[span(one) for one in kept]))) == (0, "")
    for turn in range(20):
        rejected, message = partial_success(send(store, request(*[span(turn * 1000 + i + 1) for i in range(1000)])))
        assert turn == 0 or (rejected and "More spans come than are kept" in message)
    assert partial_success(send(store, request(*[span(one, 2) for one in kept]))) == (0, "")
    store.terminate()  # what it knows of them is in the database
    assert store.wait()[0] == 0
    store.pid_file.unlink(missing_ok=True)
    store.start()
    send(store, request(*[span(10**20 + i) for i in range(1000)]))
    assert partial_success(send(store, request(*[span(one, 3) for one in kept]))) == (0, "")
    assert rows(store, f"SELECT count(*), sum(spans) FROM traces WHERE trace_id >= x'{10**30:032x}'") == [(20, 60)]


def test_traces_age_after_a_wall_clock_that_was_ahead(program):
    """As it is found at the start: stored in the future, because the clock was set back while the program was down."""
    store = program("trace-store", TRACES_MAX_AGE_SECONDS="1")
    send(store, request(span(1), span(2)))
    store.terminate()
    assert store.wait()[0] == 0
    store.pid_file.unlink(missing_ok=True)
    with closing(sqlite3.connect(store.dir / "data/traces.db", isolation_level=None)) as connection:
        connection.execute("UPDATE pieces SET received_ms = received_ms + 86400000")
        connection.execute("UPDATE clock SET steady_ms = steady_ms + 86400000, wall_ms = wall_ms + 86400000")
    store.start()
    wait_until(lambda: rows(store, "SELECT count(*) FROM pieces") == [(0,)], "they do not age")


def test_many_senders_at_a_time(store):
    """Of the same traces: each gets all of its spans, and what was told 429 is not there until it is sent again."""
    def sender(number):
        connection = store.connect()
        for turn in range(10):
            body = request(*[span(trace + 1, number * 100 + turn + 1) for trace in range(50)],
                           resource=field(3, b"%d" % number))
            while (answer := connection.ask(method="POST", path="/v1/traces", body=body,
                                            content_type=PROTOBUF)).status == 429:
                assert answer.headers["Retry-After"] == "1"
            assert partial_success(answer) == (0, "")
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(sender, range(12)))
    assert rows(store, "SELECT count(*), min(spans), max(spans), sum(cut_spans) FROM traces") == [(50, 120, 120, 0)]
    assert rows(store, "SELECT count(*) FROM pieces") == [(50 * 120,)]
    assert rows(store, "SELECT count(*) FROM resources") == [(120,)]
