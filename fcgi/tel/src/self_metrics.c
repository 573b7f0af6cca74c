/* SPDX-License-Identifier: MIT */
#include "tel/src/self_metrics.h"

#include "tel/tel.h"

TEL_COUNTER(started, "otel.sdk.span.started", "{span}", "Sampled spans that were started.");
TEL_GAUGE(queue_size, "otel.sdk.processor.span.queue.size", "{span}", "Spans that wait for the collector's answer.");
TEL_GAUGE(queue_capacity, "otel.sdk.processor.span.queue.capacity", "{span}", "Spans that may wait; more are dropped.");
TEL_COUNTER(exported, "otel.sdk.exporter.span.exported", "{span}",
	    "Spans whose export has finished; without error_type they were accepted.", "error_type");
TEL_COUNTER(dropped, "otel.sdk.span.dropped", "{span}", "Sampled spans that no collector has.", "reason");

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

static struct tel_series *exported_series[EXPORT_ERRORS];
static struct tel_series *dropped_series[DROP_REASONS];
static size_t (*queued)(void);

static void on_scrape(void)
{
	if (queued)
		tel_gauge_set(&queue_size, (double)queued());
}

void self_metrics_init(void)
{
	static bool hooked;

	for (int i = 0; i < EXPORT_ERRORS; i++)
		exported_series[i] = tel_series(&exported, error_types[i]);
	for (int i = 0; i < DROP_REASONS; i++)
		dropped_series[i] = tel_series(&dropped, reasons[i]);
	if (!hooked)
		tel_metrics_hook(on_scrape);
	hooked = true;
}

void self_started(void)
{
	tel_counter_add(&started, 1);
}

void self_exported(enum export_error error, size_t spans)
{
	tel_series_add(exported_series[error], (double)spans);
}

void self_dropped(enum drop_reason reason, size_t spans)
{
	tel_series_add(dropped_series[reason], (double)spans);
}

void self_queue(size_t (*count)(void), size_t capacity)
{
	queued = count;
	tel_gauge_set(&queue_capacity, (double)capacity);
}
