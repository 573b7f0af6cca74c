#include "traces/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/reply_store.h"
#include "traces/rows.h"
#include "traces/selector.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX 1000
#define SPANS_DEFAULT 3 /* of a trace that are shown as found */
#define SPANS_MAX 100
#define BUDGET_NS UINT64_C(2000000000) /* then the answer is what was found so far */
#define SERVICES_MAX 32                /* of a trace that are counted */

struct search {
	struct selector selector;
	uint64_t min_ns, max_ns;    /* duration of the trace */
	uint64_t from_ns, until_ns; /* it started before `until` and ended after `from` */
	uint64_t limit, spans;
	uint64_t inspected_traces, inspected_bytes;
};

/* ---- parameters ---- */

/* False: answered. */
static bool read_number(struct request *req, struct reply *reply, const char *name, uint64_t max, uint64_t *out)
{
	char text[24];
	int found = request_query(req, name, text, sizeof(text));

	if (found == 0 || (found == 1 && !*text))
		return true;
	if (found < 0 || text[strspn(text, "0123456789")] != '\0') {
		reply_problem(reply, 400, "%s must be a number.", name);
		return false;
	}
	*out = strtoull(text, NULL, 10);
	if (*out > max)
		*out = max;
	return true;
}

static bool read_duration(struct request *req, struct reply *reply, const char *name, uint64_t *out)
{
	char text[40];
	int found = request_query(req, name, text, sizeof(text));

	if (found == 0 || (found == 1 && !*text))
		return true;
	if (found == 1 && selector_duration(text, out))
		return true;
	reply_problem(reply, 400, "%s must be a duration such as 100ms.", name);
	return false;
}

static bool read_selector(struct request *req, struct reply *reply, struct selector *selector)
{
	char text[SELECTOR_TEXT_MAX];
	const char *error = "The query is too long.";
	int found = request_query(req, "q", text, sizeof(text));

	if (found == 1 && *text) {
		if (selector_parse(selector, text, &error))
			return true;
	} else if (found >= 0) {
		found = request_query(req, "tags", text, sizeof(text));
		if (found >= 0 && selector_parse_tags(selector, found ? text : "", &error))
			return true;
	}
	reply_problem(reply, 400, "%s", error);
	return false;
}

static bool read_search(struct request *req, struct reply *reply, struct search *search)
{
	uint64_t start = 0, end = UINT64_MAX / 1000000000;
	const uint64_t latest = end;

	search->min_ns = 0;
	search->max_ns = UINT64_MAX;
	search->limit = LIMIT_DEFAULT;
	search->spans = SPANS_DEFAULT;
	search->inspected_traces = search->inspected_bytes = 0;
	if (!read_number(req, reply, "limit", LIMIT_MAX, &search->limit) ||
	    !read_number(req, reply, "spss", SPANS_MAX, &search->spans) ||
	    !read_number(req, reply, "start", latest, &start) || !read_number(req, reply, "end", latest, &end) ||
	    !read_duration(req, reply, "minDuration", &search->min_ns) ||
	    !read_duration(req, reply, "maxDuration", &search->max_ns) || !read_selector(req, reply, &search->selector))
		return false;
	search->from_ns = start * 1000000000;
	search->until_ns = end == latest ? UINT64_MAX : (end + 1) * 1000000000; /* to the end of that second */
	return true;
}

/* ---- one trace of the answer ---- */

static void write_bytes(struct json_writer *json, const char *key, struct bytes text)
{
	json_key(json, key);
	json_string(json, text.data, text.len);
}

