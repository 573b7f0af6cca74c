/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "app/request_database.h"
#include "base/hex.h"
#include "trace_store/api.h"
#include "trace_store/api_tags.h"
#include "trace_store/schema.h"

#define NAME_MAX 4096 /* bytes of a tag's name */
#define ANSWER_BYTES_MAX (16 << 20)
#define OFFERED_MAX 2048 /* bytes of a value: a query that asks for it, escaped, is one that nginx takes */

struct values {
	struct api_query q;
	struct string_set set; /* each item is a letter for its type and then the text */
	enum selector_field field;
	struct slice name;
	char text[NAME_MAX]; /* `name` points into it */
};

/* ---- the name, as the path has it ---- */

/*
 * The part of the path before /values as the client wrote it: nginx decodes a path, and then a name with a slash looks
 * like several parts, and one with two of them in a row loses one.
 */
static struct slice raw_name(const struct request *req)
{
	static const char before[] = "/search/tag/", after[] = "/values";
	const char *uri = request_param(req, "REQUEST_URI"), *begin = uri ? strstr(uri, before) : NULL;
	size_t len = begin ? strcspn(begin, "?#") : 0;

	if (len <= sizeof(before) - 1 + sizeof(after) - 1 ||
	    memcmp(begin + len - (sizeof(after) - 1), after, sizeof(after) - 1) != 0)
		return (struct slice){"", 0};
	return (struct slice){begin + sizeof(before) - 1, len - (sizeof(before) - 1) - (sizeof(after) - 1)};
}

static bool decode(struct slice raw, struct buf *out)
{
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] != '%') {
			buf_addc(out, raw.data[i]);
			continue;
		}
		int high = i + 2 < raw.len ? hex_digit(raw.data[i + 1]) : -1, low = hex_digit(raw.data[i + 2]);
		if (high < 0 || low < 0)
			return false;
		buf_addc(out, (char)(high << 4 | low));
		i += 2;
	}
	return !out->failed;
}

/* Removes the quotes that TraceQL wants around a name with spaces. */
static void unquote(struct values *v)
{
	size_t len = 0;

	if (v->name.len < 2 || v->name.data[0] != '"' || v->name.data[v->name.len - 1] != '"')
		return;
	char *out = v->text + (v->name.data - v->text);
	for (size_t i = 1; i + 1 < v->name.len; i++) {
		if (v->name.data[i] == '\\' && i + 2 < v->name.len)
			i++;
		out[len++] = v->name.data[i];
	}
	v->name = (struct slice){out, len};
}

static bool read_name(struct values *v, struct reply *reply)
{
	enum selector_field field;
	struct buf text;

	buf_init_fixed(&text, v->text, sizeof(v->text));
	if (!decode(raw_name(v->q.req), &text) || text.len == 0) {
		reply_problem(reply, 400, "The name of the tag has a broken escape, or more than %d bytes.",
			      NAME_MAX - 1);
		return false;
	}
	v->name = (struct slice){text.data, text.len};
	v->field = SELECT_ATTRIBUTE;
	if (selector_intrinsic(v->name, &v->field))
		return true;
	size_t prefix = selector_scope(v->name, &field);
	if (prefix && prefix < v->name.len) {
		v->name = (struct slice){v->name.data + prefix, v->name.len - prefix};
		v->field = field;
	}
	unquote(v);
	return true;
}

/* ---- values ---- */

static void add(struct values *v, char type, struct slice text)
{
	BUF(item, STRING_SET_BYTES_MAX);

	if (text.len > OFFERED_MAX ||
	    (text.len && memchr(text.data, '\0', text.len))) /* no query could ask for such a value */
		return;
	buf_addc(&item, type);
	buf_add(&item, text.data, text.len);
	if (item.failed)
		v->set.full = true;
	else
		string_set_add(&v->set, (struct slice){item.data, item.len});
}

static void add_found(struct values *v, const struct value *found)
{
	char text[64];
	struct buf number;

	buf_init_fixed(&number, text, sizeof(text));
	switch (found->type) {
	case VALUE_STRING: add(v, 's', found->text); break;
	case VALUE_BOOL: add(v, 'b', slice_of(found->number != 0 ? "true" : "false")); break;
	case VALUE_NUMBER:
		if (found->is_integer)
			buf_add_int(&number, found->integer);
		else if (isfinite(found->number))
			buf_add_double(&number, found->number);
		else
			buf_adds(&number, isnan(found->number) ? "NaN" : found->number > 0 ? "+Inf" : "-Inf");
		add(v, found->is_integer ? 'i' : 'f', (struct slice){number.data, number.len});
		break;
	case VALUE_NONE: break;
	}
}

static void add_attributes(struct values *v, struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;
	struct slice any_value;

	while (protobuf_next(&reader, &field) && budget_take(&v->q.budget, 4)) {
		if (field.number != number || !slice_equal(attribute_key(field.bytes, &any_value), v->name))
			continue;
		struct value value = attribute_value(any_value);
		add_found(v, &value);
	}
}

static void add_text(struct values *v, struct slice message, uint32_t number)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field) && budget_take(&v->q.budget, 1))
		if (field.number == number)
			add(v, 's', field.bytes);
}

