# SPDX-License-Identifier: MIT
"""Service: one service, its routes, its database, its calls, its traces and log lines."""
from panels import (GREEN, LOGS_OF_VARIABLE, RED, dashboard, heatmap, logs, prom, query_variable, stacked, stat, steps,
                    timeseries, traces)
from queries import (CALLS, ERROR_RATIO, ERRORS, FAILED_TRACES, P95, REFUSED_REQUESTS, REQUESTS, SECONDS, SLOW_TRACES,
                     STORE, error_ratio, failed_spans, or_none, quantile, rate_by, refused_requests, slow, slow_spans)

ONE = 'job="$service"'
SELECTED = 'job="$service", http_route=~"$route"'
LINKS = [LOGS_OF_VARIABLE]

ROUTE = ["http_request_method", "http_route"]
ROUTE_LEGEND = "{{http_request_method}} {{http_route}}"
STATUS = "http_response_status_code"
OPERATION = ["db_operation_name", "db_collection_name"]
OPERATION_LEGEND = "{{db_operation_name}} {{db_collection_name}}"
PEER = ["http_request_method", "server_address"]
PEER_LEGEND = "{{http_request_method}} {{server_address}}"


def at_a_glance():
    return [
        stat("Up", "1: it answers its scrape.", prom(f"min(up{{{ONE}}})"), thresholds=steps(RED, (1, GREEN))),
        stat("Rate", "Requests a second.", prom(rate_by([], f"{REQUESTS}_count", SELECTED)), unit="reqps"),
        stat("Errors", ERROR_RATIO, prom(error_ratio([], SELECTED)), unit="percentunit", thresholds=ERRORS, decimals=2),
        *(stat(f"p{percent}", f"{percent} of 100 requests were faster.",
               prom(quantile(percent / 100, REQUESTS, [], SELECTED)), unit="s", thresholds=SECONDS)
          for percent in (50, 95, 99)),
    ]


def golden_signals():
    return [
        timeseries("Rate by route", "Requests a second.",
                   prom(rate_by(ROUTE, f"{REQUESTS}_count", SELECTED), ROUTE_LEGEND), unit="reqps", links=LINKS),
        stacked("Rate by status", "Requests a second.",
                prom(rate_by([STATUS], f"{REQUESTS}_count", SELECTED), "{{%s}}" % STATUS), unit="reqps", links=LINKS),
        timeseries("Errors by route", ERROR_RATIO, prom(error_ratio(ROUTE, SELECTED), ROUTE_LEGEND),
                   unit="percentunit", thresholds=ERRORS, soft_max=0.06, links=LINKS),
        timeseries("Duration by route, p95", P95, prom(quantile(0.95, REQUESTS, ROUTE, SELECTED), ROUTE_LEGEND,
                                                       exemplars=True),
                   width=12, unit="s", thresholds=SECONDS, links=LINKS),
        heatmap("Durations", "How many requests a second took how long; the dots are exemplars and open their trace.",
                prom(rate_by(["le"], f"{REQUESTS}_bucket", SELECTED), "{{le}}", exemplars=True),
                width=12, links=LINKS),
    ]


def database():
    return [
        timeseries("Operations", "A second. “none”: the service has no database.",
                   prom(or_none(rate_by(OPERATION, f"{STORE}_count", ONE), OPERATION[0]), OPERATION_LEGEND),
                   width=12, unit="ops"),
        timeseries("Operations, p95", "The wait for the shared commit included; the dots are exemplars.",
                   prom(or_none(quantile(0.95, STORE, OPERATION, ONE), OPERATION[0]), OPERATION_LEGEND, exemplars=True),
                   width=12, unit="s", links=LINKS),
    ]


def outgoing():
    edges = 'traces_service_graph_request_total{client="$service"}[$__rate_interval]'
    spans = 'traces_spanmetrics_latency_bucket{service="$service"}[$__rate_interval]'
    return [
        timeseries("Calls by answer", "A second, as the service counts them. “none”: it calls nobody.",
                   prom(or_none(rate_by([*PEER, STATUS], f"{CALLS}_count", ONE), PEER[0]),
                        PEER_LEGEND + " {{%s}}" % STATUS), unit="reqps"),
        timeseries("Calls, p95", "As the service measures them, the network included.",
                   prom(or_none(quantile(0.95, CALLS, PEER, ONE), PEER[0]), PEER_LEGEND, exemplars=True),
                   unit="s", links=LINKS),
        timeseries("Calls by peer", "A second, as Tempo counts them in the spans; databases are peers too.",
                   prom(f"sum by (server) (rate({edges}))", "{{server}}"), unit="reqps"),
        timeseries("Spans, p95", "Every operation that the service's spans name, as Tempo measures it; "
                   "the dots are exemplars.",
                   prom(f"histogram_quantile(0.95, sum by (span_name, le) (rate({spans})))", "{{span_name}}",
                        exemplars=True), width=24, unit="s", links=LINKS),
    ]


def process():
    return [
        timeseries("CPU", "Cores in use.", prom(f"rate(process_cpu_seconds_total{{{ONE}}}[$__rate_interval])", "cores"),
                   width=6, unit="none"),
        timeseries("Memory", "Resident.", prom(f"process_resident_memory_bytes{{{ONE}}}", "resident"), width=6,
                   unit="bytes"),
        timeseries("Requests in progress", "Requests that are being worked on at the moment.",
                   prom(f"http_server_active_requests{{{ONE}}}", "in progress"), width=6, soft_max=4),
        timeseries("Uptime", "Since the program was started; a step down is a restart.",
                   prom(f"time() - process_start_time_seconds{{{ONE}}}", "uptime"), width=6, unit="s"),
    ]


def service():
    variable = query_variable("service", "Service", f"label_values({REQUESTS}_count, job)", multi=False,
                              default="order-service", description="The service that the dashboard shows.")
    route = query_variable("route", "Route", f"label_values({REQUESTS}_count{{{ONE}}}, http_route)", multi=True,
                           description="The routes that rate, errors and duration are of.")
    which = '= "$service"'
    return dashboard("apm-service", "Service", __doc__, [variable, route, slow()], [
        ("Rate, errors, duration", at_a_glance() + golden_signals()),
        ("Database", database()),
        ("Outgoing calls and spans", outgoing()),
        ("Traces", [traces("Slow traces", SLOW_TRACES, slow_spans(which)),
                    traces("Failed traces", FAILED_TRACES, failed_spans(which)),
                    traces("Refused requests", REFUSED_REQUESTS, refused_requests(which), width=24, height=7)]),
        ("Logs", [logs("Log lines", "A line opens; its trace_id leads to the trace.",
                       '{job="application-logs", service="$service"}', height=12)]),
        ("Process", process()),
    ])
