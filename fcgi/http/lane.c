/* SPDX-License-Identifier: MIT */
#include "http/lane.h"

#include "base/clock.h"
#include "base/env.h"

#define PATIENCE_NS (250 * NS_PER_MS) /* the longest wait; after as long without an answer a lane is stuck */
#define QUICK_NS (100 * NS_PER_MS)    /* an answer that takes no longer is worth waiting for */
#define SMOOTHING 32 /* answers until a change shows: a single slow answer does not make a slow neighbour */
#define FREE_OF 8    /* one thread in eight is never in a call */

ENV_SETTING(call_share, .name = "CALL_SHARE_PERCENT", .unit = "percent", .fallback = 50, .min = 1, .max = 100);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all lanes */
static unsigned share_max = 1, all_max = 1;              /* threads of one lane, of all */
static unsigned lanes;

void lanes_init(unsigned threads)
{
	unsigned reserve = threads / FREE_OF ? threads / FREE_OF : 1;

	share_max = (unsigned)((long)threads * env_number(&call_share) / 100);
	all_max = threads - reserve;
}

void lane_open(struct lane *lane)
{
	pthread_mutex_lock(&lock);
	*lane = (struct lane)LANE_INITIALIZER;
	lanes++;
	pthread_mutex_unlock(&lock);
}

/* With the lock. A lane has one place at least, even if that leaves no thread free. */
static bool is_full(const struct lane *lane)
{
	unsigned most = all_max / lanes < share_max ? all_max / lanes : share_max;

	return lane->held >= (most ? most : 1);
}

/* With the lock. */
static bool wait_for_place(struct lane *lane)
{
	uint64_t last_ns = clock_monotonic_ns() + PATIENCE_NS;

	while (is_full(lane)) {
		uint64_t until_ns = lane->moved_ns + PATIENCE_NS < last_ns ? lane->moved_ns + PATIENCE_NS : last_ns;
		if (lane->answer_ns > QUICK_NS || clock_monotonic_ns() >= until_ns)
			return false;
		clock_wait_until(&lane->freed, &lock, until_ns);
	}
	return true;
}

bool lane_enter(struct lane *lane)
{
	pthread_mutex_lock(&lock);
	bool entered = wait_for_place(lane);
	if (entered && lane->held++ == 0)
		lane->moved_ns = clock_monotonic_ns();
	pthread_mutex_unlock(&lock);
	return entered;
}

void lane_leave(struct lane *lane, uint64_t answered_ns)
{
	pthread_mutex_lock(&lock);
	lane->held--;
	if (answered_ns) {
		lane->moved_ns = clock_monotonic_ns();
		lane->answer_ns += (answered_ns / SMOOTHING) - (lane->answer_ns / SMOOTHING);
	}
	pthread_cond_signal(&lane->freed);
	pthread_mutex_unlock(&lock);
}
