/* SPDX-License-Identifier: MIT */
/*
 * The metrics of telemetry about itself (semantic conventions, "OpenTelemetry SDK metrics"). For spans and for log
 * records this holds whenever none is just changing its place:
 *
 *	made = live + queued + exported (without an error) + dropped (for all reasons)
 *	made = live + queued - in flight + processed (with or without an error)
 *	processed (without an error) = in flight + exported (with or without an error)
 *
 * where queued has what is in flight, and log records do not live. Any thread. Internal to tel/.
 */
#ifndef TEL_SELF_METRICS_H
#define TEL_SELF_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "tel/src/signal.h"

/* error.type of otel.sdk.exporter.….exported; the first is the success. */
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

/* reason of otel.sdk.span.dropped and otel.sdk.log.dropped */
enum drop_reason {
	DROP_QUEUE_FULL,
	DROP_EXPORT_FAILED, /* no definitive answer in time */
	DROP_REJECTED,      /* the collector said no */
	DROP_SHUTDOWN,
	DROP_REASONS
};

/* Makes every series, so that each is exposed from the start. After metrics_init, before threads. */
void self_metrics_init(void);

/* Counts a span that was started, or a log record that was created. */
void self_made(enum signal signal);

/* Counts items that never get to the exporter: the queue was full or closed (DROP_SHUTDOWN), or they fit in no batch
 * (DROP_EXPORT_FAILED). */
void self_turned_away(enum signal signal, enum drop_reason reason, size_t count);

/* The exporter begins its first attempt to send them. */
void self_passed(enum signal signal, size_t count);

/* Counts the fate of passed items. `reason` says why they are lost, if `error` is not EXPORT_OK. */
void self_concluded(enum signal signal, size_t count, enum export_error error, enum drop_reason reason);

/* Counts the fate of a batch, `duration_ns` after its first attempt began. */
void self_operation(enum signal signal, enum export_error error, uint64_t duration_ns);

/*
 * Lets every scrape ask `queued` how many items wait or are in flight, and `left` how many spans have ended since the
 * process began. `left` is NULL for items that do not live.
 */
void self_queue(enum signal signal, size_t (*queued)(void), uint64_t (*left)(void), size_t capacity);

#endif
