# SPDX-License-Identifier: MIT
"""The console as its user meets it, in a real browser: what the page shows, and that nothing on it acts or escapes."""
import json
import shutil
import time
import uuid

import pytest

from lib.browser import Keys
from lib.client import Client
from lib.console import Console
from lib.fixtures import console_fixture

SERVICES = ["api-gateway", "notification-service", "order-service", "user-service"]
TREE = [
    [0, "api-gateway", "SERVER POST /api/v1/orders"],
    [1, "api-gateway", "CLIENT POST"],
    [2, "order-service", "SERVER POST /api/v1/orders"],
    [3, "order-service", "CLIENT GET"],
    [4, "user-service", "SERVER GET /api/v1/users/{id}"],
    [5, "user-service", "CLIENT SELECT users"],
    [3, "order-service", "CLIENT INSERT orders"],
    [3, "order-service", "CLIENT POST"],
    [4, "notification-service", "SERVER POST /api/v1/notifications"],
    [5, "notification-service", "CLIENT INSERT notifications"]]
# hit() is nowhere: when one of these acts, the browser's console tells of an error, or of a violation of the policy.
MARKUP = ["<img src=x onerror=hit()>", "\"'><svg onload=hit()>", "</td></script><script>hit()</script>",
          "javascript:hit()"]
OPEN_DETAILS = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
ORDER = {"user_id": 1, "product": "测试商品", "amount": 99.99}


seen = console_fixture("seen")


@pytest.fixture(scope="module")
def one_browser(seen, tmp_path_factory):
    directory = tmp_path_factory.mktemp("browser")
    with Console(directory, seen.ports["console"]) as console:
        yield console
    shutil.rmtree(directory / "profile", ignore_errors=True)


@pytest.fixture
def page(one_browser):
    """The browser, at the console's first page."""
    with one_browser.judged():
        one_browser.emulate()
        one_browser.open()
        yield one_browser


# ---- an order and its trace

def test_an_order_by_the_mouse(seen, page):
    page.type("#order-product", "Nón lá ✿")
    status, trace_id, says = page.place_order()
    assert status == 201 and "product Nón lá ✿" in says and "notification sent" in says
    assert page.texts("#answers time") and page.texts("#answers td.number")[0].endswith("s")
    page.click(f'a[data-trace-link="{trace_id}"]')
    page.until(lambda: page.spans() == TREE, "the trace does not become whole")
    assert page.address == f"/#/trace/{trace_id}" and page.texts("#trace-id") == [trace_id]
    assert page.texts("#trace-facts [data-fact]")[1:] == ["10 spans", "4 services", "no errors"]
    check_bars(page.bars())
    page.until(lambda: set(page.services_of_log_lines()) == set(SERVICES), "lines are missing")
    written = [service for service in SERVICES for line in seen.log_lines(service) if line.get("trace_id") == trace_id]
    assert sorted(page.services_of_log_lines()) == sorted(written)
    page.click('tr[data-service="user-service"][data-depth="5"] button')
    assert "db.query.text" in page.wait(".details-row:not([hidden])")


def check_bars(bars):
    """Each lies under its parent's; the narrowest are made 3 pixels wide."""
    above = []
    for depth, left, right in bars:
        above[depth:] = [(left, right)]
        assert left < right, bars
        assert depth == 0 or above[depth - 1][0] - 3 <= left and right <= above[depth - 1][1] + 3, bars


def test_an_order_by_the_keyboard_alone(page):
    """Tab and Enter, to the trace and through it."""
    def tab_to(css):
        for _ in range(30):
            page.press(Keys.TAB)
            if page.js("return document.activeElement.matches(arguments[0])", css):
                return
        raise AssertionError(f"Tab does not reach {css}")
    tab_to("#order-product")
    page.press("typed", Keys.ENTER)
    status, trace_id, says = page.answer(1)
    assert status == 201 and "product typed" in says
    tab_to("a[data-trace-link]")
    page.press(Keys.ENTER)
    page.until(lambda: page.spans() == TREE, "the trace does not become whole")
    assert page.address == f"/#/trace/{trace_id}"
    tab_to("button.span")
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    assert "http.route" in page.wait(".details-row:not([hidden])")
    assert page.js("""const {activeElement: one} = document;
        return [one.closest("tr").dataset.depth, one.ariaExpanded]""") == ["2", "true"]


# ---- finding traces

