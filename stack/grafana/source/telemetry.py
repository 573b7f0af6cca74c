# SPDX-License-Identifier: MIT
"""Telemetry health: whether what the other dashboards show is complete."""
from panels import ANY_IS_BAD, GREEN, RED, dashboard, logs, prom, stat, steps, table, timeseries
from queries import or_none, rate_by


NOT_SHIPPED = "clamp_min(log_lines:written:increase1h - log_lines:read:increase1h, 0)"


def total(metric, selector=""):
    """A counter's growth a second, over all series; 0 where a series comes with the first loss only."""
    return f"{rate_by([], metric, selector)} or vector(0)"


def either(alloy, promtail):
    """The growth a second of what one of the two log shippers counts, whichever runs."""
    return f"{rate_by([], alloy, '')} or {rate_by([], promtail, '')} or vector(0)"


def lost(title, description, targets, width):
    """A panel that is at 0 when all is well."""
    return timeseries(title, description, targets, width=width, thresholds=ANY_IS_BAD, soft_max=1)


def spans():
    exported = "otel_sdk_exporter_span_exported_total"
    return [
        timeseries("Spans started", "Sampled ones, a second.",
                   prom(rate_by(["job"], "otel_sdk_span_started_total", ""), "{{job}}")),
        timeseries("Spans exported", "A second.", prom(rate_by(["job"], exported, 'error_type=""'), "{{job}}")),
        lost("Spans not taken", "By the collector, a second, by what went wrong; most are tried again.",
             prom(rate_by(["error_type"], exported, 'error_type!=""'), "{{error_type}}"), 8),
        lost("Spans dropped", "Lost, a second, by reason.",
             prom(rate_by(["reason"], "otel_sdk_span_dropped_total", ""), "{{reason}}"), 6),
        timeseries("Export queue", "Share in use. A full queue drops spans. Dashed: 80 %.",
                   prom("otel_sdk_processor_span_queue_size / otel_sdk_processor_span_queue_capacity", "{{job}}"),
                   width=6, unit="percentunit", thresholds=steps(GREEN, (0.8, RED)), soft_max=1),
        timeseries("Access log not yet shipped", "Bytes of nginx's access log whose spans no collector has.",
                   prom("gateway_log_lag_bytes", "lag"), width=6, unit="bytes"),
        timeseries("Access log lines", "Read and not understood, a second; gaps: rotated away before they were read.",
                   [prom(total("gateway_log_lines_total"), "read"),
                    prom(total("gateway_log_lines_unparsed_total"), "not understood"),
                    prom(total("gateway_log_gaps_total"), "gaps")], width=6),
    ]


def lines():
    return [
        timeseries("Log lines written", "By the programs, a second.",
                   prom(rate_by(["job"], "log_lines_written_total", ""), "{{job}}"), width=5),
        lost("Log lines not written", "By the programs: dropped lines and failed writes, a second.",
             [prom(total("log_lines_dropped_total"), "dropped"),
              prom(total("log_write_errors_total"), "failed writes")], 5),
        timeseries("Lines shipped", "From file to Loki, a second.",
                   [prom(either("loki_source_file_read_lines_total", "promtail_read_lines_total"), "read"),
                    prom(either("loki_write_sent_entries_total", "promtail_sent_entries_total"), "sent"),
                    prom(total("loki_distributor_lines_received_total"), "received by Loki")], width=5),
        lost("Lines lost", "Given up by the shipper (Alloy or Promtail), refused or cut by Loki, a second.",
             [prom(either("loki_write_dropped_entries_total", "promtail_dropped_entries_total"), "given up"),
              prom(total("loki_discarded_samples_total"), "refused by Loki"),
              prom(total("loki_mutated_samples_total"), "cut by Loki")], 5),
        timeseries("Lines not shipped", "Written in the last hour, and not read by the shipper; those of the last "
                   "seconds always are among them. While Loki is away it "
                   "grows, and falls as what waits in the files is read. What stays is lost: a log was begun anew "
                   "twice meanwhile.", prom(NOT_SHIPPED, "lines"), width=4, soft_max=100),
    ]


def tempo():
    return [
        timeseries("Spans received", "By Tempo, a second.",
                   prom(total("tempo_distributor_spans_received_total"), "received"), width=6),
        lost("Spans discarded", "Taken with answer 200 and then dropped, a second, by reason.",
             prom(or_none(rate_by(["reason"], "tempo_discarded_spans_total", ""), "reason"), "{{reason}}"), 6),
        timeseries("Metrics from spans", "Spans that the generator took, and those it left aside, a second.",
                   [prom(total("tempo_metrics_generator_spans_received_total"), "taken"),
                    prom(total("tempo_metrics_generator_spans_discarded_total"), "left aside")], width=6),
        timeseries("Exemplars", "Kept by Prometheus: the way from a metric to its trace.",
                   prom("prometheus_tsdb_exemplar_exemplars_in_storage", "in storage"), width=6),
    ]


def stack():
    parts = 'job!~"api-gateway|.+-service"'
    return [
        stat("Scrapes", "1: the target answers.", prom("min by (job) (up)", "{{job}}"), width=12, height=8,
             thresholds=steps(RED, (1, GREEN)), text="value_and_name"),
        timeseries("Memory of the stack", "Resident.", prom(f"process_resident_memory_bytes{{{parts}}}", "{{job}}"),
                   width=6, unit="bytes"),
        timeseries("Scrape duration", "How long Prometheus waits for each target's metrics.",
                   prom("scrape_duration_seconds", "{{job}}"), width=6, unit="s"),
    ]


def alerts():
    firing = 'max by (alertname, job, severity) (ALERTS{alertstate="firing", severity!="none"})'
    return [
        table("Firing alerts", "By Prometheus, now; its page /alerts says what each means and what to do.",
              prom(or_none(firing, "alertname"), instant=True, table=True), 8, {
                  "alertname": ("Alert", None, None), "job": ("Of", None, None),
                  "severity": ("Severity", None, None),
                  "Value": ("Firing", "short", ANY_IS_BAD)}),
        logs("Notifications", "What Alertmanager sent: the lines of alerts.log. A line opens and has all alerts of it.",
             '{job="application-logs", service="alertmanager", level!="debug"} | json message="msg" '
             '| line_format "{{.message}}"', width=16, height=8),
    ]


def telemetry():
    return dashboard("apm-telemetry", "Telemetry health", __doc__, [], [
        ("Alerts", alerts()), ("Spans", spans()), ("Logs", lines()), ("Tempo and Prometheus", tempo()),
        ("The stack", stack())])
