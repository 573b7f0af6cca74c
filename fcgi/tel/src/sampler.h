/* SPDX-License-Identifier: MIT */
/* Head sampling: the decision about a new trace. Internal to tel/. */
#ifndef TEL_SAMPLER_H
#define TEL_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A trace is sampled when the number in the low 56 bits of its id reaches `threshold`: a consistent decision, the same
 * in every process that uses the same ratio (OpenTelemetry specification, "TraceState: probability sampling"; W3C
 * Trace Context level 2, section 3.2.2.5.2, makes these bits random). 0 samples all traces, SAMPLER_NONE none.
 */
struct sampler {
	bool parent_based; /* a parent's decision is followed */
	uint64_t threshold;
};

#define SAMPLER_NONE (UINT64_C(1) << 56)

/*
 * Reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, NULL if they are not set. The names are always_on, always_off
 * and traceidratio, each also with parentbased_ before it; the argument is the ratio, 0 to 1. Returns false for an
 * unknown name or a bad ratio; the sampler is then the default, parentbased_always_on, or samples all, as the
 * specification says.
 */
bool sampler_parse(const char *name, const char *ratio, struct sampler *out);

/* Returns the decision about a new trace, which has no tracestate. See tel/src/probability.h. */
bool sampler_decide(const struct sampler *sampler, const uint8_t trace_id[16]);

#endif
