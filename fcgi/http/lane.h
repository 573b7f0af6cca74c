/* SPDX-License-Identifier: MIT */
/*
 * The bulkhead. At most $CALL_SHARE_PERCENT (default 50) of the threads that answer requests are in calls to one
 * neighbour, and all lanes together leave an eighth of the threads free, so that reads, health and metrics are answered
 * whichever neighbour hangs.
 *
 * A call that finds its lane full is refused at once, unless the neighbour is quick: writers that share a commit call
 * it all at the same moment, and there is room again within milliseconds. Then the call waits, for 250 ms at most.
 */
#ifndef APM_HTTP_LANE_H
#define APM_HTTP_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lane {
	unsigned held;      /* threads that are in calls */
	uint64_t moved_ns;  /* monotonic; when the last answer came, or the first call began */
	uint64_t answer_ns; /* how long an answer takes, smoothed */
	pthread_cond_t freed;
};

#define LANE_INITIALIZER                                                                                               \
	{                                                                                                              \
		.freed = PTHREAD_COND_INITIALIZER                                                                      \
	}

/* Reads CALL_SHARE_PERCENT; `threads` is how many answer requests. Before threads start. */
void lanes_init(unsigned threads);

/* Lets one lane more share the threads. Before its first use, any thread. */
void lane_open(struct lane *lane);

/* Returns true if the thread may call; lane_leave follows. Blocks for 250 ms at most. Any thread that answers requests.
 */
bool lane_enter(struct lane *lane);

/* `answered_ns` is how long the answer took, 0 if none came. */
void lane_leave(struct lane *lane, uint64_t answered_ns);

#endif
