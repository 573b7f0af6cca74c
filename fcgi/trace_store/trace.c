/* SPDX-License-Identifier: MIT */
#include "trace_store/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "trace_store/schema.h"

#define SPANS_KEPT 1024 /* a reset keeps this much room */
#define BYTES_KEPT (256 << 10)

struct trace_piece {
	uint32_t scope;
	size_t at, len;
};

void trace_init(struct trace *trace, struct budget *budget)
{
	*trace = (struct trace){.budget = budget};
	buf_init(&trace->text, TRACE_BYTES_MAX);
}

void trace_done(struct trace *trace)
{
	free(trace->resources);
	free(trace->scopes);
	free(trace->spans);
	free(trace->pieces);
	buf_done(&trace->text);
	hash_table_done(&trace->resource_table);
	hash_table_done(&trace->scope_table);
	hash_table_done(&trace->span_table);
}

void trace_reset(struct trace *trace)
{
	if (trace->text.cap > BYTES_KEPT || trace->span_room > SPANS_KEPT || trace->piece_room > SPANS_KEPT ||
	    trace->scope_room > SPANS_KEPT || trace->resource_room > SPANS_KEPT) {
		struct budget *budget = trace->budget;
		trace_done(trace);
		trace_init(trace, budget);
		return;
	}
	buf_reset(&trace->text);
	hash_table_clear(&trace->resource_table);
	hash_table_clear(&trace->scope_table);
	hash_table_clear(&trace->span_table);
	trace->resource_count = trace->scope_count = trace->span_count = trace->piece_count = 0;
	trace->bytes = 0;
	trace->cut = false;
}

/* ---- taking in ---- */

/* False: no room. */
static bool keep(struct trace *trace, struct slice bytes, size_t *at)
{
	*at = trace->text.len;
	if (bytes.len > trace->text.max - trace->text.len) {
		trace->cut = true;
		return false;
	}
	buf_add(&trace->text, bytes.data, bytes.len);
	if (trace->text.failed)
		abort();
	return true;
}

static bool is_at(const struct trace *trace, size_t at, size_t len, struct slice bytes)
{
	return len == bytes.len && (len == 0 || memcmp(trace->text.data + at, bytes.data, len) == 0);
}

int64_t trace_resource(struct trace *trace, struct slice fields)
{
	uint64_t hash = hash_table_hash(fields, 0);
	size_t at = 0;
	uint32_t i;

	while (hash_table_next(&trace->resource_table, hash, &at, &i))
		if (is_at(trace, trace->resources[i].at, trace->resources[i].len, fields))
			return i;
	trace->resources = array_grow(trace->resources, trace->resource_count, &trace->resource_room,
				      sizeof(*trace->resources));
	struct trace_resource *resource = &trace->resources[trace->resource_count];
	*resource = (struct trace_resource){.len = fields.len};
	if (!keep(trace, fields, &resource->at))
		return -1;
	hash_table_add(&trace->resource_table, hash, (uint32_t)trace->resource_count);
	return (int64_t)trace->resource_count++;
}

int64_t trace_scope(struct trace *trace, int64_t resource, struct slice fields)
{
	size_t at = 0;
	uint32_t i;
	uint64_t hash = hash_table_hash(fields, (uint64_t)resource + 1);
	while (hash_table_next(&trace->scope_table, hash, &at, &i)) {
		const struct trace_scope *scope = &trace->scopes[i];
		if (scope->resource == resource && is_at(trace, scope->at, scope->len, fields))
			return i;
	}
	trace->scopes = array_grow(trace->scopes, trace->scope_count, &trace->scope_room, sizeof(*trace->scopes));
	struct trace_scope *scope = &trace->scopes[trace->scope_count];
	*scope = (struct trace_scope){.resource = (uint32_t)resource, .len = fields.len};
	if (!keep(trace, fields, &scope->at))
		return -1;
	hash_table_add(&trace->scope_table, hash, (uint32_t)trace->scope_count);
	return (int64_t)trace->scope_count++;
}

bool trace_spans(struct trace *trace, int64_t scope, struct slice spans)
{
	trace->pieces = array_grow(trace->pieces, trace->piece_count, &trace->piece_room, sizeof(*trace->pieces));
	struct trace_piece *piece = &trace->pieces[trace->piece_count];
	*piece = (struct trace_piece){.scope = (uint32_t)scope, .len = spans.len};
	if (!keep(trace, spans, &piece->at))
		return false;
	trace->piece_count++;
	return true;
}

/* ---- reading ---- */

static struct slice first_message(struct trace *trace, struct slice fields)
{
	struct protobuf reader = protobuf_reader(fields);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field) && budget_take(trace->budget, 1))
		if (field.number == 1)
			return field.bytes;
	return (struct slice){"", 0};
}

static struct slice service_of(struct trace *trace, struct slice resource)
{
	struct protobuf reader = protobuf_reader(resource);
	struct protobuf_field field;
	struct slice any_value;

