/* SPDX-License-Identifier: MIT */
/* Finds the spans of a trace that a selector wants. */
#ifndef APM_TRACE_STORE_SELECTION_H
#define APM_TRACE_STORE_SELECTION_H

#include "trace_store/selector.h"
#include "trace_store/trace.h"

struct selection_found {
	uint32_t met, seen; /* bit i stands for condition i */
	struct value values[SELECTOR_CONDITIONS_MAX];
};

/*
 * Tries the conditions on the spans of one trace, one after the other. The answers of a resource or a scope are kept
 * for all of its spans, which follow each other.
 */
struct selection {
	const struct selector *selector;
	const struct trace *trace;
	struct budget *budget;
	unsigned fields;          /* bit i stands for field i of a condition */
	uint32_t resource, scope; /* whose answers are kept; UINT32_MAX if there are none */
	struct selection_found of_resource, of_scope, of_span;
	char ids[3][33]; /* values of ids point into them */
};

void selection_init(struct selection *asking, const struct selector *selector, const struct trace *trace,
		    struct budget *budget);

/*
 * Returns the conditions that the span meets, as bits. For each that is `seen`, `of_span.values` then has the value
 * that was found, until the next call.
 */
uint32_t selection_met(struct selection *asking, const struct trace_span *span);

/*
 * Reads an intrinsic of the span or its trace, which is valid until the next call. Returns false if the field is none.
 */
bool selection_intrinsic(struct selection *asking, enum selector_field field, const struct trace_span *span,
			 struct value *out);

/* Returns true if a span is wanted that meets these conditions (not for each_alone). */
bool selection_holds(const struct selector *s, uint32_t met);

/* Returns true if the finished trace has what is wanted. */
bool selection_matches_trace(const struct selector *s, const struct trace *trace, struct budget *budget);

#endif
