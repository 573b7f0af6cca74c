#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "http/reply_store.h"
#include "traces/rows.h"
#include "traces/schema.h"
#include "traces/search.h"
#include "traces/texts.h"
#include "traces/walk.h"

#define BUDGET_NS UINT64_C(1000000000) /* then the answer is what was found so far */
#define TRACES_MAX 1000                /* the newest ones are looked through */

static const char *const kinds[] = {"unspecified", "internal", "server", "client", "producer", "consumer"};
static const char *const statuses[] = {"unset", "ok", "error"};

/* What a look through the traces collects. */
struct collecting {
	struct texts *span_keys, *resource_keys; /* names of attributes, or NULL */
	struct texts *values;                    /* of `name`, or NULL */
	struct bytes name;
	enum { OF_BOTH, OF_SPAN, OF_RESOURCE, OF_INTRINSIC } scope;
};

/* ---- names ---- */

static void add_keys(struct texts *keys, struct bytes message, uint32_t number)
{
	struct wire w = {.left = message};
	struct wire_field field;
	struct value value;

	while (wire_next(&w, &field))
		if (field.number == number)
			texts_add(keys, attribute_read(field.bytes, &value));
}

/* ---- values: a letter for the type, then the text ---- */

static void add_value(struct texts *values, char type, struct bytes text)
{
	BUF(item, 4096);

	buf_addc(&item, type);
	buf_add(&item, text.data, text.len);
	if (!item.failed)
		texts_add(values, (struct bytes){item.data, item.len});
}

static void add_found(struct texts *values, const struct value *found)
{
	char text[64];
	struct buf number;

	buf_init_fixed(&number, text, sizeof(text));
	switch (found->type) {
	case VALUE_STRING: add_value(values, 's', found->text); break;
	case VALUE_BOOL: add_value(values, 'b', bytes_of(found->number != 0 ? "true" : "false")); break;
	case VALUE_NUMBER:
		if (!isfinite(found->number))
			break;
		buf_add_double(&number, found->number);
		add_value(values, found->number == floor(found->number) ? 'i' : 'f',
			  (struct bytes){number.data, number.len});
		break;
	case VALUE_NONE: break;
	}
}

static void add_intrinsic(const struct collecting *c, const struct trace_summary *summary,
			  const struct span_summary *span)
{
	if (bytes_equal(c->name, bytes_of("name")))
		add_value(c->values, 's', span->name);
	else if (bytes_equal(c->name, bytes_of("kind")) && span->kind < sizeof(kinds) / sizeof(*kinds))
		add_value(c->values, 'k', bytes_of(kinds[span->kind]));
	else if (bytes_equal(c->name, bytes_of("status")) && span->status < sizeof(statuses) / sizeof(*statuses))
		add_value(c->values, 'k', bytes_of(statuses[span->status]));
	else if (bytes_equal(c->name, bytes_of("rootName")))
		add_value(c->values, 's', summary->root_name);
	else if (bytes_equal(c->name, bytes_of("rootServiceName")))
		add_value(c->values, 's', summary->root_service);
}

static void add_values(const struct collecting *c, const struct trace_summary *summary, const struct walk *walk,
		       const struct span_summary *span)
{
	struct value found;

	if (c->scope == OF_INTRINSIC)
		add_intrinsic(c, summary, span);
	if ((c->scope == OF_BOTH || c->scope == OF_SPAN) &&
	    attribute_find(span->whole, ATTRIBUTES_OF_SPAN, c->name, &found))
		add_found(c->values, &found);
	if ((c->scope == OF_BOTH || c->scope == OF_RESOURCE) &&
	    attribute_find(walk->resource, ATTRIBUTES_OF_RESOURCE, c->name, &found))
		add_found(c->values, &found);
}

/* ---- the look through the traces ---- */

static void collect_from(const struct collecting *c, struct bytes trace)
{
	struct walk walk = {.resource_spans.left = trace};
	struct trace_summary summary;
	struct span_summary span;

	trace_summarise(trace, &summary);
	while (walk_next(&walk, &span)) {
		if (c->span_keys)
			add_keys(c->span_keys, span.whole, ATTRIBUTES_OF_SPAN);
		if (c->resource_keys)
			add_keys(c->resource_keys, walk.resource, ATTRIBUTES_OF_RESOURCE);
		if (c->values)
			add_values(c, &summary, &walk, &span);
	}
}

static enum db_result collect(const struct request *req, const struct collecting *c)
{
	const uint64_t deadline_ns = clock_monotonic_ns() + BUDGET_NS;
	struct rows_walk walk = {.db = req->db};
	uint8_t trace_id[16];
	BUF(trace, TRACE_BYTES_MAX);

