/* SPDX-License-Identifier: MIT */
/* Requests of OTLP, made by hand for tests of the trace store. */
#ifndef APM_TESTS_TRACE_REQUEST_H
#define APM_TESTS_TRACE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/protobuf.h"
#include "trace_store/schema.h"
#include "trace_store/trace.h"

/* Writes the id of a trace with this number. */
void trace_id_of(uint32_t number, uint8_t id[16]);

void add_attribute(struct buf *out, uint32_t field, const char *key, struct value value);

#define TEXT(s) ((struct value){.type = VALUE_STRING, .text = slice_of(s)})
#define NUMBER(n) ((struct value){.type = VALUE_NUMBER, .number = (n)})
#define BOOL(b) ((struct value){.type = VALUE_BOOL, .number = (b)})

struct test_span {
	uint32_t trace, number, parent; /* parent 0: a root */
	const char *name;
	uint32_t kind, status;
	uint64_t start_ns, end_ns;
};

/* Adds a span with the attributes http.response.status_code = 200 + number, and filler of so many bytes. */
void add_span(struct buf *out, const struct test_span *span, size_t filler);

/* Begins a request from one service; end it with request_end. */
void request_begin(struct buf *out, const char *service, size_t begins[2]);
void request_end(struct buf *out, const size_t begins[2]);

/* Takes all of a valid ExportTraceServiceRequest in, as trace_reader does with what is stored. */
void trace_request(struct trace *trace, struct slice request);

#endif
