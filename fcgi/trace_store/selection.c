/* SPDX-License-Identifier: MIT */
#include "trace_store/selection.h"

#include <math.h>
#include <string.h>

#include "base/c_locale.h"
#include "base/hex.h"
#include "trace_store/schema.h"

/* ---- values ---- */

static bool ordered(enum selector_comparison comparison, int order)
{
	switch (comparison) {
	case SELECT_EQ: return order == 0;
	case SELECT_NE: return order != 0;
	case SELECT_LT: return order < 0;
	case SELECT_LE: return order <= 0;
	case SELECT_GT: return order > 0;
	case SELECT_GE: return order >= 0;
	default: return false;
	}
}

static int compare_text(struct slice a, struct slice b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.data, b.data, common) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Reads the text of a tag as a value of the attribute's type. */
static bool read_as(struct slice text, enum value_type type, double *out)
{
	char copy[64], *end;

	if (type == VALUE_BOOL) {
		*out = slice_equal(text, slice_of("true"));
		return *out != 0 || slice_equal(text, slice_of("false"));
	}
	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*out = c_locale_strtod(copy, &end);
	return *end == '\0';
}

static bool compare_numbers(const struct selector_condition *c, double wanted, const struct value *found)
{
	if (c->value.is_integer && found->is_integer)
		return ordered(c->comparison,
			       (found->integer > c->value.integer) - (found->integer < c->value.integer));
	bool found_nan = isnan(found->number), wanted_nan = isnan(wanted);
	if (found_nan || wanted_nan) /* NaN is equal to NaN only */
		return (c->comparison == SELECT_EQ && found_nan && wanted_nan) ||
		       (c->comparison == SELECT_NE && found_nan != wanted_nan);
	return ordered(c->comparison, (found->number > wanted) - (found->number < wanted));
}

static bool compare_value(const struct selector_condition *c, const struct value *found, struct budget *budget)
{
	double wanted = c->value.number;

	if (c->nil)
		return c->comparison == SELECT_NE;
	if (found->type == VALUE_NONE)
		return false;
	if (c->regex)
		return found->type == VALUE_STRING && budget_take(budget, 1) &&
		       regex_matches(c->regex, found->text, budget) == (c->comparison == SELECT_RE) && !budget->spent;
	if (c->value.type == VALUE_STRING && found->type == VALUE_STRING)
		return ordered(c->comparison, compare_text(found->text, c->value.text));
	if (c->loose && c->value.type == VALUE_STRING) {
		if (!read_as(c->value.text, found->type, &wanted))
			return false;
	} else if (c->value.type != found->type) {
		return false;
	}
	return compare_numbers(c, wanted, found);
}

static struct value text_value(struct slice text)
{
	return (struct value){.type = VALUE_STRING, .text = text};
}

static struct value number_value(double number)
{
	return (struct value){.type = VALUE_NUMBER, .number = number};
}

/* ---- what a part of the trace says about the conditions ---- */

/* Keeps the first value that meets the condition; if none does, the first. */
static void consider(struct selection *a, struct selection_found *found, size_t i, const struct value *value)
{
	const uint32_t bit = UINT32_C(1) << i;
	const struct selector_condition *c = &a->selector->conditions[i];

	if (found->met & bit)
		return;
	bool met = compare_value(c, value, a->budget);
	if (met || !(found->seen & bit))
		found->values[i] = *value;
	found->seen |= bit;
	found->met |= met ? bit : 0;
}

static void consider_attribute(struct selection *a, struct selection_found *found, unsigned fields,
			       struct slice key_value)
{
	struct slice any_value, key = attribute_key(key_value, &any_value);

	for (size_t i = 0; i < a->selector->count; i++) {
		const struct selector_condition *c = &a->selector->conditions[i];
		if (!(fields >> c->field & 1) || !slice_equal(c->key, key))
			continue;
		struct value value = attribute_value(any_value);
		consider(a, found, i, &value);
	}
}

static void consider_attributes(struct selection *a, struct selection_found *found, unsigned fields,
				struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;

	if (!(a->fields & fields))
		return;
	while (protobuf_next(&reader, &field) && budget_take(a->budget, 4))
		if (field.number == number)
			consider_attribute(a, found, fields, field.bytes);
}

