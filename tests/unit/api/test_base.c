/* SPDX-License-Identifier: MIT */
/* clock, hex, random: small enough for one program. */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/random.h"

/* ---- clock ---- */

static void rfc3339_agrees_with_gmtime(void **state)
{
	char got[CLOCK_RFC3339_SIZE], want[64], date[32];

	(void)state;
	/* steps of a prime near nine hours, through four leap-year rules, up to the year 2500 */
	for (uint64_t seconds = 0; seconds < 16725225600; seconds += 32411) {
		time_t t = (time_t)seconds;
		struct tm tm;
		gmtime_r(&t, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want, sizeof(want), "%s.987654Z", date);
		size_t length = clock_rfc3339(seconds * 1000000000 + 987654999, 6, got);
		if (strcmp(got, want) != 0 || length != strlen(want))
			fail_msg("%s is not %s", got, want);
	}
	assert_int_equal(clock_rfc3339(1763815800123999999, 3, got), 24);
	assert_string_equal(got, "2025-11-22T12:50:00.123Z");
	clock_rfc3339(951868799000000000, 3, got);
	assert_string_equal(got, "2000-02-29T23:59:59.000Z");
	clock_rfc3339(0, 6, got);
	assert_string_equal(got, "1970-01-01T00:00:00.000000Z");
}

static void clocks_run(void **state)
{
	(void)state;
	uint64_t wall = clock_realtime_ns(), steady = clock_monotonic_ns();
	assert_in_range(wall / 1000000000, (uint64_t)time(NULL) - 2, (uint64_t)time(NULL) + 2);
	assert_true(clock_monotonic_ns() >= steady);
}

/* The wall clock is a millisecond ahead; each look at it is interrupted for as long as the list says, then for none. */
static const uint64_t *interruption_ns;
static uint64_t scripted_ns;

static uint64_t scripted_monotonic(void)
{
	return scripted_ns += 20;
}

static uint64_t scripted_realtime(void)
{
	if (*interruption_ns)
		scripted_ns += *interruption_ns++;
	return scripted_ns + 1000000;
}

static uint64_t apart_ns(const uint64_t *interruptions)
{
	const struct clock_source real = clock_source;
	uint64_t wall_ns, steady_ns;

	interruption_ns = interruptions;
	clock_source = (struct clock_source){.realtime_ns = scripted_realtime, .monotonic_ns = scripted_monotonic};
	clock_both_ns(&wall_ns, &steady_ns);
	clock_source = real;
	return wall_ns - 1000000 - steady_ns;
}

static void both_clocks_are_of_one_moment(void **state)
{
	(void)state;
	assert_int_equal(apart_ns((const uint64_t[]){0}), 0);
	assert_int_equal(apart_ns((const uint64_t[]){900, 0}), 900); /* near enough to read once */
	assert_int_equal(apart_ns((const uint64_t[]){50000, 0}), 0);
	assert_int_equal(apart_ns((const uint64_t[]){50000, 3000, 70000, 0}), 0);
	/* never near: the nearest of eight */
	assert_int_equal(apart_ns((const uint64_t[]){5000, 4000, 3000, 2000, 6000, 6000, 6000, 6000, 1500, 0}), 2000);
}

/* ---- hex ---- */

static void hex_both_ways(void **state)
{
	uint8_t all[256], back[256];
	char text[512];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	hex_encode(all, 256, text);
	assert_memory_equal(text, "000102030405", 12);
	assert_memory_equal(text + 506, "fdfeff", 6);
	assert_true(hex_decode(text, 256, back));
	assert_memory_equal(all, back, 256);
}

static void hex_refuses(void **state)
{
	static const char *const bad[] = {"0g", "A0", "0F", " 0", "0/", "0:", "0`", "-1", "0\xff"};
	uint8_t out = 0x5a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(hex_decode(bad[i], 1, &out));
		assert_int_equal(out, 0x5a);
	}
}

/* ---- random ---- */

#define THREADS 8
#define NUMBERS 4000

static uint64_t numbers[THREADS][NUMBERS];

static void *draw(void *arg)
{
	uint64_t *out = arg;

	for (int i = 0; i < NUMBERS; i++)
		out[i] = random_u64();
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void threads_draw_different_numbers(void **state)
{
	pthread_t threads[THREADS];
	uint64_t ones = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, draw, numbers[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	uint64_t *all = &numbers[0][0];
	qsort(all, THREADS * NUMBERS, sizeof(*all), compare);
	for (int i = 0; i < THREADS * NUMBERS; i++) {
		if (i)
			assert_true(all[i] != all[i - 1]);
		ones += (uint64_t)__builtin_popcountll(all[i]);
	}
	/* 2 048 000 fair bits: 715 is the standard deviation */
	assert_in_range(ones, 1024000 - 7150, 1024000 + 7150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_agrees_with_gmtime),
		cmocka_unit_test(clocks_run),
		cmocka_unit_test(both_clocks_are_of_one_moment),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(hex_refuses),
		cmocka_unit_test(threads_draw_different_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