static void write_uint64(struct json_writer *json, const char *key, uint64_t value)
{
	char text[24];

	json_key(json, key);
	json_string(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

static void write_found_span(struct json_writer *json, const struct span_summary *span)
{
	json_begin_object(json);
	json_key(json, "spanID");
	json_hex(json, span->span_id, sizeof(span->span_id));
	write_bytes(json, "name", span->name);
	write_uint64(json, "startTimeUnixNano", span->start_ns);
	write_uint64(json, "durationNanos", span_duration_ns(span));
	json_key(json, "attributes");
	json_begin_array(json);
	json_end_array(json);
	json_end_object(json);
}

/* What Tempo calls a span set. */
static void write_found(struct json_writer *json, const struct search *search, const struct trace_summary *summary,
			struct bytes trace)
{
	struct walk walk = {.resource_spans.left = trace};
	struct span_summary span;
	uint64_t matched = 0;

	json_begin_object(json);
	json_key(json, "spans");
	json_begin_array(json);
	while (walk_next(&walk, &span))
		if (selector_span(&search->selector, summary, &walk, &span) && matched++ < search->spans)
			write_found_span(json, &span);
	json_end_array(json);
	json_key(json, "matched");
	json_int(json, (int64_t)matched);
	json_end_object(json);
}

struct service_count {
	struct bytes name;
	int64_t spans, errors;
};

static size_t count_services(struct bytes trace, struct service_count *services)
{
	struct walk walk = {.resource_spans.left = trace};
	struct span_summary span;
	size_t count = 0;

	while (walk_next(&walk, &span)) {
		struct bytes name = walk_service(&walk);
		size_t i = 0;

		while (i < count && !bytes_equal(services[i].name, name))
			i++;
		if (i == SERVICES_MAX)
			continue;
		if (i == count)
			services[count++] = (struct service_count){.name = name};
		services[i].spans++;
		services[i].errors += span.status == 2;
	}
	return count;
}

static void write_services(struct json_writer *json, struct bytes trace)
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

static void write_trace(struct json_writer *json, const struct search *search, const uint8_t trace_id[16],
			const struct trace_summary *summary, struct bytes trace)
{
	json_begin_object(json);
	json_key(json, "traceID");
	json_hex(json, trace_id, 16);
	write_bytes(json, "rootServiceName",
		    summary->root_service.len ? summary->root_service : bytes_of("<root span not yet received>"));
	write_bytes(json, "rootTraceName", summary->root_name);
	write_uint64(json, "startTimeUnixNano", summary->start_ns);
	json_key(json, "durationMs");
	json_int(json, (int64_t)((summary->end_ns - summary->start_ns) / 1000000));
	if (!search->selector.each_alone) {
		json_key(json, "spanSets");
		json_begin_array(json);
		write_found(json, search, summary, trace);
		json_end_array(json);
	}
	write_services(json, trace);
	json_end_object(json);
}

/* ---- searching ---- */

static bool wanted(const struct search *search, const struct trace_summary *summary, struct bytes trace)
{
	uint64_t duration_ns = summary->end_ns - summary->start_ns;

	return summary->spans && summary->start_ns < search->until_ns && summary->end_ns >= search->from_ns &&
	       duration_ns >= search->min_ns && duration_ns <= search->max_ns &&
	       selector_trace(&search->selector, summary, trace);
}

static enum db_result write_traces(struct request *req, struct reply *reply, struct search *search)
{
	const uint64_t deadline_ns = clock_monotonic_ns() + BUDGET_NS;
	struct trace_summary summary;
	struct rows_walk walk = {.db = req->db};
	uint8_t trace_id[16];
	uint64_t found = 0;
	BUF(trace, TRACE_BYTES_MAX);

	while (found < search->limit && rows_walk_next(&walk, trace_id) && clock_monotonic_ns() < deadline_ns) {
		buf_reset(&trace);
		if (rows_trace(req->db, trace_id, &trace) != DB_OK || trace.failed)
			continue;
		struct bytes bytes = {trace.data, trace.len};
		search->inspected_traces++;
		search->inspected_bytes += bytes.len;
		trace_summarise(bytes, &summary);
		if (!wanted(search, &summary, bytes))
			continue;
		write_trace(reply_writer(reply), search, trace_id, &summary, bytes);
		found++;
	}
	return walk.result;
}

int search_traces(struct request *req, struct reply *reply)
{
	struct json_writer *json = reply_writer(reply);
	struct search search;

	if (!req->db)
		return reply_unavailable(reply, "database");
	if (!read_search(req, reply, &search))
		return reply->status;
	json_begin_object(json);
	json_key(json, "traces");
	json_begin_array(json);
	enum db_result result = write_traces(req, reply, &search);
	if (result != DB_OK)
		return reply_store(reply, result);
	json_end_array(json);
	json_key(json, "metrics");
	json_begin_object(json);
	json_key(json, "inspectedTraces");
	json_int(json, (int64_t)search.inspected_traces);
	write_uint64(json, "inspectedBytes", search.inspected_bytes);
	json_end_object(json);
	json_end_object(json);
	return reply_json(reply, 200);
}
