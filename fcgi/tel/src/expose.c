/* SPDX-License-Identifier: MIT */
/* Writes all metrics in the Prometheus text format 0.0.4 or in OpenMetrics 1.0. */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"
#include "tel/src/metrics.h"
#include "tel/src/misuse.h"
#include "tel/src/prometheus_name.h"
#include "tel/src/resource.h"

#define FAMILY_MAX (16 << 20)

/* ---- pieces ----------------------------------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		switch (text[i]) {
		case '\\': buf_add(out, "\\\\", 2); break;
		case '"': buf_add(out, "\\\"", 2); break;
		case '\n': buf_add(out, "\\n", 2); break;
		default: buf_addc(out, text[i]);
		}
	}
}

/* As the Prometheus client libraries write a float: whole numbers with ".0". */
static void add_number(struct buf *out, double value)
{
	if (isnan(value)) {
		buf_adds(out, "NaN");
		return;
	}
	if (isinf(value)) {
		buf_adds(out, value > 0 ? "+Inf" : "-Inf");
		return;
	}
	size_t start = out->len;
	buf_add_double(out, value);
	if (!out->failed && !strpbrk(out->data + start, ".e"))
		buf_adds(out, ".0");
}

/* Without the _total of a counter's samples. */
static const char *family_of(const struct tel_metric *metric)
{
	const struct series_set *set = metric->state;

	return set->family;
}

/* Appends the text of a HELP line, in which OpenMetrics escapes quotes too. */
static void add_help(struct buf *out, const char *help, bool openmetrics)
{
	for (; *help; help++) {
		if (*help == '\n')
			buf_adds(out, "\\n");
		else if (*help == '\\' || (*help == '"' && openmetrics))
			buf_addf(out, "\\%c", *help);
		else
			buf_addc(out, *help);
	}
}

/* A line of a family's metadata but for its end. In the text format a counter's family has the name of its samples. */
static void begin_comment(struct buf *out, const char *what, const char *family, const char *suffix)
{
	buf_adds(out, what);
	buf_adds(out, family);
	buf_adds(out, suffix);
	buf_addc(out, ' ');
}

static void add_metadata(struct buf *out, const struct tel_metric *metric, bool openmetrics)
{
	static const char *const types[] = {
		[TEL_METRIC_COUNTER] = "counter",
		[TEL_METRIC_GAUGE] = "gauge",
		[TEL_METRIC_HISTOGRAM] = "histogram",
	};
	const struct series_set *set = metric->state;
	const char *suffix = metric->type == TEL_METRIC_COUNTER && !openmetrics ? "_total" : "";

	begin_comment(out, "# HELP ", set->family, suffix);
	add_help(out, metric->help, openmetrics);
	begin_comment(out, "\n# TYPE ", set->family, suffix);
	buf_adds(out, types[metric->type]);
	if (openmetrics && prometheus_has_unit(set->family, set->unit)) {
		begin_comment(out, "\n# UNIT ", set->family, suffix);
		buf_adds(out, set->unit);
	}
	buf_addc(out, '\n');
}

/* ---- samples ---------------------------------------------------------------------------------------------------- */

/* Returns the first attribute by key, after `last` unless that is NULL, that becomes the same label as `key`; or NULL.
 */
static const struct resource_attr *next_joined(const struct resource_attr *attrs, size_t count, const char *key,
					       const struct resource_attr *last)
{
	const struct resource_attr *next = NULL;

	for (size_t i = 0; i < count; i++) {
		bool fits = (!last || strcmp(attrs[i].key, last->key) > 0) &&
			    (!next || strcmp(attrs[i].key, next->key) < 0);
		if (fits && prometheus_same_label(attrs[i].key, key))
			next = &attrs[i];
	}
	return next;
}

/*
 * Adds the labels that attributes become, with commas between them. Values of the same label are joined with ';', in
 * the order of their keys (OpenTelemetry, "Prometheus Compatibility").
 */
static void add_attributes(struct buf *out, const struct resource_attr *attrs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t earlier = 0;
		while (earlier < i && !prometheus_same_label(attrs[earlier].key, attrs[i].key))
			earlier++;
		if (earlier < i)
			continue;
		if (i)
			buf_addc(out, ',');
		prometheus_add_label_name(out, attrs[i].key);
		buf_adds(out, "=\"");
		const struct resource_attr *attr = NULL, *first = next_joined(attrs, count, attrs[i].key, NULL);
		while ((attr = attr ? next_joined(attrs, count, attrs[i].key, attr) : first)) {
			if (attr != first)
				buf_addc(out, ';');
			add_escaped(out, attr->value, strlen(attr->value));
		}
		buf_addc(out, '"');
	}
}

