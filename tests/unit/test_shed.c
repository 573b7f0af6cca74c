/* Which traces are kept when too much comes. */
#include "cmocka_all.h"

#include <string.h>

#include "base/clock.h"
#include "traces/shed.h"

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

static bool keep(unsigned number, size_t spans)
{
	uint8_t id[16];

	id_of(number, id);
	return shed_keep(id, spans);
}

static void below_the_limit_all_is_kept(void **state)
{
	(void)state;
	shed_init(1000);
	for (unsigned i = 0; i < 9000; i++) {
		now_ns += 10000000 / 9; /* 900 a second */
		assert_true(keep(i, 1));
	}
	assert_true(shed_share() == 1);
}

static void above_it_a_share_is_kept(void **state)
{
	unsigned kept = 0;

	(void)state;
	shed_init(1000);
	for (unsigned i = 0; i < 100000; i++) {
		now_ns += 100000; /* 10000 a second, for 10 s */
		kept += keep(i, 1);
	}
	assert_in_range(kept, 5000, 16000);
	assert_true(shed_share() <= 0.25);

	now_ns += 30000000000;
	assert_true(shed_share() == 1);
	assert_true(keep(1000000, 1));
}

/* Whatever the share does in between: once refused, a trace stays so. */
static void a_refused_trace_stays_refused(void **state)
{
	unsigned refused = 0;
	bool was_kept[400];

	(void)state;
	shed_init(100);
	for (unsigned i = 0; i < 400; i++)
		was_kept[i] = keep(i, 1);
	now_ns += 60000000000;
	assert_true(shed_share() == 1);
	for (unsigned i = 0; i < 400; i++) {
		refused += !was_kept[i];
		if (!was_kept[i])
			assert_false(keep(i, 1));
	}
	assert_in_range(refused, 50, 350);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_the_limit_all_is_kept),
		cmocka_unit_test(above_it_a_share_is_kept),
		cmocka_unit_test(a_refused_trace_stays_refused),
	};

	clock_source.monotonic_ns = fake_now;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
