/* SPDX-License-Identifier: MIT */
/* Finds the spans of a trace that a selector wants. */
#ifndef APM_TRACE_STORE_SELECTION_H
#define APM_TRACE_STORE_SELECTION_H

#include "trace_store/selector.h"
#include "trace_store/trace.h"

struct selection_found {
	uint32_t met, seen; /* bit i: condition i */
	struct value values[SELECTOR_CONDITIONS_MAX];
};

/*
 * Conditions over the spans of one trace, one after the other. What a resource or a scope answers is kept, so that it
 * is asked once for all of its spans, which follow each other.
 */
struct selection {
	const struct selector *selector;
	const struct trace *trace;
	struct budget *budget;
	uint32_t resource, scope; /* whose answers are here; UINT32_MAX: of none */
	struct selection_found of_resource, of_scope, of_span;
	char ids[3][33]; /* what values of ids point at */
};

void selection_init(struct selection *asking, const struct selector *selector, const struct trace *trace,
		    struct budget *budget);

/*
 * Which conditions the span meets, bit by bit. `of_span.values` has afterwards what was found for each that is `seen`,
 * until the next call.
 */
uint32_t selection_met(struct selection *asking, const struct trace_span *span);

/* What TraceQL calls an intrinsic, of the span itself or its trace. False: not one of these. Valid until the next call.
 */
bool selection_intrinsic(struct selection *asking, enum selector_field field, const struct trace_span *span,
			 struct value *out);

/* True: the span is wanted, given what it meets (not for each_alone). */
bool selection_holds(const struct selector *s, uint32_t met);

/* True: the finished trace has what is wanted. */
bool selection_matches_trace(const struct selector *s, const struct trace *trace, struct budget *budget);

#endif
