/* The stored traces: whole, within size and age, the newest first. */
#include "store_fixture.h"

#include "trace_request.h"
#include "traces/ageing.h"
#include "traces/limits.h"
#include "traces/rows.h"
#include "traces/walk.h"
#include "virtual_clock.h"

#define MIB (INT64_C(1) << 20)

static struct store *store;
static struct db *db;
static uint64_t passed_ns; /* beside the time that passes by itself */
static struct clock_source real;

static uint64_t later_wall(void)
{
	return real.realtime_ns() + passed_ns;
}

static uint64_t later(void)
{
	return real.monotonic_ns() + passed_ns;
}

static void copy_schema(void)
{
	char text[8192];
	FILE *file = fopen("db/schema/traces.sql", "r");

	assert_non_null(file); /* tests run in the project's root */
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	write_file("traces.sql", text);
}

static int open_traces(void **state)
{
	make_dir(state);
	copy_schema();
	store = store_open("traces");
	assert_non_null(store);
	assert_true(store_forgo_durability(store));
	db = db_open(store);
	assert_non_null(db);
	rows_init(256 * MIB, 3600000);
	assert_int_equal(rows_start_clock(store), DB_OK);
	return 0;
}

static int open_store(void **state)
{
	real = clock_source;
	clock_source.realtime_ns = later_wall;
	clock_source.monotonic_ns = later;
	return open_traces(state);
}

static int open_store_in_virtual_time(void **state)
{
	real = clock_source;
	virtual_begin();
	return open_traces(state);
}

static int close_store(void **state)
{
	db_close(db);
	store_close(store);
	virtual_end();
	clock_source = real;
	return remove_dir(state);
}

/* One request of `service` with a span of each of the traces from..to-1. */
static void store_spans(const char *service, uint32_t from, uint32_t to, uint32_t number, size_t filler,
			pieces_keep *keep)
{
	BUF(request, PIECES_BYTES_MAX);
	size_t begins[2];
	struct pieces p;
	struct rows_stored stored;

	request_begin(&request, service, begins);
	for (uint32_t trace = from; trace < to; trace++)
		add_span(&request,
			 &(struct test_span){trace, number, number - 1, "name", 2, 0, 1000 * number, 5000 * number},
			 filler);
	request_end(&request, begins);
	assert_int_equal(pieces_read(&p, (struct bytes){request.data, request.len}, keep, NULL), PIECES_OK);
	assert_int_equal(rows_store(store, &p, &stored), DB_OK);
	pieces_done(&p);
}

/* Spans of a stored trace; 0: it is not there. */
static uint64_t spans_of(uint32_t number, struct trace_summary *summary)
{
	uint8_t id[16];
	static struct buf trace;

	trace_id_of(number, id);
	buf_done(&trace);
	buf_init(&trace, 1 << 20);
	enum db_result result = rows_trace(db, id, &trace);
	if (result == DB_NOT_FOUND)
		return 0;
	assert_int_equal(result, DB_OK);
	assert_false(trace.failed);
	trace_summarise((struct bytes){trace.data, trace.len}, summary);
	return summary->spans;
}

static void a_trace_is_put_together(void **state)
{
	struct trace_summary summary;

	(void)state;
	store_spans("users", 1, 4, 2, 0, NULL);
	store_spans("gateway", 1, 4, 1, 0, NULL);
	assert_int_equal(spans_of(2, &summary), 2);
	assert_int_equal(summary.start_ns, 1000);
	assert_int_equal(summary.end_ns, 10000);
	assert_true(bytes_equal(summary.root_service, bytes_of("gateway")));
	assert_true(bytes_equal(summary.root_name, bytes_of("name")));
	assert_int_equal(spans_of(4, &summary), 0);
}

static void the_walk_goes_from_new_to_old(void **state)
{
	struct rows_walk walk = {.db = db};
	uint8_t id[16], expected[16];

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		store_spans("users", i, i + 1, 1, 0, NULL);
	store_spans("orders", 7, 8, 2, 0, NULL); /* comes first now, and once */
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t number = i == 0 ? 7 : i <= 192 ? 200 - i : 199 - i;
		trace_id_of(number, expected);
		assert_true(rows_walk_next(&walk, id));
		assert_memory_equal(id, expected, 16);
	}
	assert_false(rows_walk_next(&walk, id));
	assert_int_equal(walk.result, DB_OK);
}

static bool keep_even(void *arg, const uint8_t trace_id[16], size_t spans)
{
	(void)arg;
	(void)spans;
	return trace_id[0] % 2 == 0;
}

