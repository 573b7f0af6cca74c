/* SPDX-License-Identifier: MIT */
/*
 * The messages of OTLP 1.x for traces (opentelemetry-proto, trace/v1, common/v1, resource/v1), as tables. Checking and
 * both directions between protobuf and JSON follow them.
 */
#ifndef APM_TRACE_STORE_SCHEMA_H
#define APM_TRACE_STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/protobuf.h"

enum schema_type {
	SCHEMA_STRING,
	SCHEMA_BYTES,
	SCHEMA_ID, /* bytes; hexadecimal in the JSON of OTLP, base64 in Tempo's */
	SCHEMA_BOOL,
	SCHEMA_INT64,
	SCHEMA_UINT32,
	SCHEMA_ENUM,
	SCHEMA_DOUBLE,
	SCHEMA_FIXED64,
	SCHEMA_FIXED32,
	SCHEMA_MESSAGE
};

struct schema_message;

struct schema_field {
	uint32_t number;
	const char *name; /* in JSON */
	enum schema_type type;
	bool repeated;                        /* messages only */
	const struct schema_message *message; /* of SCHEMA_MESSAGE */
	const char *const *names;             /* of SCHEMA_ENUM, by value, NULL at the end */
};

struct schema_message {
	const struct schema_field *fields; /* ends with number 0 */
	bool one_of;                       /* has at most one of them */
};

extern const struct schema_message schema_request; /* ExportTraceServiceRequest; TracesData and Tempo's Trace too */
extern const struct schema_message schema_resource_spans;
extern const struct schema_message schema_span;
extern const struct schema_message schema_any_value;

enum {
	REQUEST_RESOURCE_SPANS = 1,
	RESOURCE_SPANS_RESOURCE = 1,
	RESOURCE_SPANS_SCOPE_SPANS = 2,
	SCOPE_SPANS_SPANS = 2,
	RESOURCE_ATTRIBUTES = 1,
	KEY_VALUE_KEY = 1,
	KEY_VALUE_VALUE = 2
};

/*
 * Levels of messages: lists of lists of attributes have room for 20 levels, arrays for 30. As JSON that is at most 110
 * levels, which fit into json_write and json_lex.
 */
#define SCHEMA_DEPTH_MAX 72

enum protobuf_type schema_wire_type(enum schema_type type);

/* NULL: not known, to be skipped. */
const struct schema_field *schema_field(const struct schema_message *message, uint32_t number);

/*
 * True when all of `bytes` is such a message: the wire types are those of the fields, no field that is not repeated
 * comes twice, strings are UTF-8, identifiers have 16, 8 or no bytes, SCHEMA_DEPTH_MAX is kept. Unknown fields may be
 * there. Pure.
 */
bool schema_valid(const struct schema_message *message, struct slice bytes);

#endif
