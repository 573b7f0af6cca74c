# SPDX-License-Identifier: MIT
"""APM Overview: rate, errors and duration of every service; where to go from there."""
from panels import (ANY_IS_BAD, GREEN, LOGS_OF_SERIES, NONE, RED, SERVICE_OF_SERIES, YELLOW, bars, dashboard,
                    log_levels, logs, prom, query_variable, service_graph, stacked, stat, steps, table, timeseries,
                    traces)
from queries import (ERROR_RATIO, ERRORS, FAILED_TRACES, P95, REFUSED_REQUESTS, REQUESTS, SECONDS, SERVICES,
                     SLOW_TRACES, a_minute, error_ratio, failed_spans, quantile, rate_by, refused_requests, slow,
                     slow_spans)

GATEWAY = 'job="api-gateway"'
SELECTED = 'job=~"$service", http_route=~"$route"'
LINKS = [SERVICE_OF_SERIES, LOGS_OF_SERIES]


def at_a_glance():
    return [
        stat("Services up", "How many of the four answer their scrape.", prom(f"sum(up{{{SERVICES}}})"),
             thresholds=steps(RED, (4, GREEN))),
        stat("Requests", "Through the gateway, a second.", prom(rate_by([], f"{REQUESTS}_count", GATEWAY)),
             unit="reqps"),
        stat("Errors", "Share of the gateway's answers that were 5xx.", prom(error_ratio([], GATEWAY)),
             unit="percentunit", thresholds=ERRORS, decimals=2),
        stat("Duration, p95", "Of requests through the gateway.", prom(quantile(0.95, REQUESTS, [], GATEWAY)),
             unit="s", thresholds=SECONDS),
        stat("Notifications waiting", "Orders whose notification the receiver does not have yet.",
             prom("sum(order_outbox_pending)"), thresholds=steps(GREEN, (10, YELLOW), (100, RED))),
        stat("Alerts", "Firing now. The page /alerts of Prometheus says what each means and what to do.",
             prom('sum(ALERTS{alertstate="firing", severity!="none"}) or vector(0)'),
             thresholds=steps(GREEN, (1, RED))),
    ]


def golden_signals():
    return [
        timeseries("Rate", "Requests a second.", prom(rate_by(["job"], f"{REQUESTS}_count", SELECTED), "{{job}}"),
                   unit="reqps", links=LINKS),
        timeseries("Errors", ERROR_RATIO, prom(error_ratio(["job"], SELECTED), "{{job}}"),
                   unit="percentunit", thresholds=ERRORS, soft_max=0.06, links=LINKS),
        timeseries("Duration, p95", P95, prom(quantile(0.95, REQUESTS, ["job"], SELECTED), "{{job}}", exemplars=True),
                   unit="s", thresholds=SECONDS, links=LINKS),
    ]


def by_route(recorded):
    """A recorded series of every chosen route, without its name, so that the table can join several."""
    return prom(f"sum by (job, http_request_method, http_route) ({recorded}{{{SELECTED}}})", instant=True, table=True)


def objective_and_routes():
    return [
        bars("Error budget left", "Of the objective that 99.5 % of a service's requests are answered without a 5xx: "
             "of the failures that 3 days may have, the share that is left. Time that Prometheus does not know had "
             "none.",
             prom("clamp_min(job:slo_error_budget:remaining_ratio, 0)", "{{job}}"),
             width=8, unit="percentunit", thresholds=steps(RED, (0.25, YELLOW), (0.5, GREEN)), min=0, max=1),
        table("Routes", "Every route of the chosen services, over the last minute.",
              [by_route("job_route:http_server_requests:rate1m"), by_route("job_route:http_server_errors:rate1m"),
               by_route("job_route:http_server_request_duration_seconds:p95_1m")],
              width=16, columns={
                  "job": ("Service", None, None),
                  "http_request_method": ("Method", None, None),
                  "http_route": ("Route", None, None),
                  "Value #A": ("Rate", "reqps", NONE),
                  "Value #B": ("5xx", "reqps", ANY_IS_BAD),
                  "Value #C": ("p95", "s", SECONDS)}),
    ]


