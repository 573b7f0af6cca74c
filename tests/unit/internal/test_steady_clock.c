/* SPDX-License-Identifier: MIT */
/* A database's clock: it goes at the speed of the monotonic clock, and goes on after a stop. */
#include <stdio.h>

#include "base/clock.h"
#include "database/parts.h"
#include "database_fixture.h"

static const char schema[] = "-- step 1: the clock\n"
			     "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), steady_ms INTEGER NOT NULL,"
			     " wall_ms INTEGER NOT NULL) STRICT;\n";

#define SECOND_MS INT64_C(1000)
#define HOUR_MS (3600 * SECOND_MS)

static _Atomic int64_t wall_ms, monotonic_ms; /* what the machine's clocks say */
static struct clock_source machine;
static struct database *database;

static uint64_t wall_ns(void)
{
	return (uint64_t)wall_ms * 1000000;
}

/* Threads wait in real time; this thread reads the database's clock. */
static _Thread_local bool is_test;

static uint64_t monotonic_ns(void)
{
	return is_test ? (uint64_t)monotonic_ms * 1000000 : machine.monotonic_ns();
}

static int set_clocks(void **state)
{
	make_dir(state);
	write_file("kept.sql", schema);
	write_file("bare.sql", "-- step 1: none\nCREATE TABLE things (id INTEGER) STRICT;\n");
	machine = clock_source;
	is_test = true;
	wall_ms = 1795350600000;
	monotonic_ms = 5000;
	clock_source.realtime_ns = wall_ns;
	clock_source.monotonic_ns = monotonic_ns;
	return 0;
}

static int reset_clocks(void **state)
{
	database_close(database);
	database = NULL;
	clock_source = machine;
	return remove_dir(state);
}

static void open_it(const char *name)
{
	database = database_open(name);
	assert_non_null(database);
}

/* Time goes by on both clocks. */
static void pass(int64_t ms)
{
	wall_ms += ms;
	monotonic_ms += ms;
}

/* A stop, in which the wall clock moves by so much. */
static void stop_for(int64_t ms)
{
	database_close(database);
	wall_ms += ms;
	monotonic_ms += 77 * SECOND_MS; /* means nothing between two processes */
	open_it("kept");
}

static void test_it_begins_with_the_machines(void **state)
{
	(void)state;
	open_it("kept");
	assert_int_equal(database_steady_ms(database), wall_ms);
	pass(HOUR_MS);
	assert_int_equal(database_steady_ms(database), wall_ms);
}

static void test_setting_the_machines_clock_moves_nothing(void **state)
{
	static const int64_t moves[] = {24 * HOUR_MS, -72 * HOUR_MS, -400000 * HOUR_MS};

	(void)state;
	open_it("kept");
	int64_t before = database_steady_ms(database);
	for (int i = 0; i < 3; i++) {
		wall_ms += moves[i];
		assert_int_equal(database_steady_ms(database), before);
		pass(SECOND_MS);
		before += SECOND_MS;
		assert_int_equal(database_steady_ms(database), before);
	}
}

static void test_a_stop_counts_up_to_an_hour(void **state)
{
	static const struct {
		int64_t moved_ms, counts_ms;
	} stops[] = {
		{0, 0},
		{SECOND_MS, SECOND_MS},
		{HOUR_MS, HOUR_MS},
		{HOUR_MS + 1, HOUR_MS},
		{24 * 365 * HOUR_MS, HOUR_MS},
		{-1, 0},
		{-24 * 365 * HOUR_MS, 0},
	};

	(void)state;
	open_it("kept");
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++) {
		pass(10 * SECOND_MS);
		int64_t before = database_steady_ms(database);
		stop_for(stops[i].moved_ms);
		assert_int_equal(database_steady_ms(database), before + stops[i].counts_ms);
	}
}

/* A cache's rows age while nobody looks. */
static void test_the_whole_stop_of_a_cache_counts(void **state)
{
	(void)state;
	database = database_open_cache("kept");
	assert_non_null(database);
	pass(10 * SECOND_MS);
	int64_t before = database_steady_ms(database);
	for (int i = 0; i < 2; i++) {
		database_close(database);
		wall_ms += i ? -HOUR_MS : 1000 * HOUR_MS;
		database = database_open_cache("kept");
		assert_non_null(database);
		assert_int_equal(database_steady_ms(database), before + 1000 * HOUR_MS);
	}
}

/* kill -9: the time since it was kept counts as a stop. */
static void test_it_need_not_be_kept_at_the_end(void **state)
{
	char kept[128];

	(void)state;
	open_it("kept");
	snprintf(kept, sizeof(kept), "UPDATE clock SET steady_ms = %lld, wall_ms = %lld",
		 (long long)database_steady_ms(database), (long long)wall_ms);
	pass(HOUR_MS / 2);
	int64_t before = database_steady_ms(database);
	database_close(database);
	run_outside("kept", kept);
	open_it("kept");
	assert_int_equal(database_steady_ms(database), before);
}

static void test_it_is_kept_when_the_machines_clock_is_set(void **state)
{
	(void)state;
	clock_source.monotonic_ns = machine.monotonic_ns;
	open_it("kept");
	WAIT_UNTIL(number_of("kept", "SELECT count(*) FROM clock") == 1, 10);
	assert_true(number_of("kept", "SELECT abs(steady_ms - wall_ms) FROM clock") < 60 * SECOND_MS);
	wall_ms += 24 * HOUR_MS;
	WAIT_UNTIL(number_of("kept", "SELECT wall_ms FROM clock") == wall_ms, 10);
	assert_true(number_of("kept", "SELECT abs(wall_ms - steady_ms - 86400000) FROM clock") < 60 * SECOND_MS);
}

static void test_without_a_table_it_begins_anew(void **state)
{
	(void)state;
	open_it("bare");
	pass(SECOND_MS);
	database_close(database);
	wall_ms += 24 * HOUR_MS;
	open_it("bare");
	assert_int_equal(database_steady_ms(database), wall_ms);
}

int main(void)
{
#define CLOCK_TEST(f) cmocka_unit_test_setup_teardown(f, set_clocks, reset_clocks)
	const struct CMUnitTest tests[] = {
		CLOCK_TEST(test_it_begins_with_the_machines),
		CLOCK_TEST(test_setting_the_machines_clock_moves_nothing),
		CLOCK_TEST(test_a_stop_counts_up_to_an_hour),
		CLOCK_TEST(test_the_whole_stop_of_a_cache_counts),
		CLOCK_TEST(test_it_need_not_be_kept_at_the_end),
		CLOCK_TEST(test_it_is_kept_when_the_machines_clock_is_set),
		CLOCK_TEST(test_without_a_table_it_begins_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
