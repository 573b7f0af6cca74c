/* SPDX-License-Identifier: MIT */
/* Runs a function in some threads at once. */
#ifndef APM_TESTS_THREADS_H
#define APM_TESTS_THREADS_H

#define THREADS 8 /* at most */

/* Runs `body`, which gets 0, 1, 2 …, in so many threads, and waits for their end. */
void run_threads(int count, void *(*body)(void *));

/* Lets these threads go on together, for the time-th time: closer together than a barrier that sleeps would. */
void meet(int time);

#endif
