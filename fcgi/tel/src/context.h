/* SPDX-License-Identifier: MIT */
/* The inside of struct tel_parent: the trace context that a request brought along. Internal to tel/. */
#ifndef TEL_CONTEXT_H
#define TEL_CONTEXT_H

#include "tel/tel.h"

/* Sets which headers are read and written (OTEL_PROPAGATORS); both are by default. Call it before threads start. */
enum { PROPAGATE_TRACECONTEXT = 2, PROPAGATE_BAGGAGE = 4 };
void context_configure(unsigned propagators);
bool context_propagates(unsigned headers);

struct parent {
	bool valid; /* the ids below are those of the caller */
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t flags;
	unsigned traceparents;  /* headers seen; two start a new trace */
	bool tracestate_broken; /* an invalid member discards all */
	bool tracestate_cut;    /* long members were dropped */
	bool baggage_broken;
	unsigned tracestate_members, baggage_members; /* seen */
	char tracestate[TEL_TRACESTATE_MAX + 1];      /* "" when there is none */
	char baggage[TEL_BAGGAGE_MAX + 1];
};

_Static_assert(sizeof(struct parent) <= sizeof(struct tel_parent), "a parent fits in its owner's storage");

static inline struct parent *parent_of(struct tel_parent *parent)
{
	return (struct parent *)parent;
}

static inline const struct parent *const_parent_of(const struct tel_parent *parent)
{
	return (const struct parent *)parent;
}

#endif
