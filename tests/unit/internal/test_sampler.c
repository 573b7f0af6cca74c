/* SPDX-License-Identifier: MIT */
/* OTEL_TRACES_SAMPLER, and what it decides. */
#include "cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/random.h"
#include "tel/src/probability.h"
#include "tel/src/sampler.h"

#define ALL 0

static void names_are_those_of_the_specification(void **state)
{
	static const struct {
		const char *name, *ratio;
		bool valid, parent_based;
		uint64_t threshold;
	} cases[] = {
		{NULL, NULL, true, true, ALL},
		{NULL, "0.5", true, true, ALL},
		{"always_on", NULL, true, false, ALL},
		{"always_off", "1", true, false, SAMPLER_NONE},
		{"traceidratio", "0.5", true, false, SAMPLER_NONE / 2},
		{"traceidratio", "0.25", true, false, SAMPLER_NONE / 4 * 3},
		{"traceidratio", "0", true, false, SAMPLER_NONE},
		{"traceidratio", "1", true, false, ALL},
		{"traceidratio", "1e-3", true, false, 71985536443890008},
		{"traceidratio", NULL, true, false, ALL},
		{"parentbased_always_on", NULL, true, true, ALL},
		{"parentbased_always_off", NULL, true, true, SAMPLER_NONE},
		{"parentbased_traceidratio", "0.5", true, true, SAMPLER_NONE / 2},
		{"ParentBased_TraceIdRatio", "0.5", true, true, SAMPLER_NONE / 2},
		/* what is not understood: the default, or for the ratio 1 */
		{"traceidratio", "1.1", false, false, ALL},
		{"traceidratio", "-0.1", false, false, ALL},
		{"traceidratio", "nan", false, false, ALL},
		{"traceidratio", "half", false, false, ALL},
		{"traceidratio", "0.5x", false, false, ALL},
		{"parentbased_traceidratio", "", false, true, ALL},
		{"sometimes", NULL, false, true, ALL},
		{"parentbased_", NULL, false, true, ALL},
		{"jaeger_remote", NULL, false, true, ALL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sampler sampler = {.threshold = 1};
		bool valid = sampler_parse(cases[i].name, cases[i].ratio, &sampler);
		/* doubles hold 53 of the 56 bits */
		if (valid != cases[i].valid || sampler.parent_based != cases[i].parent_based ||
		    llabs((long long)(sampler.threshold - cases[i].threshold)) > 16)
			fail_msg("%s %s: %d %d %llu", cases[i].name, cases[i].ratio, valid, sampler.parent_based,
				 (unsigned long long)sampler.threshold);
	}
}

static void the_low_56_bits_decide(void **state)
{
	const struct sampler half = {.threshold = SAMPLER_NONE / 2}, none = {.threshold = SAMPLER_NONE}, all = {0};
	uint8_t id[16];

	(void)state;
	memset(id, 0xff, 16);
	assert_true(sampler_decide(&half, id));
	assert_false(sampler_decide(&none, id));
	id[9] = 0x7f;
	assert_false(sampler_decide(&half, id));
	memset(id, 0, 16);
	id[9] = 0x80; /* exactly the threshold */
	assert_true(sampler_decide(&half, id));
	id[9] = 0;
	id[8] = 0xff; /* bit 57 and above do not count */
	assert_false(sampler_decide(&half, id));
	assert_true(sampler_decide(&all, id));
}

/* A process that keeps less keeps nothing that one with a higher ratio drops. */
static void ratios_are_kept_and_consistent(void **state)
{
	static const char *const ratios[] = {"0.01", "0.1", "0.5", "0.9"};
	struct sampler samplers[4];
	long kept[4] = {0};
	const long rounds = 200000;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_true(sampler_parse("traceidratio", ratios[i], &samplers[i]));
	for (long round = 0; round < rounds; round++) {
		uint64_t id[2] = {random_u64(), random_u64()};
		bool before = false;
		for (int i = 0; i < 4; i++) {
			bool sampled = sampler_decide(&samplers[i], (const uint8_t *)id);
			assert_true(sampled || !before);
			kept[i] += sampled;
			before = sampled;
		}
	}
	for (int i = 0; i < 4; i++) {
		double p = atof(ratios[i]), deviation = sqrt((double)rounds * p * (1 - p));
		assert_true(fabs((double)kept[i] - (double)rounds * p) < 6 * deviation);
	}
}

/*
 * Writes the tracestate of a sampled root, then 1 or 0 for each trace id that it reads, one a line:
 * tests/integration/test_sampling.py compares with nginx.
 */
static int decide_all(const char *ratio)
{
	struct sampler sampler;
	char line[64], tracestate[PROBABILITY_TEXT_MAX + 1] = "";

	if (!sampler_parse("traceidratio", ratio, &sampler))
		return 2;
	if (sampler.threshold < SAMPLER_NONE)
		probability_format(sampler.threshold, tracestate);
	puts(tracestate);
	while (fgets(line, sizeof(line), stdin)) {
		uint8_t id[16];
		if (strcspn(line, "\n") != 32 || !hex_decode(line, 16, id))
			return 1;
		puts(sampler_decide(&sampler, id) ? "1" : "0");
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return decide_all(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_specification),
		cmocka_unit_test(the_low_56_bits_decide),
		cmocka_unit_test(ratios_are_kept_and_consistent),
	};

	return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
