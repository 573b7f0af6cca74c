/* SPDX-License-Identifier: MIT */
#include "fork_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

/* Runs `work` in a forked child, which has to return true. What it gives to its argument, the parent can read. */
static pid_t fork_child(bool (*work)(int out), int *in)
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

void expect_success(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the child ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

size_t run_child(bool (*work)(int out), void *result, size_t size)
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

bool give(int out, const void *bytes, size_t count)
{
	return write(out, bytes, count) == (ssize_t)count;
}

void init(void)
{
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), 0);
}

bool init_child(void)
{
	return tel_init(&(struct tel_config){.service_name = "test-service"}) == 0;
}

int fork_fixture_end(void **state)
{
	unlink(in_temporary(".test-service-log.lock"));
	return fixture_end(state);
}
