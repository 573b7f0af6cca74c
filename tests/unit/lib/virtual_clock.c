/* SPDX-License-Identifier: MIT */
#include "virtual_clock.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

struct virtual_sleeper {
	struct virtual_sleeper *next;
	const pthread_cond_t *cond; /* by address: what it was signalled through */
	pthread_cond_t woken;
	uint64_t deadline_ns;
	bool asleep, late, takes_part;
};

static struct {
	pthread_mutex_t lock;
	struct virtual_sleeper *sleepers;
	unsigned awake; /* of those that take part */
	bool settling;  /* the test waits until all others sleep */
	bool is_on;
	uint64_t now_ns, wall_ns; /* the wall clock is ahead of the other by wall_ns */
	struct clock_source real;
	pthread_key_t at_exit; /* of a thread that takes part */
} virtual_time = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool virtual_takes_part;
int __real_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);

/* ---- time goes by ---- */

/* All with the lock. */
static void virtual_wake(struct virtual_sleeper *sleeper, bool late)
{
	sleeper->asleep = false;
	sleeper->late = late;
	virtual_time.awake += sleeper->takes_part;
	__real_pthread_cond_signal(&sleeper->woken);
}

static uint64_t virtual_next_deadline(void)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (const struct virtual_sleeper *s = virtual_time.sleepers; s; s = s->next)
		if (s->asleep && s->deadline_ns < next_ns)
			next_ns = s->deadline_ns;
	return next_ns;
}

/* When everybody sleeps: wakes the test if it wants to look, else those whose time comes next. */
static void virtual_flow(void)
{
	if (virtual_time.awake)
		return;
	uint64_t next_ns = virtual_time.settling ? virtual_time.now_ns : virtual_next_deadline();
	if (next_ns == CLOCK_NEVER) {
		fprintf(stderr, "virtual time: everybody sleeps, and nobody has a deadline\n");
		abort();
	}
	if (next_ns > virtual_time.now_ns)
		virtual_time.now_ns = next_ns;
	virtual_time.settling = false;
	for (struct virtual_sleeper *s = virtual_time.sleepers; s; s = s->next)
		if (s->asleep && s->deadline_ns <= virtual_time.now_ns)
			virtual_wake(s, true);
}

/* Until it is signalled through `cond` or late; without `cond` until all others sleep. `lock` is the caller's. */
static bool virtual_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct virtual_sleeper self = {.cond = cond,
				       .woken = PTHREAD_COND_INITIALIZER,
				       .deadline_ns = deadline_ns,
				       .asleep = true,
				       .takes_part = virtual_takes_part};
	struct virtual_sleeper **at = &virtual_time.sleepers;

	pthread_mutex_lock(&virtual_time.lock);
	if (cond && deadline_ns <= virtual_time.now_ns) {
		pthread_mutex_unlock(&virtual_time.lock);
		return true;
	}
	self.next = virtual_time.sleepers;
	virtual_time.sleepers = &self;
	virtual_time.settling |= !cond;
	virtual_time.awake -= self.takes_part;
	virtual_flow();
	pthread_mutex_unlock(lock); /* who signals under it finds the sleeper */
	while (self.asleep)
		pthread_cond_wait(&self.woken, &virtual_time.lock);
	while (*at != &self)
		at = &(*at)->next;
	*at = self.next;
	pthread_mutex_unlock(&virtual_time.lock);
	pthread_mutex_lock(lock);
	return self.late;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
	struct virtual_sleeper *s;

	pthread_mutex_lock(&virtual_time.lock);
	for (s = virtual_time.sleepers; s && !(s->asleep && s->cond == cond); s = s->next)
		;
	if (s)
		virtual_wake(s, false);
	pthread_mutex_unlock(&virtual_time.lock);
	return __real_pthread_cond_signal(cond); /* for a wait in real time */
}

/* ---- who takes part ---- */

struct virtual_start {
	void (*run)(void *arg);
	void *arg;
};

static void virtual_exit(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&virtual_time.lock);
	virtual_time.awake--;
	virtual_flow();
	pthread_mutex_unlock(&virtual_time.lock);
}

static void virtual_run(void *arg)
{
	struct virtual_start start = *(struct virtual_start *)arg;

	free(arg);
	virtual_takes_part = true;
	pthread_setspecific(virtual_time.at_exit, &virtual_time); /* not before the end is told */
	start.run(start.arg);
}

int __real_thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg);
int __wrap_thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg);

int __wrap_thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg)
{
	if (!virtual_time.is_on)
		return __real_thread_start(t, name, run, arg);
	struct virtual_start *start = malloc(sizeof(*start));
	if (!start)
		abort();
	*start = (struct virtual_start){run, arg};
	pthread_mutex_lock(&virtual_time.lock);
	virtual_time.awake++;
	pthread_mutex_unlock(&virtual_time.lock);
	return __real_thread_start(t, name, virtual_run, start);
}

