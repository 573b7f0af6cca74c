/* SPDX-License-Identifier: MIT */
#include "trace_store/schema.h"

#include "base/utf8.h"

static const struct schema_message key_value;

static const struct schema_message array_value = {(const struct schema_field[]){
	{1, "values", .message = &schema_any_value, .repeated = true},
	{0},
}};

static const struct schema_message key_value_list = {(const struct schema_field[]){
	{1, "values", .message = &key_value, .repeated = true},
	{0},
}};

const struct schema_message schema_any_value = {(const struct schema_field[]){
	{1, "stringValue", .type = SCHEMA_STRING},
	{2, "boolValue", .type = SCHEMA_BOOL},
	{3, "intValue", .type = SCHEMA_INT64},
	{4, "doubleValue", .type = SCHEMA_DOUBLE},
	{5, "arrayValue", .message = &array_value},
	{6, "kvlistValue", .message = &key_value_list},
	{7, "bytesValue", .type = SCHEMA_BYTES},
	{0},
}};

static const struct schema_message key_value = {(const struct schema_field[]){
	{OTLP_KEY_VALUE_KEY, "key", .type = SCHEMA_STRING},
	{OTLP_KEY_VALUE_VALUE, "value", .message = &schema_any_value},
	{0},
}};

static const struct schema_message resource = {(const struct schema_field[]){
	{OTLP_RESOURCE_ATTRIBUTES, "attributes", .message = &key_value, .repeated = true},
	{2, "droppedAttributesCount", .type = SCHEMA_UINT32},
	{0},
}};

static const struct schema_message scope = {(const struct schema_field[]){
	{OTLP_SCOPE_NAME, "name", .type = SCHEMA_STRING},
	{OTLP_SCOPE_VERSION, "version", .type = SCHEMA_STRING},
	{OTLP_SCOPE_ATTRIBUTES, "attributes", .message = &key_value, .repeated = true},
	{4, "droppedAttributesCount", .type = SCHEMA_UINT32},
	{0},
}};

static const struct schema_message event = {(const struct schema_field[]){
	{1, "timeUnixNano", .type = SCHEMA_FIXED64},
	{OTLP_EVENT_NAME, "name", .type = SCHEMA_STRING},
	{OTLP_EVENT_ATTRIBUTES, "attributes", .message = &key_value, .repeated = true},
	{4, "droppedAttributesCount", .type = SCHEMA_UINT32},
	{0},
}};

static const struct schema_message link_message = {(const struct schema_field[]){
	{1, "traceId", .type = SCHEMA_ID},
	{2, "spanId", .type = SCHEMA_ID},
	{3, "traceState", .type = SCHEMA_STRING},
	{OTLP_LINK_ATTRIBUTES, "attributes", .message = &key_value, .repeated = true},
	{5, "droppedAttributesCount", .type = SCHEMA_UINT32},
	{6, "flags", .type = SCHEMA_FIXED32},
	{0},
}};

const struct schema_name schema_status_codes[] = {
	{"STATUS_CODE_UNSET", "unset"},
	{"STATUS_CODE_OK", "ok"},
	{"STATUS_CODE_ERROR", "error"},
	{NULL, NULL},
};

static const struct schema_message status = {(const struct schema_field[]){
	{OTLP_STATUS_MESSAGE, "message", .type = SCHEMA_STRING},
	{OTLP_STATUS_CODE, "code", .type = SCHEMA_ENUM, .names = schema_status_codes},
	{0},
}};

const struct schema_name schema_span_kinds[] = {
	{"SPAN_KIND_UNSPECIFIED", "unspecified"},
	{"SPAN_KIND_INTERNAL", "internal"},
	{"SPAN_KIND_SERVER", "server"},
	{"SPAN_KIND_CLIENT", "client"},
	{"SPAN_KIND_PRODUCER", "producer"},
	{"SPAN_KIND_CONSUMER", "consumer"},
	{NULL, NULL},
};

