/* SPDX-License-Identifier: MIT */
/*
 * Counts this program's own allocations, all threads together, and fails one on demand, or all from then on. The
 * Makefile links a test that includes this with $(WRAP_MALLOC).
 */
#ifndef APM_TESTS_COUNT_ALLOCATIONS_H
#define APM_TESTS_COUNT_ALLOCATIONS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static atomic_ulong allocations;
static atomic_ulong allocation_failures;
static atomic_ulong failing_allocation; /* its number; 0: none fails */
static atomic_bool allocations_fail_on; /* and all after it */

/* Counts one; true: it fails. */
static inline bool allocation_fails(void)
{
	unsigned long number = atomic_fetch_add(&allocations, 1) + 1, failing = failing_allocation;
	bool fails = failing && (number == failing || (allocations_fail_on && number > failing));

	if (fails) {
		allocation_failures++;
		errno = ENOMEM;
	}
	return fails;
}

void *__wrap_malloc(size_t bytes)
{
	return allocation_fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return allocation_fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	return allocation_fails() ? NULL : __real_realloc(old, bytes);
}

#endif
