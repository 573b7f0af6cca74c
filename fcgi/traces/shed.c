#include "traces/shed.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"

#define WINDOW_NS UINT64_C(1000000000)
#define HALVINGS_MAX 16
#define SETS 16384 /* of refused traces that are remembered, */
#define WAYS 4     /* the newest of each set */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t limit;
static uint64_t window_ns; /* began */
static size_t kept;        /* spans, since then */
static unsigned halvings;
static uint64_t refused[SETS][WAYS]; /* the newest first */

void shed_init(size_t spans_per_second)
{
	limit = spans_per_second;
	window_ns = clock_monotonic_ns();
	kept = 0;
	halvings = 0;
	memset(refused, 0, sizeof(refused));
}

/* Trace ids need not be random: mixed, every bit counts (the finaliser of SplitMix64). Never 0. */
static uint64_t key_of(const uint8_t trace_id[16])
{
	uint64_t half[2], x;

	memcpy(half, trace_id, sizeof(half));
	x = half[0] * UINT64_C(0x9e3779b97f4a7c15) + half[1];
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) | 1;
}

static void turn_windows(uint64_t now_ns)
{
	while (now_ns - window_ns >= WINDOW_NS) {
		if (halvings && kept < limit / 2)
			halvings--;
		kept = 0;
		window_ns += WINDOW_NS;
		if (!halvings)
			window_ns = now_ns;
	}
}

static bool was_refused(uint64_t key)
{
	const uint64_t *set = refused[key >> 8 & (SETS - 1)];

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i] == key)
			return true;
	return false;
}

static void remember(uint64_t key)
{
	uint64_t *set = refused[key >> 8 & (SETS - 1)];

	memmove(set + 1, set, (WAYS - 1) * sizeof(*set));
	set[0] = key;
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

bool shed_keep(const uint8_t trace_id[16], size_t spans)
{
	uint64_t key = key_of(trace_id);

	pthread_mutex_lock(&lock);
	turn_windows(clock_monotonic_ns());
	bool known = was_refused(key);
	bool keep = !known && key >> (64 - HALVINGS_MAX) < UINT64_C(1) << (HALVINGS_MAX - halvings);
	if (keep)
		count_kept(spans);
	else if (!known)
		remember(key);
	pthread_mutex_unlock(&lock);
	return keep;
}

double shed_share(void)
{
	pthread_mutex_lock(&lock);
	turn_windows(clock_monotonic_ns());
	double share = 1.0 / (double)(UINT64_C(1) << halvings);
	pthread_mutex_unlock(&lock);
	return share;
}
