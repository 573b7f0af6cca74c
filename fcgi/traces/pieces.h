/*
 * A request (ExportTraceServiceRequest), taken apart by trace: a piece is what one request says of one trace from one
 * source. Nothing is decoded but what that needs; the bytes are stored as they came.
 */
#ifndef APM_TRACES_PIECES_H
#define APM_TRACES_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "traces/wire.h"

#define PIECES_BYTES_MAX (8 << 20) /* of a request, as protobuf and not compressed */

/* Where spans come from: the fields of ResourceSpans and ScopeSpans beside what lies in them. Offsets into `text`. */
struct pieces_source {
	size_t resource_at, resource_len, scope_at, scope_len;
};

struct piece {
	uint8_t trace_id[16];
	size_t source;  /* index */
	size_t at, len; /* in `data`: fields `spans` of ScopeSpans, in the order of the request */
};

struct pieces {
	struct pieces_source *sources;
	size_t source_count;
	struct piece *pieces; /* by trace id */
	size_t count;
	uint8_t (*refused)[16]; /* trace ids that `keep` did not want */
	size_t refused_count;
	size_t spans, spans_invalid, spans_refused; /* in the request */
	struct buf text, data;
};

enum pieces_result { PIECES_OK, PIECES_MALFORMED, PIECES_TOO_LARGE };

/* Asked once for each trace of a request with the number of its spans. NULL: all are kept. */
typedef bool pieces_keep(const uint8_t trace_id[16], size_t spans);

/*
 * Any bytes may come. A span whose trace id or span id is missing or zero is invalid and left out (OTLP: the receiver
 * rejects it). Whatever comes back, end with pieces_done.
 */
enum pieces_result pieces_read(struct pieces *p, struct bytes request, pieces_keep *keep);

void pieces_done(struct pieces *p);

#endif
