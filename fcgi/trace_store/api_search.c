/* SPDX-License-Identifier: MIT */
#include "trace_store/api.h"

#include <inttypes.h>
#include <stdio.h>

#include "app/request_database.h"
#include "base/clock.h"
#include "trace_store/api_query.h"
#include "trace_store/schema.h"
#include "trace_store/schema_to_json.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 1000
#define SPANS_DEFAULT 3 /* of a trace that are shown as found */
#define SPANS_MAX 100
#define SERVICES_MAX 100           /* of a trace that are counted */
#define TEXT_MAX 2048              /* bytes of a text in the answer */
#define ANSWER_BYTES_MAX (8 << 20) /* then it is enough */

struct search {
	struct api_query q;
	uint64_t min_ns, max_ns; /* duration of the trace */
	uint64_t spans;
};

static bool read_duration(struct search *search, struct reply *reply, const char *name, uint64_t *out)
{
	char text[40];
	int found = request_query(search->q.req, name, text, sizeof(text));

	if (found == 0 || (found == 1 && !*text))
		return true;
	if (found == 1 && selector_duration(text, out))
		return true;
	reply_problem(reply, 400, "%s must be a duration such as 100ms.", name);
	return false;
}

static bool read_search(struct search *search, struct reply *reply)
{
	search->min_ns = 0;
	search->max_ns = UINT64_MAX;
	search->spans = SPANS_DEFAULT;
	return api_query_range(&search->q, reply, LIMIT_DEFAULT, LIMIT_MAX) &&
	       api_query_number(&search->q, reply, "spss", SPANS_MAX, &search->spans) &&
	       read_duration(search, reply, "minDuration", &search->min_ns) &&
	       read_duration(search, reply, "maxDuration", &search->max_ns) &&
	       api_query_selector(&search->q, reply, true);
}

/* ---- what was found of a trace ---- */

static void write_text(struct json_writer *json, const char *key, struct slice text)
{
	json_key(json, key);
	json_string_cut(json, text.data, text.len, TEXT_MAX);
}

