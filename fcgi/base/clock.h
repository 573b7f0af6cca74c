/* SPDX-License-Identifier: MIT */
/*
 * The two clocks, and waiting for them. Any thread may read them and wait. Tests replace `clock_source`, before threads
 * start.
 */
#ifndef APM_BASE_CLOCK_H
#define APM_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

#define CLOCK_NEVER UINT64_MAX /* a deadline that never comes */

struct clock_source {
	uint64_t (*realtime_ns)(void);  /* since 1970-01-01T00:00:00Z */
	uint64_t (*monotonic_ns)(void); /* never goes back; for durations and deadlines */
	bool (*wait_until)(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);
};

extern struct clock_source clock_source;

static inline uint64_t clock_realtime_ns(void)
{
	return clock_source.realtime_ns();
}

static inline uint64_t clock_monotonic_ns(void)
{
	return clock_source.monotonic_ns();
}

/*
 * Waits until `cond` is signalled or the monotonic clock has reached `deadline_ns`; returns true when it has. The
 * caller holds `lock`, which is released while it waits. A wait may also end without a reason, so the caller checks its
 * condition in a loop. `cond` needs no more than PTHREAD_COND_INITIALIZER.
 */
static inline bool clock_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	return clock_source.wait_until(cond, lock, deadline_ns);
}

/* Sleeps until the monotonic clock has reached `deadline_ns`. */
void clock_sleep_until(uint64_t deadline_ns);

/*
 * Reads both clocks at one moment, to within a microsecond. If the thread is preempted between the two readings the
 * pair is skewed, so they are repeated: 8 times at most, and the best pair is given.
 */
void clock_both_ns(uint64_t *realtime_ns, uint64_t *monotonic_ns);

#define CLOCK_RFC3339_SIZE 32

/*
 * Writes `realtime_ns` as RFC 3339 in UTC with `digits` (3 or 6) fractional digits,
 * truncated, into `out` of CLOCK_RFC3339_SIZE bytes: "2026-11-22T12:30:00.123Z". Returns the length.
 */
size_t clock_rfc3339(uint64_t realtime_ns, int digits, char *out);

#endif
