#include "traces/walk.h"

#include "traces/schema.h"

static bool next_message(struct wire *w, uint32_t number, struct bytes *out)
{
	struct wire_field field;

	while (wire_next(w, &field)) {
		if (field.number == number) {
			*out = field.bytes;
			return true;
		}
	}
	return false;
}

static struct bytes resource_of(struct bytes resource_spans)
{
	struct wire w = {.left = resource_spans};
	struct bytes resource = {"", 0};

	next_message(&w, RESOURCE_SPANS_RESOURCE, &resource);
	return resource;
}

/* Into the next ScopeSpans. */
static bool next_scope(struct walk *walk)
{
	struct bytes message;

	while (!next_message(&walk->scope_spans, RESOURCE_SPANS_SCOPE_SPANS, &message)) {
		if (!next_message(&walk->resource_spans, REQUEST_RESOURCE_SPANS, &message))
			return false;
		walk->resource = resource_of(message);
		walk->scope_spans = (struct wire){.left = message};
	}
	walk->spans = (struct wire){.left = message};
	return true;
}

bool walk_next(struct walk *walk, struct span_summary *span)
{
	struct bytes message;

	do {
		while (!next_message(&walk->spans, SCOPE_SPANS_SPANS, &message))
			if (!next_scope(walk))
				return false;
	} while (!span_read(message, span));
	return true;
}

struct bytes walk_service(const struct walk *walk)
{
	struct value value;

	if (attribute_find(walk->resource, ATTRIBUTES_OF_RESOURCE, bytes_of("service.name"), &value) &&
	    value.type == VALUE_STRING)
		return value.text;
	return (struct bytes){"", 0};
}

void trace_summarise(struct bytes trace, struct trace_summary *out)
{
	struct walk walk = {.resource_spans.left = trace};
	struct span_summary span;
	uint64_t root_start_ns = UINT64_MAX;

	*out = (struct trace_summary){.start_ns = UINT64_MAX, .root_name = {"", 0}, .root_service = {"", 0}};
	while (walk_next(&walk, &span)) {
		out->spans++;
		if (span.start_ns < out->start_ns)
			out->start_ns = span.start_ns;
		if (span.end_ns > out->end_ns)
			out->end_ns = span.end_ns;
		if (!span.is_root || span.start_ns >= root_start_ns)
			continue;
		root_start_ns = span.start_ns;
		out->root_name = span.name;
		out->root_service = walk_service(&walk);
	}
	if (out->end_ns < out->start_ns)
		out->end_ns = out->start_ns;
}
