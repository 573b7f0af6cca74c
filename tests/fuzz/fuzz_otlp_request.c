/* What a sender may POST as OTLP: any bytes, as protobuf, JSON and gzip. What is taken goes to JSON and back whole. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "traces/from_json.h"
#include "traces/inflate.h"
#include "traces/pieces.h"
#include "traces/span.h"
#include "traces/to_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX (1 << 22)

static void check_round_trip(struct bytes request)
{
	BUF(json, MAX);
	BUF(back, MAX);
	BUF(again, MAX);
	struct json_writer w;

	json_init(&w, &json);
	to_json(&w, &schema_request, request);
	if (json.failed)
		return;
	assert(utf8_valid(json.data, json.len));
	assert(from_json(&schema_request, (struct bytes){json.data, json.len}, &back));
	assert(schema_valid(&schema_request, (struct bytes){back.data, back.len}));
	json_init(&w, &again);
	to_json(&w, &schema_request, (struct bytes){back.data, back.len});
	assert(again.len == json.len && memcmp(again.data, json.data, json.len) == 0);
}

static void check_pieces(const struct pieces *p)
{
	size_t spans = 0, at = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct wire w = {.left = {p->data.data + p->pieces[i].at, p->pieces[i].len}};
		struct wire_field field;
		struct span_summary span;

		assert(p->pieces[i].at == at && p->pieces[i].source < p->source_count);
		at += p->pieces[i].len;
		for (; wire_next(&w, &field); spans++)
			assert(span_read(field.bytes, &span) && memcmp(span.trace_id, p->pieces[i].trace_id, 16) == 0);
		assert(!w.malformed);
	}
	assert(at == p->data.len && spans == p->spans - p->spans_invalid - p->spans_refused);
}

static void read_request(struct bytes request)
{
	struct pieces p;

	if (pieces_read(&p, request, NULL) == PIECES_OK) {
		check_pieces(&p);
		check_round_trip(request);
	}
	pieces_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF(text, MAX);
	BUF(bytes, MAX);
	BUF(inflated, MAX);

	read_request((struct bytes){(const char *)data, size});
	buf_add(&text, data, size); /* ends with a NUL */
	if (size && from_json(&schema_request, (struct bytes){text.data, size}, &bytes))
		read_request((struct bytes){bytes.data, bytes.len});
	if (inflate_gzip((struct bytes){(const char *)data, size}, &inflated))
		read_request((struct bytes){inflated.data, inflated.len});
	return 0;
}