/* ---- a server that does not answer ---- */

const atomic_bool *virtual_server_hangs;
static pthread_mutex_t virtual_poll_lock = PTHREAD_MUTEX_INITIALIZER;

static struct virtual_poll {
	CURLM *multi;
	pthread_cond_t woken;
	bool ends; /* the present wait, or the next */
} virtual_polls[64];

/* With the lock. */
static struct virtual_poll *virtual_poll_of(CURLM *multi)
{
	struct virtual_poll *poll = virtual_polls, *end = poll + sizeof(virtual_polls) / sizeof(*virtual_polls);

	while (poll < end && poll->multi && poll->multi != multi)
		poll++;
	if (poll == end)
		abort();
	poll->multi = multi;
	return poll;
}

CURLMcode __real_curl_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int ms, int *ready);

CURLMcode __wrap_curl_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int ms, int *ready);

CURLMcode __real_curl_multi_wakeup(CURLM *multi);

CURLMcode __wrap_curl_multi_wakeup(CURLM *multi);

CURLMcode __wrap_curl_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int ms, int *ready)
{
	bool late = false;

	if (!virtual_time.is_on)
		return __real_curl_multi_poll(multi, fds, count, ms, ready);
	if (!virtual_server_hangs || !atomic_load(virtual_server_hangs)) /* not long: it may begin to */
		return __real_curl_multi_poll(multi, fds, count, ms < 5 ? ms : 5, ready);
	uint64_t deadline_ns = clock_monotonic_ns() + (unsigned)ms * VIRTUAL_MS;
	pthread_mutex_lock(&virtual_poll_lock);
	struct virtual_poll *poll = virtual_poll_of(multi);
	while (!poll->ends && !late)
		late = clock_wait_until(&poll->woken, &virtual_poll_lock, deadline_ns);
	poll->ends = false;
	pthread_mutex_unlock(&virtual_poll_lock);
	return CURLM_OK;
}

CURLMcode __wrap_curl_multi_wakeup(CURLM *multi)
{
	pthread_mutex_lock(&virtual_poll_lock);
	struct virtual_poll *poll = virtual_poll_of(multi);
	poll->ends = true;
	pthread_cond_signal(&poll->woken);
	pthread_mutex_unlock(&virtual_poll_lock);
	return __real_curl_multi_wakeup(multi);
}

/* ---- for the test's thread ---- */

static uint64_t virtual_monotonic_ns(void)
{
	pthread_mutex_lock(&virtual_time.lock);
	uint64_t now_ns = virtual_time.now_ns;
	pthread_mutex_unlock(&virtual_time.lock);
	return now_ns;
}

static uint64_t virtual_realtime_ns(void)
{
	pthread_mutex_lock(&virtual_time.lock);
	uint64_t now_ns = virtual_time.now_ns + virtual_time.wall_ns;
	pthread_mutex_unlock(&virtual_time.lock);
	return now_ns;
}

void virtual_begin(void)
{
	if (!virtual_time.at_exit && pthread_key_create(&virtual_time.at_exit, virtual_exit) != 0)
		abort();
	virtual_time.real = clock_source;
	virtual_time.now_ns = clock_monotonic_ns();
	virtual_time.wall_ns = clock_realtime_ns() - virtual_time.now_ns;
	virtual_time.awake = 1;
	virtual_time.is_on = virtual_takes_part = true;
	memset(virtual_polls, 0, sizeof(virtual_polls)); /* which is what PTHREAD_COND_INITIALIZER says */
	clock_source = (struct clock_source){virtual_realtime_ns, virtual_monotonic_ns, virtual_wait};
}

void virtual_end(void)
{
	if (virtual_time.is_on)
		clock_source = virtual_time.real;
	virtual_time.is_on = virtual_takes_part = false;
}

void virtual_move_wall_clock(int64_t by_ns)
{
	pthread_mutex_lock(&virtual_time.lock);
	virtual_time.wall_ns += (uint64_t)by_ns;
	pthread_mutex_unlock(&virtual_time.lock);
}

void virtual_settle(void)
{
	pthread_mutex_t none = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&none);
	virtual_wait(NULL, &none, 0);
	pthread_mutex_unlock(&none);
}

void virtual_pass(uint64_t ns)
{
	clock_sleep_until(clock_monotonic_ns() + ns);
	virtual_settle();
}

bool virtual_step(void)
{
	pthread_mutex_lock(&virtual_time.lock);
	uint64_t next_ns = virtual_next_deadline();
	pthread_mutex_unlock(&virtual_time.lock);
	if (next_ns != CLOCK_NEVER)
		clock_sleep_until(next_ns);
	virtual_settle();
	return next_ns != CLOCK_NEVER;
}
