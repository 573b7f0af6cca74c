/* SPDX-License-Identifier: MIT */
#include "trace_store/store_clock.h"

#include "base/clock.h"

#define NOTABLE_MS 1000

static int64_t ahead_ms; /* of the monotonic clock */
static int64_t kept_offset_ms;

static int64_t monotonic_ms(void)
{
	return (int64_t)(clock_monotonic_ns() / NS_PER_MS);
}

static int64_t wall_ms(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_MS);
}

void store_clock_start(int64_t offset_ms, int64_t newest_ms)
{
	int64_t now_ms = wall_ms() + offset_ms;

	ahead_ms = (now_ms > newest_ms ? now_ms : newest_ms) - monotonic_ms();
	kept_offset_ms = offset_ms;
}

int64_t store_clock_ms(void)
{
	return monotonic_ms() + ahead_ms;
}

bool store_clock_jumped(int64_t *offset_ms)
{
	int64_t offset = store_clock_ms() - wall_ms();
	int64_t moved = offset - kept_offset_ms;

	if (moved > -NOTABLE_MS && moved < NOTABLE_MS)
		return false;
	*offset_ms = offset;
	return true;
}

void store_clock_kept(int64_t offset_ms)
{
	kept_offset_ms = offset_ms;
}
