/* SPDX-License-Identifier: MIT */
/* Which traces are kept when too much comes. */
#include "cmocka_all.h"

#include <string.h>

#include "base/clock.h"
#include "trace_store/load_shedding.h"

static uint64_t now_ns = 1000;

static uint64_t fake_now(void)
{
	return now_ns;
}

static void id_of(unsigned number, uint8_t id[16])
{
	memset(id, 0, 16);
	memcpy(id + 12, &number, sizeof(number)); /* not random: only the last bytes differ */
}

static unsigned stored = UINT32_MAX; /* the number of the trace that is stored */
static unsigned asked;

static bool is_stored(void *arg, const uint8_t trace_id[16])
{
	uint8_t id[16];

	assert_ptr_equal(arg, &stored);
	id_of(stored, id);
	asked++;
	return memcmp(id, trace_id, 16) == 0;
}

static bool keep(unsigned number, size_t spans)
{
	uint8_t id[16];

	id_of(number, id);
	return load_shedding_keep(id, spans, is_stored, &stored);
}

static void below_the_limit_all_is_kept(void **state)
{
	(void)state;
	load_shedding_init(1000);
	for (unsigned i = 0; i < 9000; i++) {
		now_ns += 10000000 / 9; /* 900 a second */
		assert_true(keep(i, 1));
	}
	assert_true(load_shedding_share() == 1);
}

static void above_it_a_share_is_kept(void **state)
{
	unsigned kept = 0;

	(void)state;
	load_shedding_init(1000);
	for (unsigned i = 0; i < 100000; i++) {
		now_ns += 100000; /* 10000 a second, for 10 s */
		kept += keep(i, 1);
	}
	assert_in_range(kept, 5000, 16000);
	assert_true(load_shedding_share() <= 0.25);

	now_ns += 30000000000;
	assert_true(load_shedding_share() == 1);
	assert_true(keep(1000000, 1));
}

/* Whatever the share does in between: once refused, a trace stays so. */
static void a_refused_trace_stays_refused(void **state)
{
	unsigned refused = 0;
	bool was_kept[400];

	(void)state;
	load_shedding_init(100);
	for (unsigned i = 0; i < 400; i++)
		was_kept[i] = keep(i, 1);
	now_ns += 60000000000;
	assert_true(load_shedding_share() == 1);
	for (unsigned i = 0; i < 400; i++) {
		refused += !was_kept[i];
		if (!was_kept[i])
			assert_false(keep(i, 1));
	}
	assert_in_range(refused, 50, 350);
}

/* Whatever the load: of what has begun to be stored all is kept, and nobody can have it refused. */
static void a_kept_trace_stays_kept(void **state)
{
	unsigned kept = 0, first = UINT32_MAX;
	bool was_kept[400];

	(void)state;
	load_shedding_init(100);
	for (unsigned i = 0; i < 400; i++)
		was_kept[i] = keep(i, 1);
	for (unsigned i = 0; i < 20000; i++)
		keep(1000 + i, 1);
	assert_true(load_shedding_share() < 0.01);
	for (unsigned i = 0; i < 400; i++) {
		kept += was_kept[i];
		assert_int_equal(keep(i, 1), was_kept[i]);
	}
	assert_in_range(kept, 50, 350);

	/* also one that was stored before this program started, or so long ago that it is forgotten */
	for (unsigned i = 100000; first == UINT32_MAX; i++)
		if (!keep(i, 1))
			first = i + 1;
	stored = first;
	asked = 0;
	assert_true(keep(first, 1));
	assert_true(keep(first, 1));
	assert_in_range(asked, 0, 1);
	stored = UINT32_MAX;
	assert_true(keep(first, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_the_limit_all_is_kept),
		cmocka_unit_test(above_it_a_share_is_kept),
		cmocka_unit_test(a_refused_trace_stays_refused),
		cmocka_unit_test(a_kept_trace_stays_kept),
	};

	clock_source.monotonic_ns = fake_now;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
