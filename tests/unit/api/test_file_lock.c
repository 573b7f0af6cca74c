/* SPDX-License-Identifier: MIT */
/* Locks between processes. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file_lock.h"
#include "temporary.h"

static struct file_lock lock;

/* A process that has the lock until it is killed. */
static pid_t start_holder(const char *path)
{
	int told[2];
	char byte;
	pid_t holder;

	assert_int_equal(pipe(told), 0);
	pid_t child = fork();
	if (child == 0) {
		if (file_lock_take(&lock, path, &holder) != 0 || write(told[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	return child;
}

static void kill_holder(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void another_process_is_refused_and_learns_who_it_is(void **state)
{
	char path[PATH_MAX];
	pid_t holder = -1;

	(void)state;
	snprintf(path, sizeof(path), "%s", in_temporary("a.log"));
	pid_t child = start_holder(path);
	assert_int_equal(file_lock_take(&lock, path, &holder), -EBUSY);
	assert_int_equal(holder, child);
	assert_int_equal(file_lock_take(&lock, in_temporary("b.log"), &holder), 0);
	file_lock_release(&lock);
	kill_holder(child);
	assert_int_equal(file_lock_take(&lock, path, &holder), 0);
	assert_int_equal(holder, 0);
	assert_int_equal(access(in_temporary(".a-log.lock"), F_OK), 0);
	file_lock_release(&lock); /* leaves nothing, or the directory could not be removed */
}

/* What rotation does to the file is nothing to the lock. */
static void the_file_may_be_renamed(void **state)
{
	char path[PATH_MAX];
	pid_t holder;

	(void)state;
	snprintf(path, sizeof(path), "%s", in_temporary("a.log"));
	append_to("a.log", "one\n");
	pid_t child = start_holder(path);
	move("a.log", "a.log.1");
	append_to("a.log", "two\n");
	assert_int_equal(file_lock_take(&lock, path, &holder), -EBUSY);
	kill_holder(child);
	assert_int_equal(file_lock_take(&lock, path, &holder), 0);
	file_lock_release(&lock);
}

/* Each that gets the lock removes its file in the end: nobody may hold a lock of a file that is gone. */
static void one_at_a_time_whoever_comes_and_goes(void **state)
{
	enum { PROCESSES = 4, ROUNDS = 2000 };
	char path[PATH_MAX];
	pid_t children[PROCESSES], holder;

	(void)state;
	snprintf(path, sizeof(path), "%s", in_temporary("a.log"));
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		for (int n = 0; n < ROUNDS;) {
			int error = file_lock_take(&lock, path, &holder);
			if (error == -EBUSY)
				continue;
			int fd = open(in_temporary("inside"), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			if (error || fd < 0 || close(fd) != 0 || unlink(in_temporary("inside")) != 0)
				_exit(1);
			file_lock_release(&lock);
			n++;
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
}

static void a_lock_that_cannot_be_made(void **state)
{
	static char name[5000];
	pid_t holder;

	(void)state;
	assert_int_equal(file_lock_take(&lock, in_temporary("no/such/directory"), &holder), -ENOENT);
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(file_lock_take(&lock, name, &holder), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_process_is_refused_and_learns_who_it_is),
		TEST(the_file_may_be_renamed),
		TEST(one_at_a_time_whoever_comes_and_goes),
		TEST(a_lock_that_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
