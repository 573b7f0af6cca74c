/* SPDX-License-Identifier: MIT */
#include "tel/src/export.h"

#include <string.h>

#include "tel/src/exporter.h"
#include "tel/src/span.h"

static struct exporter span_exporter = EXPORTER_INITIALIZER;
static struct exporter log_exporter = EXPORTER_INITIALIZER;

/* ---- spans: queued as they are, since encoding takes longer than copying ---- */

void export_span(const struct span *span)
{
	bool goes_along = span->tracestate && !span_has_root_tracestate(span);
	const struct slice parts[] = {{(const char *)span, span_size(span)},
				      {span->tracestate, goes_along ? strlen(span->tracestate) + 1 : 0}};

	exporter_push(&span_exporter, parts, 2);
}

static void encode_queued_span(struct buf *out, void *record, size_t bytes)
{
	struct span *span = record;

	(void)bytes;
	if (span->tracestate && !span_has_root_tracestate(span))
		span->tracestate = (char *)span + span_size(span);
	otlp_add_span(out, span);
}

static size_t queued_spans(void)
{
	return exporter_queued(&span_exporter);
}

static uint64_t ended_spans(void)
{
	return exporter_offered(&span_exporter);
}

/* ---- log records: queued as they are sent, since what they are made of belongs to the caller ---- */

void export_log_record(const char *record, size_t bytes)
{
	self_made(SIGNAL_LOGS);
	exporter_push(&log_exporter, &(struct slice){record, bytes}, 1);
}

bool export_takes_logs(void)
{
	return log_exporter.running || log_exporter.forked; /* there they are dropped and counted */
}

static void encode_queued_log_record(struct buf *out, void *record, size_t bytes)
{
	buf_add(out, record, bytes);
}

static size_t queued_logs(void)
{
	return exporter_queued(&log_exporter);
}

/* ---- life cycle ---- */

static int start_spans(const struct settings *settings)
{
	self_queue(SIGNAL_TRACES, queued_spans, ended_spans, settings->queue_spans);
	return exporter_start(&span_exporter, &(struct exporter_config){.signal = SIGNAL_TRACES,
									.thread = "tel-export",
									.queue = settings->queue_spans,
									.batch = settings->batch_spans,
									.delay_ms = settings->schedule_delay_ms,
									.timeout_ms = settings->export_timeout_ms,
									.encode = encode_queued_span});
}

static int start_logs(const struct settings *settings)
{
	self_queue(SIGNAL_LOGS, queued_logs, NULL, settings->log_queue);
	return exporter_start(&log_exporter, &(struct exporter_config){.signal = SIGNAL_LOGS,
								       .thread = "tel-export-logs",
								       .queue = settings->log_queue,
								       .batch = settings->log_batch,
								       .delay_ms = settings->log_delay_ms,
								       .timeout_ms = settings->log_timeout_ms,
								       .encode = encode_queued_log_record});
}

int export_start(const struct settings *settings, bool spans, bool logs)
{
	span_exporter.forked = log_exporter.forked = false; /* those that are not asked for are not missed */
	int error = spans ? start_spans(settings) : 0;

	if (!error && logs)
		error = start_logs(settings);
	if (error)
		export_stop(0);
	return error;
}

void export_stop(unsigned budget_ms)
{
	exporter_begin_stop(&span_exporter, budget_ms);
	exporter_begin_stop(&log_exporter, budget_ms);
	exporter_end_stop(&span_exporter);
	exporter_end_stop(&log_exporter);
}

void export_in_child(void)
{
	exporter_in_child(&span_exporter);
	exporter_in_child(&log_exporter);
}
