/* SPDX-License-Identifier: MIT */
/*
 * The limits of the trace store. Spans over a limit are rejected one by one, reported to the sender (OTLP's partial
 * success) and counted, and the trace remembers how many, so that it can be shown as cut off. Every stored trace can be
 * read whole.
 */
#ifndef APM_TRACE_STORE_LIMITS_H
#define APM_TRACE_STORE_LIMITS_H

#define LIMIT_TRACE_SPANS 20000            /* spans of a trace */
#define LIMIT_TRACE_SPAN_BYTES (4 << 20)   /* bytes of its encoded spans */
#define LIMIT_TRACE_SOURCE_BYTES (4 << 20) /* bytes of their resources and scopes, once for each request */
#define LIMIT_SOURCE_BYTES (512 << 10)     /* bytes of one resource with one scope */

/* Bytes of a whole trace. A piece has at least one span, and at most 12 bytes of tags and lengths. */
#define LIMIT_TRACE_BYTES (LIMIT_TRACE_SPAN_BYTES + LIMIT_TRACE_SOURCE_BYTES + 12 * LIMIT_TRACE_SPANS)

/* Concurrent requests. Each kind has its own threads, so neither waits for the other. */
#define LIMIT_INGESTS 6
#define LIMIT_READS 6

#endif
