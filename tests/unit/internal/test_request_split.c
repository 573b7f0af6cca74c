/* SPDX-License-Identifier: MIT */
/* The counterpart of our encoder: what it writes is read back whole, by trace, and through JSON; limits and malformed
 * requests. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tel/ship.h"
#include "tel/src/otlp.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"
#include "trace_store/inflate.h"
#include "trace_store/request_split.h"
#include "trace_store/schema_from_json.h"
#include "trace_store/schema_to_json.h"
#include "trace_store/span_summary.h"

static struct schema_json_fault fault;
static const uint8_t parent_id[8] = {1, 2, 3, 4, 5, 6, 7, 8};

/* ---- requests as our exporter makes them ---- */

static struct buf request; /* head_room bytes, then spans */
static struct buf resource, scope;
static size_t head_room;

static int begin(void **state)
{
	static const struct resource_attr attrs[] = {{"service.name", "order-service"}, {"text", "h\xc3\xa9llo"}};

	(void)state;
	span_configure(true, &(struct sampler){.parent_based = true}, NULL);
	buf_init(&resource, 10000);
	buf_init(&scope, 10000);
	buf_init(&request, REQUEST_SPLIT_BYTES_MAX);
	otlp_add_resource(&resource, attrs, 2);
	otlp_add_scope(&scope, "apm", "1.2.3");
	head_room = otlp_head_size_max(&resource, &scope);
	assert_true(buf_reserve(&request, head_room));
	request.len = head_room;
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_done(&resource);
	buf_done(&scope);
	buf_done(&request);
	return 0;
}

static struct slice finish(void)
{
	assert_false(request.failed);
	const char *head = otlp_write_head(request.data + head_room, request.len - head_room, &resource, &scope);
	return (struct slice){head, (size_t)(request.data + request.len - head)};
}

static void id_of_number(unsigned number, uint8_t trace_id[16])
{
	memset(trace_id, 0x5a, 16);
	memcpy(trace_id, &number, sizeof(number));
}

static void fill(struct tel_span *span, unsigned trace, unsigned number, bool root)
{
	struct tel_span_facts facts = {.kind = TEL_SERVER,
				       .context = {.span_id = {0xff}, .flags = TEL_SAMPLED},
				       .start_ns = 1763815800000000000 + number,
				       .end_ns = 1763815800000000000 + 3 * number};
	struct tel_context linked = {.flags = TEL_SAMPLED};

	id_of_number(trace, facts.context.trace_id);
	memcpy(facts.context.span_id + 1, &number, sizeof(number));
	if (!root)
		memcpy(facts.parent_span_id, parent_id, sizeof(parent_id));
	tel_span_from(span, &facts);
	memcpy(linked.trace_id, facts.context.trace_id, sizeof(linked.trace_id));
	memcpy(linked.span_id, parent_id, sizeof(linked.span_id));
	tel_span_rename(span, "GET", "/api/v1/users/{id}");
	tel_span_set(span, tel_int("number", number), tel_int("least", INT64_MIN), tel_double("part", number / 8.0),
		     tel_bool("root", root), tel_str("empty", ""), tel_str("text", "\xe6\xb5\x8b"));
	tel_span_event(span, "event", tel_str("of.event", "x\n\"y\""));
	tel_span_link(span, linked);
	if (number % 3 == 0)
		tel_span_fail(span, "503");
}

/* ---- reading back ---- */

/* Fields that hold attributes, of Resource and Span. */
enum { ATTRIBUTES_OF_RESOURCE = 1, ATTRIBUTES_OF_SPAN = 9 };

/* The attribute `key` among the fields `number` of a message. */
static bool attribute_find(struct slice message, uint32_t number, const char *key, struct value *out)
{
	struct protobuf reader = protobuf_reader(message);
	struct protobuf_field field;
	struct slice any_value;

	while (protobuf_next(&reader, &field)) {
		if (field.number != number || !slice_equal(attribute_key(field.bytes, &any_value), slice_of(key)))
			continue;
		*out = attribute_value(any_value);
		return true;
	}
	return false;
}

