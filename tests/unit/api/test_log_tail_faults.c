/* SPDX-License-Identifier: MIT */
/*
 * Walks every failure of the disk through following the log: the first, the second … system call fails, alone or with
 * those that follow, while lines are written, the log is rotated and the program is started again. No line is lost.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "count_allocations.h"
#include "fail_calls.h"
#include "log_tail_fixture.h"

#define LINES_MAX 64

/* Shared with a child that runs the scenario. */
static struct {
	unsigned written;         /* lines, numbered from 1 */
	unsigned seen[LINES_MAX]; /* how often each was read */
} * lines;
static uint64_t saves;

/* ---- the program, as far as it is about files: reads what is there, then moves the checkpoint ---- */

static bool is_running;

/* False: it does not start; it would be started again. */
static bool try_to_follow(void)
{
	static char path[PATH_MAX];
	struct log_position from;
	int error = checkpoint_read(in_temporary("checkpoint"), &from);

	if (error && error != -ENOENT)
		return false;
	snprintf(path, sizeof(path), "%s", in_temporary(LOG));
	log_tail_init(&tail, path, error ? NULL : &from, 1 << 20);
	return true;
}

static void take_line(const struct log_tail_line *line)
{
	unsigned number = 0;

	for (size_t i = 0; i < line->len && line->text[i] >= '0' && line->text[i] <= '9'; i++)
		number = number * 10 + (unsigned)(line->text[i] - '0');
	assert_in_range(number, 1, lines->written);
	lines->seen[number]++;
}

/* For a while; the clock goes on. */
static void run_for(unsigned tenths)
{
	struct log_position at;
	struct log_tail_line line;

	for (; tenths; tenths--, now_ns += SECOND / 10) {
		enum log_tail_event event = LOG_TAIL_IDLE;
		bool news = false;

		if (!is_running && !(is_running = try_to_follow()))
			continue;
		for (; (event = log_tail_next(&tail, &line)) != LOG_TAIL_IDLE; news = true)
			if (event == LOG_TAIL_LINE)
				take_line(&line);
		if (news && log_tail_position(&tail, tail.offset, 0, &at))
			checkpoint_write(in_temporary("checkpoint"), &at, saves++ % 4 == 0);
	}
}

static void restart(void)
{
	if (is_running)
		log_tail_done(&tail);
	is_running = false;
}

/* ---- nginx and logrotate, whose calls do not fail ---- */

static void write_lines(const char *name, unsigned count)
{
	char line[64];

	for (unsigned i = 0; i < count; i++) {
		assert_true(++lines->written < LINES_MAX);
		snprintf(line, sizeof(line), "%u is the number of this line\n", lines->written);
		long from = failing_from;
		failing_from = 0;
		append_to(name, line);
		failing_from = from;
	}
}

static void rotate(const char *from_name, const char *to)
{
	long from = failing_from;

	failing_from = 0;
	move(from_name, to);
	failing_from = from;
}

static void run_scenario(long first, long count)
{
	write_lines(LOG, 3);
	run_for(3); /* a checkpoint is there: what follows is the program's, whatever happens */
	fail_calls(first, count);
	write_lines(LOG, 2);
	run_for(3);
	rotate(LOG, LOG ".1");
	write_lines(LOG ".1", 2); /* a worker that has not opened the new one yet */
	write_lines(LOG, 2);
	run_for(3);
	write_lines(LOG ".1", 1);
	run_for(20);
	write_lines(LOG, 2);
	run_for(2);
	restart();
	write_lines(LOG, 2);
	rotate(LOG ".1", LOG ".2");
	rotate(LOG, LOG ".1");
	run_for(4);
	write_lines(LOG, 3);
	run_for(20);
	restart();
	write_lines(LOG, 1);
	run_for(5);
}

/* ---- */

static void clear(void)
{
	static const char *const names[] = {LOG, LOG ".1", LOG ".2", "checkpoint", "checkpoint.new"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(in_temporary(names[i]));
	memset(lines, 0, sizeof(*lines));
	saves = 0;
}

/* FAULT_STEP=1 walks every position; else sanitizers, which are slow, see every seventh of those that others see. */
static long step(long usual)
{
	const char *wanted = getenv("FAULT_STEP"), *mode = getenv("TEST_MODE");

	if (wanted)
		return strtol(wanted, NULL, 10);
	return mode && strcmp(mode, "release") != 0 ? 7 * usual : usual;
}

/* How many lines were read twice; none may be missing. */
static unsigned judge(const char *what, long count, long first)
{
	unsigned repeats = 0;

	for (unsigned number = 1; number <= lines->written; number++) {
		if (!lines->seen[number])
			fail_msg("%ld: %ld %s fail: line %u of %u is lost", first, count, what, number, lines->written);
		repeats += lines->seen[number] - 1;
	}
	return repeats;
}

static void walk(long count, long usual_step)
{
	long first = 1, repeats = 0;

	for (bool more = true; more; first += step(usual_step)) {
		clear();
		run_scenario(first, count);
		more = call_failures;
		repair_calls();
		run_for(30);
		restart();
		unsigned twice = judge("calls from then on", count, first);
		assert_true(more || twice == 0);
		repeats += twice;
	}
	print_message("%ld calls fail, from each of %ld on: %ld lines were read twice\n", count, first - 2, repeats);
	assert_true(first > 100);
}

static void a_call_fails(void **state)
{
	(void)state;
	walk(1, 1);
}

static void some_calls_fail(void **state)
{
	(void)state;
	walk(7, 3);
}

static void many_calls_fail(void **state)
{
	(void)state;
	walk(100, 5);
}

/* For lack of memory the program aborts, and is started again. */
static void an_allocation_fails(void **state)
{
	long first = 1, aborts = 0;
	int status = 0;

	(void)state;
	for (bool more = true; more; first += step(1)) {
		clear();
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
			close(STDERR_FILENO); /* where assert() tells */
			allocations = 0;
			failing_allocation = (unsigned long)first;
			run_scenario(0, 0);
			_exit(allocation_failures ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : WEXITSTATUS(status) <= 1);
		more = status != 0;
		aborts += WIFSIGNALED(status);
		run_for(30);
		restart();
		judge("allocation", 1, first);
	}
	print_message("%ld allocations, %ld aborts\n", first - 1, aborts);
	assert_true(aborts > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_fails),
		TEST(some_calls_fail),
		TEST(many_calls_fail),
		TEST(an_allocation_fails),
	};

	lines = mmap(NULL, sizeof(*lines), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
