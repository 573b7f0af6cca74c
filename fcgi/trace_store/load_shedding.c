/* SPDX-License-Identifier: MIT */
#include "trace_store/load_shedding.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "trace_store/recent_set.h"

#define WINDOW_NS NS_PER_SECOND
#define HALVINGS_MAX 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t limit;
static uint64_t window_ns; /* when the window began */
static size_t kept;        /* spans since then */
static unsigned halvings;
static struct recent_set keeping, refused; /* traces */

void load_shedding_init(size_t spans_per_second)
{
	limit = spans_per_second;
	window_ns = clock_monotonic_ns();
	kept = 0;
	halvings = 0;
	keeping = refused = (struct recent_set){0};
}

/* Returns 64 well mixed bits that stand for the trace: trace ids need not be random. */
static uint64_t key_of(const uint8_t trace_id[16])
{
	uint64_t half[2];

	memcpy(half, trace_id, sizeof(half));
	return hash_mix(half[0] * HASH_STEP + half[1]) | 1; /* recent_set takes no 0 */
}

static void turn_windows(uint64_t now_ns)
{
	while (now_ns - window_ns >= WINDOW_NS) {
		if (halvings && kept <= limit / 2)
			halvings--;
		kept = 0;
		window_ns += WINDOW_NS;
		if (!halvings)
			window_ns = now_ns;
	}
}

static void count_kept(size_t spans)
{
	kept += spans;
	if (kept < limit)
		return;
	halvings += halvings < HALVINGS_MAX;
	kept = 0;
	window_ns = clock_monotonic_ns();
}

/* Call it with the lock held. */
static void keep(uint64_t key, size_t spans)
{
	if (!recent_set_has(&keeping, key))
		recent_set_add(&keeping, key);
	count_kept(spans);
}

enum fate { KEPT, REFUSED, REFUSED_BEFORE };

static enum fate decide(uint64_t key, size_t spans)
{
	enum fate fate = KEPT;

	pthread_mutex_lock(&lock);
	turn_windows(clock_monotonic_ns());
	if (!recent_set_has(&keeping, key)) {
		bool in_share = key >> (64 - HALVINGS_MAX) < UINT64_C(1) << (HALVINGS_MAX - halvings);
		fate = recent_set_has(&refused, key) ? REFUSED_BEFORE : in_share ? KEPT : REFUSED;
	}
	if (fate == KEPT)
		keep(key, spans);
	pthread_mutex_unlock(&lock);
	return fate;
}

bool load_shedding_keep(const uint8_t trace_id[16], size_t spans, load_shedding_stored *stored, void *arg)
{
	uint64_t key = key_of(trace_id);
	enum fate fate = decide(key, spans);

	if (fate != REFUSED)
		return fate == KEPT;
	bool is_stored = stored(arg, trace_id); /* without the lock, because it asks the database */
	pthread_mutex_lock(&lock);
	if (is_stored)
		keep(key, spans);
	else
		recent_set_add(&refused, key);
	pthread_mutex_unlock(&lock);
	return is_stored;
}

double load_shedding_share(void)
{
	pthread_mutex_lock(&lock);
	turn_windows(clock_monotonic_ns());
	double share = 1.0 / (double)(UINT64_C(1) << halvings);
	pthread_mutex_unlock(&lock);
	return share;
}
