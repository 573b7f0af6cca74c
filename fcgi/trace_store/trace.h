/* SPDX-License-Identifier: MIT */
/*
 * A decoded trace. Equal resources are one, and so are equal scopes; spans refer to them by number. Queries go through
 * these arrays, so they look at a resource once, however many spans it has.
 *
 *	trace_init(&trace, &budget);
 *	for each trace: trace_reset, then trace_reader_load (trace_reader.h)
 *	trace_done(&trace);
 */
#ifndef APM_TRACE_STORE_TRACE_H
#define APM_TRACE_STORE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "trace_store/budget.h"
#include "trace_store/hash_table.h"
#include "trace_store/limits.h"
#include "trace_store/span_summary.h"

#define TRACE_BYTES_MAX LIMIT_TRACE_BYTES /* of a trace that are read; `cut` tells that there are more */

/* The fields of ResourceSpans besides scope_spans, or those of ScopeSpans besides spans, read once for many traces. */
struct trace_source {
	struct slice fields;
	struct slice message; /* Resource or InstrumentationScope, empty without one */
	struct slice service; /* service.name of a Resource, empty without one */
	uint64_t hash, service_hash;
};

/* The slices point into the trace, after trace_finish. */
struct trace_resource {
	struct slice fields, message, service; /* as in trace_source */
	uint64_t service_hash;
	size_t at, message_at, service_at; /* private: in `text` */
};

struct trace_scope {
	uint32_t resource;
	struct slice fields, message;
	size_t at, message_at; /* private */
};

struct trace_span {
	struct span_summary summary;
	uint32_t scope;
	uint32_t order; /* by arrival */
};

struct trace {
	/* to be read after trace_finish */
	struct trace_resource *resources;
	struct trace_scope *scopes;
	struct trace_span *spans; /* by resource, scope and arrival */
	size_t resource_count, scope_count, span_count;
	uint64_t start_ns, end_ns;            /* of all spans; end_ns is not before start_ns */
	struct slice root_name, root_service; /* of the root that began first; empty without one */
	size_t bytes;                         /* that were read */
	bool cut; /* there are more spans than the budget, TRACE_BYTES_MAX or LIMIT_TRACE_SPANS allow */
	/* private */
	struct budget *budget;
	struct buf text;
	struct trace_piece *pieces;
	size_t resource_room, scope_room, span_room, piece_room, piece_count;
	struct hash_table resource_table, scope_table, span_table;
};

/* `budget` has to outlive the trace, which belongs to one thread. */
void trace_init(struct trace *trace, struct budget *budget);
void trace_done(struct trace *trace);

/* Empties the trace, but keeps the memory that most traces need. */
void trace_reset(struct trace *trace);

/* Reads valid fields, which the result points into. Pure. */
struct trace_source trace_source_read(struct slice fields);

/* Add a copy of where spans come from. They return its number; -1 if there is no room, and then `cut` is set. */
int64_t trace_resource(struct trace *trace, const struct trace_source *source);
int64_t trace_scope(struct trace *trace, int64_t resource, const struct trace_source *source);

/* Adds a copy of valid fields `spans` of ScopeSpans. Returns false if there is no room, and then `cut` is set. */
bool trace_spans(struct trace *trace, int64_t scope, struct slice spans);

/*
 * Reads the spans. Spans with the same id, kind and service are one that was sent again: the one that ends later stays,
 * and of two that end together the one that came later. Spans of one id and two kinds stay two, because Zipkin gives
 * both halves of a call one id.
 */
void trace_finish(struct trace *trace);

static inline const struct trace_resource *trace_resource_of(const struct trace *trace, const struct trace_span *span)
{
	return &trace->resources[trace->scopes[span->scope].resource];
}

#endif
