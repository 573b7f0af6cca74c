/* SPDX-License-Identifier: MIT */
/* The stored traces: whole, within size and age, the newest first. */
#include "trace_store/ageing.h"
#include "trace_store/trace_reader.h"
#include "trace_table_fixture.h"
#include "virtual_clock.h"

static int open_store_in_virtual_time(void **state)
{
	real = clock_source;
	virtual_begin();
	return open_traces(state);
}

static int close_store_in_virtual_time(void **state)
{
	db_connection_close(db);
	database_close(database);
	virtual_end();
	clock_source = real;
	return remove_dir(state);
}

/* The program stops, and meanwhile the wall clock is set. */
static void restart_with_wall_clock_moved(int64_t seconds)
{
	db_connection_close(db);
	database_close(database);
	virtual_move_wall_clock(seconds * (int64_t)VIRTUAL_SECOND);
	open_cache();
}

static void a_trace_is_put_together(void **state)
{
	struct trace_summary summary = {0};

	(void)state;
	store_spans("users", 1, 4, 2, 0, NULL);
	store_spans("gateway", 1, 4, 1, 0, NULL);
	assert_int_equal(spans_of(2, &summary), 2);
	assert_int_equal(summary.start_ns, 1000);
	assert_int_equal(summary.end_ns, 10000);
	assert_true(slice_equal(summary.root_service, slice_of("gateway")));
	assert_true(slice_equal(summary.root_name, slice_of("name")));
	assert_int_equal(spans_of(4, &summary), 0);
}

static void traces_are_read_from_new_to_old(void **state)
{
	struct trace_reader reader;
	struct budget budget;
	struct trace trace;
	uint8_t id[16], expected[16];

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		store_spans("users", i, i + 1, 1, 0, NULL);
	store_spans("orders", 7, 8, 2, 0, NULL); /* comes first now, and once */
	budget_init(&budget, BUDGET_STEPS, CLOCK_NEVER / 2);
	trace_init(&trace, &budget);
	trace_reader_init(&reader, db);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t number = i == 0 ? 7 : i <= 192 ? 200 - i : 199 - i;
		trace_id_of(number, expected);
		assert_true(trace_reader_next(&reader, id, &trace));
		assert_memory_equal(id, expected, 16);
		assert_int_equal(trace.span_count, number == 7 ? 2 : 1);
	}
	assert_false(trace_reader_next(&reader, id, &trace));
	assert_int_equal(reader.result, DB_OK);
	trace_reader_done(&reader);
	trace_done(&trace);
}

/* More traces than the reader remembers lie between their pieces. */
static void traces_in_distant_pieces_are_read_once(void **state)
{
	struct trace_reader reader;
	struct budget budget;
	struct trace trace;
	uint8_t id[16];
	size_t count = 0;

	(void)state;
	store_spans("near", 0, 20, 1, 0, NULL);
	for (uint32_t i = 0; i < 4; i++)
		store_spans("far", 20 + i * 20000, 20020 + i * 20000, 1, 0, NULL);
	store_spans("near", 0, 20, 2, 0, NULL);
	budget_init(&budget, BUDGET_STEPS, CLOCK_NEVER / 2);
	trace_init(&trace, &budget);
	trace_reader_init(&reader, db);
	for (; trace_reader_next(&reader, id, &trace); count++)
		assert_int_equal(trace.span_count, count < 20 ? 2 : 1);
	assert_int_equal(reader.result, DB_OK);
	assert_int_equal(count, 80020);
	trace_reader_done(&reader);
	trace_done(&trace);
}

static bool keep_even(void *arg, const uint8_t trace_id[16], size_t spans)
{
	(void)arg;
	(void)spans;
	return trace_id[0] % 2 == 0;
}

static void a_refused_trace_keeps_what_was_there(void **state)
{
	struct trace_summary summary = {0};

	(void)state;
	store_spans("users", 0, 10, 1, 0, NULL);
	store_spans("orders", 0, 10, 2, 0, keep_even);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(spans_of(i, &summary), i % 2 ? 1 : 2);
}

