/* SPDX-License-Identifier: MIT */
#include "count_allocations.h"

#include <errno.h>
#include <stddef.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
atomic_ulong allocations;
atomic_ulong allocation_failures;
atomic_ulong failing_allocation;
atomic_bool allocations_fail_on;

bool allocation_fails(void)
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
