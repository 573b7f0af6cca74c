# SPDX-License-Identifier: MIT
"""Reading expositions with Debian's prometheus_client, the independent judge."""
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def key(name, **labels):
    return name, frozenset(labels.items())


def samples(text):
    """{(name, frozenset(labels)): value} of the text format 0.0.4."""
    result = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert (name := key(sample.name, **sample.labels)) not in result, f"{name} came twice"
            result[name] = sample.value
    return result


def families(text):
    """Metric families of OpenMetrics text; raises ValueError where the text breaks the format."""
    return list(openmetrics.text_string_to_metric_families(text))


def total(values, name, **labels):
    """The sum of all series of a name that have (at least) these labels."""
    wanted = set(labels.items())
    return sum(value for (sample, pairs), value in values.items() if sample == name and wanted <= pairs)


def by_label(values, name, *labels):
    """{label values: value}, of the series that are not 0."""
    result = {}
    for (sample, pairs), value in values.items():
        if sample == name and value:
            pairs = dict(pairs)
            index = tuple(pairs.get(label, "") for label in labels)
            result[index] = result.get(index, 0) + value
    return result


def difference(after, before):
    return {name: value - before.get(name, 0) for name, value in after.items()}


def spans_started(values):
    return total(values, "otel_sdk_span_started_total")


def spans_done(values):
    return (total(values, "otel_sdk_exporter_span_exported_total", error_type="")
            + total(values, "otel_sdk_span_dropped_total"))
