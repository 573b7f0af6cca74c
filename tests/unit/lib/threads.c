/* SPDX-License-Identifier: MIT */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "cmocka_all.h"

static atomic_int arrived;
static int running;

void meet(int time)
{
	atomic_fetch_add(&arrived, 1);
	for (unsigned spins = 1; atomic_load(&arrived) < time * running; spins++) {
		if (spins % 2000 == 0)
			sched_yield();
	}
}

void run_threads(int count, void *(*body)(void *))
{
	pthread_t threads[THREADS];

	atomic_store(&arrived, 0);
	running = count;
	for (intptr_t i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}
