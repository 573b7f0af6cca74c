/* SPDX-License-Identifier: MIT */
#include "span_fixture.h"

const struct sampler sample_all = {.parent_based = true};
const struct sampler sample_nothing = {.parent_based = true, .threshold = SAMPLER_NONE};

/* A wall clock that is set back an hour with every look at it; a steady one that steps by a microsecond. */
static uint64_t wall_ns, steady_ns;

static uint64_t jumping_wall(void)
{
	return wall_ns -= 3600 * UINT64_C(1000000000);
}

static uint64_t steady(void)
{
	return steady_ns += 1000;
}

static uint64_t (*real_random)(void);
static struct clock_source real_clock;

int span_fixture_begin(void **state)
{
	(void)state;
	wall_ns = 2000000000 * UINT64_C(1000000000);
	steady_ns = 5;
	real_clock = clock_source;
	real_random = random_source;
	clock_source = (struct clock_source){.realtime_ns = jumping_wall, .monotonic_ns = steady};
	keep_spans();
	return 0;
}

int span_fixture_end(void **state)
{
	(void)state;
	clock_source = real_clock;
	random_source = real_random;
	assert_false(tel_context_valid(tel_span_context(tel_span_current())));
	return 0;
}