def business():
    return [
        timeseries("Orders", "A minute.", [prom(a_minute("orders_created_total"), "placed"),
                                           prom(a_minute("orders_cancelled_total"), "cancelled")], width=6),
        timeseries("Turnover", "Amount of the orders placed, in currency units a minute.",
                   prom(a_minute("orders_amount_total"), "amount"), width=6),
        timeseries("Users and notifications", "New ones, a minute.",
                   [prom(a_minute("users_created_total"), "users"),
                    prom(a_minute("notifications_sent_total", ["channel"]), "notifications, {{channel}}")], width=6),
        timeseries("Outbox", "Notifications that wait, and for how long the oldest has. Dashed: the alert at 60 s.",
                   [prom("sum(order_outbox_pending)", "waiting"),
                    prom("max(order_outbox_oldest_seconds)", "oldest, seconds")],
                   width=6, thresholds=steps(GREEN, (60, RED)), soft_max=70),
    ]


def resources():
    disks = 'fstype!~"tmpfs|squashfs|overlay"'
    return [
        timeseries("CPU of the programs", "Cores in use.",
                   prom(rate_by(["job"], "process_cpu_seconds_total", SERVICES), "{{job}}"),
                   width=6, unit="none", links=[LOGS_OF_SERIES]),
        timeseries("Memory of the programs", "Resident.",
                   prom(f"process_resident_memory_bytes{{{SERVICES}}}", "{{job}}"), width=6, unit="bytes"),
        timeseries("Open files", "Share of the limit. Dashed: 80 %.",
                   prom(f"process_open_fds{{{SERVICES}}} / process_max_fds{{{SERVICES}}}", "{{job}}"),
                   width=6, unit="percentunit", thresholds=steps(GREEN, (0.8, RED))),
        timeseries("Requests in progress", "Requests that a program works on at the moment.",
                   prom(f"http_server_active_requests{{{SERVICES}}}", "{{job}}"), width=6, soft_max=4),
        stacked("nginx connections", "By what they do.",
                [prom(f"nginx_connections_{state}", state) for state in ("reading", "writing", "waiting")], width=6),
        timeseries("nginx requests and connections", "A second. Handled below accepted: worker_connections is too low.",
                   [prom("rate(nginx_http_requests_total[$__rate_interval])", "requests"),
                    prom("rate(nginx_connections_accepted_total[$__rate_interval])", "accepted"),
                    prom("rate(nginx_connections_handled_total[$__rate_interval])", "handled")], width=6, unit="cps"),
        timeseries("Host CPU", "Share of time not idle, and waiting for disks. Dashed: 90 %.",
                   [prom('1 - avg(rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))', "busy"),
                    prom('avg(rate(node_cpu_seconds_total{mode="iowait"}[$__rate_interval]))', "waiting for disks")],
                   width=6, unit="percentunit", thresholds=steps(GREEN, (0.9, RED)), max=1),
        timeseries("Host memory and disk", "Share in use. Dashed: 90 %.",
                   [prom("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "memory"),
                    prom(f"max(1 - node_filesystem_avail_bytes{{{disks}}} / node_filesystem_size_bytes{{{disks}}})",
                         "fullest disk")],
                   width=6, unit="percentunit", thresholds=steps(GREEN, (0.9, RED)), max=1),
    ]


def overview():
    service = query_variable("service", "Service", f"label_values({REQUESTS}_count, job)", multi=True,
                             description="The services that the dashboard shows.")
    route = query_variable("route", "Route", f'label_values({REQUESTS}_count{{job=~"$service"}}, http_route)',
                           multi=True, description="The routes that rate, errors and duration are of.")
    graph = service_graph("Service graph", "Made by Tempo from spans, over the whole time of the dashboard. A circle's "
                          "numbers: average duration and requests a second; the red part of its ring failed for who "
                          "called (4xx too). A click leads to metrics, and from the services behind the gateway to "
                          "traces; those of the gateway and the databases are on the dashboard of the service.")
    which = '=~ "${service:regex}"'
    lines = '{job="application-logs", service=~"$service"'
    return dashboard("apm-overview", "APM Overview", __doc__, [service, route, slow()], [
        ("Rate, errors, duration", at_a_glance() + golden_signals() + objective_and_routes()),
        ("Who calls whom", [graph]),
        ("Business", business()),
        ("Traces", [traces("Slow traces", SLOW_TRACES, slow_spans(which)),
                    traces("Failed traces", FAILED_TRACES, failed_spans(which)),
                    traces("Refused requests", REFUSED_REQUESTS, refused_requests(which), width=24, height=7)]),
        ("Logs", [log_levels("Log lines by level", "Of the chosen services.", lines + "}"),
                  logs("Warnings and errors", "Of the chosen services. A line opens; its trace_id leads to the trace.",
                       lines + ', level=~"warn|error"}')]),
        ("Process, nginx and host", resources()),
    ])
