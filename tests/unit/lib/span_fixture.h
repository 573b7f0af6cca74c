/* SPDX-License-Identifier: MIT */
/* Spans that end are kept here, under clocks that a test can foresee. */
#ifndef APM_TESTS_SPAN_FIXTURE_H
#define APM_TESTS_SPAN_FIXTURE_H

#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "span_attrs.h"

static const struct sampler all = {.parent_based = true};
static const struct sampler nothing = {.parent_based = true, .threshold = SAMPLER_NONE};

/* What ended, in order. */
static struct span ended[8];
static size_t ended_count;

static inline void keep(const struct span *span)
{
	assert_true(ended_count < 8);
	memcpy(&ended[ended_count++], span, span_size(span));
}

/* A wall clock that is set back an hour with every look at it; a steady one that steps by a microsecond. */
static uint64_t wall_ns, steady_ns;

static inline uint64_t jumping_wall(void)
{
	return wall_ns -= 3600 * UINT64_C(1000000000);
}

static inline uint64_t steady(void)
{
	return steady_ns += 1000;
}

static uint64_t (*real_random)(void);
static struct clock_source real_clock;

static inline int begin(void **state)
{
	(void)state;
	ended_count = 0;
	wall_ns = 2000000000 * UINT64_C(1000000000);
	steady_ns = 5;
	real_clock = clock_source;
	real_random = random_source;
	clock_source = (struct clock_source){.realtime_ns = jumping_wall, .monotonic_ns = steady};
	span_configure(true, &all, keep);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	clock_source = real_clock;
	random_source = real_random;
	assert_false(tel_context_valid(tel_span_context(tel_span_current())));
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