def test_a_refused_order_is_found(page):
    _, good, _ = page.place_order()
    page.click("#fail-unknown-user")
    status, refused, says = page.answer(2)
    assert status == 422 and "not the id of a user" in says
    page.click('nav a[data-tab="traces"]')
    page.wait_traces(lambda found: {good, refused} <= set(found), "both are among the traces")
    page.click("#filter-errors")
    page.wait_traces(lambda found: refused in found and good not in found, "only the refused one has errors")
    page.choose("#filter-service", "order-service")
    page.wait_traces(lambda found: refused in found and good not in found, "it is order-service that had one")
    filtered = page.address
    assert filtered == "/#/traces?service=order-service&errors=1"
    page.open_trace(refused)
    failed = [["api-gateway", "CLIENT POST", "✗ error 422"], ["order-service", "CLIENT GET", "✗ error 404"]]
    page.until(lambda: page.failed_spans() == failed, "what failed is not marked")

    page.driver.refresh()
    page.wait("tr[data-failed]")
    assert page.address == f"/#/trace/{refused}"
    page.driver.back()
    page.wait_traces(lambda found: refused in found and good not in found, "going back brings the filtered traces")
    assert page.address == filtered and page.js("return document.querySelector('#filter-errors').checked")
    page.driver.refresh()
    page.wait_traces(lambda found: refused in found and good not in found, "they are found anew")


def test_filters(seen, page):
    _, trace_id, _ = page.place_order()
    seen.gateway.get("/api/v1/users")
    page.click('nav a[data-tab="traces"]')
    page.wait_traces(lambda found: trace_id in found, "the order is there")
    page.choose("#filter-service", "user-service")
    page.choose("#filter-route", "POST /api/v1/orders")
    page.wait_traces(lambda found: trace_id in found, "the order asked for its user")
    page.choose("#filter-route", "GET /api/v1/users")
    page.wait_traces(lambda found: found and trace_id not in found, "that is another route")
    page.choose("#filter-service", "notification-service")
    page.wait_traces(lambda found: not found, "a list of users notifies nobody")
    page.choose("#filter-service", "")
    page.choose("#filter-route", "POST /api/v1/orders")
    page.type("#filter-slower", "0.01" + Keys.ENTER)
    page.wait_traces(lambda found: trace_id in found, "the order took longer than 10 µs")
    page.type("#filter-slower", "3600000" + Keys.ENTER)
    page.wait_traces(lambda found: not found, "nothing takes an hour")
    assert "No trace" in page.wait("#traces-state .empty")
    assert page.address == "/#/traces?route=POST+%2Fapi%2Fv1%2Forders&slower=3600000"


def test_a_filter_keeps_the_focus(page):
    """Who goes through a list with the arrow keys gets a page with each step, and goes on from where he was."""
    page.open("#/traces")
    page.until(lambda: len(page.texts("#filter-service option")) > 3, "the services are not offered")
    page.js("document.querySelector('#filter-service').focus()")
    for service in page.texts("#filter-service option")[1:3]:
        page.press(Keys.ARROW_DOWN)
        page.until(lambda service=service: f'"{service}"' in page.texts("#traceql")[0], f"{service} is not chosen")
        page.until(lambda: len(page.texts("#filter-service option")) > 3, "the services are not offered any more")
        assert page.js("return document.activeElement.id") == "filter-service"


def test_services_that_are_away(seen, page):
    """A server's error; and the relay's trace, which leads to the order's."""
    with seen.without("notifications"):
        status, pending, says = page.place_order()
        assert status == 201 and "notification pending" in says
    with seen.without("users"):
        status, refused, _ = page.place_order(2)
        assert status == 503
        page.wait('tr[data-program="users"][data-up=false]')
    page.wait('tr[data-program="users"][data-up=true]')

    page.click(f'a[data-trace-link="{refused}"]')
    page.until(lambda: len(page.failed_spans()) == 4, "not everything that failed is marked")
    assert {mark for _, _, mark in page.failed_spans()} == {"✗ error 503"}
    page.until(lambda: "error" in page.texts("#log-lines .level"), "no line of the logs says that it failed")

    page.open("#/traces?service=order-service")
    delivery = page.until(lambda: page.js("""return [...document.querySelectorAll("#traces tr[data-errors='0']")]
        .find((row) => row.querySelector("a .muted").textContent === "order-service")?.dataset.traceId"""),
                          "the relay's delivery is not among the traces", 40)
    page.open_trace(delivery)
    page.use('tr[data-service="order-service"] button')
    page.use(f'a[data-link="{pending}"]')
    page.until(lambda: page.spans()[:1] == TREE[:1] and page.texts("#trace-id") == [pending],
               "the link does not lead to the order")
    page.driver.back()
    page.until(lambda: page.texts("#trace-id") == [delivery], "back does not lead to the delivery")


# ---- live

