/* SPDX-License-Identifier: MIT */
/* What a sender may POST as OTLP: any bytes, packed or not, as protobuf and JSON. What is taken comes back whole. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/lib/trace_request.h"
#include "base/utf8.h"
#include "cost.h"
#include "trace_store/inflate.h"
#include "trace_store/request_split.h"
#include "trace_store/schema_from_json.h"
#include "trace_store/schema_to_json.h"
#include "trace_store/selection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX (1 << 22)

static struct schema_json_fault fault;

static void check_round_trip(struct slice request)
{
	BUF(json, MAX);
	BUF(back, MAX);
	BUF(again, MAX);
	struct json_writer w;

	json_init(&w, &json);
	schema_to_json(&w, &schema_request, request);
	if (json.failed)
		return;
	assert(utf8_valid(json.data, json.len));
	assert(schema_from_json(&schema_request, (struct slice){json.data, json.len}, &back, &fault));
	assert(schema_valid(&schema_request, (struct slice){back.data, back.len}));
	json_init(&w, &again);
	schema_to_json(&w, &schema_request, (struct slice){back.data, back.len});
	assert(again.len == json.len && memcmp(again.data, json.data, json.len) == 0);
}

static void check_pieces(const struct request_split *p)
{
	size_t spans = 0;
	BUF(fields, MAX);

	for (struct request_split_piece piece = {0}; request_split_next(p, &piece);) {
		assert(piece.first == spans && piece.count && piece.source < p->source_count);
		buf_reset(&fields);
		request_split_add_scope(p, piece.source, &fields);
		assert(fields.len == p->sources[piece.source].own_len);
		for (size_t i = piece.first; i < piece.first + piece.count; i++, spans++) {
			struct protobuf reader = protobuf_reader(request_split_span(p, i));
			struct protobuf_field field;
			struct span_summary span;
			assert(protobuf_next(&reader, &field) && !reader.left.len &&
			       p->index[i].source == piece.source);
			assert(span_summary_read(field.bytes, &span) && memcmp(span.trace_id, piece.trace_id, 16) == 0);
		}
	}
	assert(spans == p->index_count && spans == p->spans - p->spans_invalid);
}

/* What was taken can be asked for, at a cost that grows as it does. */
static void check_questions(struct slice request)
{
	static const char query[] = "{ .a = \"b\" || event.a != nil || link.a =~ \"x.*\" || resource.a > 1 ||"
				    " instrumentation:name = \"x\" || event:name = \"y\" || statusMessage = \"z\" }";
	struct selector *selector = calloc(1, sizeof(*selector));
	struct selector_error error;
	struct budget budget;
	struct trace trace;

	assert(selector && selector_parse(selector, query, &error));
	budget_init(&budget, 100 + 40 * request.len, UINT64_C(60000000000));
	trace_init(&trace, &budget);
	trace_request(&trace, request);
	trace_finish(&trace);
	selection_matches_trace(selector, &trace, &budget);
	assert(!budget.spent);
	trace_done(&trace);
	selector_done(selector);
	free(selector);
}

static void read_request(struct slice request)
{
	struct request_split p;

	if (request_split_read(&p, request, NULL, NULL) == REQUEST_SPLIT_OK) {
		check_pieces(&p);
		check_round_trip(request);
		check_questions(request);
	}
	request_split_done(&p);
}

static void read_both(struct slice body)
{
	BUF(bytes, MAX);

	read_request(body);
	if (schema_from_json(&schema_request, body, &bytes, &fault))
		read_request((struct slice){bytes.data ? bytes.data : "", bytes.len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF(inflated, MAX);

	read_both((struct slice){(const char *)data, size});
	for (enum inflate_format format = INFLATE_GZIP; format <= INFLATE_ZLIB; format++) {
		buf_reset(&inflated);
		bool whole = inflate_body(format, (struct slice){(const char *)data, size}, &inflated);
		cost_more_input(inflated.len); /* also of what is broken further on */
		if (whole)
			read_both((struct slice){inflated.data ? inflated.data : "", inflated.len});
	}
	return 0;
}
