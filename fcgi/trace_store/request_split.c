/* SPDX-License-Identifier: MIT */
#include "trace_store/request_split.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "trace_store/schema.h"
#include "trace_store/span_summary.h"

_Static_assert(REQUEST_SPLIT_BYTES_MAX < UINT32_MAX, "offsets have 32 bits");

struct finding {
	struct request_split found;
	size_t resource_room, source_room, index_room; /* of the arrays */
};

/* ---- finding the spans ---- */

static uint32_t place(const struct request_split *p, const void *at)
{
	return (uint32_t)((const char *)at - p->request.data);
}

static struct slice part(const struct request_split *p, uint32_t at, uint32_t len)
{
	return (struct slice){p->request.data + at, len};
}

/* Returns the place of the trace id of a span that has one. */
static uint32_t id_place(const struct request_split *p, struct slice span)
{
	struct protobuf reader = protobuf_reader(span);
	struct protobuf_field field = {0};

	while (protobuf_next(&reader, &field) && field.number != OTLP_SPAN_TRACE_ID)
		;
	return place(p, field.bytes.data);
}

static void add_span(struct finding *f, const struct protobuf_field *field)
{
	struct request_split *p = &f->found;
	struct span_summary span;

	p->spans++;
	if (!span_summary_read(field->bytes, &span)) {
		p->spans_invalid++;
		return;
	}
	p->index = array_grow(p->index, p->index_count, &f->index_room, sizeof(*p->index));
	struct request_split_span *found = &p->index[p->index_count++];
	found->at = place(p, field->whole.data);
	found->len = (uint32_t)field->whole.len;
	found->id_at = id_place(p, field->bytes);
	found->source = (uint32_t)p->source_count;
}

/* Adds a source once it has a span. `resource` is the index that its resource has, or will get. */
static void find_in_scope(struct finding *f, struct slice scope_spans, size_t resource)
{
	struct request_split *p = &f->found;
	struct protobuf reader = protobuf_reader(scope_spans);
	struct protobuf_field field;
	size_t own_len = 0, before = p->index_count;

	while (protobuf_next(&reader, &field)) {
		if (field.number == OTLP_SCOPE_SPANS_SPANS)
			add_span(f, &field);
		else
			own_len += field.whole.len;
	}
	if (p->index_count == before)
		return;
	p->sources = array_grow(p->sources, p->source_count, &f->source_room, sizeof(*p->sources));
	struct request_split_source *found = &p->sources[p->source_count++];
	found->resource = (uint32_t)resource;
	found->at = place(p, scope_spans.data);
	found->len = (uint32_t)scope_spans.len;
	found->own_len = (uint32_t)own_len;
}

static void find_in_resource(struct finding *f, struct slice resource_spans)
{
	struct request_split *p = &f->found;
	struct protobuf reader = protobuf_reader(resource_spans);
	struct protobuf_field field;
	size_t own_len = 0, before = p->source_count;

	while (protobuf_next(&reader, &field)) {
		if (field.number == OTLP_RESOURCE_SPANS_SCOPE_SPANS)
			find_in_scope(f, field.bytes, p->resource_count);
		else
			own_len += field.whole.len;
	}
	if (p->source_count == before)
		return;
	p->resources = array_grow(p->resources, p->resource_count, &f->resource_room, sizeof(*p->resources));
	struct request_split_resource *found = &p->resources[p->resource_count++];
	found->at = place(p, resource_spans.data);
	found->len = (uint32_t)resource_spans.len;
	found->own_len = (uint32_t)own_len;
}

static void find_all(struct request_split *p)
{
	struct finding finding = {.found = *p};
	struct protobuf reader = protobuf_reader(p->request);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field))
		if (field.number == OTLP_REQUEST_RESOURCE_SPANS)
			find_in_resource(&finding, field.bytes);
	*p = finding.found;
}

/* ---- grouping them ---- */

static const uint8_t *trace_id_of(const struct request_split *p, size_t i)
{
	return (const uint8_t *)p->request.data + p->index[i].id_at;
}

static int compare(const void *a, const void *b, void *pieces)
{
	const struct request_split *p = pieces;
	const struct request_split_span *x = a, *y = b;
	int order = memcmp(p->request.data + x->id_at, p->request.data + y->id_at, 16);

	return order ? order : (x->at > y->at) - (x->at < y->at); /* sources are in this order as well */
}

static bool same_trace(const struct request_split *p, size_t a, size_t b)
{
	return memcmp(trace_id_of(p, a), trace_id_of(p, b), 16) == 0;
}

static void leave_out_refused(struct request_split *p, request_split_keep *keep, void *arg)
{
	size_t kept = 0;

	for (size_t begin = 0, end; begin < p->index_count; begin = end) {
		for (end = begin + 1; end < p->index_count && same_trace(p, begin, end);)
			end++;
		if (!keep(arg, trace_id_of(p, begin), end - begin)) {
			p->spans_refused += end - begin;
			continue;
		}
		memmove(p->index + kept, p->index + begin, (end - begin) * sizeof(*p->index));
		kept += end - begin;
	}
	p->index_count = kept;
}

enum request_split_result request_split_read(struct request_split *p, struct slice request, request_split_keep *keep,
					     void *arg)
{
	*p = (struct request_split){.request = request};
	if (request.len > REQUEST_SPLIT_BYTES_MAX)
		return REQUEST_SPLIT_TOO_LARGE;
	if (!schema_valid(&schema_request, request))
		return REQUEST_SPLIT_MALFORMED;
	find_all(p);
	if (!p->index_count)
		return REQUEST_SPLIT_OK;
	qsort_r(p->index, p->index_count, sizeof(*p->index), compare, p);
	if (keep)
		leave_out_refused(p, keep, arg);
	return REQUEST_SPLIT_OK;
}

void request_split_done(struct request_split *p)
{
	free(p->resources);
	free(p->sources);
	free(p->index);
	*p = (struct request_split){0};
}

/* ---- the pieces ---- */

bool request_split_next(const struct request_split *p, struct request_split_piece *piece)
{
	size_t first = piece->first + piece->count, end = first + 1;

	if (first >= p->index_count)
		return false;
	while (end < p->index_count && p->index[end].source == p->index[first].source && same_trace(p, first, end))
		end++;
	*piece = (struct request_split_piece){trace_id_of(p, first), p->index[first].source, first, end - first};
	return true;
}

struct slice request_split_span(const struct request_split *p, size_t i)
{
	return part(p, p->index[i].at, p->index[i].len);
}

static void add_without(struct buf *out, struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field))
		if (field.number != number)
			buf_add(out, field.whole.data, field.whole.len);
}

void request_split_add_resource(const struct request_split *p, size_t resource, struct buf *out)
{
	const struct request_split_resource *found = &p->resources[resource];

	add_without(out, part(p, found->at, found->len), OTLP_RESOURCE_SPANS_SCOPE_SPANS);
}

void request_split_add_scope(const struct request_split *p, size_t source, struct buf *out)
{
	const struct request_split_source *found = &p->sources[source];

	add_without(out, part(p, found->at, found->len), OTLP_SCOPE_SPANS_SPANS);
}
