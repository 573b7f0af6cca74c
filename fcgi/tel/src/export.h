/* SPDX-License-Identifier: MIT */
/* The exporter: a queue, and a thread that sends what is in it. Internal to tel/. */
#ifndef TEL_EXPORT_H
#define TEL_EXPORT_H

#include <stddef.h>

struct settings;
struct span;

/* Starts the thread, with all signals blocked. After batch_configure. Returns 0, or -ENOMEM or -EAGAIN: then
 * nothing was started. */
int export_start(const struct settings *settings);

/*
 * Sends what is queued and ends the thread, within `budget_ms`; what is left is counted as dropped. A collector that
 * cannot be reached is not waited for.
 */
void export_stop(unsigned budget_ms);

/* Any thread: queues a copy, or counts a drop. */
void export_span(const struct span *span);

/* Any thread: spans without a definitive answer. */
size_t export_queued(void);

#endif
