/* SPDX-License-Identifier: MIT */
/*
 * A thread that works, and between that sleeps until it is woken, a deadline has come or it is to stop:
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
 *	thread_start(&cleaner, "cleaner", run, arg);
 *	thread_stop(&cleaner, CLOCK_NEVER);
 *
 * It waits by base/clock.h, so that a test can have a time of its own.
 */
#ifndef APM_BASE_THREAD_H
#define APM_BASE_THREAD_H

#include "base/clock.h"

struct thread {
	pthread_mutex_t lock; /* protects `stopping`, `ended`, and all that the thread shares with others */
	bool stopping;        /* thread_stop was called */
	bool ended;           /* `run` has returned */
	size_t stack_bytes;   /* set before thread_start; 0: as much as the system gives */
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
 * Runs `run` on a thread of that name (a literal, 15 bytes at most). It blocks all signals, which are for main. Returns
 * 0 or -errno. A thread that was stopped may be started again.
 */
int thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg);

/*
 * Tells the thread to stop, waits until it has ended and frees its resources. Returns false when it still runs at the
 * monotonic `deadline_ns`; then thread_stop may be called again, or pthread_detach for its `id`.
 */
bool thread_stop(struct thread *t, uint64_t deadline_ns);

/* Ends the present wait of the thread. Any thread may call, best with the lock. */
static inline void thread_wake(struct thread *t)
{
	pthread_cond_signal(&t->woken);
}

/* ---- for `run` ---- */

/* Waits, with the lock, until the thread is woken or to stop, or the deadline has come; returns true when it has. */
static inline bool thread_wait(struct thread *t, uint64_t deadline_ns)
{
	return clock_wait_until(&t->woken, &t->lock, deadline_ns);
}

/* Sleeps, without the lock, until the deadline, or until the thread is to stop; returns true when it is to stop. */
bool thread_sleep(struct thread *t, uint64_t deadline_ns);

#endif
