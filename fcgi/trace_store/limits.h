/* SPDX-License-Identifier: MIT */
/*
 * What the trace store takes at most. Whatever is over a limit is refused span by span, told to the sender (OTLP:
 * partial success), counted, and remembered with the trace, so that a reader can show that it is cut off. What was
 * taken can be read whole.
 */
#ifndef APM_TRACE_STORE_LIMITS_H
#define APM_TRACE_STORE_LIMITS_H

#define LIMIT_TRACE_SPANS 20000            /* of one trace */
#define LIMIT_TRACE_SPAN_BYTES (4 << 20)   /* of its encoded spans */
#define LIMIT_TRACE_SOURCE_BYTES (4 << 20) /* of their resources and scopes, once for each request */
#define LIMIT_SOURCE_BYTES (512 << 10)     /* of one resource with one scope */

/* A trace has less: a piece has a span at least, and 12 bytes of tags and lengths. */
#define LIMIT_TRACE_BYTES (LIMIT_TRACE_SPAN_BYTES + LIMIT_TRACE_SOURCE_BYTES + 12 * LIMIT_TRACE_SPANS)

/* Requests at a time. Each kind has its own threads, so neither waits for the other. */
#define LIMIT_INGESTS 6
#define LIMIT_READS 6

#endif
