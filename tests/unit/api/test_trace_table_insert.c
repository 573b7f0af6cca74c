/* SPDX-License-Identifier: MIT */
/* What is stored of a request: within the limits of a trace, each source once, and nothing twice. */
#include "trace_store/limits.h"
#include "trace_table_fixture.h"

/* Stores a request as it is. */
static struct trace_table_inserted store_request(const struct buf *request)
{
	struct request_split p;
	struct trace_table_inserted stored;

	assert_false(request->failed);
	assert_int_equal(request_split_read(&p, (struct slice){request->data, request->len}, NULL, NULL),
			 REQUEST_SPLIT_OK);
	assert_int_equal(trace_table_insert(database, &p, &stored), DB_OK);
	request_split_done(&p);
	return stored;
}

/* Spans from..to-1 of trace 1, in one request. */
static struct trace_table_inserted store_one_trace(uint32_t from, uint32_t to, size_t filler)
{
	BUF(request, REQUEST_SPLIT_BYTES_MAX);
	size_t begins[2];

	request_begin(&request, "users", begins);
	for (uint32_t number = from; number < to; number++)
		add_span(&request, &(struct test_span){1, number, number - 1, "name", 2, 0, 1, 2}, filler);
	request_end(&request, begins);
	return store_request(&request);
}

static struct trace_table_size size_of_one_trace(void)
{
	struct trace_table_size size;
	uint8_t id[16];

	trace_id_of(1, id);
	assert_int_equal(trace_table_size(db, id, &size), DB_OK);
	return size;
}

static void a_trace_has_so_many_spans_and_the_rest_is_cut(void **state)
{
	uint8_t id[16];

	(void)state;
	assert_int_equal(store_one_trace(1, 15001, 0).cut, 0);
	assert_int_equal(store_one_trace(15001, 30001, 0).cut, 10000);
	assert_int_equal(store_one_trace(30001, 30011, 0).cut, 10);
	struct trace_table_size size = size_of_one_trace();
	assert_int_equal(size.spans, LIMIT_TRACE_SPANS);
	assert_int_equal(size.cut_spans, 10010);
	assert_false(trace_of(1)->cut);         /* what was stored is read */
	store_spans("users", 2, 3, 1, 0, NULL); /* others are as they were */
	trace_id_of(2, id);
	assert_int_equal(trace_table_size(db, id, &size), DB_OK);
	assert_int_equal(size.spans, 1);
	assert_int_equal(size.cut_spans, 0);
}

static void a_trace_has_so_many_bytes_of_spans(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		store_one_trace(1 + 10 * i, 11 + 10 * i, 60000);
	struct trace_table_size size = size_of_one_trace();
	assert_in_range(size.span_bytes, LIMIT_TRACE_SPAN_BYTES - 61000, LIMIT_TRACE_SPAN_BYTES);
	assert_int_equal(size.spans + size.cut_spans, 100);
	assert_int_equal(store_one_trace(200, 201, 0).cut, 0); /* a small one still fits */
	assert_false(trace_of(1)->cut);
}

