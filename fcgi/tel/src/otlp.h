/* SPDX-License-Identifier: MIT */
/*
 * OTLP 1.x in protobuf (opentelemetry-proto, trace/v1, logs/v1 and collector/): encodes spans and log records, decodes
 * answers. Pure functions. Internal to tel/.
 */
#ifndef TEL_OTLP_H
#define TEL_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tel/src/otlp_common.h"
#include "tel/tel.h"

struct span;

/*
 * Appends a span as a field `spans` of ScopeSpans. Ill-formed UTF-8 is replaced by U+FFFD. Allocates nothing but what
 * `out` grows by; errors are those of `out`.
 */
void otlp_add_span(struct buf *out, const struct span *span);

struct log_record {
	uint64_t time_ns; /* realtime */
	enum tel_level level;
	const char *message;
	const char *event_name;     /* NULL if it is no event */
	struct tel_context context; /* all zeros if there is no span */
	const struct tel_attr *attrs;
	size_t count;
};

#define LOG_RECORD_MAX 16384 /* bytes */
#define LOG_VALUE_MAX 4096   /* bytes of one text: one long text must not push the rest out */

/*
 * Appends a log record as a field `log_records` of ScopeLogs, of at most LOG_RECORD_MAX bytes, for which there has to
 * be room. A longer text is cut, and the attribute truncated=true says so; attributes that do not fit are left out and
 * counted. Text is repaired as in spans.
 */
void otlp_add_log_record(struct buf *out, const struct log_record *record);

/* ---- answers ---- */

#define OTLP_MESSAGE_SIZE 256

struct otlp_answer {
	uint64_t rejected;               /* spans, data points or log records */
	char message[OTLP_MESSAGE_SIZE]; /* NUL-terminated, cut; any bytes */
};

/* Reads an ExportTraceServiceResponse, or that of metrics or logs, which are alike. An empty body is a full success.
 * Returns false if it is malformed, and leaves `out` untouched. */
bool otlp_read_answer(const void *body, size_t bytes, struct otlp_answer *out);

/* Reads the message of a google.rpc.Status, the body of an error. Returns false if it is malformed, and leaves
 * `message` untouched. */
bool otlp_read_error(const void *body, size_t bytes, char message[OTLP_MESSAGE_SIZE]);

#endif