static void a_refused_trace_keeps_what_was_there(void **state)
{
	struct trace_summary summary;

	(void)state;
	store_spans("users", 0, 10, 1, 0, NULL);
	store_spans("orders", 0, 10, 2, 0, keep_even);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(spans_of(i, &summary), i % 2 ? 1 : 2);
}

/* ---- the limits of a trace ---- */

/* Stores a request as it is. */
static struct rows_stored store_request(const struct buf *request)
{
	struct pieces p;
	struct rows_stored stored;

	assert_false(request->failed);
	assert_int_equal(pieces_read(&p, (struct bytes){request->data, request->len}, NULL, NULL), PIECES_OK);
	assert_int_equal(rows_store(store, &p, &stored), DB_OK);
	pieces_done(&p);
	return stored;
}

/* Spans from..to-1 of trace 1, in one request. */
static struct rows_stored store_one_trace(uint32_t from, uint32_t to, size_t filler)
{
	BUF(request, PIECES_BYTES_MAX);
	size_t begins[2];

	request_begin(&request, "users", begins);
	for (uint32_t number = from; number < to; number++)
		add_span(&request, &(struct test_span){1, number, number - 1, "name", 2, 0, 1, 2}, filler);
	request_end(&request, begins);
	return store_request(&request);
}

static struct rows_size size_of_one_trace(void)
{
	struct rows_size size;
	uint8_t id[16];

	trace_id_of(1, id);
	assert_int_equal(rows_size(db, id, &size), DB_OK);
	return size;
}

static void a_trace_has_so_many_spans_and_the_rest_is_cut(void **state)
{
	BUF(trace, LIMIT_TRACE_BYTES);
	uint8_t id[16];

	(void)state;
	trace_id_of(1, id);
	assert_int_equal(store_one_trace(1, 15001, 0).cut, 0);
	assert_int_equal(store_one_trace(15001, 30001, 0).cut, 10000);
	assert_int_equal(store_one_trace(30001, 30011, 0).cut, 10);
	struct rows_size size = size_of_one_trace();
	assert_int_equal(size.spans, LIMIT_TRACE_SPANS);
	assert_int_equal(size.cut_spans, 10010);
	assert_int_equal(rows_trace(db, id, &trace), DB_OK);
	assert_false(trace.failed);
	store_spans("users", 2, 3, 1, 0, NULL); /* others are as they were */
	trace_id_of(2, id);
	assert_int_equal(rows_size(db, id, &size), DB_OK);
	assert_int_equal(size.spans, 1);
	assert_int_equal(size.cut_spans, 0);
}

static void a_trace_has_so_many_bytes_of_spans(void **state)
{
	BUF(trace, LIMIT_TRACE_BYTES);
	uint8_t id[16];

	(void)state;
	trace_id_of(1, id);
	for (uint32_t i = 0; i < 10; i++)
		store_one_trace(1 + 10 * i, 11 + 10 * i, 60000);
	struct rows_size size = size_of_one_trace();
	assert_in_range(size.span_bytes, LIMIT_TRACE_SPAN_BYTES - 61000, LIMIT_TRACE_SPAN_BYTES);
	assert_int_equal(size.spans + size.cut_spans, 100);
	assert_int_equal(store_one_trace(200, 201, 0).cut, 0); /* a small one still fits */
	assert_int_equal(rows_trace(db, id, &trace), DB_OK);
	assert_false(trace.failed);
}

/* A resource of 400 KB and a thousand scopes: it is stored once, and is in an answer once. */
static void a_resource_is_stored_once_for_its_scopes(void **state)
{
	static char text[600000];
	BUF(request, PIECES_BYTES_MAX);
	BUF(trace, LIMIT_TRACE_BYTES);
	uint8_t id[16];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 400000; len <= 600000; len += 200000) {
		buf_reset(&request);
		size_t resource_spans = wire_begin(&request, 1);
		wire_add_bytes(&request, 3, text, len);
		for (uint32_t i = 1; i <= 1000; i++) {
			size_t scope_spans = wire_begin(&request, 2);
			add_span(&request, &(struct test_span){len == 400000 ? 1 : 2, i, 0, "n", 2, 0, 1, 2}, 0);
			wire_end(&request, scope_spans);
		}
		wire_end(&request, resource_spans);
		assert_int_equal(store_request(&request).cut, len == 400000 ? 0 : 1000);
	}
	assert_int_equal(number_of("traces", "SELECT count(*) FROM resources"), 1);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM traces"), 1); /* of the other nothing is left */
	trace_id_of(1, id);
	assert_int_equal(rows_trace(db, id, &trace), DB_OK);
	assert_in_range(trace.len, 400000, 600000);
	assert_int_equal(size_of_one_trace().source_bytes, 400004);

	/* each request brings it again: not for ever */
	for (uint32_t i = 0; i < 20; i++) {
		buf_reset(&request);
		size_t resource_spans = wire_begin(&request, 1);
		wire_add_bytes(&request, 3, text, 400000);
		size_t scope_spans = wire_begin(&request, 2);
		add_span(&request, &(struct test_span){1, 2000 + i, 0, "n", 2, 0, 1, 2}, 0);
		wire_end(&request, scope_spans);
		wire_end(&request, resource_spans);
		assert_int_equal(store_request(&request).cut, i < 9 ? 0 : 1);
	}
	buf_reset(&trace);
	assert_int_equal(rows_trace(db, id, &trace), DB_OK);
	assert_false(trace.failed);
}

