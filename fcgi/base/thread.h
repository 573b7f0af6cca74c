/* SPDX-License-Identifier: MIT */
/*
 * A thread that works, and sleeps until it is woken, has a deadline or is to stop:
 *
 *	static struct thread cleaner = THREAD_INITIALIZER;
 *
 *	static void run(void *arg)
 *	{
 *		do
 *			clean(arg);
 *		while (!thread_sleep(&cleaner, clock_monotonic_ns() + INTERVAL_NS));
 *	}
 *
 *	thread_start(&cleaner, "cleaner", run, what);
 *	thread_stop(&cleaner, CLOCK_NEVER);
 *
 * All its waits are the clock's (base/clock.h), so that a test may have a time of its own.
 */
#ifndef APM_BASE_THREAD_H
#define APM_BASE_THREAD_H

#include "base/clock.h"

struct thread {
	pthread_mutex_t lock; /* of what follows, and of what the thread shares with others */
	bool stopping;        /* thread_stop was called */
	bool ended;           /* `run` has returned */
	/* private */
	pthread_cond_t woken, gone;
	pthread_t id;
	void (*run)(void *arg);
	void *arg;
};

#define THREAD_INITIALIZER                                                                                             \
	{                                                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER, .gone = PTHREAD_COND_INITIALIZER \
	}

/*
 * Runs `run` on a thread of that name (a literal, 15 bytes at most), which signals do not interrupt: they are for main.
 * 0 or -errno. A thread that was stopped may be started again.
 */
int thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg);

/*
 * Tells the thread to stop, waits until it has ended and frees what it was made of; not beyond the monotonic
 * `deadline_ns`. False: it still runs, and thread_stop may be called again, or pthread_detach for its `id`.
 */
bool thread_stop(struct thread *t, uint64_t deadline_ns);

/* Any thread, best with the lock: ends the present wait of the thread. */
static inline void thread_wake(struct thread *t)
{
	pthread_cond_signal(&t->woken);
}

/* ---- for `run` ---- */

/* With the lock: waits until the thread is woken, or to stop, or the deadline is there; true: it is. */
static inline bool thread_wait(struct thread *t, uint64_t deadline_ns)
{
	return clock_wait_until(&t->woken, &t->lock, deadline_ns);
}

/* Without the lock: sleeps until the deadline, less when the thread is to stop. True: it is. */
bool thread_sleep(struct thread *t, uint64_t deadline_ns);

#endif
