/* SPDX-License-Identifier: MIT */
#include "tel/src/self_metrics.h"

#include "tel/src/metrics.h"
#include "tel/tel.h"

TEL_COUNTER(spans_started, "otel.sdk.span.started", "{span}", "Sampled spans that were started.");
TEL_GAUGE(spans_live, "otel.sdk.span.live", "{span}", "Sampled spans that were started and have not ended.");
TEL_GAUGE(span_queue_size, "otel.sdk.processor.span.queue.size", "{span}",
	  "Spans that wait for the collector's answer.");
TEL_GAUGE(span_queue_capacity, "otel.sdk.processor.span.queue.capacity", "{span}",
	  "Spans that may wait; more are dropped.");
TEL_COUNTER(span_processed, "otel.sdk.processor.span.processed", "{span}",
	    "Spans that were handed to the exporter; with error_type they could not be.", "error.type");
TEL_GAUGE(span_inflight, "otel.sdk.exporter.span.inflight", "{span}", "Spans that the exporter tries to send.");
TEL_COUNTER(span_exported, "otel.sdk.exporter.span.exported", "{span}",
	    "Spans whose export has finished; without error_type they were accepted.", "error.type");
TEL_COUNTER(span_dropped, "otel.sdk.span.dropped", "{span}", "Sampled spans that no collector has.", "reason");

TEL_COUNTER(logs_created, "otel.sdk.log.created", "{log_record}", "Log records made for the collector.");
TEL_GAUGE(log_queue_size, "otel.sdk.processor.log.queue.size", "{log_record}",
	  "Log records that wait for the collector's answer.");
TEL_GAUGE(log_queue_capacity, "otel.sdk.processor.log.queue.capacity", "{log_record}",
	  "Log records that may wait; more are dropped.");
TEL_COUNTER(log_processed, "otel.sdk.processor.log.processed", "{log_record}",
	    "Log records that were handed to the exporter; with error_type they could not be.", "error.type");
TEL_GAUGE(log_inflight, "otel.sdk.exporter.log.inflight", "{log_record}",
	  "Log records that the exporter tries to send.");
TEL_COUNTER(log_exported, "otel.sdk.exporter.log.exported", "{log_record}",
	    "Log records whose export has finished; without error_type they were accepted.", "error.type");
TEL_COUNTER(log_dropped, "otel.sdk.log.dropped", "{log_record}", "Log records that no collector has.", "reason");

TEL_GAUGE(point_inflight, "otel.sdk.exporter.metric_data_point.inflight", "{data_point}",
	  "Metric data points that the exporter tries to send.");
TEL_COUNTER(point_exported, "otel.sdk.exporter.metric_data_point.exported", "{data_point}",
	    "Metric data points whose export has finished; without error_type they were accepted.", "error.type");

/* Those of HTTP requests, finer ones, and longer ones for attempts that are repeated. */
static const double operation_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5,
					  0.75,  1,      2.5,   5,    7.5,   10,   30,    60,  0};
TEL_HISTOGRAM(operation_duration, "otel.sdk.exporter.operation.duration", "s",
	      "How long it took to send a batch, or to give it up.", operation_bounds, "otel.component.type",
	      "error.type");

static const struct {
	struct tel_metric *made, *size, *capacity, *processed, *inflight, *exported, *dropped; /* NULL: not kept */
	const char *exporter;
} of_signal[SIGNALS] = {
	[SIGNAL_TRACES] = {&spans_started, &span_queue_size, &span_queue_capacity, &span_processed, &span_inflight,
			   &span_exported, &span_dropped, "otlp_http_span_exporter"},
	[SIGNAL_METRICS] = {.inflight = &point_inflight,
			    .exported = &point_exported,
			    .exporter = "otlp_http_metric_exporter"},
	[SIGNAL_LOGS] = {&logs_created, &log_queue_size, &log_queue_capacity, &log_processed, &log_inflight,
			 &log_exported, &log_dropped, "otlp_http_log_exporter"},
};

