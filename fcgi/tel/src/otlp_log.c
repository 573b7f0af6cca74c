/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tel/src/otlp.h"

enum log_field {
	LOG_TIME = 1,
	LOG_SEVERITY_NUMBER,
	LOG_SEVERITY_TEXT,
	LOG_BODY = 5,
	LOG_ATTRIBUTES,
	LOG_DROPPED_ATTRIBUTES,
	LOG_FLAGS,
	LOG_TRACE_ID,
	LOG_SPAN_ID,
	LOG_OBSERVED_TIME,
	LOG_EVENT_NAME
};

#define END_MAX 128 /* bytes of what comes after the attributes, and of the length before them */

/* OpenTelemetry specification, "Logs Data Model", "Mapping of SeverityNumber". */
static const struct {
	unsigned number;
	const char *text;
} severities[] = {
	[TEL_LEVEL_DEBUG] = {5, "DEBUG"},
	[TEL_LEVEL_INFO] = {9, "INFO"},
	[TEL_LEVEL_WARN] = {13, "WARN"},
	[TEL_LEVEL_ERROR] = {17, "ERROR"},
};

/* Bytes of the text that are kept: up to LOG_VALUE_MAX, and no part of a character. */
static size_t kept_bytes(const char *text, size_t bytes)
{
	if (bytes <= LOG_VALUE_MAX)
		return bytes;
	bytes = LOG_VALUE_MAX;
	for (int i = 0; i < 3 && (text[bytes] & 0xc0) == 0x80; i++)
		bytes--;
	return bytes;
}

/* Beside the texts and attributes; there is room for it in any case. */
static void add_log_fields(struct buf *out, const struct log_record *r)
{
	const char *severity = severities[r->level].text;

	protobuf_add_fixed64(out, LOG_TIME, r->time_ns);
	protobuf_add_varint(out, LOG_SEVERITY_NUMBER, severities[r->level].number);
	protobuf_add_text(out, LOG_SEVERITY_TEXT, severity, strlen(severity));
	if (tel_context_valid(r->context)) {
		if (r->context.flags)
			protobuf_add_fixed32(out, LOG_FLAGS, r->context.flags);
		protobuf_add_bytes(out, LOG_TRACE_ID, r->context.trace_id, sizeof(r->context.trace_id));
		protobuf_add_bytes(out, LOG_SPAN_ID, r->context.span_id, sizeof(r->context.span_id));
	}
	protobuf_add_fixed64(out, LOG_OBSERVED_TIME, r->time_ns);
}

/* Adds a text, or nothing if it does not fit. Returns false if it is not there as a whole. */
static bool add_log_text(struct buf *out, unsigned field, const char *text)
{
	size_t before = out->len, bytes = strlen(text), kept = kept_bytes(text, bytes);

	protobuf_add_text(out, field, text, kept);
	if (!out->failed)
		return kept == bytes;
	out->failed = false;
	out->len = before;
	return false;
}

/* AnyValue{string=1} */
static bool add_log_body(struct buf *out, const char *text)
{
	size_t body = protobuf_begin(out, LOG_BODY);
	bool whole = add_log_text(out, 1, text);

	protobuf_end(out, body);
	return whole;
}

/* An attribute, or nothing when it does not fit: false. */
static bool add_log_attribute(struct buf *out, const struct tel_attr *given, bool *cut)
{
	struct tel_attr attr = *given;
	size_t before = out->len;

	if (!attr.key)
		return false;
	if (attr.type == TEL_TYPE_STRING || attr.type == TEL_TYPE_LITERAL)
		attr.bytes = (uint32_t)kept_bytes(attr.value.text, attr.bytes);
	otlp_add_attribute(out, LOG_ATTRIBUTES, &attr);
	if (!out->failed) {
		*cut |= attr.bytes != given->bytes;
		return true;
	}
	out->failed = false;
	out->len = before;
	return false;
}

void otlp_add_log_record(struct buf *out, const struct log_record *r)
{
	const struct tel_attr truncated = tel_bool("truncated", true);
	size_t max = out->max, end = out->len + LOG_RECORD_MAX, dropped = 0;

	if (!buf_reserve(out, LOG_RECORD_MAX))
		return;
	out->max = end - END_MAX;
	size_t message = protobuf_begin(out, OTLP_ITEM);
	add_log_fields(out, r);
	bool cut = !add_log_body(out, r->message);
	if (r->event_name)
		cut |= !add_log_text(out, LOG_EVENT_NAME, r->event_name);
	for (size_t i = 0; i < r->count; i++)
		dropped += !add_log_attribute(out, &r->attrs[i], &cut);
	out->max = end;
	if (cut)
		otlp_add_attribute(out, LOG_ATTRIBUTES, &truncated);
	if (dropped)
		protobuf_add_varint(out, LOG_DROPPED_ATTRIBUTES, dropped);
	protobuf_end(out, message);
	out->max = max;
}
