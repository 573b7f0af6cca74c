/* SPDX-License-Identifier: MIT */
/*
 * Splits a request (ExportTraceServiceRequest) by trace, into pieces: the spans of one trace from one source, which is
 * a resource with a scope. Nothing is copied before it is stored, and only what is needed is decoded. Time and memory
 * are linear in the request: 16 bytes for each span with ids (which takes at least 30 bytes of the request), 16 for
 * each ScopeSpans and 12 for each ResourceSpans with such a span.
 */
#ifndef APM_TRACE_STORE_REQUEST_SPLIT_H
#define APM_TRACE_STORE_REQUEST_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/protobuf.h"

#define REQUEST_SPLIT_BYTES_MAX (8 << 20) /* bytes of a request, as protobuf and not compressed */

/* All places are offsets into the request. `own_len` is the length of the fields besides those of the level below. */
struct request_split_resource {
	uint32_t at, len; /* of the message ResourceSpans */
	uint32_t own_len;
};

struct request_split_source {
	uint32_t resource; /* index */
	uint32_t at, len;  /* of the message ScopeSpans */
	uint32_t own_len;
};

struct request_split_span {
	uint32_t at, len; /* of the field `spans` of ScopeSpans, with tag and length */
	uint32_t id_at;   /* of its trace id */
	uint32_t source;  /* index */
};

struct request_split {
	struct slice request; /* it has to outlive this */
	struct request_split_resource *resources;
	struct request_split_source *sources;
	struct request_split_span
		*index; /* of the spans that are kept, by trace id, then in the order of the request */
	size_t resource_count, source_count, index_count;
	size_t spans, spans_invalid,
		spans_refused; /* in the request; invalid ones lack ids, refused ones are not kept */
};

struct request_split_piece {
	const uint8_t *trace_id;
	size_t source;       /* index */
	size_t first, count; /* in `index` */
};

enum request_split_result { REQUEST_SPLIT_OK, REQUEST_SPLIT_MALFORMED, REQUEST_SPLIT_TOO_LARGE };

/*
 * Returns true if the trace is to be kept. It is asked once for each trace of a request, with the number of its spans.
 */
typedef bool request_split_keep(void *arg, const uint8_t trace_id[16], size_t spans);

/*
 * Splits any bytes. A span whose trace id or span id is missing or zero is invalid and left out, as OTLP demands. All
 * traces are kept if `keep` is NULL. Call request_split_done whatever the result is.
 */
enum request_split_result request_split_read(struct request_split *p, struct slice request, request_split_keep *keep,
					     void *arg);

/*
 * Finds the next piece; start with *piece = {0}. The pieces of one trace follow each other. Returns false if there are
 * no more.
 */
bool request_split_next(const struct request_split *p, struct request_split_piece *piece);

/* Returns the span at `i` in `index`, as a field of ScopeSpans. */
struct slice request_split_span(const struct request_split *p, size_t i);

/* Append the fields of a ResourceSpans besides scope_spans, or of a ScopeSpans besides spans. They take an index. */
void request_split_add_resource(const struct request_split *p, size_t resource, struct buf *out);
void request_split_add_scope(const struct request_split *p, size_t source, struct buf *out);

void request_split_done(struct request_split *p);

#endif