static const char *const error_types[EXPORT_ERRORS] = {
	[EXPORT_OK] = "",
	[EXPORT_REJECTED] = "rejected",
	[EXPORT_4XX] = "4xx",
	[EXPORT_5XX] = "5xx",
	[EXPORT_CONNECTION] = "connection",
	[EXPORT_TIMEOUT] = "timeout",
	[EXPORT_PROTOCOL] = "protocol",
};
static const char *const reasons[DROP_REASONS] = {
	[DROP_QUEUE_FULL] = "queue_full",
	[DROP_EXPORT_FAILED] = "export_failed",
	[DROP_REJECTED] = "rejected",
	[DROP_SHUTDOWN] = "shutdown",
};
/* error.type of what the processor could not hand over. */
static const char *const away_types[DROP_REASONS] = {
	[DROP_QUEUE_FULL] = "queue_full",
	[DROP_EXPORT_FAILED] = "too_large",
	[DROP_SHUTDOWN] = "already_shutdown",
};

/* A series that its metric lacks keeps nothing. */
static struct {
	struct tel_series *made, *passed, *inflight;
	struct tel_series *exported[EXPORT_ERRORS], *dropped[DROP_REASONS], *turned_away[DROP_REASONS];
	size_t (*queued)(void);
	uint64_t (*left)(void);
} series_kept[SIGNALS];

static void on_scrape(void)
{
	for (int signal = 0; signal < SIGNALS; signal++)
		if (series_kept[signal].queued)
			tel_gauge_set(of_signal[signal].size, (double)series_kept[signal].queued());
	/* in this order, so that no span seems to have ended before it started */
	double left = series_kept[SIGNAL_TRACES].left ? (double)series_kept[SIGNAL_TRACES].left() : -1;
	tel_gauge_set(&spans_live, left < 0 ? 0 : series_value(series_kept[SIGNAL_TRACES].made) - left);
}

static struct tel_series *labelled_series(struct tel_metric *metric, const char *label)
{
	return metric && label ? tel_series(metric, label) : NULL;
}

static struct tel_series *plain_series(struct tel_metric *metric)
{
	return metric ? tel_series_find(metric, NULL, 0) : NULL;
}

/* The conventions call them UpDownCounters. */
static void tell_sums(int signal)
{
	metric_sums(of_signal[signal].inflight);
	if (of_signal[signal].size) {
		metric_sums(of_signal[signal].size);
		metric_sums(of_signal[signal].capacity);
	}
}

void self_metrics_init(void)
{
	static bool hooked;

	metric_sums(&spans_live);
	for (int signal = 0; signal < SIGNALS; signal++) {
		tell_sums(signal);
		series_kept[signal].made = plain_series(of_signal[signal].made);
		series_kept[signal].inflight = plain_series(of_signal[signal].inflight);
		series_kept[signal].passed = labelled_series(of_signal[signal].processed, "");
		for (int i = 0; i < EXPORT_ERRORS; i++)
			series_kept[signal].exported[i] = labelled_series(of_signal[signal].exported, error_types[i]);
		for (int i = 0; i < DROP_REASONS; i++) {
			series_kept[signal].dropped[i] = labelled_series(of_signal[signal].dropped, reasons[i]);
			series_kept[signal].turned_away[i] = labelled_series(of_signal[signal].processed,
									     away_types[i]);
		}
	}
	if (!hooked)
		tel_metrics_hook(on_scrape);
	hooked = true;
}

static void add_kept(struct tel_series *series, double value)
{
	if (series)
		tel_series_add(series, value);
}

void self_made(enum signal signal)
{
	if (series_kept[signal].made)
		series_count_one(series_kept[signal].made);
}

void self_turned_away(enum signal signal, enum drop_reason reason, size_t count)
{
	add_kept(series_kept[signal].turned_away[reason], (double)count);
	add_kept(series_kept[signal].dropped[reason], (double)count);
}

void self_passed(enum signal signal, size_t count)
{
	add_kept(series_kept[signal].inflight, (double)count);
	add_kept(series_kept[signal].passed, (double)count);
}

void self_concluded(enum signal signal, size_t count, enum export_error error, enum drop_reason reason)
{
	add_kept(series_kept[signal].exported[error], (double)count);
	if (error != EXPORT_OK)
		add_kept(series_kept[signal].dropped[reason], (double)count);
	add_kept(series_kept[signal].inflight, -(double)count);
}

void self_operation(enum signal signal, enum export_error error, uint64_t duration_ns)
{
	tel_histogram_record(&operation_duration, (double)duration_ns / 1e9, of_signal[signal].exporter,
			     error_types[error]);
}

void self_queue(enum signal signal, size_t (*queued)(void), uint64_t (*left)(void), size_t capacity)
{
	series_kept[signal].queued = queued;
	series_kept[signal].left = left;
	tel_gauge_set(of_signal[signal].capacity, (double)capacity);
}
