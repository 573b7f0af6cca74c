/* SPDX-License-Identifier: MIT */
/*
 * One trace, as Tempo hands it out. Grafana's data source reads status, scope and resource without asking whether they
 * are there, so they always are: empty where the sender gave none, which means the same in protobuf.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/request_database.h"
#include "base/hex.h"
#include "trace_store/api.h"
#include "trace_store/api_query.h"
#include "trace_store/limits.h"
#include "trace_store/schema.h"
#include "trace_store/schema_to_json.h"
#include "trace_store/trace_table.h"

#define JSON_BYTES_MAX (24 << 20) /* no span begins beyond it */
#define BODY_BYTES_MAX (64 << 20) /* the largest span, and what follows it, ends before */

enum { RESPONSE_TRACE = 1, RESPONSE_STATUS = 3, RESPONSE_MESSAGE = 4, STATUS_PARTIAL = 1 };

struct one {
	struct api_query q;
	int64_t cut_spans; /* that came and were not stored */
};

/* Tempo leaves out leading zeros, and takes ids without them. */
static bool read_trace_id(const struct request *req, uint8_t trace_id[16])
{
	const char *text = req->match.segment[0];
	size_t digits = req->match.segment_len[0];

	memset(trace_id, 0, 16);
	if (digits > 32)
		return false;
	for (size_t i = 0; i < digits; i++) {
		size_t place = 32 - digits + i;
		int digit = hex_digit(text[i]);
		if (digit < 0)
			return false;
		trace_id[place / 2] |= (uint8_t)(place % 2 ? digit : digit << 4);
	}
	return true;
}

static bool wants_protobuf(const struct request *req)
{
	const char *accept = request_param(req, "HTTP_ACCEPT");
	return accept && strstr(accept, "application/protobuf");
}

static bool has_field(struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field))
		if (field.number == number)
			return true;
	return false;
}

/* Why the trace is not all that came; false: it is. */
static bool cut_message(const struct one *one, size_t left_out, char *out, size_t size)
{
	bool more = one->q.trace.cut || left_out;
	int len = 0;

	if (!one->cut_spans && !more)
		return false;
	if (one->cut_spans)
		len = snprintf(out, size,
			       "%" PRIu64
			       " spans of this trace were not stored: it has more than %d spans, or more than "
			       "%d MiB of them or of their resources. ",
			       one->cut_spans, LIMIT_TRACE_SPANS, LIMIT_TRACE_SPAN_BYTES >> 20);
	if (more && len >= 0 && (size_t)len < size)
		len += snprintf(out + len, size - (size_t)len, "The trace is larger than what one answer may hold.");
	while (len > 0 && (size_t)len < size && out[len - 1] == ' ')
		out[--len] = '\0';
	return true;
}

/* ---- protobuf: Trace{resource_spans=1}; in version 2 TraceByIDResponse{trace=1} ---- */

/* Spans from `first` on that have the same scope; returns the one after them. */
static size_t add_scope(struct buf *out, const struct trace *trace, size_t first)
{
	const struct trace_scope *scope = &trace->scopes[trace->spans[first].scope];
	size_t begin = protobuf_begin(out, OTLP_RESOURCE_SPANS_SCOPE_SPANS), i = first;

	buf_add(out, scope->fields.data, scope->fields.len);
	if (!has_field(scope->fields, OTLP_SCOPE_SPANS_SCOPE))
		protobuf_add_bytes(out, OTLP_SCOPE_SPANS_SCOPE, "", 0);
	for (; i < trace->span_count && trace->spans[i].scope == trace->spans[first].scope; i++) {
		struct slice whole = trace->spans[i].summary.whole;
		size_t span = protobuf_begin(out, OTLP_SCOPE_SPANS_SPANS);
		buf_add(out, whole.data, whole.len);
		if (!has_field(whole, OTLP_SPAN_STATUS))
			protobuf_add_bytes(out, OTLP_SPAN_STATUS, "", 0);
		protobuf_end(out, span);
	}
	protobuf_end(out, begin);
	return i;
}

static void add_trace(struct buf *out, const struct trace *trace)
{
	for (size_t i = 0; i < trace->span_count;) {
		const struct trace_resource *resource = trace_resource_of(trace, &trace->spans[i]);
		size_t begin = protobuf_begin(out, OTLP_REQUEST_RESOURCE_SPANS);
		buf_add(out, resource->fields.data, resource->fields.len);
		if (!has_field(resource->fields, OTLP_RESOURCE_SPANS_RESOURCE))
			protobuf_add_bytes(out, OTLP_RESOURCE_SPANS_RESOURCE, "", 0);
		while (i < trace->span_count && trace_resource_of(trace, &trace->spans[i]) == resource)
			i = add_scope(out, trace, i);
		protobuf_end(out, begin);
	}
}