def test_traffic_moves_charts_and_map(page):
    page.click("#traffic-start")
    page.until(lambda: page.js("return document.querySelector('#traffic-progress').value") > 0, "there is no progress")
    assert page.js("return document.querySelector('#traffic-start').disabled")
    assert page.js("return !document.querySelector('#traffic-stop').disabled")
    page.wait('tr[data-answer="12"]')
    for metric in ("requests", "p95"):
        page.until(lambda metric=metric: page.moving(metric) == SERVICES, f"{metric}: no values, or no lines", 20)
    expected = {("api-gateway", "order-service"), ("api-gateway", "user-service"),
                ("order-service", "user-service"), ("order-service", "notification-service")}
    page.until(lambda: expected <= page.calls(), "the map lacks calls", 20)
    page.click("#traffic-stop")
    page.until(lambda: page.texts("#traffic-text")[0].startswith("Ended"), "it does not stop")
    page.js("""document.querySelector("#service-map a[data-service=user-service]")
        .dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}))""")
    page.wait_traces(len, "the map leads to the service's traces")
    assert page.address == "/#/traces?service=user-service"


def test_a_service_that_was_away_when_the_page_was_opened(seen, page):
    """When it is back it has its name, and no second place on the map."""
    with seen.without("users"):
        page.open()
        page.wait('#service-map .node.down[data-service="users"]')
    page.wait('#service-map .node:not(.down)[data-service="user-service"]', 20)
    page.until(lambda: not page.texts('#service-map [data-service="users"]'), "it is on the map twice", 20)


def test_a_service_that_hangs(seen, page):
    """It is said to be away, and keeps no other's numbers waiting."""
    page.wait('tr[data-program="users"][data-up=true]')
    with seen.frozen("users"):
        page.wait('tr[data-program="users"][data-up=false]')
        chart = "return document.querySelector('tr[data-program=\"orders\"] path.line').getAttribute('d')"
        before = page.js(chart)
        page.until(lambda: page.js(chart) != before, "the others' charts stand still")
    page.wait('tr[data-program="users"][data-up=true]')


# ---- what others wrote is text

def test_markup_in_an_order(page):
    for number, text in enumerate(MARKUP, 1):
        page.type("#order-product", text)
        status, _, says = page.place_order(number)
        assert status == 201 and f"product {text}" in says
    page.check_inert()


def evil_request(classes, trace_id):
    """A trace in which every text is markup; of one service that writes logs, and of some that are markup by name."""
    request, now = classes.ExportTraceServiceRequest(), time.time_ns()
    for number, service in enumerate(["evil", *MARKUP], 1):
        resource_spans = request.resource_spans.add()
        resource_spans.resource.attributes.add(key="service.name").value.string_value = service
        resource_spans.resource.attributes.add(key=MARKUP[0]).value.string_value = MARKUP[1]
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = MARKUP[0]
        span = scope_spans.spans.add(
            trace_id=trace_id, span_id=number.to_bytes(8, "big"), name=MARKUP[0], kind=2,
            parent_span_id=(number - 1).to_bytes(8, "big") if number > 1 else b"",
            start_time_unix_nano=now, end_time_unix_nano=now + 5_000_000)
        span.status.code, span.status.message = 2, MARKUP[2]
        for text in MARKUP:
            event = span.events.add(time_unix_nano=now, name=text)
            link = span.links.add(trace_id=trace_id, span_id=b"x" * 8)
            for part in (span, event, link):
                part.attributes.add(key=text).value.string_value = text
    return request


