/* SPDX-License-Identifier: MIT */
#include "trace_store/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "trace_store/schema.h"

#define SPANS_KEPT 1024 /* a reset keeps room for so many */
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

/* Returns false if there is no room. */
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

/* Returns where `part` is to be in `text` once `whole` stands at `at` there. */
static size_t place(struct slice part, struct slice whole, size_t at)
{
	return part.len ? at + (size_t)(part.data - whole.data) : at;
}

int64_t trace_resource(struct trace *trace, const struct trace_source *source)
{
	size_t at = 0;
	uint32_t i;

	while (hash_table_next(&trace->resource_table, source->hash, &at, &i))
		if (is_at(trace, trace->resources[i].at, trace->resources[i].fields.len, source->fields))
			return i;
	if (!keep(trace, source->fields, &at))
		return -1;
	trace->resources = array_grow(trace->resources, trace->resource_count, &trace->resource_room,
				      sizeof(*trace->resources));
	trace->resources[trace->resource_count] = (struct trace_resource){
		.fields = source->fields,
		.message = source->message,
		.service = source->service,
		.service_hash = source->service_hash,
		.at = at,
		.message_at = place(source->message, source->fields, at),
		.service_at = place(source->service, source->fields, at)};
	hash_table_add(&trace->resource_table, source->hash, (uint32_t)trace->resource_count);
	return (int64_t)trace->resource_count++;
}

int64_t trace_scope(struct trace *trace, int64_t resource, const struct trace_source *source)
{
	uint64_t hash = source->hash + ((uint64_t)resource + 1) * HASH_STEP;
	size_t at = 0;
	uint32_t i;

	while (hash_table_next(&trace->scope_table, hash, &at, &i)) {
		const struct trace_scope *scope = &trace->scopes[i];
		if (scope->resource == resource && is_at(trace, scope->at, scope->fields.len, source->fields))
			return i;
	}
	if (!keep(trace, source->fields, &at))
		return -1;
	trace->scopes = array_grow(trace->scopes, trace->scope_count, &trace->scope_room, sizeof(*trace->scopes));
	trace->scopes[trace->scope_count] = (struct trace_scope){
		.resource = (uint32_t)resource,
		.fields = source->fields,
		.message = source->message,
		.at = at,
		.message_at = place(source->message, source->fields, at)};
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

static struct slice first_message(struct slice fields)
{
	struct protobuf reader = protobuf_reader(fields);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field))
		if (field.number == OTLP_RESOURCE_SPANS_RESOURCE) /* which is OTLP_SCOPE_SPANS_SCOPE, too */
			return field.bytes;
	return (struct slice){"", 0};
}

/* Returns nothing of use for a scope, whose service is not asked for. */
static struct slice service_of(struct slice resource)
{
	struct protobuf reader = protobuf_reader(resource);
	struct protobuf_field field;
	struct slice any_value;

	while (protobuf_next(&reader, &field)) {
		if (field.number != OTLP_RESOURCE_ATTRIBUTES ||
		    !slice_equal(attribute_key(field.bytes, &any_value), slice_of("service.name")))
			continue;
		struct value value = attribute_value(any_value);
		return value.type == VALUE_STRING ? value.text : (struct slice){"", 0};
	}
	return (struct slice){"", 0};
}

struct trace_source trace_source_read(struct slice fields)
{
	struct trace_source source = {.fields = fields, .message = first_message(fields)};

	source.service = service_of(source.message);
	source.hash = hash_table_hash(fields, 0);
	source.service_hash = hash_table_hash(source.service, 0);
	return source;
}

/* Nothing is added to `text` any more. */
static void point_into_text(struct trace *trace)
{
	const char *text = trace->text.len ? trace->text.data : "";

	for (size_t i = 0; i < trace->resource_count; i++) {
		struct trace_resource *resource = &trace->resources[i];
		resource->fields.data = text + resource->at;
		resource->message.data = text + resource->message_at;
		resource->service.data = text + resource->service_at;
	}
	for (size_t i = 0; i < trace->scope_count; i++) {
		struct trace_scope *scope = &trace->scopes[i];
		scope->fields.data = text + scope->at;
		scope->message.data = text + scope->message_at;
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

static bool is_sorted(const struct trace *trace)
{
	for (size_t i = 1; i < trace->span_count; i++)
		if (compare(&trace->spans[i - 1], &trace->spans[i], trace->scopes) > 0)
			return false;
	return true;
}

void trace_finish(struct trace *trace)
{
	uint32_t order = 0;

	trace->bytes = trace->text.len;
	point_into_text(trace);
	for (size_t i = 0; i < trace->piece_count; i++)
		read_piece(trace, &trace->pieces[i], &order);
	if (!is_sorted(trace))
		qsort_r(trace->spans, trace->span_count, sizeof(*trace->spans), compare, trace->scopes);
	summarise(trace);
	trace->cut |= trace->budget->spent;
}
