# SPDX-License-Identifier: MIT
"""What several dashboards ask: the names of the metrics, and the expressions for rate, errors and duration."""
from panels import steps, choice_variable, GREEN, YELLOW, RED

REQUESTS = "http_server_request_duration_seconds"
CALLS = "http_client_request_duration_seconds"
STORE = "db_client_operation_duration_seconds"
SERVICES = 'job=~"api-gateway|.+-service"'

# Limits as the alerts have them.
ERRORS = steps(GREEN, (0.01, YELLOW), (0.05, RED))
SECONDS = steps(GREEN, (0.25, YELLOW), (0.5, RED))

ERROR_RATIO = "Share of answers that were 5xx. Dashed: 1 % and 5 %, where the alert fires."
P95 = ("95 of 100 requests were faster. The dots are exemplars: single requests; their tooltip opens the trace. "
       "Dashed: 0.25 s and 0.5 s, where the alert fires.")
FAILED_TRACES = "The newest traces with a span in error, which the deepest one explains. A click opens the trace."
REFUSED_REQUESTS = ("The newest traces with a request that the service refused (4xx): the client erred. "
                    "A click opens the trace.")
SLOW_TRACES = ("The newest traces with a span that took at least as long as the variable “Slow from” says. "
               "A click opens the trace.")


def rate_by(by, metric, selector):
    return f"sum by ({', '.join(by)}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(q, metric, by, selector):
    """The q-quantile of a histogram by some labels."""
    return f"histogram_quantile({q}, {rate_by([*by, 'le'], metric + '_bucket', selector)})"


def error_ratio(by, selector):
    """5xx answers divided by all; 0 where there are none."""
    requests = rate_by(by, f"{REQUESTS}_count", selector)
    errors = rate_by(by, f"{REQUESTS}_count", f'{selector}, http_response_status_code=~"5.."')
    return f"({errors} or {requests} * 0) / ({requests} > 0)"


def or_none(expr, label):
    """A series of zeros named "none" in place of no series: a service without a database has no database metrics."""
    return f'{expr} or on() label_replace(vector(0), "{label}", "none", "", "")'


def a_minute(metric, by=()):
    """A counter's growth a minute."""
    return f"sum by ({', '.join(by)}) (rate({metric}[$__rate_interval])) * 60"


# TraceQL; `service` is a comparison such as = "order-service". No || in any of them: its two sides find spans with
# different attributes, and Grafana 12.4 fails on an answer whose spans do not all have the same.

def failed_spans(service):
    return f"{{ resource.service.name {service} && status = error }} with (most_recent=true)"


def refused_requests(service):
    status = "span.http.response.status_code"
    return (f"{{ resource.service.name {service} && kind = server && {status} >= 400 && {status} < 500 }} "
            "with (most_recent=true)")


def slow_spans(service):
    return f"{{ resource.service.name {service} && kind = server && duration >= $slow }} with (most_recent=true)"


def slow():
    return choice_variable("slow", "Slow from", ["5ms", "1ms", "10ms", "50ms", "100ms", "500ms", "1s"],
                           "How long a span lasts that counts as slow.")
