#include "traces/selector.h"

#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static bool ordered(enum selector_operator operator, int order)
{
	switch (operator) {
	case SELECT_EQ: return order == 0;
	case SELECT_NE: return order != 0;
	case SELECT_LT: return order < 0;
	case SELECT_LE: return order <= 0;
	case SELECT_GT: return order > 0;
	case SELECT_GE: return order >= 0;
	}
	return false;
}

static int compare_text(struct bytes a, struct bytes b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.data, b.data, common) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The text of a tag, read as what the attribute is. */
static bool read_as(struct bytes text, enum value_type type, double *out)
{
	char copy[64], *end;

	if (type == VALUE_BOOL) {
		*out = bytes_equal(text, bytes_of("true"));
		return *out != 0 || bytes_equal(text, bytes_of("false"));
	}
	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*out = strtod(copy, &end);
	return *end == '\0';
}

static bool compare_value(const struct selector_condition *c, const struct value *found)
{
	double wanted = c->value.number;

	if (found->type == VALUE_NONE)
		return false;
	if (c->value.type == VALUE_STRING && found->type == VALUE_STRING)
		return ordered(c->operator, compare_text(found->text, c->value.text));
	if (c->loose && c->value.type == VALUE_STRING) {
		if (!read_as(c->value.text, found->type, &wanted))
			return false;
	} else if (c->value.type != found->type) {
		return false;
	}
	return ordered(c->operator,(found->number > wanted) - (found->number < wanted));
}

/* ---- spans ---- */

static struct value text_value(struct bytes text)
{
	return (struct value){.type = VALUE_STRING, .text = text};
}

static struct value number_value(double number)
{
	return (struct value){.type = VALUE_NUMBER, .number = number};
}

static bool meets(const struct selector_condition *c, const struct trace_summary *trace, const struct walk *walk,
		  const struct span_summary *span)
{
	struct value found = {0};

	switch (c->field) {
	case SELECT_SPAN: attribute_find(span->whole, ATTRIBUTES_OF_SPAN, c->key, &found); break;
	case SELECT_RESOURCE: attribute_find(walk->resource, ATTRIBUTES_OF_RESOURCE, c->key, &found); break;
	case SELECT_ATTRIBUTE:
		if (!attribute_find(span->whole, ATTRIBUTES_OF_SPAN, c->key, &found))
			attribute_find(walk->resource, ATTRIBUTES_OF_RESOURCE, c->key, &found);
		break;
	case SELECT_NAME: found = text_value(span->name); break;
	case SELECT_KIND: found = number_value(span->kind); break;
	case SELECT_STATUS: found = number_value(span->status); break;
	case SELECT_DURATION: found = number_value((double)span_duration_ns(span)); break;
	case SELECT_ROOT_NAME: found = text_value(trace->root_name); break;
	case SELECT_ROOT_SERVICE: found = text_value(trace->root_service); break;
	case SELECT_TRACE_DURATION: found = number_value((double)(trace->end_ns - trace->start_ns)); break;
	}
	return compare_value(c, &found);
}

bool selector_span(const struct selector *s, const struct trace_summary *trace, const struct walk *walk,
		   const struct span_summary *span)
{
	for (size_t i = 0; i < s->count; i++)
		if (!meets(&s->conditions[i], trace, walk, span))
			return false;
	return true;
}

static bool has_span_for_each(const struct selector *s, const struct trace_summary *summary, struct bytes trace)
{
	struct walk walk = {.resource_spans.left = trace};
	struct span_summary span;
	uint32_t met = 0;

	while (walk_next(&walk, &span))
		for (size_t i = 0; i < s->count; i++)
			if (meets(&s->conditions[i], summary, &walk, &span))
				met |= UINT32_C(1) << i;
	return met == (UINT32_C(1) << s->count) - 1;
}

bool selector_trace(const struct selector *s, const struct trace_summary *summary, struct bytes trace)
{
	struct walk walk = {.resource_spans.left = trace};
	struct span_summary span;

	if (s->each_alone)
		return has_span_for_each(s, summary, trace);
	while (walk_next(&walk, &span))
		if (selector_span(s, summary, &walk, &span))
			return true;
	return false;
}
