/* SPDX-License-Identifier: MIT */
/*
 * OTLP 1.x in protobuf (opentelemetry-proto, trace/v1 and collector/trace/v1): encodes spans, decodes answers. Pure
 * functions. Internal to tel/.
 */
#ifndef TEL_OTLP_H
#define TEL_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tel/src/otlp_common.h"

struct span;

/*
 * Appends a span as a field `spans` of ScopeSpans. Text that is not UTF-8 gets U+FFFD where it is not. Allocates
 * nothing but what `out` grows by; errors are those of `out`.
 */
void otlp_add_span(struct buf *out, const struct span *span);

/* ---- answers ---- */

#define OTLP_MESSAGE_SIZE 256

struct otlp_answer {
	uint64_t rejected_spans;
	char message[OTLP_MESSAGE_SIZE]; /* NUL-terminated, cut; any bytes */
};

/* Reads an ExportTraceServiceResponse. False: malformed, `out` is untouched. An empty body is a full success. */
bool otlp_read_answer(const void *body, size_t bytes, struct otlp_answer *out);

/* Reads the message of a google.rpc.Status, the body of an error. False: malformed, `message` is untouched. */
bool otlp_read_error(const void *body, size_t bytes, char message[OTLP_MESSAGE_SIZE]);

#endif
