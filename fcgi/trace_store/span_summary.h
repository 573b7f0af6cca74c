/* SPDX-License-Identifier: MIT */
/* What is asked of every span, read from its protobuf; and its attributes. */
#ifndef APM_TRACE_STORE_SPAN_SUMMARY_H
#define APM_TRACE_STORE_SPAN_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/protobuf.h"

struct span_summary {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	bool is_root; /* no parent */
	struct slice name;
	uint32_t kind, status; /* as OTLP numbers them */
	uint64_t start_ns, end_ns;
	struct slice whole;
};

/* `span` is a valid message. False: its trace id or its span id is missing, or zero. */
bool span_summary_read(struct slice span, struct span_summary *out);

/* The duration, 0 when the end is before the start. */
uint64_t span_summary_duration_ns(const struct span_summary *span);

enum value_type { VALUE_NONE, VALUE_STRING, VALUE_NUMBER, VALUE_BOOL };

struct value {
	enum value_type type; /* VALUE_NONE: arrays, lists, bytes, nothing */
	struct slice text;
	double number; /* also 0 or 1 for a bool */
	bool is_integer;
	int64_t integer; /* exactly, when it is one */
};

/* Returns the key of a KeyValue, and its value as it came: most are not looked at. */
struct slice attribute_key(struct slice key_value, struct slice *any_value);

/* Reads an AnyValue. */
struct value attribute_value(struct slice any_value);

#endif
