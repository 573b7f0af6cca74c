/* SPDX-License-Identifier: MIT */
/* Reads the parts of a span that most queries ask for, and attributes. */
#ifndef APM_TRACE_STORE_SPAN_SUMMARY_H
#define APM_TRACE_STORE_SPAN_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/protobuf.h"

struct span_summary {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	bool is_root; /* it has no parent */
	struct slice name;
	uint32_t kind, status; /* as OTLP numbers them */
	uint64_t start_ns, end_ns;
	struct slice whole;
	struct slice details; /* the end of `whole`, from the first attribute, event, link or status on */
};

/* Reads a valid message, which *out points into. Returns false if the trace id or the span id is missing or zero. */
bool span_summary_read(struct slice span, struct span_summary *out);

/* Returns the duration, 0 if the end is before the start. */
uint64_t span_summary_duration_ns(const struct span_summary *span);

enum value_type { VALUE_NONE, VALUE_STRING, VALUE_NUMBER, VALUE_BOOL };

struct value {
	enum value_type type; /* VALUE_NONE for arrays, lists, bytes and nothing */
	struct slice text;
	double number; /* 0 or 1 for a bool */
	bool is_integer;
	int64_t integer; /* exact, if `is_integer` */
};

/*
 * Returns the key of a KeyValue, a valid message, and its AnyValue, which is empty without one. Most attributes are
 * passed over by their key, so values are read apart.
 */
struct slice attribute_key(struct slice key_value, struct slice *any_value);

/* Reads an AnyValue, a valid message. */
struct value attribute_value(struct slice any_value);

#endif