static void reply_protobuf(const struct one *one, struct reply *reply, bool v2)
{
	char message[320];

	if (v2) {
		size_t trace = protobuf_begin(&reply->body, RESPONSE_TRACE);
		add_trace(&reply->body, &one->q.trace);
		protobuf_end(&reply->body, trace);
		if (cut_message(one, 0, message, sizeof(message))) {
			protobuf_add_varint(&reply->body, RESPONSE_STATUS, STATUS_PARTIAL);
			protobuf_add_bytes(&reply->body, RESPONSE_MESSAGE, message, strlen(message));
		}
	} else {
		add_trace(&reply->body, &one->q.trace);
	}
	if (reply->body.failed)
		return reply_problem(reply, 422, "The trace is too large to be shown.");
	reply->content_type = "application/protobuf";
	reply->status = 200;
}

/* ---- JSON: the same, resource_spans are batches in version 1 ---- */

/* A message as members of an object that is open, with `name` in any case. */
static void write_with(struct json_writer *json, const struct schema_message *message, struct slice bytes,
		       uint32_t number)
{
	schema_to_json_members(json, message, bytes);
	if (has_field(bytes, number))
		return;
	json_key(json, schema_field(message, number)->name);
	json_begin_object(json);
	json_end_object(json);
}

static size_t write_scope(struct json_writer *json, const struct trace *trace, size_t first)
{
	const struct trace_scope *scope = &trace->scopes[trace->spans[first].scope];
	size_t i = first;

	json_begin_object(json);
	write_with(json, schema_field(&schema_resource_spans, OTLP_RESOURCE_SPANS_SCOPE_SPANS)->message, scope->fields,
		   OTLP_SCOPE_SPANS_SCOPE);
	json_key(json, "spans");
	json_begin_array(json);
	for (; i < trace->span_count && trace->spans[i].scope == trace->spans[first].scope; i++) {
		if (json->out->len >= JSON_BYTES_MAX)
			break;
		json_begin_object(json);
		write_with(json, &schema_span, trace->spans[i].summary.whole, OTLP_SPAN_STATUS);
		json_end_object(json);
	}
	json_end_array(json);
	json_end_object(json);
	return i;
}

/* Returns how many spans did not fit. */
static size_t write_trace(struct json_writer *json, const struct trace *trace, const char *key)
{
	size_t i = 0;

	json_key(json, key);
	json_begin_array(json);
	while (i < trace->span_count && json->out->len < JSON_BYTES_MAX) {
		const struct trace_resource *resource = trace_resource_of(trace, &trace->spans[i]);
		json_begin_object(json);
		write_with(json, &schema_resource_spans, resource->fields, OTLP_RESOURCE_SPANS_RESOURCE);
		json_key(json, "scopeSpans");
		json_begin_array(json);
		while (i < trace->span_count && trace_resource_of(trace, &trace->spans[i]) == resource &&
		       json->out->len < JSON_BYTES_MAX)
			i = write_scope(json, trace, i);
		json_end_array(json);
		json_end_object(json);
	}
	json_end_array(json);
	return trace->span_count - i;
}

static void reply_as_json(const struct one *one, struct reply *reply, bool v2)
{
	struct json_writer *json = reply_writer(reply);
	char message[320];

	json_begin_object(json);
	if (v2) {
		json_key(json, "trace");
		json_begin_object(json);
	}
	size_t left_out = write_trace(json, &one->q.trace, v2 ? "resourceSpans" : "batches");
	if (v2)
		json_end_object(json);
	/* Tempo's version 1 has no such members; readers of it skip what they do not know. */
	if (cut_message(one, left_out, message, sizeof(message))) {
		json_key(json, "status");
		json_text(json, "PARTIAL");
		json_key(json, "message");
		json_text(json, message);
	}
	json_end_object(json);
	if (reply->body.failed)
		return reply_problem(reply, 422, "The trace is too large to be shown.");
	reply_json(reply, 200);
}

/* ---- handlers ---- */

static void reply_trace(struct one *one, struct reply *reply, bool v2)
{
	struct api_query *q = &one->q;
	struct trace_table_size size;

	if (!read_trace_id(q->req, q->trace_id))
		return reply_problem(reply, 400, "A trace id has 32 hexadecimal digits at most.");
	enum db_result result = trace_reader_load(&q->reader, q->trace_id, &q->trace);
	if (result == DB_NOT_FOUND)
		return reply_problem(reply, 404, "There is no such trace.");
	if (result == DB_OK)
		result = trace_table_size(request_db(q->req), q->trace_id, &size);
	if (result != DB_OK && result != DB_NOT_FOUND)
		return reply_database(reply, result);
	one->cut_spans = size.cut_spans;
	reply_body_max(reply, BODY_BYTES_MAX);
	if (wants_protobuf(q->req))
		reply_protobuf(one, reply, v2);
	else
		reply_as_json(one, reply, v2);
}

static void find_trace(struct request *req, struct reply *reply, bool v2)
{
	struct one one;

	if (!api_query_start(&one.q, req, reply))
		return;
	reply_trace(&one, reply, v2);
	api_query_end(&one.q);
}

void get_trace(struct request *req, struct reply *reply)
{
	find_trace(req, reply, false);
}

void get_trace_v2(struct request *req, struct reply *reply)
{
	find_trace(req, reply, true);
}
