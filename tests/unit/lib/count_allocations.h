/* SPDX-License-Identifier: MIT */
/*
 * Counts this program's own allocations, all threads together, and fails one on demand, or all from then on. The
 * Makefile links a test that includes this with $(WRAP_MALLOC).
 */
#ifndef APM_TESTS_COUNT_ALLOCATIONS_H
#define APM_TESTS_COUNT_ALLOCATIONS_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_ulong allocations; /* so far */
extern atomic_ulong allocation_failures;
extern atomic_ulong failing_allocation; /* its number; 0: none fails */
extern atomic_bool allocations_fail_on; /* and all after it fail as well */

/* Counts one. Returns whether it fails. */
bool allocation_fails(void);

#endif