static void write_number(struct json_writer *json, const char *key, uint64_t value)
{
	char text[24];

	json_key(json, key);
	json_string(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

static void write_value(struct json_writer *json, const struct selector_condition *c, const struct value *value)
{
	char text[24];
	const char *name = selector_name_of(c->field, (uint32_t)value->number);

	json_begin_object(json);
	if (name) {
		json_key(json, "stringValue");
		json_text(json, name);
	} else if (value->type == VALUE_STRING) {
		write_text(json, "stringValue", value->text);
	} else if (value->type == VALUE_BOOL) {
		json_key(json, "boolValue");
		json_boolean(json, value->number != 0);
	} else if (value->is_integer) {
		json_key(json, "intValue");
		json_string(json, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value->integer));
	} else if (value->type == VALUE_NUMBER) {
		json_key(json, "doubleValue");
		schema_to_json_double(json, value->number);
	}
	json_end_object(json);
}

/* Returns false for fields that the span set has as members of its own, and those that Tempo leaves out. */
static bool is_shown(enum selector_field field)
{
	switch (field) {
	case SELECT_NAME:
	case SELECT_DURATION:
	case SELECT_SPAN_ID:
	case SELECT_TRACE_ID:
	case SELECT_ROOT_NAME:
	case SELECT_ROOT_SERVICE:
	case SELECT_TRACE_DURATION: return false;
	default: return true;
	}
}

/* Writes each key once, even if several conditions ask for it. */
static void write_attributes(struct json_writer *json, const struct selector *s, const struct selection_found *found)
{
	json_key(json, "attributes");
	json_begin_array(json);
	for (size_t i = 0; i < s->count; i++) {
		const struct selector_condition *c = &s->conditions[i];
		bool again = !(found->seen >> i & 1) || !is_shown(c->field);
		for (size_t k = 0; k < i && !again; k++)
			again = found->seen >> k & 1 && is_shown(s->conditions[k].field) &&
				slice_equal(s->conditions[k].key, c->key);
		if (again)
			continue;
		json_begin_object(json);
		write_text(json, "key", c->key);
		json_key(json, "value");
		write_value(json, c, &found->values[i]);
		json_end_object(json);
	}
	json_end_array(json);
}

static void write_found_span(struct json_writer *json, const struct span_summary *span, const struct selection *asking)
{
	json_begin_object(json);
	json_key(json, "spanID");
	json_hex(json, span->span_id, sizeof(span->span_id));
	write_text(json, "name", span->name);
	write_number(json, "startTimeUnixNano", span->start_ns);
	write_number(json, "durationNanos", span_summary_duration_ns(span));
	write_attributes(json, asking->selector, &asking->of_span);
	json_end_object(json);
}

/* Writes a span set, as Tempo calls it: the spans that were found. */
static void write_found(struct json_writer *json, struct search *search)
{
	const struct trace *trace = &search->q.trace;
	struct selection asking;
	uint64_t matched = 0;

	selection_init(&asking, &search->q.selector, trace, &search->q.budget);
	json_begin_object(json);
	json_key(json, "spans");
	json_begin_array(json);
	for (size_t i = 0; i < trace->span_count && !search->q.budget.spent; i++) {
		uint32_t met = selection_met(&asking, &trace->spans[i]);
		if (!search->q.budget.spent && selection_holds(asking.selector, met) && matched++ < search->spans &&
		    json->out->len < ANSWER_BYTES_MAX)
			write_found_span(json, &trace->spans[i].summary, &asking);
	}
	json_end_array(json);
	json_key(json, "matched");
	json_int(json, (int64_t)matched);
	json_end_object(json);
}

struct service_count {
	struct slice name;
	int64_t spans, errors;
};

static struct service_count *service_of(struct service_count *services, size_t *count, struct slice name)
{
	name.len = name.len < TEXT_MAX ? name.len : TEXT_MAX;
	for (size_t i = 0; i < *count; i++)
		if (slice_equal(services[i].name, name))
			return &services[i];
	if (*count == SERVICES_MAX)
		return NULL;
	services[*count] = (struct service_count){.name = name};
	return &services[(*count)++];
}

static size_t count_services(const struct trace *trace, struct service_count *services)
{
	const struct trace_resource *resource = NULL;
	struct service_count *service = NULL;
	size_t count = 0;

	for (size_t i = 0; i < trace->span_count; i++) {
		const struct trace_resource *of_span = trace_resource_of(trace, &trace->spans[i]);
		if (of_span != resource)
			service = service_of(services, &count, of_span->service);
		resource = of_span;
		if (!service)
			continue;
		service->spans++;
		service->errors += trace->spans[i].summary.status == OTLP_STATUS_CODE_ERROR;
	}
	return count;
}

static void write_services(struct json_writer *json, const struct trace *trace)
{
	struct service_count services[SERVICES_MAX];
	size_t count = count_services(trace, services);

	json_key(json, "serviceStats");
	json_begin_object(json);
	for (size_t i = 0; i < count; i++) {
		json_key_string(json, services[i].name.data, services[i].name.len);
		json_begin_object(json);
		json_key(json, "spanCount");
		json_int(json, services[i].spans);
		if (services[i].errors) {
			json_key(json, "errorCount");
			json_int(json, services[i].errors);
		}
		json_end_object(json);
	}
	json_end_object(json);
}

static void write_trace(struct json_writer *json, struct search *search)
{
	const struct trace *trace = &search->q.trace;

	json_begin_object(json);
	json_key(json, "traceID");
	json_hex(json, search->q.trace_id, 16);
	write_text(json, "rootServiceName",
		   trace->root_service.len ? trace->root_service : slice_of("<root span not yet received>"));
	write_text(json, "rootTraceName", trace->root_name);
	write_number(json, "startTimeUnixNano", trace->start_ns);
	json_key(json, "durationMs");
	uint64_t duration_ms = (trace->end_ns - trace->start_ns) / NS_PER_MS;
	json_int(json, duration_ms < UINT32_MAX ? (int64_t)duration_ms : UINT32_MAX); /* 32 bits in Tempo's API */
	if (!search->q.selector.each_alone) {
		json_key(json, "spanSets");
		json_begin_array(json);
		write_found(json, search);
		json_end_array(json);
	}
	write_services(json, trace);
	json_end_object(json);
}

/* ---- searching ---- */

static bool wanted(struct search *search)
{
	const struct trace *trace = &search->q.trace;
	uint64_t duration_ns = trace->end_ns - trace->start_ns;

	return trace->span_count && api_query_in_range(&search->q, trace->start_ns, trace->end_ns) &&
	       duration_ns >= search->min_ns && duration_ns <= search->max_ns &&
	       selection_matches_trace(&search->q.selector, trace, &search->q.budget);
}

static void write_answer(struct search *search, struct json_writer *json)
{
	json_begin_object(json);
	json_key(json, "traces");
	json_begin_array(json);
	for (uint64_t found = 0; found < search->q.limit && api_query_next(&search->q);) {
		if (!wanted(search))
			continue;
		if (json->out->len >= ANSWER_BYTES_MAX) {
			search->q.partial = true;
			break;
		}
		write_trace(json, search);
		found++;
	}
	json_end_array(json);
	api_query_write_metrics(&search->q, json, true);
	json_end_object(json);
}

void search_traces(struct request *req, struct reply *reply)
{
	struct search search;

	if (!api_query_start(&search.q, req, reply))
		return;
	if (read_search(&search, reply)) {
		reply_body_max(reply, (size_t)3 * ANSWER_BYTES_MAX);
		write_answer(&search, reply_writer(reply));
		if (search.q.reader.result == DB_OK)
			reply_json(reply, 200);
		else
			reply_database(reply, search.q.reader.result);
	}
	api_query_end(&search.q);
}
