/* SPDX-License-Identifier: MIT */
/* The exporters of spans and of log records. Internal to tel/. */
#ifndef TEL_EXPORT_H
#define TEL_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

struct settings;
struct span;

/*
 * Starts the exporters that are asked for; call it after batch_configure and self_metrics_init. Returns 0, or -ENOMEM
 * or -EAGAIN if nothing was started.
 */
int export_start(const struct settings *settings, bool spans, bool logs);

/*
 * Sends what is queued and ends the threads, within `budget_ms`; what is left is counted as dropped. A collector that
 * cannot be reached is not waited for.
 */
void export_stop(unsigned budget_ms);

/* Queues a copy, or counts a drop. Any thread may call. */
void export_span(const struct span *span);

/* The same for an encoded log record (otlp_add_log_record), while there is an exporter. Any thread may call. */
void export_log_record(const char *record, size_t bytes);

/* Returns true if log records are exported. Any thread may call. */
bool export_takes_logs(void);

/* For a forked child, which has no exporter until export_start. The queued items are the parent's. */
void export_in_child(void);

#endif
