/* SPDX-License-Identifier: MIT */
/* What the access log holds reaches the collector, whatever happens to either and to the shipper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "span_shipper_fixture.h"

#define BATCH 512

static void ships_each_span_once(void **state)
{
	(void)state;
	start();
	write_lines(LOG, 5000);
	assert_each_once();
	uint64_t begin_ns = clock_monotonic_ns();
	write_lines(LOG, 1);
	wait_until_seen(last_id); /* a look every 100 ms, then the delay of 200 ms */
	assert_in_range(clock_monotonic_ns() - begin_ns, 200 * VIRTUAL_MS, 400 * VIRTUAL_MS);
	/* what was written just before the end is sent at the end */
	write_lines(LOG, 1000);
	stop();
	assert_each_once();
	start();
	write_lines(LOG, 10);
	assert_each_once();
	stop();
}

static void a_batch_may_end_within_a_line(void **state)
{
	(void)state;
	for (int size = 1; size <= 3; size++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", size);
		setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", text, 1);
		write_lines(LOG, 100);
		start();
		assert_each_once();
		write_lines(LOG, 7);
		stop();
		assert_each_once();
	}
}

static void keeps_everything_while_the_collector_is_down(void **state)
{
	(void)state;
	start();
	write_lines(LOG, 100);
	assert_each_once();
	tiny_stop(&span_collector);
	write_lines(LOG, 2000);
	virtual_pass(60 * VIRTUAL_SECOND);
	assert_int_equal(atomic_load(&seen_count), 200);
	/* the end of the program does not wait for it, nor does the next one begin anew */
	assert_int_equal(stop(), 0);
	start();
	write_lines(LOG, 1000);
	virtual_pass(300 * VIRTUAL_MS);
	tiny_start(&span_collector);
	assert_each_once();
	atomic_store(&span_collector.status, 503);
	write_lines(LOG, 1000);
	virtual_pass(10 * VIRTUAL_SECOND);
	atomic_store(&span_collector.status, 200);
	assert_each_once();
	stop();
	assert_true(log_says("the collector"));
}

static void ends_while_the_collector_hangs(void **state)
{
	(void)state;
	start();
	atomic_store(&span_collector.status, TINY_HANG);
	write_lines(LOG, 300);
	virtual_pass(800 * VIRTUAL_MS);
	assert_in_range(stop(), 2000, 2010); /* the budget, and half a second for an answer under way */
	tiny_stop(&span_collector);
	atomic_store(&span_collector.status, 200);
	tiny_start(&span_collector);
	start();
	assert_each_once();
	stop();
}

static void goes_on_after_a_refusal(void **state)
{
	(void)state;
	start();
	atomic_store(&span_collector.status, 400);
	write_lines(LOG, BATCH / 2);
	VIRTUAL_UNTIL(is_shipped(), 30);
	last_id = 0; /* those are lost for good, which the counters tell */
	atomic_store(&span_collector.status, 200);
	write_lines(LOG, 10);
	assert_each_once();
	stop();
	assert_true(log_says("refuse"));
}

static void follows_rotations_under_load(void **state)
{
	char line[2048], name[64];

	(void)state;
	start();
	for (int rotation = 4; rotation > 0; rotation--) {
		write_lines(LOG, 1500);
		int old = open(in_temporary(LOG), O_WRONLY | O_APPEND | O_CLOEXEC);
		snprintf(name, sizeof(name), LOG ".%d", rotation);
		move(LOG, name);
		/* the workers of nginx open the new file one after the other */
		for (int i = 0; i < 200; i++) {
			size_t bytes = next_line(line, sizeof(line), "01");
			assert_int_equal(write(old, line, bytes), bytes);
			if (i % 2)
				write_lines(LOG, 1);
			if (i % 50 == 0)
				virtual_pass(20 * VIRTUAL_MS);
		}
		close(old);
	}
	assert_each_once();
	stop();
}

static void follows_a_truncation(void **state)
{
	(void)state;
	start();
	write_lines(LOG, 500);
	assert_each_once();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(truncate(in_temporary(LOG), 0), 0);
		write_lines(LOG, 100 + 1000 * (unsigned)i);
		assert_each_once();
	}
	stop();
	assert_true(log_says("truncated"));
}

static void garbage_does_not_stop_it(void **state)
{
	char line[2048];

	(void)state;
	start();
	for (int i = 0; i < 200; i++) {
		append_to(LOG, "\x16\x03\x01 not a line \xff\xfe\n\n{\"ts\":\"2026\"}\n");
		write_lines(LOG, 1);
		uint64_t id = last_id;
		next_line(line, sizeof(line), "00"); /* not sampled */
		last_id = id;
		append_to(LOG, line);
		/* cut off by a full disk: the half line is lost, the next one is not */
		next_line(line, sizeof(line), "01");
		last_id = id;
		line[(size_t)i * 3 + 1] = '\0';
		append_to(LOG, line);
		write_lines(LOG, 1);
	}
	assert_each_once();
	stop();
}

static void unsampled_lines_move_the_checkpoint(void **state)
{
	char line[2048];

	(void)state;
	start();
	for (int i = 0; i < 100; i++) {
		next_line(line, sizeof(line), "02");
		append_to(LOG, line);
	}
	VIRTUAL_UNTIL(is_shipped(), 30);
	assert_int_equal(atomic_load(&seen_count), 0);
	stop();
}

static void a_full_disk_does_not_stop_it(void **state)
{
	(void)state;
	start();
	assert_int_equal(symlink("/dev/full", in_temporary("checkpoint.new")), 0);
	for (int i = 0; i < 5; i++) {
		write_lines(LOG, 100);
		assert_each_once();
		if (symlink("/dev/full", in_temporary("checkpoint.new")) != 0)
			assert_int_equal(errno, EEXIST);
	}
	stop();
	assert_true(log_says("the checkpoint cannot be written"));
}

static void a_broken_checkpoint_means_reading_all(void **state)
{
	(void)state;
	write_lines(LOG, 3000); /* more than a first start would read */
	append_to("checkpoint", "apm-checkpoint 1\ndevice 1\n");
	start();
	assert_each_once();
	stop();
	assert_true(log_says("the checkpoint cannot be read"));
}

static void a_first_start_reads_a_little_back(void **state)
{
	(void)state;
	write_lines(LOG, 3000);
	start();
	virtual_pass(1500 * VIRTUAL_MS);
	stop();
	assert_int_equal(atomic_load(&seen[last_id]), 1);
	assert_int_equal(atomic_load(&seen[1]), 0);
	assert_in_range(atomic_load(&seen_count), 2000, 4000);
	/* whole lines: both spans of the first */
	uint64_t first = 1;
	while (atomic_load(&seen[first]) == 0)
		first++;
	assert_int_equal(first % 2, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shipper_setup, shipper_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ships_each_span_once),
		TEST(a_batch_may_end_within_a_line),
		TEST(keeps_everything_while_the_collector_is_down),
		TEST(ends_while_the_collector_hangs),
		TEST(goes_on_after_a_refusal),
		TEST(follows_rotations_under_load),
		TEST(follows_a_truncation),
		TEST(garbage_does_not_stop_it),
		TEST(unsampled_lines_move_the_checkpoint),
		TEST(a_full_disk_does_not_stop_it),
		TEST(a_broken_checkpoint_means_reading_all),
		TEST(a_first_start_reads_a_little_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