static void check_span(struct slice whole, unsigned trace, unsigned number, bool root)
{
	struct span_summary span;
	struct value value;
	uint8_t trace_id[16];

	assert_true(span_summary_read(whole, &span));
	id_of_number(trace, trace_id);
	assert_memory_equal(span.trace_id, trace_id, 16);
	assert_int_equal(span.is_root, root);
	assert_true(slice_equal(span.name, slice_of("GET /api/v1/users/{id}")));
	assert_int_equal(span.kind, TEL_SERVER);
	assert_int_equal(span.status, number % 3 ? SPAN_UNSET : SPAN_ERROR);
	assert_int_equal(span.start_ns, 1763815800000000000 + number);
	assert_int_equal(span_summary_duration_ns(&span), 2 * number);
	assert_true(attribute_find(whole, ATTRIBUTES_OF_SPAN, "number", &value));
	assert_int_equal(value.type, VALUE_NUMBER);
	assert_true(value.number == number);
	assert_true(attribute_find(whole, ATTRIBUTES_OF_SPAN, "text", &value));
	assert_true(value.type == VALUE_STRING && slice_equal(value.text, slice_of("\xe6\xb5\x8b")));
	assert_true(attribute_find(whole, ATTRIBUTES_OF_SPAN, "root", &value));
	assert_true(value.type == VALUE_BOOL && value.number == root);
	assert_false(attribute_find(whole, ATTRIBUTES_OF_SPAN, "of.event", &value));
}

/* Three traces, their spans in turn: three pieces, each with all of its spans in order. */
static void spans_are_grouped_by_trace(void **state)
{
	struct request_split p;
	struct protobuf_field field;
	unsigned next[3] = {0, 1, 2}, spans = 0, count = 0;

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		struct tel_span span;
		fill(&span, i % 3, i, i < 3);
		otlp_add_span(&request, span_of(&span));
	}
	assert_int_equal(request_split_read(&p, finish(), NULL, NULL), REQUEST_SPLIT_OK);
	assert_int_equal(p.source_count, 1);
	assert_int_equal(p.resource_count, 1);
	assert_int_equal(p.spans, 30);
	assert_int_equal(p.spans_invalid + p.spans_refused, 0);
	for (struct request_split_piece piece = {0}; request_split_next(&p, &piece); count++) {
		for (size_t i = piece.first; i < piece.first + piece.count; i++) {
			struct protobuf reader = protobuf_reader(request_split_span(&p, i));
			assert_true(protobuf_next(&reader, &field));
			assert_int_equal(field.number, 2);
			check_span(field.bytes, count, next[count], next[count] < 3);
			next[count] += 3;
			spans++;
			assert_false(protobuf_next(&reader, &field) || reader.malformed);
		}
	}
	assert_int_equal(count, 3);
	assert_int_equal(spans, 30);

	struct value value;
	BUF(fields, 10000);
	request_split_add_resource(&p, 0, &fields);
	assert_int_equal(fields.len, p.resources[0].own_len);
	struct protobuf reader = protobuf_reader((struct slice){fields.data, fields.len});
	assert_true(protobuf_next(&reader, &field));
	assert_true(attribute_find(field.bytes, ATTRIBUTES_OF_RESOURCE, "service.name", &value));
	assert_true(slice_equal(value.text, slice_of("order-service")));
	buf_reset(&fields);
	request_split_add_scope(&p, 0, &fields);
	assert_int_equal(fields.len, p.sources[0].own_len);
	request_split_done(&p);
}

static bool keep_even(void *arg, const uint8_t trace_id[16], size_t spans)
{
	(void)arg;
	assert_int_equal(spans, 5);
	return trace_id[0] % 2 == 0;
}