/* As an exporter does whose answer was lost. */
static void what_comes_again_is_stored_once(void **state)
{
	struct trace_summary summary;
	struct rows_stored stored;

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
		assert_int_equal(rows_remove_old(store, &more), DB_OK);
	assert_int_equal(spans_of(1, &summary), 0);
	assert_int_equal(store_one_trace(1, 101, 0).repeated, 0);
	assert_int_equal(spans_of(1, &summary), 100);
}

/* A source is of use until its last piece is gone, whatever the order of traces and scopes is in a request. */
static void no_piece_loses_its_source(void **state)
{
	(void)state;
	rows_init(32 * MIB, 3600000);
	for (uint32_t i = 0; i < 200; i++) {
		BUF(request, PIECES_BYTES_MAX);
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

static void the_size_is_kept_and_the_newest_traces_whole(void **state)
{
	struct trace_summary summary;
	bool gone = false;

	(void)state;
	rows_init(32 * MIB, 3600000);
	for (uint32_t i = 0; i < 40; i++) { /* 40 × 100 × 2 × 8 KB: 64 MB */
		store_spans("users", 100 * i, 100 * i + 100, 1, 8000, NULL);
		store_spans("orders", 100 * i, 100 * i + 100, 2, 8000, NULL);
		assert_true(rows_bytes() <= 24 * MIB);
	}
	assert_true(rows_bytes() > 16 * MIB);
	assert_true(number_of("traces", "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size") <=
		    26 * MIB);
	for (uint32_t i = 4000; i-- > 0;) {
		uint64_t spans = spans_of(i, &summary);
		assert_true(spans == 2 || spans == 0);
		assert_true(spans == 0 || !gone); /* those that are gone are the oldest */
		gone = gone || spans == 0;
	}
	assert_true(gone);
	/* and sources go with their pieces */
	assert_true(number_of("traces", "SELECT count(*) FROM sources") < 60);
}

static void old_traces_go(void **state)
{
	struct trace_summary summary;
	bool more = true;

	(void)state;
	store_spans("users", 0, 400, 1, 0, NULL);
	passed_ns += UINT64_C(3000000000000);
	store_spans("users", 400, 500, 1, 0, NULL);
	store_spans("orders", 3, 4, 2, 0, NULL); /* a trace goes whole, with its first piece */
	assert_int_equal(rows_remove_old(store, &more), DB_OK);
	assert_false(more);
	assert_int_equal(spans_of(399, &summary), 1);
	passed_ns += UINT64_C(700000000000);
	for (more = true; more;)
		assert_int_equal(rows_remove_old(store, &more), DB_OK);
	assert_int_equal(spans_of(3, &summary), 0);
	assert_int_equal(spans_of(399, &summary), 0);
	assert_int_equal(spans_of(400, &summary), 1);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM pieces"), 100);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM sources"), 2);
	passed_ns += UINT64_C(7200000000000);
	for (more = true; more;)
		assert_int_equal(rows_remove_old(store, &more), DB_OK);
	assert_int_equal(number_of("traces", "SELECT (SELECT count(*) FROM pieces) + (SELECT count(*) FROM sources)"),
			 0);
}

/* Traces of a minute, and a thread that looks every five seconds. */
static void start_ageing(void)
{
	rows_init(256 * MIB, 60000);
	store_spans("users", 0, 300, 1, 0, NULL);
	assert_int_equal(ageing_start(store), 0);
}

