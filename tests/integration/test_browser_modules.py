# SPDX-License-Identifier: MIT
"""The console's modules by themselves, imported in a browser: numbers, quantiles, logs, the order of spans."""
import json
import time
import uuid

import pytest

from lib.browser import Browser
from lib.nginx_alone import NginxAlone
from lib.ports import free_port


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("nginx") / "logs"


@pytest.fixture(scope="module")
def one_browser(logs, tmp_path_factory):
    port = free_port()
    nginx = NginxAlone(logs.parent, {"CONSOLE": "on", "CONSOLE_PORT": str(port)}).start()
    try:
        with Browser(tmp_path_factory.mktemp("browser"), port) as one:
            yield one
    finally:
        nginx.close()


@pytest.fixture
def page(one_browser):
    with one_browser.judged():
        one_browser.open("#/api")  # needs no program that answers
        yield one_browser


def test_numbers_and_times(page):
    made = page.js("""return import("/format.js").then(({duration, number, count}) => [
        [0, 0.0004, 0.99, 1, 9.994, 10, 99.94, 100, 999.4, 1000, 59994, 60000, 90400, 36e5,
            172799999, 180e6].map(duration),
        [0, 0.004, 0.333, 1.04, 12.6, 99.4, 1234.5].map(number), [0, 1, 2].map((n) => count(n, "span"))])""")
    assert made == [
        ["0 µs", "0 µs", "990 µs", "1.00 ms", "9.99 ms", "10.0 ms", "99.9 ms", "100 ms", "999 ms", "1.00 s",
         "59.99 s", "1m 0s", "1m 30s", "1h 0m", "2d 0h", "2d 2h"],
        ["0", "0.004", "0.33", "1", "13", "99", "1235"], ["0 spans", "1 span", "2 spans"]]


def test_quantiles(page):
    """As histogram_quantile() has it: linear in a bucket, the last bound above all of them, nothing without counts."""
    made = page.js("""return import("/metrics.js").then(({quantile}) => {
        const counts = [[Infinity, 20], [0.5, 10], [0.1, 0], [1, 20]];
        return [...[0.125, 0.5, 0.75, 1].map((q) => Number(quantile(q, new Map(counts)).toFixed(9))),
            quantile(0.9, new Map([[1, 1], [Infinity, 10]])), quantile(0.9, new Map()),
            quantile(0.9, new Map([[1, 0], [Infinity, 0]]))];
    })""")
    assert made == [0.2, 0.5, 0.75, 1, 1, None, None]


def scrape(fast, slow, failed):
    name = "http_server_request_duration_seconds"
    return "\n".join([
        f"# TYPE {name} histogram", f'{name}_bucket{{http_route="/a",le="0.1"}} {fast}',
        f'{name}_bucket{{http_route="/a",le="0.5"}} {fast + slow}',
        f'{name}_bucket{{http_route="/a",le="+Inf"}} {fast + slow}',
        f'{name}_count{{http_route="\\"}} /",http_response_status_code="200"}} {fast + slow - failed}',
        f'{name}_count{{http_response_status_code="404"}} 0',
        f'{name}_count{{http_response_status_code="503"}} {failed}', 'target_info{service_name="a"} 1', ""])


def test_rates_of_two_scrapes(page):
    made = page.js("""const [texts] = arguments;
        return import("/metrics.js").then(({difference, readScrape}) => {
            const [a, b, restarted] = texts.map((text, i) => readScrape(text, 2000 * i));
            return [a.service, difference(a, b), difference(b, restarted), difference(b, b)];
        })""", [scrape(5, 0, 1), scrape(15, 10, 5), scrape(1, 0, 0)])
    rates = {"time": 2000, "requests": 10, "refused": 0, "failed": 2, "p95": pytest.approx(460)}
    assert made == ["a", rates, None, None]


@pytest.mark.parametrize("begun", [None, 1, 0], ids=["once", "within", "after"])  # how many of its lines were before
@pytest.mark.parametrize("at", [0, 0.31, 0.5, 1], ids=["begin", "third", "half", "end"])
def test_the_lines_of_a_trace_are_found_in_a_long_log(logs, page, at, begun):
    """By a few parts of the file, wherever the trace was, also when the log was begun anew. No log is an answer too."""
    count, trace_id, began = 40_000, uuid.uuid4().hex, 1_700_000_000
    first = min(int(at * count), count - 30)

    def line(number):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(began + number))
        found = trace_id if number in (first, first + 2, first + 29) else "0" * 31 + "1"
        fields = {"ts": stamp, "level": "info", "service": "long", "msg": "é" * 20, "trace_id": found, "n": number}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"
    cut = 0 if begun is None else first + begun if begun else count
    (logs / "long.log.1").write_text("".join(map(line, range(cut))), encoding="utf-8")
    (logs / "long.log").write_text("".join(map(line, range(cut, count))), encoding="utf-8")
    found = page.js("""const times = [...arguments];
        return import("/logs.js").then(({logLines}) => logLines(["long", "absent", "../long"], ...times))
            .then((found) => found.map((line) => line.n))""",
                    trace_id, (began + first) * 1000, (began + first + 29) * 1000)
    assert found == [first, first + 2, first + 29]
    assert 0 < len([url for url in page.requests() if "/logs/long.log" in url]) < 20


