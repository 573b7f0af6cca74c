/* SPDX-License-Identifier: MIT */
/*
 * Metrics by push: a thread reads them all every OTEL_METRIC_EXPORT_INTERVAL and at the end, and sends them by OTLP.
 * One of its own, because a collector that hangs must hold up neither spans, whose queue would fill, nor metrics; it
 * runs only when OTEL_METRICS_EXPORTER has otlp. Internal to tel/.
 */
#ifndef TEL_METRIC_READER_H
#define TEL_METRIC_READER_H

struct settings;

/* Starts the thread, with all signals blocked; `settings` must stay. After batch_configure and self_metrics_init.
 * Returns 0, or -ENOMEM or -EAGAIN: then nothing was started. */
int metric_reader_start(const struct settings *settings);

/* Reads and sends once more, and ends the thread, within `budget_ms`. A collector that cannot be reached is not waited
 * for. Nothing happens when there is no thread. */
void metric_reader_stop(unsigned budget_ms);

/* In a forked child, which pushes nothing until metric_reader_start: what was read is the parent's to send. */
void metric_reader_in_child(void);

#endif
