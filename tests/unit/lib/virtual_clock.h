/* SPDX-License-Identifier: MIT */
/*
 * A time of the test's own: it stands still while anybody works, and steps to the next deadline as soon as everybody
 * sleeps. Everybody is the test and the threads of base/thread.h; threads that a test makes with pthread_create are the
 * world outside, as are other processes. So an hour takes no time, and a busy machine changes nothing.
 *
 * The Makefile links a test that includes this with $(WRAP_TIME): wakes and starts of threads have to be seen.
 */
#ifndef APM_TESTS_VIRTUAL_CLOCK_H
#define APM_TESTS_VIRTUAL_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "cmocka_all.h"

#define VIRTUAL_MS UINT64_C(1000000)
#define VIRTUAL_SECOND (1000 * VIRTUAL_MS)

/* Who waits for an answer is awake, unless there will be none: then time goes by. The server says so here. */
extern const atomic_bool *virtual_server_hangs;

/* Makes the time the test's from here on; it begins with the present one. Call it before threads start. */
void virtual_begin(void);

/* Gives the real time back. Call it after threads have ended. */
void virtual_end(void);

/* Sets the wall clock to an earlier or later time. */
void virtual_move_wall_clock(int64_t by_ns);

/* Lets all others do what there is to do now; no time goes by. */
void virtual_settle(void);

/* Lets so much time go by, and all be done that is due then. */
void virtual_pass(uint64_t ns);

/* Lets time go by until the next thing is due and done. Returns false if nothing will ever be. */
bool virtual_step(void);

/* Lets time go by until the condition holds, which it has to within so many seconds of that time. */
#define VIRTUAL_UNTIL(condition, seconds)                                                                              \
	do {                                                                                                           \
		uint64_t limit_ns_ = clock_monotonic_ns() + (uint64_t)((seconds)*1e9);                                 \
		virtual_settle();                                                                                      \
		while (!(condition))                                                                                   \
			if (!virtual_step() || clock_monotonic_ns() > limit_ns_)                                       \
				fail_msg("in vain waited for %s", #condition);                                         \
	} while (0)

#endif
