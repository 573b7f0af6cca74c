/* SPDX-License-Identifier: MIT */
/*
 * The messages of OTLP 1.x for traces (opentelemetry-proto, trace/v1, common/v1, resource/v1) as tables, by which
 * messages are checked, read from JSON and written as JSON.
 */
#ifndef APM_TRACE_STORE_SCHEMA_H
#define APM_TRACE_STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/protobuf.h"

enum schema_type {
	SCHEMA_MESSAGE, /* 0, so that a table need not say it */
	SCHEMA_STRING,
	SCHEMA_BYTES,
	SCHEMA_ID, /* bytes, which are hexadecimal in the JSON of OTLP and base64 in that of Tempo */
	SCHEMA_BOOL,
	SCHEMA_INT64,
	SCHEMA_UINT32,
	SCHEMA_ENUM,
	SCHEMA_DOUBLE,
	SCHEMA_FIXED64,
	SCHEMA_FIXED32
};

/* A value of an enumeration. Lists of them are indexed by number and end with NULLs. */
struct schema_name {
	const char *json;    /* in protobuf's JSON: SPAN_KIND_SERVER */
	const char *traceql; /* server */
};

struct schema_message;

struct schema_field {
	uint32_t number;
	const char *name; /* in JSON */
	enum schema_type type;
	bool repeated;                        /* only of SCHEMA_MESSAGE */
	const struct schema_message *message; /* of SCHEMA_MESSAGE */
	const struct schema_name *names;      /* of SCHEMA_ENUM */
};

struct schema_message {
	const struct schema_field *fields; /* ends with number 0 */
};

extern const struct schema_message schema_request; /* ExportTraceServiceRequest, TracesData, and Tempo's Trace */
extern const struct schema_message schema_resource_spans;
extern const struct schema_message schema_span;
extern const struct schema_message schema_any_value;

extern const struct schema_name schema_span_kinds[];
extern const struct schema_name schema_status_codes[];

/* Numbers of fields. */
enum { OTLP_REQUEST_RESOURCE_SPANS = 1 };
enum { OTLP_RESOURCE_SPANS_RESOURCE = 1, OTLP_RESOURCE_SPANS_SCOPE_SPANS = 2 };
enum { OTLP_SCOPE_SPANS_SCOPE = 1, OTLP_SCOPE_SPANS_SPANS = 2 };
enum { OTLP_RESOURCE_ATTRIBUTES = 1 };
enum { OTLP_SCOPE_NAME = 1, OTLP_SCOPE_VERSION = 2, OTLP_SCOPE_ATTRIBUTES = 3 };
enum {
	OTLP_SPAN_TRACE_ID = 1,
	OTLP_SPAN_ID = 2,
	OTLP_SPAN_PARENT_ID = 4,
	OTLP_SPAN_NAME = 5,
	OTLP_SPAN_KIND = 6,
	OTLP_SPAN_START = 7,
	OTLP_SPAN_END = 8,
	OTLP_SPAN_ATTRIBUTES = 9,
	OTLP_SPAN_EVENTS = 11,
	OTLP_SPAN_LINKS = 13,
	OTLP_SPAN_STATUS = 15
};
enum { OTLP_EVENT_NAME = 2, OTLP_EVENT_ATTRIBUTES = 3 };
enum { OTLP_LINK_ATTRIBUTES = 4 };
enum { OTLP_STATUS_MESSAGE = 2, OTLP_STATUS_CODE = 3 };
enum { OTLP_KEY_VALUE_KEY = 1, OTLP_KEY_VALUE_VALUE = 2 };

#define OTLP_STATUS_CODE_ERROR 2 /* a value of OTLP_STATUS_CODE */

/*
 * Nested messages. That is enough for lists in attributes 20 levels deep, and for arrays 30 levels deep; in JSON it
 * makes at most 110 levels, which json_write and json_lex can hold.
 */
#define SCHEMA_DEPTH_MAX 72

/* Returns NULL if the field is unknown, and then it is to be skipped. */
const struct schema_field *schema_field(const struct schema_message *message, uint32_t number);

/*
 * Returns true if `bytes` is such a message: the wire types are those of the fields, only repeated fields come twice,
 * strings are UTF-8, identifiers have 16, 8 or no bytes, and no message is nested deeper than SCHEMA_DEPTH_MAX. Unknown
 * fields are allowed. Pure.
 */
bool schema_valid(const struct schema_message *message, struct slice bytes);

#endif
