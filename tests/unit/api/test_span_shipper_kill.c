/* SPDX-License-Identifier: MIT */
/* The shipper as it runs, in a process of its own (the test program, started anew) and in real time: it is killed. */
#include "span_shipper_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define BATCH 512
#define KILLS 12

static pid_t process; /* ended with the test, however that ends */

static void sleep_ms(unsigned ms)
{
	clock_sleep_until(clock_monotonic_ns() + ms * VIRTUAL_MS);
}

static sigset_t sigterm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return set;
}

static int run_shipper(void)
{
	sigset_t signals = sigterm();
	int number;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (start_parts())
		return 2;
	sigwait(&signals, &number);
	stop_parts();
	return 0;
}

static void start_process(void)
{
	sigset_t signals = sigterm(), before;

	pthread_sigmask(SIG_BLOCK, &signals, &before); /* in the new process from the beginning */
	process = fork();
	if (process == 0) {
		execl("/proc/self/exe", "test_span_shipper_kill", "ship", (char *)NULL);
		_exit(127);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_true(process > 0);
	for (int i = 0; i < 1000 && access(in_temporary("checkpoint"), F_OK) != 0; i++)
		sleep_ms(10); /* a first start begins where the log is then */
}

/* With SIGTERM it ends with code 0, for which the status is 0. */
static void end_process(int signal_number, int expected_status)
{
	int status;

	kill(process, signal_number);
	assert_int_equal(waitpid(process, &status, 0), process);
	process = 0;
	assert_int_equal(status, expected_status);
}

static uint64_t count_missing(void)
{
	uint64_t missing = 0;

	for (uint64_t id = 1; id <= last_id; id++)
		missing += atomic_load(&seen[id]) == 0;
	return missing;
}

/* Killed between an answer and the checkpoint, it sends one batch again; nothing else comes twice, nothing is lost. */
static void survives_being_killed_at_any_moment(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < KILLS; i++) {
		start_process();
		write_lines(LOG, 1000);
		if (i == KILLS / 2) {
			move(LOG, LOG ".1");
			write_lines(LOG, 200);
		}
		sleep_ms((unsigned)rand() % 120);
		end_process(SIGKILL, SIGKILL);
	}
	start_process();
	for (int i = 0; i < 3000 && count_missing(); i++)
		sleep_ms(10);
	end_process(SIGTERM, 0);
	assert_in_range(count_repeats(), 0, KILLS * BATCH);
	/* and once it was stopped in peace, nothing comes again: what it has is sent at the end at the latest */
	unsigned before = atomic_load(&seen_count);
	start_process();
	end_process(SIGTERM, 0);
	assert_int_equal(atomic_load(&seen_count), before);
}

static int kill_and_teardown(void **state)
{
	if (process) {
		kill(process, SIGKILL);
		waitpid(process, NULL, 0);
	}
	return shipper_teardown(state);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "ship") == 0)
		return run_shipper();

	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(survives_being_killed_at_any_moment, shipper_setup_in_real_time,
						kill_and_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
