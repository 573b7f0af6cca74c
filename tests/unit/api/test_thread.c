/* SPDX-License-Identifier: MIT */
/* A thread that sleeps until it is told, and the clock's waits. */
#include "cmocka_all.h"

#include <signal.h>

#include "base/thread.h"
#include "virtual_clock.h"

static struct thread thread = THREAD_INITIALIZER;
static unsigned turns; /* under its lock */

static int begin(void **state)
{
	(void)state;
	turns = 0;
	virtual_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	virtual_end();
	return 0;
}

static unsigned turns_now(void)
{
	pthread_mutex_lock(&thread.lock);
	unsigned now = turns;
	pthread_mutex_unlock(&thread.lock);
	return now;
}

static void count_turns(void *interval_ns)
{
	do {
		pthread_mutex_lock(&thread.lock);
		turns++;
		pthread_mutex_unlock(&thread.lock);
	} while (!thread_sleep(&thread, clock_monotonic_ns() + *(uint64_t *)interval_ns));
}

static void it_works_and_sleeps_until_it_is_to_stop(void **state)
{
	uint64_t second_ns = VIRTUAL_SECOND;

	(void)state;
	assert_int_equal(thread_start(&thread, "turns", count_turns, &second_ns), 0);
	virtual_pass(2500 * VIRTUAL_MS);
	assert_int_equal(turns_now(), 3);
	uint64_t begin_ns = clock_monotonic_ns();
	assert_true(thread_stop(&thread, CLOCK_NEVER));
	assert_int_equal(clock_monotonic_ns(), begin_ns); /* it did not sleep on */
	assert_int_equal(turns, 3);

	assert_int_equal(thread_start(&thread, "again", count_turns, &second_ns), 0);
	virtual_settle();
	assert_int_equal(turns_now(), 4);
	assert_true(thread_stop(&thread, CLOCK_NEVER));
}

/* Counts how often it was woken. */
static void count_wakes(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&thread.lock);
	while (!thread.stopping)
		if (!thread_wait(&thread, CLOCK_NEVER))
			turns += !thread.stopping;
	pthread_mutex_unlock(&thread.lock);
}

static void a_wake_ends_the_wait(void **state)
{
	(void)state;
	assert_int_equal(thread_start(&thread, "wakes", count_wakes, NULL), 0);
	virtual_pass(3600 * VIRTUAL_SECOND);
	assert_int_equal(turns_now(), 0);
	for (unsigned i = 1; i <= 3; i++) {
		thread_wake(&thread);
		virtual_settle();
		assert_int_equal(turns_now(), i);
	}
	assert_true(thread_stop(&thread, CLOCK_NEVER));
}

static void work_for_a_minute(void *unused)
{
	(void)unused;
	clock_sleep_until(clock_monotonic_ns() + 60 * VIRTUAL_SECOND);
}

static void a_stop_does_not_wait_for_ever(void **state)
{
	(void)state;
	uint64_t begin_ns = clock_monotonic_ns();
	assert_int_equal(thread_start(&thread, "busy", work_for_a_minute, NULL), 0);
	assert_false(thread_stop(&thread, begin_ns + VIRTUAL_SECOND));
	assert_int_equal(clock_monotonic_ns() - begin_ns, VIRTUAL_SECOND);
	assert_false(thread_stop(&thread, begin_ns)); /* a deadline that has passed */
	assert_true(thread_stop(&thread, CLOCK_NEVER));
	assert_int_equal(clock_monotonic_ns() - begin_ns, 60 * VIRTUAL_SECOND);
}

static void note_signals(void *set)
{
	pthread_sigmask(SIG_SETMASK, NULL, set);
}

static void signals_are_for_main(void **state)
{
	sigset_t before, after, inside;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(thread_start(&thread, "signals", note_signals, &inside), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_true(thread_stop(&thread, CLOCK_NEVER));
	assert_true(sigismember(&inside, SIGTERM) && sigismember(&inside, SIGUSR1));
	assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

/* The clock's own waits, without any bound above: the machine may be busy. */
static void in_real_time_too(void **state)
{
	uint64_t begin_ns = clock_monotonic_ns(), hour_ns = 3600 * VIRTUAL_SECOND, moment_ns = VIRTUAL_MS;

	(void)state;
	clock_sleep_until(begin_ns + 20 * VIRTUAL_MS);
	assert_true(clock_monotonic_ns() >= begin_ns + 20 * VIRTUAL_MS);
	clock_sleep_until(begin_ns); /* is over */

	assert_int_equal(thread_start(&thread, "turns", count_turns, &moment_ns), 0);
	while (turns_now() < 3)
		clock_sleep_until(clock_monotonic_ns() + VIRTUAL_MS);
	assert_true(thread_stop(&thread, CLOCK_NEVER));
	assert_int_equal(thread_start(&thread, "turns", count_turns, &hour_ns), 0);
	assert_true(thread_stop(&thread, CLOCK_NEVER)); /* wakes it */

	pthread_mutex_lock(&thread.lock);
	assert_true(thread_wait(&thread, begin_ns));
	pthread_mutex_unlock(&thread.lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_works_and_sleeps_until_it_is_to_stop),
		TEST(a_wake_ends_the_wait),
		TEST(a_stop_does_not_wait_for_ever),
		TEST(signals_are_for_main),
		cmocka_unit_test(in_real_time_too),
	};

	return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
