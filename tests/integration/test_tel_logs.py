# SPDX-License-Identifier: MIT
"""Log records at the collector beside the lines of the log, with the ids of their spans; and the context that a process
hands its children in the environment."""
import pytest

from lib import library
from lib.wait import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SEVERITIES = {"info": (9, "INFO"), "warn": (13, "WARN"), "error": (17, "ERROR")}


@pytest.fixture(scope="module")
def logger(tmp_path_factory, build):
    return library.build("tel_logs", tmp_path_factory.mktemp("tel_logs"))


def settings(collector, **more):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_LOGS_EXPORTER": "otlp",
            "TRACEPARENT": f"00-{TRACE}-{PARENT}-03", "TRACESTATE": "vendor=value", "BAGGAGE": "user=1"} | more


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_records_have_the_ids_of_their_spans(logger, collector, compression):
    _, lines = library.run(logger, **settings(collector, OTEL_EXPORTER_OTLP_COMPRESSION=compression))
    work, = (span for span in collector.spans(TRACE) if span.name == "work")
    child, = (span for span in collector.spans(TRACE) if span.name == "child")
    assert work.parent_id == PARENT and child.parent_id == work.span_id

    within, event, outside = collector.log_records()
    assert (within.body, within.event_name, within.trace_id, within.span_id, within.flags) == (
        "within", "", TRACE, work.span_id, 3)
    assert within.attributes == {"text": "測試 \ufffd", "n": -1, "half": 0.5, "yes": True}
    assert work.start <= within.time == within.observed_time <= work.end
    assert (event.body, event.event_name, event.trace_id, event.span_id) == (
        "payment.declined", "payment.declined", TRACE, child.span_id)
    assert event.attributes == {"currency": "EUR"}
    assert (outside.trace_id, outside.span_id, outside.flags, outside.severity) == ("", "", 0, 17)
    assert {record.resource["service.version"] for record in (within, event, outside)} == {"7"}
    assert within.resource == work.resource and within.schema_url == work.schema_url

    assert [line["msg"] for line in lines] == ["within", "payment.declined", "outside"]  # and no complaint
    for line, record in zip(lines, (within, event, outside)):
        assert (line["msg"], line["service"]) == (record.body, record.service)
        assert (line.get("trace_id", ""), line.get("span_id", "")) == (record.trace_id, record.span_id)
        assert SEVERITIES[line["level"]] == (record.severity, record.severity_text)
        assert record.attributes.items() <= line.items()
    assert [line.get("event") for line in lines] == [None, "payment.declined", None]


def test_a_child_process_continues_the_trace(logger, collector):
    told, _ = library.run(logger, **settings(collector))
    child, = (span for span in collector.spans(TRACE) if span.name == "child")
    assert told == [f"00-{TRACE}-{child.span_id}-03", "vendor=value", "user=1"]


def test_what_does_not_come_goes_to_no_child(logger, collector):
    told, _ = library.run(logger, **settings(collector, TRACEPARENT="00-broken", BAGGAGE=""))
    child, = (span for span in collector.spans() if span.name == "child")
    assert child.trace_id != TRACE
    assert told == [f"00-{child.trace_id}-{child.span_id}-03", child.trace_state, ""]


def test_only_what_is_asked_for_is_sent(logger, collector):
    _, lines = library.run(logger, **settings(collector, OTEL_LOGS_EXPORTER="none"))
    assert len(lines) == 3 and collector.spans(TRACE) and not collector.log_records()
    _, lines = library.run(logger, **settings(collector, OTEL_TRACES_EXPORTER="none", LOG_LEVEL="error"))
    assert len(lines) == 1 and [record.body for record in collector.log_records()] == ["outside"]


def test_a_collector_that_refuses_log_records_is_told_of_once(logger, collector):
    collector.answer = (400, {})
    _, lines = library.run(logger, **settings(collector, OTEL_TRACES_EXPORTER="none"))
    assert [line["msg"] for line in lines] == ["within", "payment.declined", "outside",
                                               "the collector refuses log records"]


def test_the_line_of_a_request_is_a_record_of_its_server_span(program, collector):
    users = program(OTEL_SDK_DISABLED="false", OTEL_LOGS_EXPORTER="otlp", OTEL_BLRP_SCHEDULE_DELAY="50",
                    OTEL_BSP_SCHEDULE_DELAY="50", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    users.ask(path="/api/v1/users/1", extra=[("HTTP_TRACEPARENT", f"00-{TRACE}-{PARENT}-03")])
    wait_until(lambda: collector.log_records(trace_id=TRACE, body="request"), "the record of the request did not come")
    wait_until(lambda: any(span.kind == "SERVER" for span in collector.spans(TRACE)), "its span did not come")
    record, = collector.log_records(trace_id=TRACE, body="request")
    span, = (span for span in collector.spans(TRACE) if span.kind == "SERVER")
    assert (record.span_id, record.service, record.severity_text) == (span.span_id, "user-service", "INFO")
    assert record.attributes["route"] == "/api/v1/users/{id}" and record.attributes["status"] == 200
