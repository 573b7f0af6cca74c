/* SPDX-License-Identifier: MIT */
/*
 * Metrics as OTLP 1.x has them in protobuf (opentelemetry-proto, metrics/v1): cumulative sums, gauges, histograms with
 * explicit bounds. Internal to tel/.
 */
#ifndef TEL_OTLP_METRICS_H
#define TEL_OTLP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct tel_metric;

/* Data points of a metric: those of `count` series from number `first` on. All of these exist. */
struct otlp_points {
	const struct tel_metric *metric;
	unsigned first, count;
	uint64_t start_ns, now_ns; /* realtime: since when is counted, and the moment of the reading */
};

/*
 * Appends the points, with their metric's name, unit and help, as a field OTLP_ITEM of ScopeMetrics. A label whose
 * value is empty is no attribute, as Prometheus has it too. Errors are those of `out`.
 */
void otlp_add_points(struct buf *out, const struct otlp_points *points);

#endif
