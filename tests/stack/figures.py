# SPDX-License-Identifier: MIT
"""Every panel of the dashboards and every recorded series: the judge of each of its expressions, or in words why there
is none. Panels of one title share an entry; their expressions have one judge each, in their order."""
from dataclasses import replace

from backends import SERVICES
from judges import (at_most, budget, durations, error_share, failures, growth, numbers, own_durations, quantile, share,
                    upper_bounds, value)
from truth import fullest_disk, memory_in_use

ROUTE = ("http_request_method", "http_route")
JOB_ROUTE = ("job", *ROUTE)
STATUS = ("http_response_status_code",)
OPERATION = ("db_operation_name", "db_collection_name")
PEER = ("http_request_method", "server_address")
REQUESTS = "http_server_request_duration_seconds"
CALLS = "http_client_request_duration_seconds"
STORE = "db_client_operation_duration_seconds"
EXPORTED = "otel_sdk_exporter_span_exported_total"
BOUNDS_OF_TEMPO = [.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10]

ALERTS = "promtool's units judge the alerts"
GRAPH = "test_service_graph.py judges what it shows, test_stack_links.py where it leads"
TRACES = "test_panels_of_traces judges it"
LINES = "test_panels_of_log_lines judges it"
ITS_OWN = "Prometheus's own measure, which nobody else takes"
WINDOWS = "promtool's units judge it: it is made of nothing but its window"
LOSSES = "promtool's units judge it: nothing is lost here"
OF_A_MOMENT = "they come and go between a scrape and a look; test_metrics.py sees that they are passed on"
FOREIGN = "the metric of Memory of the programs, from programs that are not ours"


# ---- what is expected: functions from the truth, and the service of a dashboard of one, to {label values: figure}

def one(figure):
    """The single series of an expression that sums everything up."""
    return lambda truth, service: {(): figure(truth, service)}


def of_each(figure):
    """A figure of every service."""
    return lambda truth, _: {(service,): figure(truth, service) for service in SERVICES}


def of_service(convert, *labels):
    """Made of the request lines of the dashboard's service, grouped by labels."""
    return lambda truth, service: convert(truth.grouped(service, *labels))


def of_gateway(convert):
    return lambda truth, _: convert(truth.grouped("api-gateway"))


def of_all(convert, *labels):
    return lambda truth, _: convert(truth.every(*labels))


def own(name, **labels):
    """A counter of every service, as the service itself says it."""
    return of_each(lambda truth, service: truth.total(service, name, **labels))


def all_own(name, **labels):
    return one(lambda truth, _: sum(truth.total(service, name, **labels) for service in SERVICES))


def of_nginx(name):
    return one(lambda truth, _: truth.total("api-gateway", name))


def counted(family, labels):
    """What a service counts itself; "none" where it has nothing of the kind."""
    return lambda truth, service: truth.own(service, f"{family}_count", *labels) \
        or {("none", *[""] * (len(labels) - 1)): 0}


def timed(family, labels):
    return lambda truth, service: own_durations(truth, service, family, *labels)


def is_of_relay(key):
    """The relay looks into the outbox whether there is traffic or not."""
    return key[0] == "none" or "outbox" in key


def of_kernel(what):
    """What the kernel says of the programs."""
    return of_each(lambda truth, service: truth.after.processes[service][what])


def processor_seconds(truth, service):
    return truth.after.processes[service]["cpu"] - truth.before.processes[service]["cpu"]


def share_of_files(truth, service):
    return truth.after.processes[service]["files"] / truth.after.processes[service]["most files"]


def rows(database, sql):
    return lambda truth, _: truth.rows(database, sql)


def answered(service, method, status):
    """How many requests a service answered so: what only these do is counted by them."""
    return lambda truth, _: sum(line["method"] == method and line["status"] == status for line in truth.lines(service))


def sent_notifications(truth, _):
    return {("email",): truth.rows("notifications", "SELECT count(*) FROM notifications WHERE id > {since}")}


def cumulated(truth, service):
    """How many requests took at most as long as each bound of the histogram."""
    seconds = [line["duration_ms"] / 1000 for line in truth.lines(service)]
    return {(text,): sum(second <= bound for second in seconds)
            for text, bound in upper_bounds(truth, service, REQUESTS).items()}


def peers(truth, service):
    return {(server,): requests for (client, server), (requests, _) in truth.edges().items() if client == service}


def server_spans(truth, service):
    """How long the SERVER spans took, as the request lines have it. nginx's clock has milliseconds: its spans end with
    the last one that they touched."""
    more = 0.001 if service == "api-gateway" else 0
    return {(f"{method} {route}",): [seconds + more for seconds in taken]
            for (method, route), taken in durations(truth.grouped(service, *ROUTE)).items()}


