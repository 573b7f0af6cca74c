/* SPDX-License-Identifier: MIT */
/* The exporters of spans and of log records. Internal to tel/. */
#ifndef TEL_EXPORT_H
#define TEL_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

struct settings;
struct span;

/*
 * Starts the exporters that are asked for. After batch_configure and self_metrics_init. Returns 0, or -ENOMEM or
 * -EAGAIN: then nothing was started.
 */
int export_start(const struct settings *settings, bool spans, bool logs);

/*
 * Sends what is queued and ends the threads, within `budget_ms`; what is left is counted as dropped. A collector that
 * cannot be reached is not waited for.
 */
void export_stop(unsigned budget_ms);

/* Any thread: queues a copy, or counts a drop. */
void export_span(const struct span *span);

/* Any thread: the same for a log record that is encoded as otlp_add_log_record does it, while there is an exporter. */
void export_log_record(const char *record, size_t bytes);

/* Any thread: whether log records are exported. */
bool export_takes_logs(void);

/* In a forked child, which has no exporter until export_start: what was queued is the parent's. */
void export_in_child(void);

#endif