@pytest.fixture
def evil(seen, classes):
    """The id of such a trace, with log lines."""
    trace = uuid.uuid4()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    lines = [{"ts": stamp, "level": "info", "service": text, "msg": text, "trace_id": trace.hex, text: text}
             for text in MARKUP]
    (seen.log / "evil.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Client(seen.ports["otlp"], traced=False) as client:
        answer = client.request("POST", "/v1/traces", evil_request(classes, trace.bytes).SerializeToString(),
                                content_type="application/x-protobuf")
    assert answer.status == 200
    yield trace.hex
    (seen.log / "evil.log").unlink()


def test_markup_in_traces_and_logs(evil, page):
    page.wait("#service-map .node[data-service^='<']")
    page.check_inert()
    page.click('nav a[data-tab="traces"]')
    page.wait_traces(lambda found: evil in found, "it is among the traces")
    page.choose("#filter-service", MARKUP[0])
    page.choose("#filter-route", MARKUP[0])
    page.wait_traces(lambda found: found == [evil], "the filters find it by its markup")
    page.check_inert()
    page.driver.refresh()
    page.wait_traces(lambda found: found == [evil], "the address does as well")
    page.open_trace(evil)
    page.until(lambda: len(page.spans()) == 5, "spans are missing")
    page.wait("#log-lines tbody tr")
    for number in range(1, 6):
        page.use(f'button[data-span="{number:016x}"]')
    page.js(OPEN_DETAILS)
    shown = page.js("return document.querySelector('main').innerText")
    assert all(shown.count(text) > 5 * 3 for text in MARKUP)
    assert [text for text in MARKUP if text not in page.texts("#log-lines summary strong")] == []
    page.check_inert()


def test_every_span_of_an_odd_trace_is_shown(seen, classes, page):
    """Parents in a circle, a parent that is not here, and two halves of a call with one id."""
    trace, now = uuid.uuid4(), time.time_ns()
    request = classes.ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, parent, kind in ((1, 2, 1), (2, 1, 1), (3, 9, 1), (4, 3, 2), (4, 3, 3)):
        spans.add(trace_id=trace.bytes, span_id=bytes([number] * 8), parent_span_id=bytes([parent] * 8), kind=kind,
                  name=f"odd {number}", start_time_unix_nano=now + number, end_time_unix_nano=now + 5000)
    with Client(seen.ports["otlp"], traced=False) as client:
        answer = client.request("POST", "/v1/traces", request.SerializeToString(),
                                content_type="application/x-protobuf")
    assert answer.status == 200
    page.open(f"#/trace/{trace.hex}")
    page.until(lambda: len(page.spans()) == 5, "spans are missing")
    assert sorted(page.texts("[data-shape]")) == ["its id is another span's too"] * 2 + [
        "its parents run in a circle", "parent not in this trace"]
    page.until(lambda: page.texts("#trace-state") == [
        "Some spans are missing: the parent of 1 span is not in the store. The parents of 1 span run in a circle."],
        "the page does not say what is missing")


def test_markup_in_a_request(seen, page):
    """In the query and in a header: they are in spans and in the gateway's log."""
    sent = seen.gateway.get("/api/v1/users?a=<img/src=x/onerror=hit()>", [("User-Agent", MARKUP[0])])
    page.open(f"#/trace/{sent.trace_id}")
    page.wait("#log-lines tbody tr")
    page.use("tr[data-depth='0'] button")
    page.js(OPEN_DETAILS)
    shown = page.text()
    assert MARKUP[0] in page.texts(".pairs dd") and "onerror=hit()>" in shown and f"user_agent={MARKUP[0]}" in shown
    page.check_inert()


@pytest.mark.parametrize("where", [
    "#/trace/<img src=x onerror=hit()>", "#/traces?service=%22%3E%3Cimg%20src%3Dx%20onerror%3Dhit()%3E&slower=x",
    "#javascript:hit()", "#/constructor"])
def test_markup_in_the_address(page, where):
    page.open(where)
    page.wait("main h2")
    page.check_inert()


# ---- for everybody

@pytest.fixture(scope="module")
def pages(seen):
    """Addresses, and what is there when a page is whole."""
    order = seen.gateway.post("/api/v1/orders", ORDER)
    refused = seen.gateway.post("/api/v1/orders", {**ORDER, "user_id": 999999})
    return {"#/": "#service-map .edge", "#/traces": f'tr[data-trace-id="{refused.trace_id}"]',
            f"#/trace/{refused.trace_id}": "tr[data-failed]", f"#/trace/{order.trace_id}": "#log-lines tbody tr",
            "#/api": ".api-operation"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_can_be_read(page, pages, dark):
    """Every text has its contrast (WCAG 2.2, 1.4.3), and a narrow window is enough (1.4.10, reflow)."""
    page.emulate(dark)
    for where, whole in pages.items():
        page.open(where)
        page.wait(whole)
        if where == "#/":
            page.place_order()
            page.click("#fail-invalid")
            page.answer(2)
        page.js(f"{OPEN_DETAILS}; document.querySelector('button.span')?.click()")
        for width in (1280, 360):
            page.emulate(dark, width)
            pale, count = page.judge("paleTexts")
            assert pale == [] and count > 20, where
            assert page.judge("overflows") == [0, []], (where, width)
    assert page.js("return matchMedia('(prefers-color-scheme: dark)').matches") == dark


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_focus_is_seen(page, pages, dark):
    """On its way through a page Tab stops at everything that can be used, and shows where it is (WCAG 2.2, 2.4.7)."""
    page.emulate(dark)
    for where, whole in list(pages.items())[:2 if dark else None]:
        page.open(where)
        page.wait(whole)
        stops, unseen = page.judge("countTabStops"), []
        for stop in range(min(stops, 30)):
            page.press(Keys.TAB)
            name, visible = page.judge("focus")
            assert not name.startswith("body"), f"{where}: Tab leaves the page after {stop} of {stops} stops"
            if not visible:
                unseen.append(name)
        assert unseen == [], where
