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

struct trace_resource {
	size_t at, len;       /* in `text` until trace_finish: the fields of ResourceSpans beside scope_spans */
	struct slice fields;  /* the same, from then on */
	struct slice message; /* Resource, empty without one */
	struct slice service; /* its service.name, empty without one */
	uint64_t service_hash;
};

struct trace_scope {
	uint32_t resource;
	size_t at, len; /* of ScopeSpans beside spans */
	struct slice fields;
	struct slice message; /* InstrumentationScope */
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

/*
 * Where spans come from: fields of ResourceSpans beside scope_spans, and of ScopeSpans beside spans; valid messages,
 * copied. Return a number; -1: no room, and `cut` is set.
 */
int64_t trace_resource(struct trace *trace, struct slice fields);
int64_t trace_scope(struct trace *trace, int64_t resource, struct slice fields);

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
