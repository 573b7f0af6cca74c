/* SPDX-License-Identifier: MIT */
#include "trace_store/span_summary.h"

#include <string.h>

#include "trace_store/schema.h"

static bool is_zero(const void *data, size_t len)
{
	static const uint8_t zero[16];

	return memcmp(data, zero, len) == 0;
}

/* Returns false if it has another length or is zero. */
static bool take_id(struct slice id, uint8_t *out, size_t len)
{
	if (id.len != len || is_zero(id.data, len))
		return false;
	memcpy(out, id.data, len);
	return true;
}

static uint32_t status_code(struct slice status)
{
	struct protobuf reader = protobuf_reader(status);
	struct protobuf_field field;
	uint32_t code = 0;

	while (protobuf_next(&reader, &field))
		if (field.number == OTLP_STATUS_CODE)
			code = (uint32_t)field.value;
	return code;
}

bool span_summary_read(struct slice span, struct span_summary *out)
{
	struct protobuf reader = protobuf_reader(span);
	struct protobuf_field field;
	bool has_trace_id = false, has_span_id = false;

	*out = (struct span_summary){.is_root = true, .whole = span, .details = {"", 0}};
	while (protobuf_next(&reader, &field)) {
		if (!out->details.len && (field.number == OTLP_SPAN_ATTRIBUTES || field.number == OTLP_SPAN_EVENTS ||
					  field.number == OTLP_SPAN_LINKS || field.number == OTLP_SPAN_STATUS))
			out->details = (struct slice){field.whole.data,
						      (size_t)(span.data + span.len - field.whole.data)};
		switch (field.number) {
		case OTLP_SPAN_TRACE_ID: has_trace_id = take_id(field.bytes, out->trace_id, 16); break;
		case OTLP_SPAN_ID: has_span_id = take_id(field.bytes, out->span_id, 8); break;
		case OTLP_SPAN_PARENT_ID: out->is_root = is_zero(field.bytes.data, field.bytes.len); break;
		case OTLP_SPAN_NAME: out->name = field.bytes; break;
		case OTLP_SPAN_KIND: out->kind = (uint32_t)field.value; break;
		case OTLP_SPAN_START: out->start_ns = field.value; break;
		case OTLP_SPAN_END: out->end_ns = field.value; break;
		case OTLP_SPAN_STATUS: out->status = status_code(field.bytes); break;
		default: break;
		}
	}
	return has_trace_id && has_span_id;
}

uint64_t span_summary_duration_ns(const struct span_summary *span)
{
	return span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
}

/* ---- attributes ---- */

struct value attribute_value(struct slice any_value)
{
	struct protobuf reader = protobuf_reader(any_value);
	struct protobuf_field field;
	struct value out = {0};

	while (protobuf_next(&reader, &field)) {
		switch (field.number) {
		case 1: out = (struct value){.type = VALUE_STRING, .text = field.bytes}; break;
		case 2: out = (struct value){.type = VALUE_BOOL, .number = field.value != 0}; break;
		case 3:
			out = (struct value){VALUE_NUMBER, .number = (double)(int64_t)field.value, .is_integer = true,
					     .integer = (int64_t)field.value};
			break;
		case 4:
			out.type = VALUE_NUMBER;
			memcpy(&out.number, &field.value, sizeof(out.number));
			break;
		default: break;
		}
	}
	return out;
}

struct slice attribute_key(struct slice key_value, struct slice *any_value)
{
	struct protobuf reader = protobuf_reader(key_value);
	struct protobuf_field field;
	struct slice key = {"", 0};

	*any_value = (struct slice){"", 0};
	while (protobuf_next(&reader, &field)) {
		if (field.number == OTLP_KEY_VALUE_KEY)
			key = field.bytes;
		else if (field.number == OTLP_KEY_VALUE_VALUE)
			*any_value = field.bytes;
	}
	return key;
}
