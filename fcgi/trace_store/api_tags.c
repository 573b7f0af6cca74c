/* SPDX-License-Identifier: MIT */
#include "trace_store/api_tags.h"

#include <string.h>

#include "app/request_database.h"
#include "trace_store/api.h"
#include "trace_store/schema.h"

#define ANSWER_BYTES_MAX (16 << 20)

enum tag_scope { OF_RESOURCE, OF_SPAN, OF_EVENT, OF_LINK, OF_SCOPE, SCOPES, OF_INTRINSICS = SCOPES, OF_ALL };

static const char *const scope_names[] = {"resource", "span", "event", "link", "instrumentation", "intrinsic", "none"};

struct tags {
	struct api_query q;
	struct string_set keys[SCOPES];
	struct string_set *into[SCOPES]; /* one of `keys`; NULL if it is not asked for */
	enum tag_scope scope;            /* OF_ALL for any */
};

/* ---- the way through the spans ---- */

static void collect_from_trace(struct api_query *q, const struct api_tags_collector *c)
{
	const struct trace *trace = &q->trace;
	struct selection asking;
	uint32_t resource = UINT32_MAX, scope = UINT32_MAX;

	selection_init(&asking, &q->selector, trace, &q->budget);
	for (size_t i = 0; i < trace->span_count && budget_take(&q->budget, 1); i++) {
		const struct trace_span *span = &trace->spans[i];
		if (!api_query_in_range(q, span->summary.start_ns, span->summary.end_ns) ||
		    !selection_holds(&q->selector, selection_met(&asking, span)) || q->budget.spent)
			continue;
		if (resource != trace->scopes[span->scope].resource)
			c->resource(c->arg, q, trace_resource_of(trace, span));
		if (scope != span->scope)
			c->scope(c->arg, q, &trace->scopes[span->scope]);
		scope = span->scope;
		resource = trace->scopes[scope].resource;
		c->span(c->arg, q, &asking, span);
	}
}

void api_tags_collect(struct api_query *q, const struct api_tags_collector *collector)
{
	while (api_query_next(q))
		collect_from_trace(q, collector);
	q->partial |= q->budget.spent;
}

/* ---- names ---- */

static void add_keys(struct api_query *q, struct string_set *keys, struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;
	struct slice any_value;

	while (keys && protobuf_next(&reader, &field) && budget_take(&q->budget, 4))
		if (field.number == number)
			string_set_add(keys, attribute_key(field.bytes, &any_value));
}

static void add_resource(void *arg, struct api_query *q, const struct trace_resource *resource)
{
	add_keys(q, ((struct tags *)arg)->into[OF_RESOURCE], resource->message, OTLP_RESOURCE_ATTRIBUTES);
}

static void add_scope(void *arg, struct api_query *q, const struct trace_scope *scope)
{
	add_keys(q, ((struct tags *)arg)->into[OF_SCOPE], scope->message, OTLP_SCOPE_ATTRIBUTES);
}

static void add_span(void *arg, struct api_query *q, struct selection *asking, const struct trace_span *span)
{
	struct string_set **into = ((struct tags *)arg)->into;
	struct protobuf reader = protobuf_reader(span->summary.details);
	struct protobuf_field field;
	struct slice any_value;

	(void)asking;
	if (!into[OF_SPAN] && !into[OF_EVENT] && !into[OF_LINK])
		return;
	while (protobuf_next(&reader, &field) && budget_take(&q->budget, 4)) {
		if (field.number == OTLP_SPAN_ATTRIBUTES && into[OF_SPAN])
			string_set_add(into[OF_SPAN], attribute_key(field.bytes, &any_value));
		else if (field.number == OTLP_SPAN_EVENTS)
			add_keys(q, into[OF_EVENT], field.bytes, OTLP_EVENT_ATTRIBUTES);
		else if (field.number == OTLP_SPAN_LINKS)
			add_keys(q, into[OF_LINK], field.bytes, OTLP_LINK_ATTRIBUTES);
	}
}

/*
 * Collects the names of each scope, or all of them in one set if `together`. Returns false if the query has been
 * answered.
 */