def test_the_order_of_spans(page):
    """Whatever order they come in: each once, parents first; also when parents are missing, or run in a circle."""
    made = page.js("""return import("/spans.js").then(({readTrace}) => {
        const id = (letter) => letter && letter.repeat(16);
        const spans = [["c", "b", 3], ["b", "c", 2], ["e", "a", 5], ["d", "a", 4], ["a", "", 1], ["f", "9", 6]]
            .map(([letter, parent, start]) => ({spanId: id(letter), parentSpanId: id(parent), name: letter,
                startTimeUnixNano: String(start), endTimeUnixNano: "9"}));
        const rows = (list) => readTrace({batches: [{scopeSpans: [{spans: list}]}]});
        return [rows(spans).spans.map(({name, depth}) => name + depth), rows(spans).whole,
            rows(spans.slice(2, 5)).whole, rows([])];
    })""")
    assert made == [["a0", "d1", "e1", "f0", "b0", "c1"], False, True, None]


def test_spans_of_one_id(page):
    """Two kinds are two sides of a call, the same kind of the same service is one that was sent again."""
    made = page.js("""return import("/spans.js").then(({readTrace}) => {
        const id = (letter) => letter && letter.repeat(16);
        const batch = (service, ...list) => ({resource: {attributes: [{key: "service.name",
            value: {stringValue: service}}]}, scopeSpans: [{spans: list.map(([letter, parent, kind, start, end]) => ({
            spanId: id(letter), parentSpanId: id(parent), name: service, kind, startTimeUnixNano: String(start),
            endTimeUnixNano: String(end)}))}]});
        const trace = readTrace({batches: [
            batch("shop", ["a", "", 2, 1, 9], ["b", "a", 3, 2, 5], ["b", "a", 3, 2, 8], ["b", "a", 3, 2, 6]),
            batch("stock", ["b", "a", 2, 3, 7], ["c", "b", 1, 4, 6], ["d", "9", 1, 5, 6], ["e", "e", 1, 6, 7])],
            status: "PARTIAL", message: "There is more."});
        return [trace.spans.map(({name, kind, depth, end}) => `${name} ${kind} ${depth} ${end}`),
            trace.spans.map(({twin, orphan, circle}) => [twin, orphan, circle].map(Number).join("")),
            new Set(trace.spans.map(({key}) => key)).size, trace.message];
    })""")
    assert made == [
        ["shop SERVER 0 9", "shop CLIENT 1 8", "stock SERVER 1 7", "stock INTERNAL 2 6", "stock INTERNAL 0 6",
         "stock INTERNAL 0 7"], ["000", "100", "100", "000", "010", "001"], 6, "There is more."]


def test_a_parent_is_found_among_thousands_that_share_its_id(page):
    """Each child has its own service's; whoever has none there takes the first."""
    made = page.js("""return import("/spans.js").then(({readTrace}) => {
        const id = (number) => number.toString(16).padStart(16, "0"), count = 3000;
        const batch = (service, ...spans) => ({resource: {attributes: [{key: "service.name",
            value: {stringValue: service}}]}, scopeSpans: [{spans}]});
        const span = (spanId, start, parentSpanId) => ({spanId, parentSpanId, startTimeUnixNano: String(start),
            endTimeUnixNano: String(2 * count)});
        const batches = Array.from({length: count}, (_, i) => batch(`s${i}`, span(id(1), i),
            span(id(i + 2), i, id(1))));
        const {spans} = readTrace({batches: [...batches, batch("stranger", span(id(count + 2), 1, id(1)))]});
        const children = spans.filter((one) => one.above);
        return [spans.length, new Set(spans.map((one) => one.key)).size, children.length,
            children.filter((one) => one.above.service !== one.service).map((one) => [one.service, one.above.service]),
            spans.filter((one) => one.twin).length, spans.filter((one) => one.orphan || one.circle).length];
    })""")
    assert made == [6001, 6001, 3001, [["stranger", "s0"]], 3000, 0]
