/* SPDX-License-Identifier: MIT */
/*
 * Tests of processes with telemetry that fork, in real time: what a child finds is given to the parent, which asserts.
 */
#ifndef APM_TESTS_FORK_FIXTURE_H
#define APM_TESTS_FORK_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "telemetry_fixture.h"

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

#define CHILD_SECONDS 120 /* a child that takes longer hangs */

/* Waits for a child, which has to succeed. */
void expect_success(pid_t pid);

/* Runs `work` in a child, which has to return true. Returns how many bytes the child gave. */
size_t run_child(bool (*work)(int out), void *result, size_t size);

/* Gives bytes to the parent. Returns whether it could. */
bool give(int out, const void *bytes, size_t count);

void init(void);

/* Is init in a child, where no assertion may be made. */
bool init_child(void);

/* Tears down a test. The file of a lock that was shared stays. */
int fork_fixture_end(void **state);

/* No time of the test's own: processes and threads of others take part. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin_in_real_time, fork_fixture_end)

#endif
