/* SPDX-License-Identifier: MIT */
/*
 * A request (ExportTraceServiceRequest), taken apart by trace: a piece is what one request says of one trace from one
 * source. Nothing is copied but on the way into the store, and nothing is decoded but what that needs. Time and memory
 * are linear in the request: an index of 16 bytes for each span that has ids (it takes 30 bytes of the request at
 * least), of 16 for each ScopeSpans and of 12 for each ResourceSpans with such a span.
 */
#ifndef APM_TRACE_STORE_PIECES_H
#define APM_TRACE_STORE_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/protobuf.h"

#define PIECES_BYTES_MAX (8 << 20) /* of a request, as protobuf and not compressed */

/* All places are offsets into the request. `bytes` counts the fields beside those of the level below. */
struct pieces_resource {
	uint32_t at, len; /* the message ResourceSpans */
	uint32_t bytes;
};

struct pieces_source {
	uint32_t resource; /* index */
	uint32_t at, len;  /* the message ScopeSpans */
	uint32_t bytes;
};

struct pieces_span {
	uint32_t at, len; /* the field `spans` of ScopeSpans, with tag and length */
	uint32_t id_at;   /* its trace id */
	uint32_t source;  /* index */
};

struct pieces {
	struct slice request; /* the caller's, for as long as this lives */
	struct pieces_resource *resources;
	struct pieces_source *sources;
	struct pieces_span *index; /* of the spans that are kept: by trace id, then in the order of the request */
	size_t resource_count, source_count, index_count;
	size_t spans, spans_invalid, spans_refused; /* in the request; invalid: without ids; refused: not kept */
};

struct piece {
	const uint8_t *trace_id;
	size_t source;       /* index */
	size_t first, count; /* in `index` */
};

enum pieces_result { PIECES_OK, PIECES_MALFORMED, PIECES_TOO_LARGE };

/* Asked once for each trace of a request with the number of its spans. */
typedef bool pieces_keep(void *arg, const uint8_t trace_id[16], size_t spans);

/*
 * Any bytes may come. A span whose trace id or span id is missing or zero is invalid and left out (OTLP: the receiver
 * rejects it). `keep` NULL: all are kept. Whatever comes back, end with pieces_done.
 */
enum pieces_result pieces_read(struct pieces *p, struct slice request, pieces_keep *keep, void *arg);

/* The next piece; begin with *piece = {0}. Those of one trace follow each other. False: there is no more. */
bool pieces_next(const struct pieces *p, struct piece *piece);

/* A span as a field of ScopeSpans. `i` is in `index`. */
struct slice pieces_span(const struct pieces *p, size_t i);

/* Append the fields of ResourceSpans beside scope_spans, and those of ScopeSpans beside spans. By index. */
void pieces_add_resource(const struct pieces *p, size_t resource, struct buf *out);
void pieces_add_scope(const struct pieces *p, size_t source, struct buf *out);

void pieces_done(struct pieces *p);

#endif
