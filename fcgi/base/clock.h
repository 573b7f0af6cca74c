/* SPDX-License-Identifier: MIT */
/*
 * The two clocks and the waiting for them, replaceable in tests. Any thread may read and wait; replace only before
 * threads start.
 */
#ifndef APM_BASE_CLOCK_H
#define APM_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

#define CLOCK_NEVER UINT64_MAX /* a deadline that does not come */

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
 * Waits until `cond` is signalled or the monotonic clock has come to `deadline_ns`; true: it has. The caller holds
 * `lock`, which is free meanwhile. A wait may end without reason, so the caller asks in a loop for what it waits for.
 * PTHREAD_COND_INITIALIZER is all that the condition needs.
 */
static inline bool clock_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	return clock_source.wait_until(cond, lock, deadline_ns);
}

/* Sleeps until the monotonic clock has come to `deadline_ns`. */
void clock_sleep_until(uint64_t deadline_ns);

/*
 * Both clocks as of one moment, to within a microsecond: a thread that is interrupted between the two readings would
 * pair times that lie apart, so it reads again (at most 8 times; then the nearest pair is taken).
 */
void clock_both_ns(uint64_t *realtime_ns, uint64_t *monotonic_ns);

#define CLOCK_RFC3339_SIZE 32

/*
 * Writes `realtime_ns` as RFC 3339 in UTC with `digits` (3 or 6) fractional digits,
 * truncated: "2026-11-22T12:30:00.123Z". `out` has CLOCK_RFC3339_SIZE bytes. Returns the length.
 */
size_t clock_rfc3339(uint64_t realtime_ns, int digits, char *out);

#endif
