/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "log_fixture.h"
#include "virtual_clock.h"

static int begin(void **state)
{
	virtual_begin();
	return start_counting(state);
}

static int end(void **state)
{
	int result = end_log(state);

	virtual_end();
	return result;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* Runs `body` in a process of its own, so that it may change limits or leave a thread behind. */
static void in_child(void (*body)(void))
{
	int status;

	unlink(log_path);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(log_path);
	assert_int_equal(status, 0);
}

#define CHILD_ASSERT(condition)                                                                                        \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			dprintf(2, "line %d: %s\n", __LINE__, #condition);                                             \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

/* In real time, as the clock is without a test. */
static void a_line_is_written_soon(void **state)
{
	(void)state;
	tel_info("first line");
	wait_until_file_has(log_path, "first line");
	tel_error("second line");
	wait_until_file_has(log_path, "second line");
}

/* After so many milliseconds. */
static bool has_after(unsigned ms, const char *path, const char *text)
{
	virtual_pass(ms * VIRTUAL_MS);
	return file_has(path, text);
}

static void lines_wait_fifty_milliseconds_for_company(void **state)
{
	(void)state;
	tel_info("first line");
	assert_false(has_after(30, log_path, "first line"));
	tel_info("second line"); /* goes with the first */
	assert_false(has_after(19, log_path, "first line"));
	assert_true(has_after(1, log_path, "second line"));
	assert_true(file_has(log_path, "first line"));
}

static void errors_are_written_at_once(void **state)
{
	(void)state;
	tel_info("one that waits");
	tel_error("one that does not");
	assert_true(has_after(0, log_path, "one that waits"));
	assert_true(file_has(log_path, "one that does not"));
}

static void half_a_buffer_is_written_at_once(void **state)
{
	(void)state;
	for (int i = 0; written() == 0 && i < 2000; i++) {
		tel_info("a line among many", tel_int("number", i));
		virtual_settle();
	}
	assert_in_range(written(), 200, 1000);
}

static void reopens_after_rotation(void **state)
{
	char rotated[320];

	(void)state;
	snprintf(rotated, sizeof(rotated), "%s.1", log_path);
	tel_info("before");
	assert_true(has_after(50, log_path, "before"));
	assert_int_equal(rename(log_path, rotated), 0);
	tel_info("between");
	tel_log_reopen(); /* what it has goes to the old file */
	assert_true(has_after(0, rotated, "between"));
	tel_info("after");
	assert_true(has_after(50, log_path, "after"));
	log_stop(10000);
	assert_int_equal(check_file(rotated), 2);
	assert_int_equal(check_file(log_path), 1);
	unlink(rotated);
}

static void keeps_the_old_file_when_the_new_one_cannot_be_opened(void **state)
{
	char rotated[300], away[280];

	(void)state;
	snprintf(away, sizeof(away), "%s.away", temporary);
	snprintf(rotated, sizeof(rotated), "%s/test.log", away);
	assert_int_equal(rename(temporary, away), 0);
	tel_log_reopen();
	tel_info("still here");
	assert_true(has_after(50, rotated, "still here"));
	assert_int_equal(rename(away, temporary), 0);
	assert_int_equal(dropped(), 0);
}

static void appends_and_cuts_half_a_line(void **state)
{
	(void)state;
	for (int full_before = 0; full_before < 3; full_before++) {
		FILE *out = fopen(log_path, "wb");
		for (int i = 0; i < full_before; i++)
			fputs("{\"whole\":1}\n", out);
		fputs("{\"half\":\"", out);
		fclose(out);
		assert_int_equal(log_start("test"), 0);
		tel_info("next");
		log_stop(10000);
		assert_int_equal(check_file(log_path), full_before + 1);
		assert_false(file_has(log_path, "half"));
	}
	unlink(log_path);
}

static void cannot_be_opened(void **state)
{
	(void)state;
	assert_int_equal(log_start("no/such/directory"), -ENOENT);
	char name[5000];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(log_start(name), -ENAMETOOLONG);
}

/* A file-size limit is a disk that is full in the middle of a line. */
static void fill_the_disk(void)
{
	struct rlimit limit;

	virtual_begin();
	remember_counters();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 5000;
	setrlimit(RLIMIT_FSIZE, &limit);
	CHILD_ASSERT(log_start("test") == 0);
	double errors = metric("log_write_errors_total");
	for (int i = 0; i < 100; i++)
		tel_info("a line before the disk is full", tel_int("number", i));
	virtual_pass(50 * VIRTUAL_MS);
	unsigned long kept = written();
	CHILD_ASSERT(kept > 20 && kept < 60 && kept + dropped() == 100);
	CHILD_ASSERT(check_file(log_path) == kept);
	CHILD_ASSERT(metric("log_write_errors_total") > errors);

	/* still full */
	tel_info("lost");
	virtual_pass(50 * VIRTUAL_MS);
	CHILD_ASSERT(written() <= kept + 1 && written() + dropped() == 101);
	kept = written();

	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	tel_info("there is room again");
	log_stop(10000);
	CHILD_ASSERT(written() == kept + 1 && written() + dropped() == 102);
	CHILD_ASSERT(check_file(log_path) == kept + 1);
	CHILD_ASSERT(file_has(log_path, "there is room again"));
}

static void a_full_disk_leaves_whole_lines(void **state)
{
	(void)state;
	in_child(fill_the_disk);
}

/* Nobody reads from the pipe at first. */
static void use_a_slow_reader(void)
{
	CHILD_ASSERT(mkfifo(log_path, 0600) == 0);
	remember_counters();
	CHILD_ASSERT(log_start("test") == 0);
	int reader = open(log_path, O_RDONLY | O_NONBLOCK);
	CHILD_ASSERT(reader >= 0);
	for (int i = 0; i < 20000; i++)
		tel_info("more than all buffers hold", tel_int("number", i));
	CHILD_ASSERT(dropped() > 10000);

	BUF(all, 32 << 20);
	char piece[65536];
	while (written() + dropped() < 20000) {
		ssize_t n = read(reader, piece, sizeof(piece));
		if (n > 0)
			buf_add(&all, piece, (size_t)n);
	}
	log_stop(10000);
	for (ssize_t n; (n = read(reader, piece, sizeof(piece))) > 0;)
		buf_add(&all, piece, (size_t)n);
	CHILD_ASSERT(check_lines(all.data, all.len) == written());
	CHILD_ASSERT(written() + dropped() == 20000);
	CHILD_ASSERT(written() > 1000);
}

static void a_full_buffer_drops_and_counts(void **state)
{
	(void)state;
	in_child(use_a_slow_reader);
}

static void hang_at_the_end(void)
{
	CHILD_ASSERT(mkfifo(log_path, 0600) == 0);
	remember_counters();
	CHILD_ASSERT(log_start("test") == 0);
	for (int i = 0; i < 5000; i++)
		tel_info("nobody reads this", tel_int("number", i));
	uint64_t start = clock_monotonic_ns();
	log_stop(200);
	uint64_t took = clock_monotonic_ns() - start;
	CHILD_ASSERT(took >= 190000000 && took < 5000000000);
	tel_info("too late");
	CHILD_ASSERT(written() + dropped() == 5001);
}

static void stopping_keeps_its_budget(void **state)
{
	(void)state;
	in_child(hang_at_the_end);
}

static void log_without_start(void)
{
	int out = open(log_path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	dup2(out, STDERR_FILENO);
	unsetenv("LOG_DIR");
	remember_counters();
	tel_info("before the start");
	CHILD_ASSERT(file_has(log_path, "before the start"));
	CHILD_ASSERT(log_start("test") == 0);
	tel_info("without LOG_DIR");
	log_stop(10000);
	CHILD_ASSERT(file_has(log_path, "without LOG_DIR"));
	tel_info("after the end");
	CHILD_ASSERT(check_file(log_path) == 3);
	CHILD_ASSERT(written() == 3 && dropped() == 0);
}

static void stderr_is_used_at_once_without_a_thread(void **state)
{
	(void)state;
	in_child(log_without_start);
}

static void lose_the_reader(void)
{
	int ends[2];
	sigset_t pending;

	unsetenv("LOG_DIR");
	CHILD_ASSERT(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	CHILD_ASSERT(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
	close(ends[0]);
	remember_counters();
	tel_info("before the start");
	CHILD_ASSERT(log_start("test") == 0);
	tel_info("for the thread");
	log_stop(10000);
	errno = ERANGE;
	tel_info("after the end");
	CHILD_ASSERT(errno == ERANGE);
	CHILD_ASSERT(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
	CHILD_ASSERT(written() == 0 && dropped() == 3);
}

static void a_pipe_without_a_reader_ends_nothing(void **state)
{
	(void)state;
	in_child(lose_the_reader);
}

static void exit_at_once(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		CHILD_ASSERT(log_start("test") == 0);
		tel_info("why this ends");
		exit(7);
	}
	CHILD_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHILD_ASSERT(check_file(log_path) == 1);
}

static void exit_writes_what_is_logged(void **state)
{
	(void)state;
	in_child(exit_at_once);
}

static void lose_and_regain_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	if (log_start("test"))
		_exit(2);
	int null = open("/dev/null", O_RDWR); /* as a daemon does that nobody gave any */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) != fd)
			_exit(3);
	tel_info("first line");
	log_stop(10000);
	if (!file_has(log_path, "first line"))
		_exit(4);
}

static void does_not_stand_in_for_a_closed_stderr(void **state)
{
	log_stop(10000); /* of the parent, whose lock it would be */
	in_child(lose_and_regain_standard_files);
	assert_int_equal(fresh_log(state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stderr_is_used_at_once_without_a_thread),
		cmocka_unit_test(a_full_disk_leaves_whole_lines),
		cmocka_unit_test(a_full_buffer_drops_and_counts),
		cmocka_unit_test(stopping_keeps_its_budget),
		cmocka_unit_test(a_pipe_without_a_reader_ends_nothing),
		cmocka_unit_test(exit_writes_what_is_logged),
		WITH_LOG(a_line_is_written_soon),
		TEST(lines_wait_fifty_milliseconds_for_company),
		TEST(errors_are_written_at_once),
		TEST(half_a_buffer_is_written_at_once),
		TEST(reopens_after_rotation),
		TEST(does_not_stand_in_for_a_closed_stderr),
		TEST(keeps_the_old_file_when_the_new_one_cannot_be_opened),
		cmocka_unit_test(appends_and_cuts_half_a_line),
		cmocka_unit_test(cannot_be_opened),
	};
	return cmocka_run_group_tests(tests, log_fixture_setup, log_fixture_teardown);
}