static void refused_traces_are_left_out(void **state)
{
	struct request_split p;
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct tel_span span;
		fill(&span, i % 4, i, false);
		otlp_add_span(&request, span_of(&span));
	}
	assert_int_equal(request_split_read(&p, finish(), keep_even, NULL), REQUEST_SPLIT_OK);
	assert_int_equal(p.spans_refused, 10);
	assert_int_equal(p.index_count, 10);
	for (struct request_split_piece piece = {0}; request_split_next(&p, &piece); count++) {
		assert_int_equal(piece.trace_id[0] % 2, 0);
		assert_int_equal(piece.count, 5);
	}
	assert_int_equal(count, 2);
	request_split_done(&p);
}

static void spans_without_ids_are_invalid(void **state)
{
	static const uint8_t zero[16];
	BUF(bytes, 4096);
	struct request_split p;

	(void)state;
	size_t outer = protobuf_begin(&bytes, 1), inner = protobuf_begin(&bytes, 2);
	for (int i = 0; i < 4; i++) {
		size_t span = protobuf_begin(&bytes, 2);
		if (i != 1)
			protobuf_add_bytes(&bytes, 1, i == 2 ? zero : (const uint8_t *)"0123456789abcdef", 16);
		if (i != 3)
			protobuf_add_bytes(&bytes, 2, "01234567", 8);
		protobuf_end(&bytes, span);
	}
	protobuf_end(&bytes, inner);
	protobuf_end(&bytes, outer);
	assert_int_equal(request_split_read(&p, (struct slice){bytes.data, bytes.len}, NULL, NULL), REQUEST_SPLIT_OK);
	assert_int_equal(p.spans, 4);
	assert_int_equal(p.spans_invalid, 3);
	assert_int_equal(p.index_count, 1);
	request_split_done(&p);
}

/* ---- JSON ---- */

static void json_and_back_is_the_same(void **state)
{
	BUF(json, 10 << 20);
	BUF(back, 10 << 20);
	BUF(again, 10 << 20);
	struct json_writer w;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct tel_span span;
		fill(&span, i % 7, i, i < 7);
		otlp_add_span(&request, span_of(&span));
	}
	struct slice whole = finish();
	json_init(&w, &json);
	schema_to_json(&w, &schema_request, whole);
	assert_true(schema_from_json(&schema_request, (struct slice){json.data, json.len}, &back, &fault));
	/* the order of fields differs, and the length of nothing */
	assert_int_equal(back.len, whole.len);
	json_init(&w, &again);
	schema_to_json(&w, &schema_request, (struct slice){back.data, back.len});
	assert_string_equal(again.data, json.data);
}

/* The example of OTLP's specification, shortened. */
static const char example[] =
	"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
	"\"my.service\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"my.library\",\"version\":\"1.0.0\"},\"spans\":[{"
	"\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"EEE19B7EC3C1B174\",\"parentSpanId\":"
	"\"EEE19B7EC3C1B173\",\"name\":\"I'm a server span\",\"startTimeUnixNano\":\"1544712660000000000\","
	"\"endTimeUnixNano\":1544712661000000000,\"kind\":2,\"unknown\":[1],\"attributes\":[{\"key\":\"n\",\"value\":{"
	"\"intValue\":\"-3\"}},{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"doubleValue\":\"NaN\"},{"
	"\"bytesValue\":\"AQI\"}]}}}],\"status\":{\"code\":2}}]}]}]}";