/* Labels without braces; true when there was one, so that a comma is due. */
static bool add_labels(struct buf *out, const struct tel_series *series)
{
	const char *const *keys = series->metric->labels;
	struct resource_attr attrs[TEL_LABELS_MAX];
	const char *value = series->key;
	size_t count = 0;

	if (keys[0] && !series->key_bytes) {
		buf_adds(out, "otel_metric_overflow=\"true\"");
		return true;
	}
	for (; count < TEL_LABELS_MAX && keys[count]; count++) {
		attrs[count] = (struct resource_attr){keys[count], value};
		value += strlen(value) + 1;
	}
	add_attributes(out, attrs, count);
	return count;
}

/* The sample's name, `suffix`, {labels} and the space before the value. */
static void add_sample(struct buf *out, const struct tel_series *series, const char *suffix)
{
	buf_adds(out, family_of(series->metric));
	buf_adds(out, suffix);
	if (series->metric->labels[0]) {
		buf_addc(out, '{');
		add_labels(out, series);
		buf_addc(out, '}');
	}
	buf_addc(out, ' ');
}

/* ---- histograms ------------------------------------------------------------------------------------------------- */

static void add_exemplar(struct buf *out, const struct exemplar *exemplar)
{
	struct exemplar_values values;
	char trace_id[32], span_id[16];

	if (!exemplar_read(exemplar, &values))
		return;
	hex_encode(values.trace_id, 16, trace_id);
	hex_encode(values.span_id, 8, span_id);
	buf_addf(out, " # {trace_id=\"%.32s\",span_id=\"%.16s\"} ", trace_id, span_id);
	add_number(out, values.value);
	buf_addf(out, " %llu.%03llu", (unsigned long long)(values.time_ns / NS_PER_SECOND),
		 (unsigned long long)(values.time_ns / NS_PER_MS % 1000));
}

/* Buckets are cumulative here; the count is their sum, so that it always equals the bucket of +Inf. */
static void add_histogram(struct buf *out, const struct tel_series *series, bool openmetrics)
{
	unsigned bounds = metric_bound_count(series->metric);
	uint64_t count = 0;

	for (unsigned i = 0; i <= bounds; i++) {
		count += series_bucket(series, i);
		buf_adds(out, family_of(series->metric));
		buf_adds(out, "_bucket{");
		if (add_labels(out, series))
			buf_addc(out, ',');
		buf_adds(out, "le=\"");
		add_number(out, i < bounds ? series->metric->bounds[i] : INFINITY);
		buf_adds(out, "\"} ");
		buf_add_int(out, (long long)count);
		if (openmetrics)
			add_exemplar(out, &series->exemplars[i]);
		buf_addc(out, '\n');
	}
	add_sample(out, series, "_sum");
	add_number(out, series_value(series));
	buf_addc(out, '\n');
	add_sample(out, series, "_count");
	buf_add_int(out, (long long)count);
	buf_addc(out, '\n');
}

static void add_family(struct buf *out, const struct tel_metric *metric, bool openmetrics)
{
	const struct tel_series *series;

	add_metadata(out, metric, openmetrics);
	for (unsigned i = 0; (series = metric_series(metric, i)); i++) {
		if (metric->type == TEL_METRIC_HISTOGRAM) {
			add_histogram(out, series, openmetrics);
			continue;
		}
		add_sample(out, series, metric->type == TEL_METRIC_COUNTER ? "_total" : "");
		add_number(out, series_value(series));
		buf_addc(out, '\n');
	}
}

/* ---- target_info ------------------------------------------------------------------------------------------------ */

static void add_target_info(struct buf *out, bool openmetrics)
{
	const char *suffix = openmetrics ? "" : "_info";
	size_t count;
	const struct resource_attr *attrs = resource_attrs(&count);

	begin_comment(out, "# HELP ", "target", suffix);
	buf_adds(out, "What this process is.");
	begin_comment(out, "\n# TYPE ", "target", suffix);
	buf_adds(out, openmetrics ? "info" : "gauge");
	buf_adds(out, "\ntarget_info{");
	add_attributes(out, attrs, count);
	buf_adds(out, "} 1.0\n");
}

/* Hands over the text written so far. Returns false if no more is wanted, or if memory was short. */
static bool hand_over(struct buf *text, bool (*write)(void *arg, const char *text, size_t bytes), void *arg)
{
	bool good = !text->failed && (!text->len || write(arg, text->data, text->len));

	buf_reset(text);
	return good;
}

bool tel_metrics_write(const char *content_type, bool (*write)(void *arg, const char *text, size_t bytes), void *arg)
{
	if (MISUSE_NULL(content_type && write, "tel_metrics_write"))
		return false;
	bool openmetrics = strncmp(content_type, "application/openmetrics-text", 28) == 0, good = true;
	const struct tel_metric *metric = NULL;
	BUF(text, FAMILY_MAX);

	if (metrics_enabled()) {
		metrics_run_hooks();
		add_target_info(&text, openmetrics);
		while (good && (metric = metrics_next(metric, METRIC_PROMETHEUS))) {
			add_family(&text, metric, openmetrics);
			good = hand_over(&text, write, arg);
		}
	}
	if (openmetrics)
		buf_adds(&text, "# EOF\n");
	return good && hand_over(&text, write, arg);
}