static void the_size_is_kept_and_the_newest_traces_whole(void **state)
{
	struct trace_summary summary = {0};
	bool gone = false;

	(void)state;
	trace_table_init(32 * MIB, 3600000);
	for (uint32_t i = 0; i < 40; i++) { /* 40 × 100 × 2 × 8 KB: 64 MB */
		store_spans("users", 100 * i, 100 * i + 100, 1, 8000, NULL);
		store_spans("orders", 100 * i, 100 * i + 100, 2, 8000, NULL);
		assert_true(trace_table_bytes() <= 24 * MIB);
	}
	assert_true(trace_table_bytes() > 16 * MIB);
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
	struct trace_summary summary = {0};
	bool more = true;

	(void)state;
	store_spans("users", 0, 400, 1, 0, NULL);
	passed_ns += UINT64_C(3000000000000);
	store_spans("users", 400, 500, 1, 0, NULL);
	store_spans("orders", 3, 4, 2, 0, NULL); /* a trace goes whole, with its first piece */
	assert_int_equal(trace_table_remove_old(database, &more), DB_OK);
	assert_false(more);
	assert_int_equal(spans_of(399, &summary), 1);
	passed_ns += UINT64_C(700000000000);
	for (more = true; more;)
		assert_int_equal(trace_table_remove_old(database, &more), DB_OK);
	assert_int_equal(spans_of(3, &summary), 0);
	assert_int_equal(spans_of(399, &summary), 0);
	assert_int_equal(spans_of(400, &summary), 1);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM pieces"), 100);
	assert_int_equal(number_of("traces", "SELECT count(*) FROM sources"), 2);
	passed_ns += UINT64_C(7200000000000);
	for (more = true; more;)
		assert_int_equal(trace_table_remove_old(database, &more), DB_OK);
	assert_int_equal(number_of("traces", "SELECT (SELECT count(*) FROM pieces) + (SELECT count(*) FROM sources)"),
			 0);
}

/* Traces of a minute, and a thread that looks every five seconds. */
static void start_ageing(void)
{
	trace_table_init(256 * MIB, 60000);
	store_spans("users", 0, 300, 1, 0, NULL);
	assert_int_equal(ageing_start(database), 0);
}

static void the_thread_removes_what_is_too_old(void **state)
{
	struct trace_summary summary = {0};

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
	struct trace_summary summary = {0};

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
	struct trace_summary summary = {0};

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
	restart_with_wall_clock_moved(0);
	assert_int_equal(ageing_start(database), 0);
	virtual_pass(10 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(300, &summary), 1);
	virtual_pass(15 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(300, &summary), 0);
	ageing_stop();
}

static void a_wall_clock_that_is_set_ahead_ages_nothing(void **state)
{
	struct trace_summary summary = {0};

	(void)state;
	start_ageing();
	virtual_move_wall_clock(86400 * (int64_t)VIRTUAL_SECOND);
	virtual_pass(20 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	ageing_stop();
	restart_with_wall_clock_moved(0);
	assert_int_equal(ageing_start(database), 0);
	virtual_pass(20 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	virtual_pass(30 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	ageing_stop();
}

/* Set back while the program was down: what is stored is of the future then, and does not stop the others. */
static void times_of_the_future_age_from_the_start(void **state)
{
	struct trace_summary summary = {0};

	(void)state;
	trace_table_init(256 * MIB, 60000);
	restart_with_wall_clock_moved(86400);
	store_spans("users", 0, 300, 1, 0, NULL);
	restart_with_wall_clock_moved(-86400);
	store_spans("users", 300, 310, 1, 0, NULL);
	assert_int_equal(ageing_start(database), 0);
	virtual_pass(50 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 1);
	virtual_pass(20 * VIRTUAL_SECOND);
	assert_int_equal(spans_of(1, &summary), 0);
	assert_int_equal(spans_of(300, &summary), 0);
	ageing_stop();
}

static void the_thread_works_and_ends_in_real_time_too(void **state)
{
	struct trace_summary summary = {0};

	(void)state;
	store_spans("users", 0, 10, 1, 0, NULL);
	passed_ns += UINT64_C(3601000000000);
	assert_int_equal(ageing_start(database), 0);
	WAIT_UNTIL(spans_of(1, &summary) == 0, 5);
	ageing_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_trace_is_put_together, open_store, close_store),
		cmocka_unit_test_setup_teardown(traces_are_read_from_new_to_old, open_store, close_store),
		cmocka_unit_test_setup_teardown(traces_in_distant_pieces_are_read_once, open_store, close_store),
		cmocka_unit_test_setup_teardown(a_refused_trace_keeps_what_was_there, open_store, close_store),
		cmocka_unit_test_setup_teardown(the_size_is_kept_and_the_newest_traces_whole, open_store, close_store),
		cmocka_unit_test_setup_teardown(old_traces_go, open_store, close_store),
		cmocka_unit_test_setup_teardown(the_thread_removes_what_is_too_old, open_store_in_virtual_time,
						close_store_in_virtual_time),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_is_set_back_does_not_stop_the_thread,
						open_store_in_virtual_time, close_store_in_virtual_time),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_was_ahead_harms_nothing, open_store_in_virtual_time,
						close_store_in_virtual_time),
		cmocka_unit_test_setup_teardown(a_wall_clock_that_is_set_ahead_ages_nothing, open_store_in_virtual_time,
						close_store_in_virtual_time),
		cmocka_unit_test_setup_teardown(times_of_the_future_age_from_the_start, open_store_in_virtual_time,
						close_store_in_virtual_time),
		cmocka_unit_test_setup_teardown(the_thread_works_and_ends_in_real_time_too, open_store, close_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
