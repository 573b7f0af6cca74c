/* SPDX-License-Identifier: MIT */
/*
 * A trace, taken apart once for each question: resources and scopes that are alike are one, spans refer to them by
 * number. What is asked goes through these arrays, so a resource is looked at once, however many spans it has.
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

#define TRACE_BYTES_MAX LIMIT_TRACE_BYTES /* of a trace that are looked at; more is cut off, and that is said */

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
	uint32_t order; /* of arrival */
};

struct trace {
	/* for all to read, after trace_finish */
	struct trace_resource *resources;
	struct trace_scope *scopes;
	struct trace_span *spans; /* by resource, scope, arrival */
	size_t resource_count, scope_count, span_count;
	uint64_t start_ns, end_ns;            /* of all spans; end_ns is not before start_ns */
	struct slice root_name, root_service; /* of the root that began first; empty without one */
	size_t bytes;                         /* that were taken in */
	bool cut; /* there is more than these spans: budget, TRACE_BYTES_MAX, LIMIT_TRACE_SPANS */
	/* private */
	struct budget *budget;
	struct buf text;
	struct trace_piece *pieces;
	size_t resource_room, scope_room, span_room, piece_room, piece_count;
	struct hash_table resource_table, scope_table, span_table;
};

/* `budget` outlives the trace, which belongs to one thread. */
void trace_init(struct trace *trace, struct budget *budget);
void trace_done(struct trace *trace);

/* Empties it and keeps the memory that most traces need. */
void trace_reset(struct trace *trace);

/* Reads valid fields, which the result points into. Pure. */
struct trace_source trace_source_read(struct slice fields);

/* Add a copy of where spans come from. They return its number; -1 if there is no room, and then `cut` is set. */
int64_t trace_resource(struct trace *trace, const struct trace_source *source);
int64_t trace_scope(struct trace *trace, int64_t resource, const struct trace_source *source);

/* Adds fields `spans` of ScopeSpans, valid and copied. False: no room, and `cut` is set. */
bool trace_spans(struct trace *trace, int64_t scope, struct slice spans);

/*
 * Reads the spans. Those with the same id, kind and service are one that was sent again: the one that ends later stays,
 * of two that end together the one that came later. Two kinds of one id stay two (the client's and the server's half of
 * a call, as Zipkin has it).
 */
void trace_finish(struct trace *trace);

static inline const struct trace_resource *trace_resource_of(const struct trace *trace, const struct trace_span *span)
{
	return &trace->resources[trace->scopes[span->scope].resource];
}

#endif
