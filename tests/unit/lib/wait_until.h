/* SPDX-License-Identifier: MIT */
/* Waits in real time, where files, locks or processes of the world outside take part: for a condition, never so long.
 */
#ifndef APM_TESTS_WAIT_UNTIL_H
#define APM_TESTS_WAIT_UNTIL_H

#include <stdint.h>
#include <time.h>

#include "cmocka_all.h"

/* Returns the monotonic time, even when clock_source is a test's. */
uint64_t wait_until_now_ns(void);

/* The limit is three times as long where the processors have other tests to run as well. */
#define WAIT_UNTIL(condition, seconds)                                                                                 \
	do {                                                                                                           \
		uint64_t deadline_ = wait_until_now_ns() + (uint64_t)((seconds)*3e9);                                  \
		while (!(condition)) {                                                                                 \
			if (wait_until_now_ns() > deadline_)                                                           \
				fail_msg("waited %g s in vain: %s", (seconds)*3.0, #condition);                        \
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);                                       \
		}                                                                                                      \
	} while (0)

#endif