static void consider_text(struct selection *a, struct selection_found *found, enum selector_field field,
			  struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field part;
	struct value value = text_value((struct slice){"", 0});

	if (!(a->fields >> field & 1))
		return;
	while (protobuf_next(&reader, &part) && budget_take(a->budget, 1))
		if (part.number == number)
			value.text = part.bytes;
	for (size_t i = 0; i < a->selector->count; i++)
		if (a->selector->conditions[i].field == field)
			consider(a, found, i, &value);
}

static void ask_resource(struct selection *a, uint32_t number)
{
	if (a->resource == number)
		return;
	a->resource = number;
	a->of_resource.met = a->of_resource.seen = 0;
	consider_attributes(a, &a->of_resource, 1U << SELECT_RESOURCE | 1U << SELECT_ATTRIBUTE,
			    a->trace->resources[number].message, OTLP_RESOURCE_ATTRIBUTES);
}

static void ask_scope(struct selection *a, uint32_t number)
{
	struct slice message = a->trace->scopes[number].message;

	if (a->scope == number)
		return;
	a->scope = number;
	a->of_scope.met = a->of_scope.seen = 0;
	consider_attributes(a, &a->of_scope, 1U << SELECT_SCOPE, message, OTLP_SCOPE_ATTRIBUTES);
	consider_text(a, &a->of_scope, SELECT_SCOPE_NAME, message, OTLP_SCOPE_NAME);
	consider_text(a, &a->of_scope, SELECT_SCOPE_VERSION, message, OTLP_SCOPE_VERSION);
}

/* Tries the conditions on attributes, events, links and the status of the span. */
static void ask_span(struct selection *a, struct slice span)
{
	const unsigned of_span = 1U << SELECT_SPAN | 1U << SELECT_ATTRIBUTE, status = 1U << SELECT_STATUS_MESSAGE,
		       event = 1U << SELECT_EVENT, link = 1U << SELECT_LINK, event_name = 1U << SELECT_EVENT_NAME;
	struct protobuf reader = protobuf_reader(span);
	struct protobuf_field field;

	if (!(a->fields & (of_span | status | event | link | event_name)))
		return;
	while (protobuf_next(&reader, &field) && budget_take(a->budget, 4)) {
		switch (field.number) {
		case OTLP_SPAN_ATTRIBUTES: consider_attribute(a, &a->of_span, of_span, field.bytes); break;
		case OTLP_SPAN_STATUS:
			consider_text(a, &a->of_span, SELECT_STATUS_MESSAGE, field.bytes, OTLP_STATUS_MESSAGE);
			break;
		case OTLP_SPAN_EVENTS:
			consider_attributes(a, &a->of_span, event, field.bytes, OTLP_EVENT_ATTRIBUTES);
			consider_text(a, &a->of_span, SELECT_EVENT_NAME, field.bytes, OTLP_EVENT_NAME);
			break;
		case OTLP_SPAN_LINKS:
			consider_attributes(a, &a->of_span, link, field.bytes, OTLP_LINK_ATTRIBUTES);
			break;
		default: break;
		}
	}
}

/* ---- intrinsics ---- */

static struct value id_value(char *out, const uint8_t *id, size_t len)
{
	hex_encode(id, len, out);
	return text_value((struct slice){out, 2 * len});
}

static struct value parent_value(char *out, struct slice span)
{
	struct protobuf reader = protobuf_reader(span);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field))
		if (field.number == OTLP_SPAN_PARENT_ID && field.bytes.len == 8)
			return id_value(out, (const uint8_t *)field.bytes.data, 8);
	return text_value((struct slice){"", 0});
}

bool selection_intrinsic(struct selection *a, enum selector_field field, const struct trace_span *trace_span,
			 struct value *out)
{
	const struct span_summary *span = &trace_span->summary;
	const struct trace *trace = a->trace;