	while (protobuf_next(&reader, &field) && budget_take(trace->budget, 1)) {
		if (field.number != OTLP_RESOURCE_ATTRIBUTES ||
		    !slice_equal(attribute_read(field.bytes, &any_value), slice_of("service.name")))
			continue;
		struct value value = attribute_value(any_value);
		return value.type == VALUE_STRING ? value.text : (struct slice){"", 0};
	}
	return (struct slice){"", 0};
}

static void read_sources(struct trace *trace)
{
	const char *text = trace->text.len ? trace->text.data : "";

	for (size_t i = 0; i < trace->resource_count; i++) {
		struct trace_resource *resource = &trace->resources[i];
		resource->fields = (struct slice){text + resource->at, resource->len};
		resource->message = first_message(trace, resource->fields);
		resource->service = service_of(trace, resource->message);
		resource->service_hash = hash_table_hash(resource->service, 0);
	}
	for (size_t i = 0; i < trace->scope_count; i++) {
		struct trace_scope *scope = &trace->scopes[i];
		scope->fields = (struct slice){text + scope->at, scope->len};
		scope->message = first_message(trace, scope->fields);
	}
}

static bool is_twin(const struct trace *trace, const struct trace_span *a, const struct trace_span *b)
{
	return memcmp(a->summary.span_id, b->summary.span_id, sizeof(a->summary.span_id)) == 0 &&
	       a->summary.kind == b->summary.kind &&
	       slice_equal(trace_resource_of(trace, a)->service, trace_resource_of(trace, b)->service);
}

static void add_span(struct trace *trace, const struct trace_span *span)
{
	uint64_t of_kind = trace_resource_of(trace, span)->service_hash + span->summary.kind;
	uint64_t hash = hash_table_hash(
		(struct slice){(const char *)span->summary.span_id, sizeof(span->summary.span_id)}, of_kind);
	size_t at = 0;
	uint32_t i;

	while (hash_table_next(&trace->span_table, hash, &at, &i)) {
		struct trace_span *other = &trace->spans[i];
		if (is_twin(trace, other, span)) {
			if (span->summary.end_ns >= other->summary.end_ns)
				*other = *span;
			return;
		}
	}
	if (trace->span_count == LIMIT_TRACE_SPANS) {
		trace->cut = true;
		return;
	}
	trace->spans = array_grow(trace->spans, trace->span_count, &trace->span_room, sizeof(*trace->spans));
	hash_table_add(&trace->span_table, hash, (uint32_t)trace->span_count);
	trace->spans[trace->span_count++] = *span;
}

static void read_piece(struct trace *trace, const struct trace_piece *piece, uint32_t *order)
{
	struct protobuf reader = protobuf_reader((struct slice){trace->text.data + piece->at, piece->len});
	struct protobuf_field field;
	struct trace_span span = {.scope = piece->scope};

	while (protobuf_next(&reader, &field) && budget_take(trace->budget, 16 + field.bytes.len / 32)) {
		span.order = (*order)++;
		if (field.number == OTLP_SCOPE_SPANS_SPANS && span_summary_read(field.bytes, &span.summary))
			add_span(trace, &span);
	}
}

static void summarise(struct trace *trace)
{
	uint64_t root_start_ns = UINT64_MAX;

	trace->start_ns = UINT64_MAX;
	trace->end_ns = 0;
	trace->root_name = trace->root_service = (struct slice){"", 0};
	for (size_t i = 0; i < trace->span_count; i++) {
		const struct span_summary *span = &trace->spans[i].summary;
		if (span->start_ns < trace->start_ns)
			trace->start_ns = span->start_ns;
		if (span->end_ns > trace->end_ns)
			trace->end_ns = span->end_ns;
		if (!span->is_root || span->start_ns >= root_start_ns)
			continue;
		root_start_ns = span->start_ns;
		trace->root_name = span->name;
		trace->root_service = trace_resource_of(trace, &trace->spans[i])->service;
	}
	if (trace->end_ns < trace->start_ns)
		trace->end_ns = trace->start_ns;
}

/* Resources and scopes are numbered as they came, and a scope is of one resource. */
static int compare(const void *a, const void *b, void *arg)
{
	const struct trace_span *x = a, *y = b;
	const struct trace_scope *scopes = arg;

	if (x->scope != y->scope) {
		uint32_t first = scopes[x->scope].resource, second = scopes[y->scope].resource;
		if (first != second)
			return (first > second) - (first < second);
		return (x->scope > y->scope) - (x->scope < y->scope);
	}
	return (x->order > y->order) - (x->order < y->order);
}

void trace_finish(struct trace *trace)
{
	uint32_t order = 0;

	trace->bytes = trace->text.len;
	read_sources(trace);
	for (size_t i = 0; i < trace->piece_count; i++)
		read_piece(trace, &trace->pieces[i], &order);
	if (trace->span_count)
		qsort_r(trace->spans, trace->span_count, sizeof(*trace->spans), compare, trace->scopes);
	summarise(trace);
	trace->cut |= trace->budget->spent;
}