const struct schema_message schema_span = {(const struct schema_field[]){
	{OTLP_SPAN_TRACE_ID, "traceId", .type = SCHEMA_ID},
	{OTLP_SPAN_ID, "spanId", .type = SCHEMA_ID},
	{3, "traceState", .type = SCHEMA_STRING},
	{OTLP_SPAN_PARENT_ID, "parentSpanId", .type = SCHEMA_ID},
	{16, "flags", .type = SCHEMA_FIXED32},
	{OTLP_SPAN_NAME, "name", .type = SCHEMA_STRING},
	{OTLP_SPAN_KIND, "kind", .type = SCHEMA_ENUM, .names = schema_span_kinds},
	{OTLP_SPAN_START, "startTimeUnixNano", .type = SCHEMA_FIXED64},
	{OTLP_SPAN_END, "endTimeUnixNano", .type = SCHEMA_FIXED64},
	{OTLP_SPAN_ATTRIBUTES, "attributes", .message = &key_value, .repeated = true},
	{10, "droppedAttributesCount", .type = SCHEMA_UINT32},
	{OTLP_SPAN_EVENTS, "events", .message = &event, .repeated = true},
	{12, "droppedEventsCount", .type = SCHEMA_UINT32},
	{OTLP_SPAN_LINKS, "links", .message = &link_message, .repeated = true},
	{14, "droppedLinksCount", .type = SCHEMA_UINT32},
	{OTLP_SPAN_STATUS, "status", .message = &status},
	{0},
}};

static const struct schema_message scope_spans = {(const struct schema_field[]){
	{OTLP_SCOPE_SPANS_SCOPE, "scope", .message = &scope},
	{OTLP_SCOPE_SPANS_SPANS, "spans", .message = &schema_span, .repeated = true},
	{3, "schemaUrl", .type = SCHEMA_STRING},
	{0},
}};

const struct schema_message schema_resource_spans = {(const struct schema_field[]){
	{OTLP_RESOURCE_SPANS_RESOURCE, "resource", .message = &resource},
	{OTLP_RESOURCE_SPANS_SCOPE_SPANS, "scopeSpans", .message = &scope_spans, .repeated = true},
	{3, "schemaUrl", .type = SCHEMA_STRING},
	{0},
}};

const struct schema_message schema_request = {(const struct schema_field[]){
	{OTLP_REQUEST_RESOURCE_SPANS, "resourceSpans", .message = &schema_resource_spans, .repeated = true},
	{0},
}};

/* ---- checking ---- */

static enum protobuf_type wire_type(enum schema_type type)
{
	switch (type) {
	case SCHEMA_STRING:
	case SCHEMA_BYTES:
	case SCHEMA_ID:
	case SCHEMA_MESSAGE: return PROTOBUF_BYTES;
	case SCHEMA_DOUBLE:
	case SCHEMA_FIXED64: return PROTOBUF_FIXED64;
	case SCHEMA_FIXED32: return PROTOBUF_FIXED32;
	default: return PROTOBUF_VARINT;
	}
}

const struct schema_field *schema_field(const struct schema_message *message, uint32_t number)
{
	for (const struct schema_field *field = message->fields; field->number; field++)
		if (field->number == number)
			return field;
	return NULL;
}

/* NOLINTBEGIN(misc-no-recursion): as deep as SCHEMA_DEPTH_MAX */
static bool valid(const struct schema_message *message, struct slice bytes, unsigned depth);

static bool valid_field(const struct schema_field *field, const struct protobuf_field *found, unsigned depth)
{
	if (found->type != wire_type(field->type))
		return false;
	if (field->type == SCHEMA_STRING)
		return utf8_valid(found->bytes.data, found->bytes.len);
	if (field->type == SCHEMA_ID)
		return found->bytes.len == 16 || found->bytes.len == 8 || found->bytes.len == 0;
	return field->type != SCHEMA_MESSAGE || valid(field->message, found->bytes, depth);
}

static bool valid(const struct schema_message *message, struct slice bytes, unsigned depth)
{
	struct protobuf reader = protobuf_reader(bytes);
	struct protobuf_field found;
	uint32_t seen = 0; /* bit n: field number n */

	if (depth > SCHEMA_DEPTH_MAX)
		return false;
	while (protobuf_next(&reader, &found)) {
		const struct schema_field *field = schema_field(message, found.number);
		if (!field)
			continue;
		/* an AnyValue has at most one of its fields */
		uint32_t others = message == &schema_any_value ? UINT32_MAX : UINT32_C(1) << field->number;
		if ((!field->repeated && seen & others) || !valid_field(field, &found, depth + 1))
			return false;
		seen |= UINT32_C(1) << field->number;
	}
	return !reader.malformed;
}

/* NOLINTEND(misc-no-recursion) */

bool schema_valid(const struct schema_message *message, struct slice bytes)
{
	return valid(message, bytes, 1);
}