static void json_as_otlp_writes_it(void **state)
{
	BUF(bytes, 10000);
	BUF(json, 10000);
	struct json_writer w;
	struct request_split p;

	(void)state;
	assert_true(schema_from_json(&schema_request, (struct slice){example, strlen(example)}, &bytes, &fault));
	assert_int_equal(request_split_read(&p, (struct slice){bytes.data, bytes.len}, NULL, NULL), REQUEST_SPLIT_OK);
	struct request_split_piece piece = {0};
	assert_true(request_split_next(&p, &piece));
	assert_int_equal(piece.trace_id[0], 0x5b);
	assert_false(request_split_next(&p, &piece));
	request_split_done(&p);
	json_init(&w, &json);
	schema_to_json(&w, &schema_request, (struct slice){bytes.data, bytes.len});
	assert_string_equal(
		json.data,
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
		"\"stringValue\":\"my.service\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"my.library\",\"version\":"
		"\"1.0.0\"},\"spans\":[{\"traceId\":\"W47/95gDgQPSabYzgT/GDA==\",\"spanId\":\"7uGbfsPBsXQ=\","
		"\"parentSpanId\":\"7uGbfsPBsXM=\",\"name\":\"I'm a server span\",\"kind\":\"SPAN_KIND_SERVER\","
		"\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\","
		"\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":\"-3\"}},{\"key\":\"list\",\"value\":{"
		"\"arrayValue\":{\"values\":[{\"doubleValue\":\"NaN\"},{\"bytesValue\":\"AQI=\"}]}}}],\"status\":{"
		"\"code\":\"STATUS_CODE_ERROR\"}}]}]}]}");
}

static void json_that_is_no_request_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{",
		"{} x",
		"nul",
		"{\"resourceSpans\":{}}",
		"{\"resourceSpans\":[3]}",
		"{\"resourceSpans\":[{\"schemaUrl\":3}]}",
		"{\"resourceSpans\":[{\"resource\":{\"droppedAttributesCount\":4294967296}}]}",
		"{\"resourceSpans\":[{\"resource\":{\"droppedAttributesCount\":-1}}]}",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0g\"}]}]}]}",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"kind\":\"SERVER\"}]}]}]}"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		BUF(out, 10000);
		struct request_split p;
		bool good = schema_from_json(&schema_request, (struct slice){wrong[i], strlen(wrong[i])}, &out,
					     &fault) &&
			    request_split_read(&p, (struct slice){out.data, out.len}, NULL, NULL) == REQUEST_SPLIT_OK;
		if (good)
			fail_msg("taken: %s", wrong[i]);
	}
}

/* ---- bad bytes ---- */

static void every_cut_is_malformed_or_a_request(void **state)
{
	struct tel_span span;
	size_t taken = 0;

	(void)state;
	fill(&span, 1, 1, true);
	otlp_add_span(&request, span_of(&span));
	struct slice whole = finish();
	for (size_t len = 0; len < whole.len; len++) {
		struct request_split p;
		char *copy = malloc(len + 1); /* so that ASan sees a read past its end */
		memcpy(copy, whole.data, len);
		copy = realloc(copy, len ? len : 1);
		taken += request_split_read(&p, (struct slice){copy, len}, NULL, NULL) == REQUEST_SPLIT_OK;
		request_split_done(&p);
		free(copy);
	}
	assert_int_equal(taken, 1); /* the empty one */
}

static void malformed_is_told(void **state)
{
	static const struct slice wrong[] = {
		{"\x0b\x0c", 2},                                      /* a group */
		{"\x08\x01", 2},                                      /* resource_spans as a number */
		{"\x0a\x02\x1a\x05", 4},                              /* longer than what is around it */
		{"\x0a\x03\x1a\x01\xff", 5},                          /* not UTF-8 */
		{"\x0a\x06\x1a\x01x\x1a\x01x", 8},                    /* a field twice */
		{"\x00\x00", 2},                                      /* field 0 */
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* too long a number */
		{"\x0a\x0c\x12\x0a\x12\x08\x0a\x06"                   /* a trace id of 6 bytes */
		 "123456",
		 14},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct request_split p;
		if (request_split_read(&p, wrong[i], NULL, NULL) != REQUEST_SPLIT_MALFORMED)
			fail_msg("taken: number %zu", i);
		request_split_done(&p);
	}
}

