/* SPDX-License-Identifier: MIT */
#include "tel/src/otlp_metrics.h"

#include <string.h>

#include "tel/src/metrics.h"
#include "tel/src/otlp_common.h"

enum { TEMPORALITY_CUMULATIVE = 2 };

enum metric_field {
	METRIC_NAME = 1,
	METRIC_DESCRIPTION,
	METRIC_UNIT,
	METRIC_GAUGE = 5,
	METRIC_SUM = 7,
	METRIC_HISTOGRAM = 9
};

/* ---- what all data points have ----------------------------------------------------------------------------------- */

static void add_label_attributes(struct buf *out, unsigned field, const struct tel_series *series)
{
	const char *const *labels = series->metric->labels;
	const char *value = series->key;

	if (labels[0] && !series->key_bytes) {
		const struct tel_attr overflow = tel_bool("otel.metric.overflow", true);
		otlp_add_attribute(out, field, &overflow);
		return;
	}
	for (unsigned i = 0; i < TEL_LABELS_MAX && labels[i]; i++) {
		size_t bytes = strlen(value);
		if (bytes)
			otlp_add_string_attribute(out, field, labels[i], value, bytes);
		value += bytes + 1;
	}
}

/* NumberDataPoint{start=2,time=3,as_double=4,attributes=7}; what is no sum has no start. */
static void add_number_point(struct buf *out, const struct otlp_points *points, const struct tel_series *series,
			     bool is_sum)
{
	size_t point = protobuf_begin(out, 1);

	if (is_sum)
		protobuf_add_fixed64(out, 2, points->start_ns);
	protobuf_add_fixed64(out, 3, points->now_ns);
	protobuf_add_double(out, 4, series_value(series));
	add_label_attributes(out, 7, series);
	protobuf_end(out, point);
}

/* ---- histograms -------------------------------------------------------------------------------------------------- */

/* Exemplar{time=2,as_double=3,span_id=4,trace_id=5} */
static void add_point_exemplar(struct buf *out, const struct exemplar *exemplar)
{
	struct exemplar_values values;

	if (!exemplar_read(exemplar, &values))
		return;
	size_t message = protobuf_begin(out, 8);
	protobuf_add_fixed64(out, 2, values.time_ns);
	protobuf_add_double(out, 3, values.value);
	protobuf_add_bytes(out, 4, values.span_id, sizeof(values.span_id));
	protobuf_add_bytes(out, 5, values.trace_id, sizeof(values.trace_id));
	protobuf_end(out, message);
}

/* HistogramDataPoint{start=2,time=3,count=4,sum=5,bucket_counts=6,explicit_bounds=7,exemplars=8,attributes=9} */
static void add_histogram_point(struct buf *out, const struct otlp_points *points, const struct tel_series *series)
{
	const struct tel_metric *metric = points->metric;
	unsigned bounds = metric_bound_count(metric);
	uint64_t buckets[TEL_BOUNDS_MAX + 1], bound_bits[TEL_BOUNDS_MAX + 1], count = 0;

	for (unsigned i = 0; i <= bounds; i++)
		count += buckets[i] = series_bucket(series, i);
	memcpy(bound_bits, metric->bounds, bounds * sizeof(*bound_bits));
	size_t point = protobuf_begin(out, 1);
	protobuf_add_fixed64(out, 2, points->start_ns);
	protobuf_add_fixed64(out, 3, points->now_ns);
	if (count)
		protobuf_add_fixed64(out, 4, count);
	protobuf_add_double(out, 5, series_value(series));
	protobuf_add_packed_fixed64(out, 6, buckets, bounds + 1);
	if (bounds)
		protobuf_add_packed_fixed64(out, 7, bound_bits, bounds);
	for (unsigned i = 0; i <= bounds; i++)
		add_point_exemplar(out, &series->exemplars[i]);
	add_label_attributes(out, 9, series);
	protobuf_end(out, point);
}

/* ---- Metric{name=1,description=2,unit=3} with Gauge{data_points=1}, Sum{…,aggregation_temporality=2,is_monotonic=3}
 * or Histogram{…,aggregation_temporality=2} ---- */

static void add_metric_data(struct buf *out, const struct otlp_points *points)
{
	const struct series_set *set = points->metric->state;
	enum tel_metric_type type = points->metric->type;
	bool is_sum = type == TEL_METRIC_COUNTER || set->up_down, is_histogram = type == TEL_METRIC_HISTOGRAM;
	size_t data = protobuf_begin(out, is_histogram ? METRIC_HISTOGRAM : is_sum ? METRIC_SUM : METRIC_GAUGE);

	for (unsigned i = 0; i < points->count; i++) {
		const struct tel_series *series = metric_series(points->metric, points->first + i);
		if (is_histogram)
			add_histogram_point(out, points, series);
		else
			add_number_point(out, points, series, is_sum);
	}
	if (is_histogram || is_sum)
		protobuf_add_varint(out, 2, TEMPORALITY_CUMULATIVE);
	if (type == TEL_METRIC_COUNTER)
		protobuf_add_varint(out, 3, true);
	protobuf_end(out, data);
}

void otlp_add_points(struct buf *out, const struct otlp_points *points)
{
	const struct tel_metric *metric = points->metric;
	size_t message = protobuf_begin(out, OTLP_ITEM);

	protobuf_add_text(out, METRIC_NAME, metric->name, strlen(metric->name));
	if (*metric->help)
		protobuf_add_text(out, METRIC_DESCRIPTION, metric->help, strlen(metric->help));
	if (*metric->unit)
		protobuf_add_text(out, METRIC_UNIT, metric->unit, strlen(metric->unit));
	add_metric_data(out, points);
	protobuf_end(out, message);
}
