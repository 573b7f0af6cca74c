/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

static uint64_t monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* pthread_cond_clockwait() is in POSIX since 2024; musl 1.2 does not have it. */
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 30)

static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / NS_PER_SECOND),
				    .tv_nsec = (long)(deadline_ns % NS_PER_SECOND)};

	if (deadline_ns != CLOCK_NEVER)
		return pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &deadline) == ETIMEDOUT;
	pthread_cond_wait(cond, lock);
	return false;
}

#else /* The condition waits by the wall clock, which may be set, so each wait ends after a second at most. */

#define SLICE_NS NS_PER_SECOND

static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	uint64_t now_ns = monotonic_ns();

	if (deadline_ns == CLOCK_NEVER) {
		pthread_cond_wait(cond, lock);
		return false;
	}
	if (now_ns >= deadline_ns)
		return true;
	uint64_t end_ns = realtime_ns() + (deadline_ns - now_ns < SLICE_NS ? deadline_ns - now_ns : SLICE_NS);
	struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_SECOND), .tv_nsec = (long)(end_ns % NS_PER_SECOND)};
	pthread_cond_timedwait(cond, lock, &end);
	return monotonic_ns() >= deadline_ns;
}

#endif

struct clock_source clock_source = {.realtime_ns = realtime_ns, .monotonic_ns = monotonic_ns, .wait_until = wait_until};

void clock_sleep_until(uint64_t deadline_ns)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never_signalled = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&lock);
	while (!clock_wait_until(&never_signalled, &lock, deadline_ns))
		;
	pthread_mutex_unlock(&lock);
}

void clock_both_ns(uint64_t *realtime_ns, uint64_t *monotonic_ns)
{
	uint64_t nearest_ns = UINT64_MAX;

	for (int tries = 0; tries < 8 && nearest_ns > 1000; tries++) {
		uint64_t before_ns = clock_monotonic_ns();
		uint64_t wall_ns = clock_realtime_ns();
		uint64_t apart_ns = clock_monotonic_ns() - before_ns;
		if (apart_ns < nearest_ns) {
			nearest_ns = apart_ns;
			*realtime_ns = wall_ns;
			*monotonic_ns = before_ns;
		}
	}
}

/* Writes `count` decimal digits and returns the end. */
static char *put_digits(char *out, uint64_t value, int count)
{
	for (int i = count - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return out + count;
}

/* Writes the date of a day since 1970-01-01 in the Gregorian calendar, by eras of 400 years from 0000-03-01. */
static char *put_date(char *out, uint64_t days)
{
	uint64_t shifted = days + 719468;
	uint64_t day_of_era = shifted % 146097;
	uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month_from_march = (5 * day_of_year + 2) / 153;
	uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	uint64_t year = shifted / 146097 * 400 + year_of_era + (month <= 2);

	out = put_digits(out, year, 4);
	*out++ = '-';
	out = put_digits(out, month, 2);
	*out++ = '-';
	return put_digits(out, day, 2);
}

size_t clock_rfc3339(uint64_t time_ns, int digits, char *out)
{
	uint64_t seconds = time_ns / NS_PER_SECOND;
	uint64_t micros = time_ns % NS_PER_SECOND / 1000;
	char *p = put_date(out, seconds / 86400);

	*p++ = 'T';
	p = put_digits(p, seconds / 3600 % 24, 2);
	*p++ = ':';
	p = put_digits(p, seconds / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, seconds % 60, 2);
	*p++ = '.';
	p = digits == 3 ? put_digits(p, micros / 1000, 3) : put_digits(p, micros, 6);
	*p++ = 'Z';
	*p = '\0';
	return (size_t)(p - out);
}
