/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <signal.h>

static void *run_and_tell(void *arg)
{
	struct thread *t = arg;

	t->run(t->arg);
	pthread_mutex_lock(&t->lock);
	t->ended = true;
	pthread_cond_signal(&t->gone);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int thread_start(struct thread *t, const char *name, void (*run)(void *arg), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;

	t->stopping = t->ended = false;
	t->run = run;
	t->arg = arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	if (t->stack_bytes)
		pthread_attr_setstacksize(&attr, t->stack_bytes);
	int error = pthread_create(&t->id, &attr, run_and_tell, t);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_setname_np(t->id, name);
	return -error;
}

bool thread_stop(struct thread *t, uint64_t deadline_ns)
{
	bool late = false;

	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	thread_wake(t);
	while (!t->ended && !late)
		late = clock_wait_until(&t->gone, &t->lock, deadline_ns);
	bool ended = t->ended;
	pthread_mutex_unlock(&t->lock);
	if (ended)
		pthread_join(t->id, NULL);
	return ended;
}

bool thread_sleep(struct thread *t, uint64_t deadline_ns)
{
	bool late = false;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping && !late)
		late = thread_wait(t, deadline_ns);
	bool stopping = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return stopping;
}