def is_no_server_span(key):
    return " /" not in key[0]


def shipped_lines(truth, _):
    """Every line that was written, by whomever."""
    return {(): len(truth.all_written())}


def lines_of_services(truth, _):
    """Those of the programs and of nginx's access log."""
    return {(): sum(len(truth.written(file)) for file in (*SERVICES, "gateway-shipper"))}


def written_lines(truth, service):
    """Those of the service's program: the access log is nginx's."""
    return len(truth.written("gateway-shipper" if service == "api-gateway" else service))


def targets(truth, _):
    return {(job,): 1 for job in (*SERVICES, *truth.stack.backends)}


# ---- the panels

ZERO = value((), one(lambda *_: 0))
NONE_LOST = growth(("reason",), lambda *_: {})
SHARE_OF_ERRORS = share(("job",), of_all(error_share, "job"))
P95 = quantile(.95, ("job",), of_all(durations, "job"))
CPU = growth(("job",), of_each(processor_seconds), slack=0.15)
MEMORY = value(("job",), of_kernel("memory"), within=2 ** 20)
IN_PROGRESS = value(("job",), of_each(lambda *_: 0))


def of_one(judge):
    """A judge of all services, on the dashboard of one."""
    return replace(judge, expect=lambda truth, service: {(service,): judge.expect(truth, None)[service,]})


OVERVIEW = {
    "Services up": [value((), one(lambda *_: len(SERVICES)))],
    "Requests": [growth((), of_gateway(numbers))],
    "Errors": [share((), of_gateway(error_share)), SHARE_OF_ERRORS],
    "Duration, p95": [quantile(.95, (), of_gateway(durations)), P95],
    "Notifications waiting": [ZERO],
    "Alerts": ALERTS,
    "Rate": [growth(("job",), of_all(numbers, "job"))],
    "Error budget left": [budget()],
    "Routes": [growth(JOB_ROUTE, of_all(numbers, *JOB_ROUTE)), growth(JOB_ROUTE, of_all(failures, *JOB_ROUTE)),
               quantile(.95, JOB_ROUTE, of_all(durations, *JOB_ROUTE))],
    "Service graph": GRAPH,
    "Orders": [growth((), one(rows("orders", "SELECT count(*) FROM orders WHERE id > {since}")), scale=60),
               growth((), one(answered("order-service", "PATCH", 200)), scale=60)],
    "Turnover": [growth((), one(rows("orders", "SELECT sum(amount_cents) / 100.0 FROM orders WHERE id > {since}")),
                        scale=60)],
    "Users and notifications": [growth((), one(answered("user-service", "POST", 201)), scale=60),
                                growth(("channel",), sent_notifications, scale=60)],
    "Outbox": [ZERO, ZERO],
    "Slow traces": TRACES,
    "Failed traces": TRACES,
    "Refused requests": TRACES,
    "Log lines by level": LINES,
    "Warnings and errors": LINES,
    "CPU of the programs": [CPU],
    "Memory of the programs": [MEMORY],
    "Open files": [value(("job",), of_each(share_of_files), within=0.001)],
    "Requests in progress": [IN_PROGRESS],
    "nginx connections": OF_A_MOMENT,
    "nginx requests and connections": [growth((), of_nginx(name), slack=30) for name in (
        "nginx_http_requests_total", "nginx_connections_accepted_total", "nginx_connections_handled_total")],
    "Host CPU": [value((), one(lambda truth, _: 1 - truth.host_share("idle")), within=0.25),
                 value((), one(lambda truth, _: truth.host_share("iowait")), within=0.25)],
    "Host memory and disk": [value((), one(lambda *_: memory_in_use()), within=0.1),
                             value((), one(lambda *_: fullest_disk()), within=0.05)],
}