/* AnyValue in arrays in AnyValue …: the reader's stack and the writer's levels are bounded. */
static void deep_nesting_is_malformed(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth < 200; depth++) {
		size_t begins[512], count = 0;
		BUF(bytes, 100000);
		BUF(json, 1000000);
		struct json_writer w;

		begins[count++] = protobuf_begin(&bytes, 1);
		begins[count++] = protobuf_begin(&bytes, 1); /* resource */
		begins[count++] = protobuf_begin(&bytes, 1); /* attribute */
		begins[count++] = protobuf_begin(&bytes, 2); /* value */
		for (unsigned i = 0; i < depth; i++) {
			begins[count++] = protobuf_begin(&bytes, 5);
			begins[count++] = protobuf_begin(&bytes, 1);
		}
		while (count)
			protobuf_end(&bytes, begins[--count]);
		bool valid = schema_valid(&schema_request, (struct slice){bytes.data, bytes.len});
		assert_int_equal(valid, 5 + 2 * depth <= SCHEMA_DEPTH_MAX);
		if (valid) {
			json_init(&w, &json);
			schema_to_json(&w, &schema_request, (struct slice){bytes.data, bytes.len});
			assert_false(json.failed);
			bytes.len = 0;
			assert_true(
				schema_from_json(&schema_request, (struct slice){json.data, json.len}, &bytes, &fault));
		}
	}
}

/* ---- gzip and zlib ---- */

static struct slice deflated(int window, const char *text, size_t len, char *out, size_t size)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)len};

	stream.next_out = (Bytef *)out;
	stream.avail_out = (uInt)size;
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return (struct slice){out, size - stream.avail_out};
}

static struct slice gzip(const char *text, size_t len, char *out, size_t size)
{
	return deflated(31, text, len, out, size);
}

static void zlib_is_read_and_nothing_may_follow(void **state)
{
	char packed[100];
	BUF(out, 100);
	struct slice in = deflated(15, "text", 4, packed, sizeof(packed));

	(void)state;
	assert_true(inflate_body(INFLATE_ZLIB, in, &out));
	assert_string_equal(out.data, "text");
	assert_false(inflate_body(INFLATE_GZIP, in, &out));
	assert_false(inflate_body(INFLATE_ZLIB, (struct slice){packed, in.len - 1}, &out));
	packed[in.len] = 'x';
	assert_false(inflate_body(INFLATE_ZLIB, (struct slice){packed, in.len + 1}, &out));
}

static void gzip_is_read_within_its_limit(void **state)
{
	static char zeros[1 << 20], packed[1 << 16];
	struct slice in = gzip(zeros, sizeof(zeros), packed, sizeof(packed));

	(void)state;
	BUF(whole, sizeof(zeros));
	assert_true(inflate_body(INFLATE_GZIP, in, &whole));
	assert_int_equal(whole.len, sizeof(zeros));
	BUF(small, sizeof(zeros) - 1);
	assert_false(inflate_body(INFLATE_GZIP, in, &small));
	assert_true(small.failed);
	for (size_t len = 0; len < in.len; len++) {
		BUF(out, 2 * sizeof(zeros));
		assert_false(inflate_body(INFLATE_GZIP, (struct slice){packed, len}, &out));
		assert_false(out.failed);
	}
	BUF(text, 100);
	assert_false(inflate_body(INFLATE_GZIP, slice_of("this is not gzip"), &text));
	assert_false(inflate_body(INFLATE_ZLIB, in, &text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(spans_are_grouped_by_trace, begin, end),
		cmocka_unit_test_setup_teardown(refused_traces_are_left_out, begin, end),
		cmocka_unit_test(spans_without_ids_are_invalid),
		cmocka_unit_test_setup_teardown(json_and_back_is_the_same, begin, end),
		cmocka_unit_test(json_as_otlp_writes_it),
		cmocka_unit_test(json_that_is_no_request_is_refused),
		cmocka_unit_test_setup_teardown(every_cut_is_malformed_or_a_request, begin, end),
		cmocka_unit_test(malformed_is_told),
		cmocka_unit_test(deep_nesting_is_malformed),
		cmocka_unit_test(gzip_is_read_within_its_limit),
		cmocka_unit_test(zlib_is_read_and_nothing_may_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