static bool collect(struct tags *tags, struct reply *reply, bool together)
{
	for (size_t i = 0; i < SCOPES; i++) {
		bool wanted = tags->scope == OF_ALL || tags->scope == i;
		tags->into[i] = !wanted ? NULL : &tags->keys[together ? 0 : i];
	}
	if (tags->scope != OF_INTRINSICS)
		api_tags_collect(&tags->q, &(struct api_tags_collector){add_resource, add_scope, add_span, tags});
	for (size_t i = 0; i < SCOPES; i++) {
		tags->q.partial |= tags->keys[i].full;
		string_set_sort(&tags->keys[i]);
	}
	if (tags->q.reader.result == DB_OK)
		return true;
	reply_database(reply, tags->q.reader.result);
	return false;
}

/* ---- parameters ---- */

static bool read_scope(struct tags *tags, struct reply *reply)
{
	char text[32];
	int found = request_query(tags->q.req, "scope", text, sizeof(text));

	tags->scope = OF_ALL;
	if (found == 0 || (found == 1 && !*text))
		return true;
	for (size_t i = 0; found == 1 && i < sizeof(scope_names) / sizeof(*scope_names); i++) {
		if (strcmp(text, scope_names[i]) == 0) {
			tags->scope = (enum tag_scope)i;
			return true;
		}
	}
	reply_problem(reply, 400,
		      "scope must be one of resource, span, event, link, instrumentation, intrinsic and none.");
	return false;
}

/* Returns false if the query has been answered. */
static bool begin(struct tags *tags, struct request *req, struct reply *reply)
{
	if (!api_query_start(&tags->q, req, reply))
		return false;
	if (!api_query_range(&tags->q, reply, 0, STRING_SET_ITEMS_MAX) || !api_query_selector(&tags->q, reply, false) ||
	    !read_scope(tags, reply)) {
		api_query_end(&tags->q);
		return false;
	}
	for (size_t i = 0; i < SCOPES; i++)
		string_set_init(&tags->keys[i], tags->q.limit, STRING_SET_BYTES_MAX / SCOPES);
	reply_body_max(reply, ANSWER_BYTES_MAX);
	return true;
}

static void end(struct tags *tags)
{
	for (size_t i = 0; i < SCOPES; i++)
		string_set_done(&tags->keys[i]);
	api_query_end(&tags->q);
}

/* ---- handlers ---- */

static void write_set(struct json_writer *json, const struct string_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		json_string(json, string_set_item(set, i).data, string_set_item(set, i).len);
}

static void write_intrinsics(struct json_writer *json)
{
	const char *name;

	for (size_t i = 0; (name = selector_intrinsic_at(i)); i++)
		json_text(json, name);
}

void list_tags(struct request *req, struct reply *reply)
{
	struct json_writer *json = reply_writer(reply);
	struct tags tags;

	if (!begin(&tags, req, reply))
		return;
	if (collect(&tags, reply, true)) {
		json_begin_object(json);
		json_key(json, "tagNames");
		json_begin_array(json);
		write_set(json, &tags.keys[0]);
		if (tags.scope == OF_INTRINSICS)
			write_intrinsics(json);
		json_end_array(json);
		api_query_write_metrics(&tags.q, json, false);
		json_end_object(json);
		reply_json(reply, 200);
	}
	end(&tags);
}

void list_tags_v2(struct request *req, struct reply *reply)
{
	struct json_writer *json = reply_writer(reply);
	struct tags tags;

	if (!begin(&tags, req, reply))
		return;
	if (collect(&tags, reply, false)) {
		json_begin_object(json);
		json_key(json, "scopes");
		json_begin_array(json);
		for (size_t i = 0; i <= OF_INTRINSICS; i++) {
			if (tags.scope != OF_ALL && tags.scope != i)
				continue;
			json_begin_object(json);
			json_key(json, "name");
			json_text(json, scope_names[i]);
			json_key(json, "tags");
			json_begin_array(json);
			if (i == OF_INTRINSICS)
				write_intrinsics(json);
			else
				write_set(json, &tags.keys[i]);
			json_end_array(json);
			json_end_object(json);
		}
		json_end_array(json);
		api_query_write_metrics(&tags.q, json, false);
		json_end_object(json);
		reply_json(reply, 200);
	}
	end(&tags);
}