static void add_resource(void *arg, struct api_query *q, const struct trace_resource *resource)
{
	struct values *v = arg;

	(void)q;
	if (v->field == SELECT_RESOURCE || v->field == SELECT_ATTRIBUTE)
		add_attributes(v, resource->message, OTLP_RESOURCE_ATTRIBUTES);
}

static void add_scope(void *arg, struct api_query *q, const struct trace_scope *scope)
{
	struct values *v = arg;

	(void)q;
	if (v->field == SELECT_SCOPE)
		add_attributes(v, scope->message, OTLP_SCOPE_ATTRIBUTES);
	else if (v->field == SELECT_SCOPE_NAME || v->field == SELECT_SCOPE_VERSION)
		add_text(v, scope->message, v->field == SELECT_SCOPE_NAME ? OTLP_SCOPE_NAME : OTLP_SCOPE_VERSION);
}

/* Adds values from the messages inside a span. */
static void add_inner(struct values *v, struct slice span)
{
	struct protobuf reader = protobuf_reader(span);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field) && budget_take(&v->q.budget, 2)) {
		if (field.number == OTLP_SPAN_EVENTS && v->field == SELECT_EVENT)
			add_attributes(v, field.bytes, OTLP_EVENT_ATTRIBUTES);
		else if (field.number == OTLP_SPAN_EVENTS && v->field == SELECT_EVENT_NAME)
			add_text(v, field.bytes, OTLP_EVENT_NAME);
		else if (field.number == OTLP_SPAN_LINKS && v->field == SELECT_LINK)
			add_attributes(v, field.bytes, OTLP_LINK_ATTRIBUTES);
		else if (field.number == OTLP_SPAN_STATUS && v->field == SELECT_STATUS_MESSAGE)
			add_text(v, field.bytes, OTLP_STATUS_MESSAGE);
	}
}

static void add_span(void *arg, struct api_query *q, struct selection *asking, const struct trace_span *span)
{
	struct values *v = arg;
	struct value value;
	const char *name;

	(void)q;
	switch (v->field) {
	case SELECT_SPAN:
	case SELECT_ATTRIBUTE: add_attributes(v, span->summary.details, OTLP_SPAN_ATTRIBUTES); break;
	case SELECT_EVENT:
	case SELECT_EVENT_NAME:
	case SELECT_LINK:
	case SELECT_STATUS_MESSAGE: add_inner(v, span->summary.details); break;
	case SELECT_KIND:
	case SELECT_STATUS:
		name = selector_name_of(v->field, v->field == SELECT_KIND ? span->summary.kind : span->summary.status);
		if (name)
			add(v, 'k', slice_of(name));
		break;
	case SELECT_DURATION: /* almost every span has another one, and Tempo offers none either */
	case SELECT_TRACE_DURATION: break;
	default:
		if (selection_intrinsic(asking, v->field, span, &value) && value.text.len)
			add_found(v, &value);
		break;
	}
}

/* ---- handlers ---- */

static void write_typed(struct json_writer *json, struct slice item)
{
	char type = item.data[0];

	json_begin_object(json);
	json_key(json, "type");
	json_text(json, type == 's'   ? "string"
			: type == 'i' ? "int"
			: type == 'f' ? "float"
			: type == 'b' ? "bool"
				      : "keyword");
	json_key(json, "value");
	json_string(json, item.data + 1, item.len - 1);
	json_end_object(json);
}

static void write_values(struct values *v, struct json_writer *json, bool typed)
{
	string_set_sort(&v->set);
	json_begin_object(json);
	json_key(json, "tagValues");
	json_begin_array(json);
	for (size_t i = 0; i < v->set.count; i++) {
		struct slice item = string_set_item(&v->set, i);
		if (typed)
			write_typed(json, item);
		else
			json_string(json, item.data + 1, item.len - 1);
	}
	json_end_array(json);
	api_query_write_metrics(&v->q, json, false);
	json_end_object(json);
}

static void reply_values(struct request *req, struct reply *reply, bool typed)
{
	struct values v;

	if (!api_query_start(&v.q, req, reply))
		return;
	if (api_query_range(&v.q, reply, 0, STRING_SET_ITEMS_MAX) && api_query_selector(&v.q, reply, false) &&
	    read_name(&v, reply)) {
		string_set_init(&v.set, v.q.limit, STRING_SET_BYTES_MAX);
		api_tags_collect(&v.q, &(struct api_tags_collector){add_resource, add_scope, add_span, &v});
		v.q.partial |= v.set.full;
		reply_body_max(reply, ANSWER_BYTES_MAX);
		write_values(&v, reply_writer(reply), typed);
		if (v.q.reader.result == DB_OK)
			reply_json(reply, 200);
		else
			reply_database(reply, v.q.reader.result);
		string_set_done(&v.set);
	}
	api_query_end(&v.q);
}

void list_tag_values(struct request *req, struct reply *reply)
{
	reply_values(req, reply, false);
}

void list_tag_values_v2(struct request *req, struct reply *reply)
{
	reply_values(req, reply, true);
}