static void the_thread_removes_what_is_too_old(void **state)
{
	struct trace_summary summary;

	(void)state;
	start_ageing();
	virtual_pass(30 * VIRTUAL_SECOND);
	store_spans("users", 300, 310, 1, 0, NULL);
	virtual_pass(29 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	virtual_pass(6 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM pieces"), 10); /* more than fit into one turn */
	virtual_pass(30 * VIRTUAL_SECOND);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM pieces"), 0);
	ageing_stop();
}

static void a_wall_clock_that_is_set_back_does_not_stop_the_thread(void **state)
{
	struct trace_summary summary;

	(void)state;
	start_ageing();
	virtual_pass(67 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	virtual_move_wall_clock(-3600 * (int64_t)VIRTUAL_SECOND);
	store_spans("users", 300, 310, 1, 0, NULL);
	virtual_pass(65 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(300, &summary), 0);
	ageing_stop();
}

static void a_wall_clock_that_was_ahead_harms_nothing(void **state)
{
	struct trace_summary summary;

	(void)state;
	virtual_move_wall_clock(86400 * (int64_t)VIRTUAL_SECOND);
	start_ageing();
	virtual_pass(30 * VIRTUAL_SECOND);
	virtual_move_wall_clock(-86400 * (int64_t)VIRTUAL_SECOND);
	store_spans("users", 300, 310, 1, 0, NULL);
	virtual_pass(40 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	assert_int_equal(spans_of(300, &summary), 1);
	/* and when the program starts anew, both go on from where they were */
	ageing_stop();
	assert_int_equal(rows_start_clock(store), DB_OK);
	assert_int_equal(ageing_start(store), 0);
	virtual_pass(10 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(300, &summary), 1);
	virtual_pass(15 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(300, &summary), 0);
	ageing_stop();
}

static void a_wall_clock_that_is_set_ahead_ages_nothing(void **state)
{
	struct trace_summary summary;

	(void)state;
	start_ageing();
	virtual_move_wall_clock(86400 * (int64_t)VIRTUAL_SECOND);
	virtual_pass(20 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	ageing_stop();
	assert_int_equal(rows_start_clock(store), DB_OK);
	assert_int_equal(ageing_start(store), 0);
	virtual_pass(20 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	virtual_pass(30 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	ageing_stop();
}

/* Set back while the program was down: what is stored is of the future then, and does not stop the others. */
static void times_of_the_future_age_from_the_start(void **state)
{
	struct trace_summary summary;

	(void)state;
	virtual_move_wall_clock(86400 * (int64_t)VIRTUAL_SECOND);
	rows_init(256 * MIB, 60000);
	assert_int_equal(rows_start_clock(store), DB_OK);
	store_spans("users", 0, 300, 1, 0, NULL);
	virtual_move_wall_clock(-86400 * (int64_t)VIRTUAL_SECOND);
	assert_int_equal(rows_start_clock(store), DB_OK);
	store_spans("users", 300, 310, 1, 0, NULL);
	assert_int_equal(ageing_start(store), 0);
	virtual_pass(50 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	virtual_pass(20 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	assert_int_equal(spans_of(300, &summary), 0);
	ageing_stop();
}

static void the_thread_works_and_ends_in_real_time_too(void **state)
{
	struct trace_summary summary;

	(void)state;
	store_spans("users", 0, 10, 1, 0, NULL);
	passed_ns += UINT64_C(3601000000000);
	assert_int_equal(ageing_start(store), 0);
	WAIT_UNTIL(spans_of(1, &summary) == 0, 5);
	ageing_stop();
}

static void a_large_trace_says_so(void **state)
{
	uint8_t id[16];
	BUF(small, 10000);

	(void)state;
	store_spans("users", 1, 2, 1, 20000, NULL);
	trace_id_of(1, id);
	assert_int_equal(rows_trace(db, id, &small), DB_OK);
	assert_true(small.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_trace_is_put_together, open_store, close_store),
		cmocka_unit_test_setup_teardown(the_walk_goes_from_new_to_old, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_refused_trace_keeps_what_was_there, open_store, close_store),
		cmocka_unit_test_setup_teardown(the_size_is_kept_and_the_newest_traces_whole, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_trace_has_so_many_spans_and_the_rest_is_cut, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_trace_has_so_many_bytes_of_spans, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_resource_is_stored_once_for_its_scopes, open_store, close_store),
		cmocka_unit_test_setup_teardown(what_comes_again_is_stored_once, open_store, close_store),
		cmocka_unit_test_setup_teardown(no_piece_loses_its_source, open_store, close_store),
		cmocka_unit_test_setup_teardown(old_traces_go, open_store, close_store),
		cmocka_unit_test_setup_teardown(the_thread_removes_what_is_too_old, open_store_in_virtual_time,
						close_store),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_is_set_back_does_not_stop_the_thread,
						open_store_in_virtual_time, close_store),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_was_ahead_harms_nothing, open_store_in_virtual_time,
						close_store),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_is_set_ahead_ages_nothing, open_store_in_virtual_time,
						close_store),
		cmocka_unit_test_setup_teardown(times_of_the_future_age_from_the_start, open_store_in_virtual_time,
						close_store),
		cmocka_unit_test_setup_teardown(the_thread_works_and_ends_in_real_time_too, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_large_trace_says_so, open_store, close_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
