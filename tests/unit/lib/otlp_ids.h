/* SPDX-License-Identifier: MIT */
/* Finds the ids of all spans in an ExportTraceServiceRequest, by its field numbers. */
#ifndef APM_TESTS_OTLP_IDS_H
#define APM_TESTS_OTLP_IDS_H

#include <stddef.h>
#include <stdint.h>

/* Calls `found` for each span below; `depth`: 0 request, 1 ResourceSpans, 2 ScopeSpans, 3 Span. */
void otlp_each_span_id(const uint8_t *at, size_t bytes, int depth, void (*found)(const uint8_t *span_id));

#endif