	switch (field) {
	case SELECT_NAME: *out = text_value(span->name); return true;
	case SELECT_KIND: *out = number_value(span->kind); return true;
	case SELECT_STATUS: *out = number_value(span->status); return true;
	case SELECT_DURATION: *out = number_value((double)span_summary_duration_ns(span)); return true;
	case SELECT_SPAN_ID: *out = id_value(a->ids[0], span->span_id, sizeof(span->span_id)); return true;
	case SELECT_TRACE_ID: *out = id_value(a->ids[1], span->trace_id, sizeof(span->trace_id)); return true;
	case SELECT_PARENT_ID: *out = parent_value(a->ids[2], span->whole); return true;
	case SELECT_ROOT_NAME: *out = text_value(trace->root_name); return true;
	case SELECT_ROOT_SERVICE: *out = text_value(trace->root_service); return true;
	case SELECT_TRACE_DURATION: *out = number_value((double)(trace->end_ns - trace->start_ns)); return true;
	default: return false;
	}
}

static void take_over(struct selection_found *to, const struct selection_found *from, const struct selector *s,
		      unsigned fields)
{
	for (size_t i = 0; i < s->count; i++) {
		const uint32_t bit = UINT32_C(1) << i;
		if (!(fields >> s->conditions[i].field & 1) || to->seen & bit || !(from->seen & bit))
			continue;
		to->seen |= bit;
		to->met |= from->met & bit;
		to->values[i] = from->values[i];
	}
}

/* ---- asking ---- */

void selection_init(struct selection *a, const struct selector *selector, const struct trace *trace,
		    struct budget *budget)
{
	a->selector = selector;
	a->trace = trace;
	a->budget = budget;
	a->resource = a->scope = UINT32_MAX;
	a->fields = 0;
	for (size_t i = 0; i < selector->count; i++)
		a->fields |= 1U << selector->conditions[i].field;
	a->of_resource.met = a->of_resource.seen = a->of_scope.met = a->of_scope.seen = 0;
}

uint32_t selection_met(struct selection *a, const struct trace_span *span)
{
	const struct selector *s = a->selector;
	struct selection_found *found = &a->of_span;
	struct value value;

	found->met = found->seen = 0;
	if (s->count == 0 || !budget_take(a->budget, 1 + s->count))
		return 0;
	ask_resource(a, a->trace->scopes[span->scope].resource);
	ask_scope(a, span->scope);
	ask_span(a, span->summary.details);
	for (size_t i = 0; i < s->count; i++)
		if (selection_intrinsic(a, s->conditions[i].field, span, &value))
			consider(a, found, i, &value);
	take_over(found, &a->of_resource, s, 1U << SELECT_RESOURCE | 1U << SELECT_ATTRIBUTE);
	take_over(found, &a->of_scope, s, 1U << SELECT_SCOPE | 1U << SELECT_SCOPE_NAME | 1U << SELECT_SCOPE_VERSION);
	for (size_t i = 0; i < s->count; i++)
		if (s->conditions[i].nil && s->conditions[i].comparison == SELECT_EQ)
			found->met |= found->seen >> i & 1 ? 0 : UINT32_C(1) << i;
	return found->met;
}

bool selection_holds(const struct selector *s, uint32_t met)
{
	bool stack[SELECTOR_PROGRAM_MAX] = {false};
	size_t depth = 0;

	if (s->program_len == 0)
		return met == (UINT32_C(1) << s->count) - 1;
	for (size_t i = 0; i < s->program_len; i++) {
		switch (s->program[i]) {
		case SELECT_AND:
			depth--;
			stack[depth - 1] &= stack[depth];
			break;
		case SELECT_OR:
			depth--;
			stack[depth - 1] |= stack[depth];
			break;
		case SELECT_NOT: stack[depth - 1] = !stack[depth - 1]; break;
		default: stack[depth++] = met >> s->program[i] & 1; break;
		}
	}
	return stack[0];
}

bool selection_matches_trace(const struct selector *s, const struct trace *trace, struct budget *budget)
{
	struct selection asking;
	uint32_t together = 0;

	selection_init(&asking, s, trace, budget);
	for (size_t i = 0; i < trace->span_count && !budget->spent; i++) {
		uint32_t met = selection_met(&asking, &trace->spans[i]);
		together |= met;
		if (selection_holds(s, s->each_alone ? together : met))
			return !budget->spent;
	}
	return false;
}
