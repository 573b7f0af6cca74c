/* What the access log holds reaches the collector, whatever happens to either and to the shipper. */
#include "shipper_fixture.h"

#define BATCH 512

static void ships_each_span_once(void **state)
{
	(void)state;
	pid_t pid = start();
	write_lines(LOG, 5000);
	assert_each_once();
	uint64_t begin = monotonic_ms();
	write_lines(LOG, 1);
	assert_each_once();
	assert_in_range(monotonic_ms() - begin, 0, 2000);
	/* what was written just before the end is sent at the end */
	write_lines(LOG, 1000);
	stop(pid);
	assert_each_once();
	pid = start();
	write_lines(LOG, 10);
	assert_each_once();
	stop(pid);
}

static void a_batch_may_end_within_a_line(void **state)
{
	(void)state;
	for (int size = 1; size <= 3; size++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", size);
		setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", text, 1);
		write_lines(LOG, 100);
		pid_t pid = start();
		assert_each_once();
		write_lines(LOG, 7);
		stop(pid);
		assert_each_once();
	}
}

static void keeps_everything_while_the_collector_is_down(void **state)
{
	(void)state;
	pid_t pid = start();
	write_lines(LOG, 100);
	assert_each_once();
	tiny_stop(&collector);
	write_lines(LOG, 2000);
	sleep_ms(1500);
	assert_int_equal(atomic_load(&seen_count), 200);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	/* the end of the program does not wait for it, nor does the next one begin anew */
	uint64_t begin = monotonic_ms();
	stop(pid);
	assert_in_range(monotonic_ms() - begin, 0, 4000);
	pid = start();
	write_lines(LOG, 1000);
	sleep_ms(300);
	tiny_start(&collector);
	assert_each_once();
	atomic_store(&collector.status, 503);
	write_lines(LOG, 1000);
	sleep_ms(700);
	atomic_store(&collector.status, 200);
	assert_each_once();
	stop(pid);
	assert_true(log_says("the collector"));
}

static void ends_while_the_collector_hangs(void **state)
{
	(void)state;
	pid_t pid = start();
	atomic_store(&collector.status, TINY_HANG);
	write_lines(LOG, 300);
	sleep_ms(800);
	uint64_t begin = monotonic_ms();
	stop(pid);
	assert_in_range(monotonic_ms() - begin, 0, 4500);
	tiny_stop(&collector);
	atomic_store(&collector.status, 200);
	tiny_start(&collector);
	pid = start();
	assert_each_once();
	stop(pid);
}

static void goes_on_after_a_refusal(void **state)
{
	(void)state;
	pid_t pid = start();
	atomic_store(&collector.status, 400);
	write_lines(LOG, BATCH / 2);
	wait_until_shipped();
	last_id = 0; /* those are lost for good, which the counters tell */
	atomic_store(&collector.status, 200);
	write_lines(LOG, 10);
	assert_each_once();
	stop(pid);
	assert_true(log_says("refuse"));
}

static void follows_rotations_under_load(void **state)
{
	char line[2048], name[64];

	(void)state;
	pid_t pid = start();
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
				sleep_ms(20);
		}
		close(old);
	}
	assert_each_once();
	stop(pid);
}

static void follows_a_truncation(void **state)
{
	(void)state;
	pid_t pid = start();
	write_lines(LOG, 500);
	assert_each_once();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(truncate(in_temporary(LOG), 0), 0);
		write_lines(LOG, 100 + 1000 * (unsigned)i);
		assert_each_once();
	}
	stop(pid);
	assert_true(log_says("truncated"));
}

/* Killed between an answer and the checkpoint, it sends one batch again; nothing else comes twice, nothing is lost. */
static void survives_being_killed_at_any_moment(void **state)
{
	enum { KILLS = 12 };

	(void)state;
	srand(1);
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = start();
		write_lines(LOG, 1000);
		if (i % 5 == 2) {
			char name[64];
			snprintf(name, sizeof(name), LOG ".%d", KILLS - i);
			move(LOG, name);
			write_lines(LOG, 200);
		}
		sleep_ms((unsigned)rand() % 120);
		kill(pid, SIGKILL);
		wait_for(pid, SIGKILL);
	}
	pid_t pid = start();
	for (int i = 0; i < 3000; i++) {
		uint64_t missing = 0;
		for (uint64_t id = 1; id <= last_id; id++)
			missing += atomic_load(&seen[id]) == 0;
		if (missing == 0)
			break;
		sleep_ms(10);
	}
	stop(pid);
	assert_in_range(count_repeats(), 0, KILLS * BATCH);
	/* and once it was stopped in peace, nothing comes again */
	unsigned before = atomic_load(&seen_count);
	pid = start();
	sleep_ms(600);
	stop(pid);
	assert_int_equal(atomic_load(&seen_count), before);
}

static void garbage_does_not_stop_it(void **state)
{
	char line[2048];

	(void)state;
	pid_t pid = start();
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
	stop(pid);
}

static void unsampled_lines_move_the_checkpoint(void **state)
{
	char line[2048];

	(void)state;
	pid_t pid = start();
	for (int i = 0; i < 100; i++) {
		next_line(line, sizeof(line), "02");
		append_to(LOG, line);
	}
	wait_until_shipped();
	assert_int_equal(atomic_load(&seen_count), 0);
	stop(pid);
}

static void a_full_disk_does_not_stop_it(void **state)
{
	(void)state;
	pid_t pid = start();
	assert_int_equal(symlink("/dev/full", in_temporary("checkpoint.new")), 0);
	for (int i = 0; i < 5; i++) {
		write_lines(LOG, 100);
		assert_each_once();
		if (symlink("/dev/full", in_temporary("checkpoint.new")) != 0)
			assert_int_equal(errno, EEXIST);
	}
	stop(pid);
	assert_true(log_says("the checkpoint cannot be written"));
}

static void a_broken_checkpoint_means_reading_all(void **state)
{
	(void)state;
	write_lines(LOG, 3000); /* more than a first start would read */
	append_to("checkpoint", "apm-checkpoint 1\ndevice 1\n");
	pid_t pid = start();
	assert_each_once();
	stop(pid);
	assert_true(log_says("the checkpoint cannot be read"));
}

static void a_first_start_reads_a_little_back(void **state)
{
	(void)state;
	write_lines(LOG, 3000);
	pid_t pid = start();
	sleep_ms(1500);
	stop(pid);
	assert_int_equal(atomic_load(&seen[last_id]), 1);
	assert_int_equal(atomic_load(&seen[1]), 0);
	assert_in_range(atomic_load(&seen_count), 2000, 4000);
	/* whole lines: both spans of the first */
	uint64_t first = 1;
	while (atomic_load(&seen[first]) == 0)
		first++;
	assert_int_equal(first % 2, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "ship") == 0)
		return run_shipper();

	const struct CMUnitTest tests[] = {
		TEST(ships_each_span_once),
		TEST(a_batch_may_end_within_a_line),
		TEST(keeps_everything_while_the_collector_is_down),
		TEST(ends_while_the_collector_hangs),
		TEST(goes_on_after_a_refusal),
		TEST(follows_rotations_under_load),
		TEST(follows_a_truncation),
		TEST(survives_being_killed_at_any_moment),
		TEST(garbage_does_not_stop_it),
		TEST(unsampled_lines_move_the_checkpoint),
		TEST(a_full_disk_does_not_stop_it),
		TEST(a_broken_checkpoint_means_reading_all),
		TEST(a_first_start_reads_a_little_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
