/* SPDX-License-Identifier: MIT */
/*
 * The bulkhead: at most $CALL_SHARE_PERCENT (default 50) of the threads that answer requests are in calls to one
 * neighbour, and all lanes together leave an eighth of them free, so that reads, health and metrics are answered
 * whatever hangs.
 *
 * A call that finds its lane full is refused at once, unless the neighbour is quick: writers that share a commit come
 * to it all together, and there is room again within milliseconds. Then it waits, for 250 ms at most.
 */
#ifndef APM_HTTP_LANE_H
#define APM_HTTP_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct lane {
	unsigned held;      /* threads in calls */
	uint64_t moved_ns;  /* monotonic; when an answer came last, or the first call began */
	uint64_t answer_ns; /* how long an answer takes, smoothed */
	pthread_cond_t freed;
};

#define LANE_INITIALIZER                                                                                               \
	{                                                                                                              \
		.freed = PTHREAD_COND_INITIALIZER                                                                      \
	}

/* Before threads start: `threads` answer requests. Reads CALL_SHARE_PERCENT. */
void lanes_init(unsigned threads);

/* One lane more shares the threads; before its first use. Any thread. */
void lane_open(struct lane *lane);

/* Any thread that answers requests. True: it may call, and says lane_leave afterwards. Blocks for 250 ms at most. */
bool lane_enter(struct lane *lane);

/* `answered_ns`: how long the answer took, 0: none came. */
void lane_leave(struct lane *lane, uint64_t answered_ns);

#endif
