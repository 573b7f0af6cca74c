/* SPDX-License-Identifier: MIT */
/* Head sampling: the decision about a new trace. Internal to tel/. */
#ifndef TEL_SAMPLER_H
#define TEL_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A trace is sampled when the number in the low 56 bits of its id reaches `threshold`: a consistent decision, the same
 * in every process that uses the same ratio (OpenTelemetry specification, "TraceState: probability sampling"; W3C
 * Trace Context level 2, section 3.2.2.5.2, makes these bits random). 0 samples all, SAMPLER_NONE nothing.
 */
struct sampler {
	bool parent_based; /* a parent's decision is followed */
	uint64_t threshold;
};

#define SAMPLER_NONE (UINT64_C(1) << 56)

/*
 * Reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG (NULL: not set). Names: always_on, always_off, traceidratio,
 * each also with parentbased_ before it; the argument is the ratio, 0 to 1. False: unknown name or bad ratio; then
 * the sampler is the default, parentbased_always_on, or samples all, as the specification says.
 */
bool sampler_parse(const char *name, const char *ratio, struct sampler *out);

/* The decision about a trace without a tracestate: a new one. See tel/src/probability.h. */
bool sampler_decide(const struct sampler *sampler, const uint8_t trace_id[16]);

#endif
