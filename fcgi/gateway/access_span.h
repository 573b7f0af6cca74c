/* SPDX-License-Identifier: MIT */
/* The spans of a line of the access log: a SERVER span, and a CLIENT span for each upstream attempt. */
#ifndef APM_GATEWAY_ACCESS_SPAN_H
#define APM_GATEWAY_ACCESS_SPAN_H

#include <stddef.h>

#include "gateway/access_log.h"
#include "tel/ship.h"

/* Returns how many spans the line gives, 0 when it was not sampled. */
size_t access_span_count(const struct access_line *line);

/* Fills *out with the facts of the SERVER span. The line's `flags` say whether it was sampled. */
void access_span_facts(const struct access_line *line, struct tel_span_facts *out);

/*
 * Makes span `index` of the line: 0 is the SERVER span, the attempts follow in order. The same line always gives the
 * same spans, ids included. Names, status and attributes follow the semantic conventions for HTTP spans; text is copied
 * into the span.
 */
void access_span_make(const struct access_line *line, size_t index, struct tel_span *out);

/* Fills *out with the trace context of the line, for tel_span_set_tracestate: all its spans have one tracestate. */
void access_span_context(const struct access_line *line, struct tel_parent *out);

#endif
