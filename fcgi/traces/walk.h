/* Over all spans of a trace, as rows_trace gives it. */
#ifndef APM_TRACES_WALK_H
#define APM_TRACES_WALK_H

#include <stdbool.h>

#include "traces/span.h"

/* Begin with .resource_spans.left = the trace. */
struct walk {
	struct wire resource_spans, scope_spans, spans;
	struct bytes resource; /* the message Resource of the span, empty without one */
};

/* The next span. False: there is no more. The trace must be valid. */
bool walk_next(struct walk *walk, struct span_summary *span);

/* service.name of the span's resource; empty without one. */
struct bytes walk_service(const struct walk *walk);

/* What is said of a trace as a whole. */
struct trace_summary {
	uint64_t start_ns, end_ns;
	uint64_t spans;
	struct bytes root_name, root_service; /* of the first root; empty without one */
};

void trace_summarise(struct bytes trace, struct trace_summary *out);

#endif