	for (unsigned i = 0; i < TRACES_MAX && clock_monotonic_ns() < deadline_ns && rows_walk_next(&walk, trace_id);
	     i++) {
		buf_reset(&trace);
		if (rows_trace(req->db, trace_id, &trace) == DB_OK && !trace.failed)
			collect_from(c, (struct bytes){trace.data, trace.len});
	}
	return walk.result;
}

static void write_texts(struct json_writer *json, const char *key, struct texts *set)
{
	texts_sort(set);
	json_key(json, key);
	json_begin_array(json);
	for (size_t i = 0; i < set->count; i++)
		json_string(json, set->items[i].data, set->items[i].len);
	json_end_array(json);
}

/* ---- handlers: tags ---- */

int search_tags(struct request *req, struct reply *reply)
{
	struct json_writer *json = reply_writer(reply);

	if (!req->db)
		return reply_unavailable(reply, "database");
	struct texts *keys = texts_new();
	enum db_result result = collect(req, &(struct collecting){.span_keys = keys, .resource_keys = keys});
	if (result == DB_OK) {
		json_begin_object(json);
		write_texts(json, "tagNames", keys);
		json_end_object(json);
	}
	texts_free(keys);
	return result == DB_OK ? reply_json(reply, 200) : reply_store(reply, result);
}

static void write_scope(struct json_writer *json, const char *name, struct texts *keys)
{
	json_begin_object(json);
	json_key(json, "name");
	json_text(json, name);
	write_texts(json, "tags", keys);
	json_end_object(json);
}

int search_tags_v2(struct request *req, struct reply *reply)
{
	static const char *const intrinsics[] = {"duration",        "kind",   "name",         "rootName",
						 "rootServiceName", "status", "traceDuration"};
	struct json_writer *json = reply_writer(reply);

	if (!req->db)
		return reply_unavailable(reply, "database");
	struct texts *span = texts_new(), *resource = texts_new(), *intrinsic = texts_new();
	for (size_t i = 0; i < sizeof(intrinsics) / sizeof(*intrinsics); i++)
		texts_add(intrinsic, bytes_of(intrinsics[i]));
	enum db_result result = collect(req, &(struct collecting){.span_keys = span, .resource_keys = resource});
	if (result == DB_OK) {
		json_begin_object(json);
		json_key(json, "scopes");
		json_begin_array(json);
		write_scope(json, "resource", resource);
		write_scope(json, "span", span);
		write_scope(json, "intrinsic", intrinsic);
		json_end_array(json);
		json_end_object(json);
	}
	texts_free(span);
	texts_free(resource);
	texts_free(intrinsic);
	return result == DB_OK ? reply_json(reply, 200) : reply_store(reply, result);
}

/* ---- handlers: values ---- */

static bool is_intrinsic(struct bytes name)
{
	static const char *const names[] = {"name", "kind", "status", "rootName", "rootServiceName"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (bytes_equal(name, bytes_of(names[i])))
			return true;
	return false;
}

static bool take_prefix(struct bytes *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (name->len <= len || memcmp(name->data, prefix, len) != 0)
		return false;
	*name = (struct bytes){name->data + len, name->len - len};
	return true;
}

/* The tag of the path: with or without its scope. */
static enum db_result collect_values(const struct request *req, struct texts *values)
{
	struct collecting c = {.values = values, .name = {req->match.segment[0], req->match.segment_bytes[0]}};

	if (is_intrinsic(c.name))
		c.scope = OF_INTRINSIC;
	else if (take_prefix(&c.name, "resource."))
		c.scope = OF_RESOURCE;
	else if (take_prefix(&c.name, "span."))
		c.scope = OF_SPAN;
	else
		take_prefix(&c.name, ".");
	return collect(req, &c);
}

static void write_typed(struct json_writer *json, struct bytes item)
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

static int reply_values(struct request *req, struct reply *reply, bool typed)
{
	struct json_writer *json = reply_writer(reply);

	if (!req->db)
		return reply_unavailable(reply, "database");
	struct texts *values = texts_new();
	enum db_result result = collect_values(req, values);
	texts_sort(values);
	json_begin_object(json);
	json_key(json, "tagValues");
	json_begin_array(json);
	for (size_t i = 0; i < values->count; i++) {
		if (typed)
			write_typed(json, values->items[i]);
		else
			json_string(json, values->items[i].data + 1, values->items[i].len - 1);
	}
	json_end_array(json);
	json_end_object(json);
	texts_free(values);
	return result == DB_OK ? reply_json(reply, 200) : reply_store(reply, result);
}

int search_tag_values(struct request *req, struct reply *reply)
{
	return reply_values(req, reply, false);
}

int search_tag_values_v2(struct request *req, struct reply *reply)
{
	return reply_values(req, reply, true);
}