/* A resource of 400 KB and a thousand scopes: it is stored once, and is in an answer once. */
static void a_resource_is_stored_once_for_its_scopes(void **state)
{
	static char text[600000];
	BUF(request, REQUEST_SPLIT_BYTES_MAX);
	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 400000; len <= 600000; len += 200000) {
		buf_reset(&request);
		size_t resource_spans = protobuf_begin(&request, 1);
		protobuf_add_bytes(&request, 3, text, len);
		for (uint32_t i = 1; i <= 1000; i++) {
			size_t scope_spans = protobuf_begin(&request, 2);
			add_span(&request, &(struct test_span){len == 400000 ? 1 : 2, i, 0, "n", 2, 0, 1, 2}, 0);
			protobuf_end(&request, scope_spans);
		}
		protobuf_end(&request, resource_spans);
		assert_int_equal(store_request(&request).cut, len == 400000 ? 0 : 1000);
	}
	assert_int_equal(number_of("traces", "SELECT count(*) FROM resources"), 1);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM traces"), 1); /* of the other nothing is left */
	assert_int_equal(trace_of(1)->resource_count, 1);
	assert_in_range(trace_of(1)->bytes, 400000, 600000);
	assert_int_equal(size_of_one_trace().source_bytes, 400004);

	/* each request brings it again: not for ever */
	for (uint32_t i = 0; i < 20; i++) {
		buf_reset(&request);
		size_t resource_spans = protobuf_begin(&request, 1);
		protobuf_add_bytes(&request, 3, text, 400000);
		size_t scope_spans = protobuf_begin(&request, 2);
		add_span(&request, &(struct test_span){1, 2000 + i, 0, "n", 2, 0, 1, 2}, 0);
		protobuf_end(&request, scope_spans);
		protobuf_end(&request, resource_spans);
		assert_int_equal(store_request(&request).cut, i < 9 ? 0 : 1);
	}
	assert_false(trace_of(1)->cut);
}

/* As an exporter does whose answer was lost. */
static void what_comes_again_is_stored_once(void **state)
{
	struct trace_summary summary = {0};
	struct trace_table_inserted stored;

	(void)state;
	for (int i = 0; i < 3; i++) {
		stored = store_one_trace(1, 101, 0);
		assert_int_equal(stored.repeated, i ? 100 : 0);
		assert_int_equal(stored.cut, 0);
	}
	assert_int_equal(spans_of(1, &summary), 100);
	assert_int_equal(store_one_trace(1, 102, 0).repeated, 0); /* other words: the reader's to see */
	assert_int_equal(size_of_one_trace().spans, 201);

	/* a trace that is gone may come again */
	passed_ns += UINT64_C(7200000000000);
	for (bool more = true; more;)
		assert_int_equal(trace_table_remove_old(database, &more), DB_OK);
	assert_int_equal(spans_of(1, &summary), 0);
	assert_int_equal(store_one_trace(1, 101, 0).repeated, 0);
	assert_int_equal(spans_of(1, &summary), 100);
}

/* A source is of use until its last piece is gone, whatever the order of traces and scopes is in a request. */
static void no_piece_loses_its_source(void **state)
{
	(void)state;
	trace_table_init(32 * MIB, 3600000);
	for (uint32_t i = 0; i < 200; i++) {
		BUF(request, REQUEST_SPLIT_BYTES_MAX);
		for (uint32_t service = 0; service < 20; service++) {
			size_t begins[2];
			request_begin(&request, service % 2 ? "users" : "orders", begins);
			for (uint32_t k = 0; k < 8; k++)
				add_span(&request,
					 &(struct test_span){1000 * i + (service * 7 + k * 13) % 50, service, 0, "n", 2,
							     0, 1, 2},
					 2000);
			request_end(&request, begins);
		}
		store_request(&request);
	}
	assert_true(number_of("traces", "SELECT count(*) FROM pieces") < 200 * 160); /* some had to go */
	assert_int_equal(
		number_of("traces", "SELECT count(*) FROM pieces WHERE source_id NOT IN (SELECT id FROM sources)"), 0);
	assert_int_equal(
		number_of("traces", "SELECT count(*) FROM sources WHERE resource_id NOT IN (SELECT id FROM resources)"),
		0);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM traces") -
				 number_of("traces", "SELECT count(DISTINCT trace_id) FROM pieces"),
			 0);
	assert_int_equal(number_of("traces", "SELECT sum(spans) FROM traces") -
				 number_of("traces", "SELECT count(*) FROM pieces"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_trace_has_so_many_spans_and_the_rest_is_cut, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_trace_has_so_many_bytes_of_spans, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_resource_is_stored_once_for_its_scopes, open_store, close_store),
		cmocka_unit_test_setup_teardown(what_comes_again_is_stored_once, open_store, close_store),
		cmocka_unit_test_setup_teardown(no_piece_loses_its_source, open_store, close_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
