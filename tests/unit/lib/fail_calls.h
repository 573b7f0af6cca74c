/* SPDX-License-Identifier: MIT */
/*
 * Fails system calls of this program's own code, from a certain one on, for a number of them. The Makefile links a test
 * that includes this with $(WRAP_CALLS).
 */
#ifndef APM_TESTS_FAIL_CALLS_H
#define APM_TESTS_FAIL_CALLS_H

#include <stdatomic.h>

extern atomic_long failing_from; /* the number of the first that fails; 0: none does, and none is counted */
extern atomic_long calls;        /* so far */
extern atomic_long call_failures;

/* Counts from now on, and fails `count` calls, the first of which is number `from`, from 1. */
void fail_calls(long from, long count);

/* Fails and counts no more. */
void repair_calls(void);

#endif
