/* SPDX-License-Identifier: MIT */
/*
 * What telemetry tells about its own spans. At rest, spans started = exported ("" only) + dropped (all reasons) +
 * queued. Internal to tel/.
 */
#ifndef TEL_SELF_METRICS_H
#define TEL_SELF_METRICS_H

#include <stddef.h>

/* error_type of otel_sdk_exporter_span_exported_total; the first is the success. */
enum export_error {
	EXPORT_OK,
	EXPORT_REJECTED,   /* "rejected": by partial success */
	EXPORT_4XX,        /* "4xx" */
	EXPORT_5XX,        /* "5xx" */
	EXPORT_CONNECTION, /* "connection": refused, reset, not found */
	EXPORT_TIMEOUT,    /* "timeout" */
	EXPORT_PROTOCOL,   /* "protocol": what answered does not speak OTLP/HTTP */
	EXPORT_ERRORS
};

/* reason of otel_sdk_span_dropped_total */
enum drop_reason {
	DROP_QUEUE_FULL,
	DROP_EXPORT_FAILED, /* no definitive answer in time */
	DROP_REJECTED,      /* the collector said no */
	DROP_SHUTDOWN,
	DROP_REASONS
};

/* Makes every series, so that each is exposed from the start. After metrics_init, before threads. */
void self_metrics_init(void);

void self_started(void);
void self_exported(enum export_error error, size_t spans);
void self_dropped(enum drop_reason reason, size_t spans);

/* Shown at the next scrape, from then on at every one. */
void self_queue(size_t (*queued)(void), size_t capacity);

#endif
