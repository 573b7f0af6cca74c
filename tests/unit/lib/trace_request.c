/* SPDX-License-Identifier: MIT */
#include "trace_request.h"

#include <string.h>

void trace_id_of(uint32_t number, uint8_t id[16])
{
	memset(id, 0x5a, 16);
	memcpy(id, &number, sizeof(number));
}

void add_attribute(struct buf *out, uint32_t field, const char *key, struct value value)
{
	size_t pair = protobuf_begin(out, field);
	uint64_t bits;

	protobuf_add_bytes(out, 1, key, strlen(key));
	size_t any = protobuf_begin(out, 2);
	memcpy(&bits, &value.number, sizeof(bits));
	if (value.type == VALUE_STRING)
		protobuf_add_bytes(out, 1, value.text.data, value.text.len);
	else if (value.type == VALUE_BOOL)
		protobuf_add_varint(out, 2, value.number != 0);
	else
		protobuf_add_fixed64(out, 4, bits);
	protobuf_end(out, any);
	protobuf_end(out, pair);
}

void add_span(struct buf *out, const struct test_span *span, size_t filler)
{
	static const char text[100000];
	uint8_t trace_id[16];
	uint64_t id = 0x0100000000000000 + span->number, parent_id = 0x0100000000000000 + span->parent;
	size_t message = protobuf_begin(out, 2);

	trace_id_of(span->trace, trace_id);
	protobuf_add_bytes(out, 1, trace_id, 16);
	protobuf_add_bytes(out, 2, &id, 8);
	if (span->parent)
		protobuf_add_bytes(out, 4, &parent_id, 8);
	protobuf_add_bytes(out, 5, span->name, strlen(span->name));
	protobuf_add_varint(out, 6, span->kind);
	protobuf_add_fixed64(out, 7, span->start_ns);
	protobuf_add_fixed64(out, 8, span->end_ns);
	add_attribute(out, 9, "http.response.status_code", NUMBER(200 + span->number));
	add_attribute(out, 9, "cached", BOOL(span->number % 2));
	if (filler)
		add_attribute(out, 9, "filler", ((struct value){.type = VALUE_STRING, .text = {text, filler}}));
	size_t status = protobuf_begin(out, 15);
	protobuf_add_varint(out, 3, span->status);
	protobuf_end(out, status);
	protobuf_end(out, message);
}

void request_begin(struct buf *out, const char *service, size_t begins[2])
{
	begins[0] = protobuf_begin(out, 1);
	size_t resource = protobuf_begin(out, 1);
	add_attribute(out, 1, "service.name", TEXT(service));
	protobuf_end(out, resource);
	begins[1] = protobuf_begin(out, 2);
}

void request_end(struct buf *out, const size_t begins[2])
{
	protobuf_end(out, begins[1]);
	protobuf_end(out, begins[0]);
}

/* The message without its fields of one number. */
static void copy_without(struct buf *out, struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;

	buf_reset(out);
	while (protobuf_next(&reader, &field))
		if (field.number != number)
			buf_add(out, field.whole.data, field.whole.len);
}

static struct slice bytes_in(const struct buf *buf)
{
	return (struct slice){buf->len ? buf->data : "", buf->len};
}

static void add_scope_spans(struct trace *trace, int64_t resource, struct slice scope_spans, struct buf *copy)
{
	struct protobuf reader = protobuf_reader(scope_spans);
	struct protobuf_field field;

	copy_without(copy, scope_spans, OTLP_SCOPE_SPANS_SPANS);
	struct trace_source source = trace_source_read(bytes_in(copy));
	int64_t scope = trace_scope(trace, resource, &source);
	while (scope >= 0 && protobuf_next(&reader, &field))
		if (field.number == OTLP_SCOPE_SPANS_SPANS)
			trace_spans(trace, scope, field.whole);
}

void trace_request(struct trace *trace, struct slice request)
{
	struct protobuf reader = protobuf_reader(request);
	struct protobuf_field resource_spans, scope_spans;
	BUF(copy, TRACE_BYTES_MAX);

	while (protobuf_next(&reader, &resource_spans)) {
		struct protobuf inner = protobuf_reader(resource_spans.bytes);
		if (resource_spans.number != OTLP_REQUEST_RESOURCE_SPANS)
			continue;
		copy_without(&copy, resource_spans.bytes, OTLP_RESOURCE_SPANS_SCOPE_SPANS);
		struct trace_source source = trace_source_read(bytes_in(&copy));
		int64_t resource = trace_resource(trace, &source);
		while (resource >= 0 && protobuf_next(&inner, &scope_spans))
			if (scope_spans.number == OTLP_RESOURCE_SPANS_SCOPE_SPANS)
				add_scope_spans(trace, resource, scope_spans.bytes, &copy);
	}
}