SERVICE = {
    "Up": [value((), one(lambda *_: 1))],
    "Rate": [growth((), of_service(numbers))],
    "Errors": [share((), of_service(error_share))],
    "p50": [quantile(.5, (), of_service(durations))],
    "p95": [quantile(.95, (), of_service(durations))],
    "p99": [quantile(.99, (), of_service(durations))],
    "Rate by route": [growth(ROUTE, of_service(numbers, *ROUTE))],
    "Rate by status": [growth(STATUS, of_service(numbers, *STATUS))],
    "Errors by route": [share(ROUTE, of_service(error_share, *ROUTE))],
    "Duration by route, p95": [quantile(.95, ROUTE, of_service(durations, *ROUTE))],
    "Durations": [growth(("le",), cumulated)],
    "Operations": [growth(OPERATION, counted(STORE, OPERATION), optional=is_of_relay)],
    "Operations, p95": [quantile(.95, OPERATION, timed(STORE, OPERATION), STORE, optional=is_of_relay)],
    "Calls by answer": [growth((*PEER, *STATUS), counted(CALLS, (*PEER, *STATUS)))],
    "Calls, p95": [quantile(.95, PEER, timed(CALLS, PEER), CALLS, optional=is_of_relay)],
    "Calls by peer": [growth(("server",), peers, every=5)],
    "Spans, p95": [quantile(.95, ("span_name",), server_spans, bounds=BOUNDS_OF_TEMPO, optional=is_no_server_span)],
    "Slow traces": TRACES,
    "Failed traces": TRACES,
    "Refused requests": TRACES,
    "Log lines": LINES,
    "CPU": [of_one(CPU)],
    "Memory": [of_one(MEMORY)],
    "Requests in progress": [of_one(IN_PROGRESS)],
    "Uptime": [of_one(value(("job",), of_kernel("age"), within=2))],
}

TELEMETRY = {
    "Firing alerts": ALERTS,
    "Notifications": "test_stack_alerts.py judges it",
    "Spans started": [growth(("job",), own("otel_sdk_span_started_total"), slack=2)],
    "Spans exported": [growth(("job",), own(EXPORTED, error_type=""), slack=2)],
    "Spans not taken": [growth(("error_type",), lambda *_: {})],
    "Spans dropped": [NONE_LOST],
    "Export queue": [value(("job",), of_each(lambda *_: 0), within=0.01)],
    "Access log not yet shipped": [value(("job",), lambda *_: {("api-gateway",): 0})],
    "Access log lines": [growth((), of_gateway(numbers)), ZERO, ZERO],
    "Log lines written": [growth(("job",), of_each(written_lines), slack=1)],
    "Log lines not written": [ZERO, ZERO],
    "Lines shipped": [growth((), shipped_lines, slack=3)] * 3,
    "Lines lost": [ZERO, ZERO, ZERO],
    "Lines not shipped": [at_most((), one(lambda truth, _: len(truth.all_written()) * 0.15))],
    "Spans received": [growth((), all_own(EXPORTED, error_type=""), slack=4)],
    "Spans discarded": [NONE_LOST],
    "Metrics from spans": [growth((), all_own(EXPORTED, error_type=""), slack=4), ZERO],
    "Exemplars": ITS_OWN,
    "Scrapes": [value(("job",), targets)],
    "Memory of the stack": FOREIGN,
    "Scrape duration": ITS_OWN,
}

PANELS = {"overview": OVERVIEW, "service": SERVICE, "telemetry": TELEMETRY}

# ---- the rules: promtool judges their windows; here, that what they are made of is what happened

RULES = {
    "job:http_server_requests:rate1m": growth(("job",), of_all(numbers, "job")),
    "job:http_server_errors:rate1m": growth(("job",), of_all(failures, "job")),
    "job:http_server_error_ratio:rate1m": SHARE_OF_ERRORS,
    "job:http_server_request_duration_seconds:p50_1m": quantile(.5, ("job",), of_all(durations, "job")),
    "job:http_server_request_duration_seconds:p95_1m": P95,
    "job:http_server_request_duration_seconds:p99_1m": quantile(.99, ("job",), of_all(durations, "job")),
    "job_route:http_server_requests:rate1m": growth(JOB_ROUTE, of_all(numbers, *JOB_ROUTE)),
    "job_route:http_server_errors:rate1m": growth(JOB_ROUTE, of_all(failures, *JOB_ROUTE)),
    "job_route:http_server_request_duration_seconds:p95_1m": quantile(.95, JOB_ROUTE, of_all(durations, *JOB_ROUTE)),
    "job:slo_objective:ratio": value(("job",), of_each(lambda *_: 0.995), within=1e-9),
    **{f"job:slo_errors_per_request:ratio_rate{window}": SHARE_OF_ERRORS
       for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")},
    **{f"job:slo_window_known:ratio_{window}": WINDOWS for window in ("1h", "6h", "1d", "3d")},
    "job:slo_error_budget:remaining_ratio": budget(),
    "log_lines:written:increase1h": growth((), lines_of_services, scale=None, slack=3),
    "log_lines:read:increase1h": growth((), lines_of_services, scale=None, slack=3),
    "job_reason:log_lines_lost:total": LOSSES,
    "job:log_lines:waiting": LOSSES,
    "job:storage_failures:total": LOSSES,
}
