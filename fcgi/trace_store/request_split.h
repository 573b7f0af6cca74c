/* SPDX-License-Identifier: MIT */
/*
 * A request (ExportTraceServiceRequest), taken apart by trace: a piece is what one request says of one trace from one
 * source. Nothing is copied but on the way into the store, and nothing is decoded but what that needs. Time and memory
 * are linear in the request: an index of 16 bytes for each span that has ids (it takes 30 bytes of the request at
 * least), of 16 for each ScopeSpans and of 12 for each ResourceSpans with such a span.
 */
#ifndef APM_TRACE_STORE_REQUEST_SPLIT_H
#define APM_TRACE_STORE_REQUEST_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/protobuf.h"

#define REQUEST_SPLIT_BYTES_MAX (8 << 20) /* of a request, as protobuf and not compressed */

/* All places are offsets into the request. `bytes` counts the fields beside those of the level below. */
struct request_split_resource {
	uint32_t at, len; /* the message ResourceSpans */
	uint32_t bytes;
};

struct request_split_source {
	uint32_t resource; /* index */
	uint32_t at, len;  /* the message ScopeSpans */
	uint32_t bytes;
};

struct request_split_span {
	uint32_t at, len; /* the field `spans` of ScopeSpans, with tag and length */
	uint32_t id_at;   /* its trace id */
	uint32_t source;  /* index */
};

struct request_split {
	struct slice request; /* the caller's, for as long as this lives */
	struct request_split_resource *resources;
	struct request_split_source *sources;
	struct request_split_span
		*index; /* of the spans that are kept: by trace id, then in the order of the request */
	size_t resource_count, source_count, index_count;
	size_t spans, spans_invalid, spans_refused; /* in the request; invalid: without ids; refused: not kept */
};

struct request_split_piece {
	const uint8_t *trace_id;
	size_t source;       /* index */
	size_t first, count; /* in `index` */
};

enum request_split_result { REQUEST_SPLIT_OK, REQUEST_SPLIT_MALFORMED, REQUEST_SPLIT_TOO_LARGE };

/* Asked once for each trace of a request with the number of its spans. */
typedef bool request_split_keep(void *arg, const uint8_t trace_id[16], size_t spans);

/*
 * Any bytes may come. A span whose trace id or span id is missing or zero is invalid and left out (OTLP: the receiver
 * rejects it). `keep` NULL: all are kept. Whatever comes back, end with request_split_done.
 */
enum request_split_result request_split_read(struct request_split *p, struct slice request, request_split_keep *keep,
					     void *arg);

/* The next piece; begin with *piece = {0}. Those of one trace follow each other. False: there is no more. */
bool request_split_next(const struct request_split *p, struct request_split_piece *piece);

/* A span as a field of ScopeSpans. `i` is in `index`. */
struct slice request_split_span(const struct request_split *p, size_t i);

/* Append the fields of ResourceSpans beside scope_spans, and those of ScopeSpans beside spans. By index. */
void request_split_add_resource(const struct request_split *p, size_t resource, struct buf *out);
void request_split_add_scope(const struct request_split *p, size_t source, struct buf *out);

void request_split_done(struct request_split *p);

#endif
