/* SPDX-License-Identifier: MIT */
/*
 * Tests of processes with telemetry that fork, in real time: what a child finds is given to the parent, which asserts.
 */
#ifndef APM_TESTS_FORK_FIXTURE_H
#define APM_TESTS_FORK_FIXTURE_H

#include <fcntl.h>
#include <sys/wait.h>

#include "telemetry_fixture.h"

#define CHILD_SECONDS 120 /* more means that it hangs */

/*
 * The allocators of the sanitizers do not survive a fork beside other threads, and ThreadSanitizer lets no child start
 * threads: there the children do what takes neither.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define NOT_IF_SANITIZED()                                                                                             \
	do {                                                                                                           \
		if (SANITIZED) {                                                                                       \
			print_message("skipped: the sanitizer's runtime does not survive fork() beside threads\n");    \
			skip();                                                                                        \
		}                                                                                                      \
	} while (0)

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

/* Runs `work` in a forked child, which has to return true. What it gives to its argument, the parent can read. */
static inline pid_t fork_child(bool (*work)(int out), int *in)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		_exit(work(fds[1]) ? 0 : 1);
	}
	close(fds[1]);
	*in = fds[0];
	return pid;
}

static inline void expect_success(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the child ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* Bytes that the child gave. */
static inline size_t run_child(bool (*work)(int out), void *result, size_t size)
{
	int in;
	pid_t pid = fork_child(work, &in);
	size_t length = 0;
	ssize_t got;

	while (length < size && (got = read(in, (char *)result + length, size - length)) > 0)
		length += (size_t)got;
	close(in);
	expect_success(pid);
	return length;
}

static inline bool give(int out, const void *bytes, size_t count)
{
	return write(out, bytes, count) == (ssize_t)count;
}

static inline void init(void)
{
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), 0);
}

/* In a child, where no assertion may be made. */
static inline bool init_child(void)
{
	return tel_init(&(struct tel_config){.service_name = "test-service"}) == 0;
}
/* The file of a lock that was shared stays. */
static inline int fork_fixture_end(void **state)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/.test-service-log.lock", log_dir);
	unlink(path);
	return fixture_end(state);
}

/* No time of the test's own: processes and threads of others take part. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin_in_real_time, fork_fixture_end)

#endif
