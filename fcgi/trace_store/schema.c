/* SPDX-License-Identifier: MIT */
#include "trace_store/schema.h"

#include "base/utf8.h"

#define MESSAGE(fields)                                                                                                \
	{                                                                                                              \
		fields, false                                                                                          \
	}
#define ONE(number, name, type)                                                                                        \
	{                                                                                                              \
		number, name, type, false, NULL, NULL                                                                  \
	}
#define ENUM(number, name, names)                                                                                      \
	{                                                                                                              \
		number, name, SCHEMA_ENUM, false, NULL, names                                                          \
	}
#define PART(number, name, message)                                                                                    \
	{                                                                                                              \
		number, name, SCHEMA_MESSAGE, false, &(message), NULL                                                  \
	}
#define MANY(number, name, message)                                                                                    \
	{                                                                                                              \
		number, name, SCHEMA_MESSAGE, true, &(message), NULL                                                   \
	}
#define END                                                                                                            \
	{                                                                                                              \
		0                                                                                                      \
	}

static const struct schema_message key_value;

static const struct schema_field array_value_fields[] = {MANY(1, "values", schema_any_value), END};
static const struct schema_message array_value = MESSAGE(array_value_fields);

static const struct schema_field key_value_list_fields[] = {MANY(1, "values", key_value), END};
static const struct schema_message key_value_list = MESSAGE(key_value_list_fields);

static const struct schema_field any_value_fields[] = {
	ONE(1, "stringValue", SCHEMA_STRING), ONE(2, "boolValue", SCHEMA_BOOL),
	ONE(3, "intValue", SCHEMA_INT64),     ONE(4, "doubleValue", SCHEMA_DOUBLE),
	PART(5, "arrayValue", array_value),   PART(6, "kvlistValue", key_value_list),
	ONE(7, "bytesValue", SCHEMA_BYTES),   END,
};
const struct schema_message schema_any_value = {any_value_fields, true};

static const struct schema_field key_value_fields[] = {ONE(KEY_VALUE_KEY, "key", SCHEMA_STRING),
						       PART(KEY_VALUE_VALUE, "value", schema_any_value), END};
static const struct schema_message key_value = MESSAGE(key_value_fields);

static const struct schema_field resource_fields[] = {MANY(RESOURCE_ATTRIBUTES, "attributes", key_value),
						      ONE(2, "droppedAttributesCount", SCHEMA_UINT32), END};
static const struct schema_message resource = MESSAGE(resource_fields);

static const struct schema_field scope_fields[] = {
	ONE(1, "name", SCHEMA_STRING),
	ONE(2, "version", SCHEMA_STRING),
	MANY(3, "attributes", key_value),
	ONE(4, "droppedAttributesCount", SCHEMA_UINT32),
	END,
};
static const struct schema_message scope = MESSAGE(scope_fields);

static const struct schema_field event_fields[] = {
	ONE(1, "timeUnixNano", SCHEMA_FIXED64),
	ONE(2, "name", SCHEMA_STRING),
	MANY(3, "attributes", key_value),
	ONE(4, "droppedAttributesCount", SCHEMA_UINT32),
	END,
};
static const struct schema_message event = MESSAGE(event_fields);

static const struct schema_field link_fields[] = {
	ONE(1, "traceId", SCHEMA_ID),
	ONE(2, "spanId", SCHEMA_ID),
	ONE(3, "traceState", SCHEMA_STRING),
	MANY(4, "attributes", key_value),
	ONE(5, "droppedAttributesCount", SCHEMA_UINT32),
	ONE(6, "flags", SCHEMA_FIXED32),
	END,
};
static const struct schema_message link_message = MESSAGE(link_fields);

static const char *const codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR", NULL};
static const struct schema_field status_fields[] = {ONE(2, "message", SCHEMA_STRING), ENUM(3, "code", codes), END};
static const struct schema_message status = MESSAGE(status_fields);

static const char *const kinds[] = {
	"SPAN_KIND_UNSPECIFIED",
	"SPAN_KIND_INTERNAL",
	"SPAN_KIND_SERVER",
	"SPAN_KIND_CLIENT",
	"SPAN_KIND_PRODUCER",
	"SPAN_KIND_CONSUMER",
	NULL,
};
static const struct schema_field span_fields[] = {
	ONE(1, "traceId", SCHEMA_ID),
	ONE(2, "spanId", SCHEMA_ID),
	ONE(3, "traceState", SCHEMA_STRING),
	ONE(4, "parentSpanId", SCHEMA_ID),
	ONE(16, "flags", SCHEMA_FIXED32),
	ONE(5, "name", SCHEMA_STRING),
	ENUM(6, "kind", kinds),
	ONE(7, "startTimeUnixNano", SCHEMA_FIXED64),
	ONE(8, "endTimeUnixNano", SCHEMA_FIXED64),
	MANY(9, "attributes", key_value),
	ONE(10, "droppedAttributesCount", SCHEMA_UINT32),
	MANY(11, "events", event),
	ONE(12, "droppedEventsCount", SCHEMA_UINT32),
	MANY(13, "links", link_message),
	ONE(14, "droppedLinksCount", SCHEMA_UINT32),
	PART(15, "status", status),
	END,
};
const struct schema_message schema_span = MESSAGE(span_fields);

static const struct schema_field scope_spans_fields[] = {
	PART(1, "scope", scope),
	MANY(SCOPE_SPANS_SPANS, "spans", schema_span),
	ONE(3, "schemaUrl", SCHEMA_STRING),
	END,
};
static const struct schema_message scope_spans = MESSAGE(scope_spans_fields);

static const struct schema_field resource_spans_fields[] = {
	PART(RESOURCE_SPANS_RESOURCE, "resource", resource),
	MANY(RESOURCE_SPANS_SCOPE_SPANS, "scopeSpans", scope_spans),
	ONE(3, "schemaUrl", SCHEMA_STRING),
	END,
};
const struct schema_message schema_resource_spans = MESSAGE(resource_spans_fields);

static const struct schema_field request_fields[] = {
	MANY(REQUEST_RESOURCE_SPANS, "resourceSpans", schema_resource_spans), END};
const struct schema_message schema_request = MESSAGE(request_fields);

/* ---- checking ---- */

enum protobuf_type schema_wire_type(enum schema_type type)
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
	if (found->type != schema_wire_type(field->type))
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
		uint32_t others = message->one_of ? UINT32_MAX : UINT32_C(1) << field->number;
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
