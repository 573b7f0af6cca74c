/* SPDX-License-Identifier: MIT */
/* The exposition of the program's metrics, as a text or looked up. */
#ifndef APM_TESTS_METRICS_TEXT_H
#define APM_TESTS_METRICS_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "tel/tel.h"

/* Appends a piece of the exposition to a struct buf: for tel_metrics_write. */
bool metrics_text_add(void *out, const char *text, size_t bytes);

/* Appends the exposition. Returns false when there was no room. */
bool metrics_text(struct buf *out, const char *content_type);

/* Returns the value of a series that is exposed, such as otel_sdk_span_dropped_total{reason="shutdown"}. */
double metric(const char *series);

#endif
