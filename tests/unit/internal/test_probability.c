/* SPDX-License-Identifier: MIT */
/* Consistent probability sampling: thresholds, randomness, and what becomes of a tracestate. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "tel/src/probability.h"
#include "tel/src/sampler.h"
#include "tel/tel.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* R is 0x48eb211c80319c, 28.5 %: below the threshold 8, above 4. */
static const uint8_t trace_id[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
				     0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};

#define ID_R UINT64_C(0x48eb211c80319c)

static char state_text[TEL_TRACESTATE_MAX + 1];

static const char *after_set(const char *before, uint64_t threshold)
{
	snprintf(state_text, sizeof(state_text), "%s", before);
	probability_set_threshold(state_text, threshold);
	return state_text;
}

static const char *after_erase(const char *before)
{
	snprintf(state_text, sizeof(state_text), "%s", before);
	probability_erase_threshold(state_text);
	return state_text;
}

static const char *after_check(const char *before, bool sampled)
{
	snprintf(state_text, sizeof(state_text), "%s", before);
	probability_check_threshold(state_text, trace_id, sampled);
	return state_text;
}

/* ---- numbers ---- */

/* The table of "Converting floating-point probability to threshold value" has up to 5 digits; these begin like it. */
static void thresholds_are_those_of_the_specification(void **state)
{
	static const struct {
		double ratio;
		const char *member;
	} cases[] = {
		{1, "ot=th:0"},
		{1.0 / 2, "ot=th:8"},
		{1.0 / 4, "ot=th:c"},
		{1.0 / 8, "ot=th:e"},
		{1.0 / 16, "ot=th:f"},
		{1.0 / 3, "ot=th:aaaaaaaaaaaab"},
		{1.0 / 5, "ot=th:ccccccccccccd"},
		{1.0 / 10, "ot=th:e6666666666668"},
		{1.0 / 100, "ot=th:fd70a3d70a3d7"},
		{1.0 / 1000, "ot=th:ffbe76c8b43958"},
		{1.0 / 10000, "ot=th:fff972474538f"},
		{0.9999, "ot=th:00068db8bac71"},
		{0.333, "ot=th:aac083126e979"},
		{1.0 / (1 << 20), "ot=th:fffff"},
		{1.0 / ((uint64_t)1 << 53), "ot=th:fffffffffffff8"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[PROBABILITY_TEXT_MAX + 1];
		uint64_t threshold = probability_threshold(cases[i].ratio);
		probability_format(threshold, text);
		if (strcmp(text, cases[i].member) != 0)
			fail_msg("%.9g: %s, not %s", cases[i].ratio, text, cases[i].member);
		/* within what a double can say of the probability */
		double ratio = (double)(PROBABILITY_RANGE - threshold) / (double)PROBABILITY_RANGE;
		assert_true(ratio - cases[i].ratio < 1e-15 && cases[i].ratio - ratio < 1e-15);
	}
	assert_int_equal(probability_threshold(0), PROBABILITY_RANGE);
}

static void randomness_is_rv_or_the_trace_ids(void **state)
{
	static const struct {
		const char *tracestate;
		uint64_t randomness;
	} cases[] = {
		{"", ID_R},
		{"a=1", ID_R},
		{"ot=th:c", ID_R},
		{"ot=rv:6e6d1a75832a2f", 0x6e6d1a75832a2f}, /* the specification's own example */
		{"ot=rv:7479cfb506891d", 0x7479cfb506891d},
		{"ot=th:c;rv:7479cfb506891d", 0x7479cfb506891d},
		{"ot=p:8;rv:00000000000000;k1:13", 0},
		{"a=1,ot=rv:ffffffffffffff,b=2", 0xffffffffffffff},
		{"ot=rv:ffffffffffffff,ot=rv:00000000000000", 0xffffffffffffff},
		/* no such value */
		{"ot=rv:6e6d1a75832a2", ID_R},
		{"ot=rv:6e6d1a75832a2f0", ID_R},
		{"ot=rv:6E6D1A75832A2F", ID_R},
		{"ot=rv:6e6d1a75832a2g", ID_R},
		{"ot=rv:", ID_R},
		{"ot=rv", ID_R},
		{"ot=rv: e6d1a75832a2f", ID_R},
		{"ot=rv:6e6d1a75832a2f;rv:6e6d1a75832a2f", ID_R},
		{"ot=r:6e6d1a75832a2f", ID_R},
		{"ot=xrv:6e6d1a75832a2f", ID_R},
		{"ot@other=rv:6e6d1a75832a2f", ID_R},
		{"not=rv:6e6d1a75832a2f", ID_R},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t randomness = probability_randomness(cases[i].tracestate, trace_id);
		uint64_t explicit = 1;
		if (randomness != cases[i].randomness)
			fail_msg("%s: %llx", cases[i].tracestate, (unsigned long long)randomness);
		assert_int_equal(probability_explicit(cases[i].tracestate, &explicit), cases[i].randomness != ID_R);
		assert_int_equal(explicit, cases[i].randomness != ID_R ? cases[i].randomness : 1);
	}
}

/* ---- setting and erasing ---- */

static void a_threshold_is_set(void **state)
{
	static const char *const cases[][2] = {
		{"", "ot=th:c"},
		{"a=1", "ot=th:c,a=1"},
		{"a=1,b=2", "ot=th:c,a=1,b=2"},
		{"ot=th:8", "ot=th:c"},
		{"a=1,ot=th:8,b=2", "ot=th:c,a=1,b=2"},
		{"a=1,ot=th:c,b=2", "a=1,ot=th:c,b=2"}, /* not changed, not moved */
		{"a=1,ot=th:c0,b=2", "ot=th:c,a=1,b=2"},
		{"ot=rv:6e6d1a75832a2f", "ot=rv:6e6d1a75832a2f;th:c"},
		{"a=1,ot=rv:6e6d1a75832a2f;th:8", "ot=rv:6e6d1a75832a2f;th:c,a=1"},
		{"ot=th:8;rv:6e6d1a75832a2f", "ot=th:c;rv:6e6d1a75832a2f"},
		{"ot=p:8;th:8;r:62", "ot=p:8;th:c;r:62"},
		{"ot=p:8;r:62", "ot=p:8;r:62;th:c"},
		{"ot=th:8;th:c", "ot=th:c"},
		{"ot=p:1;th:;k1:13;th:XYZ", "ot=p:1;th:c;k1:13"},
		{"ot=anything else", "ot=anything else;th:c"},
		{"ot=th:8,ot=th:4,a=1", "ot=th:c,a=1"}, /* a key may be there once */
		{"ot@other=th:8,a=1", "ot=th:c,ot@other=th:8,a=1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(after_set(cases[i][0], UINT64_C(0xc0000000000000)), cases[i][1]);
}

static void a_threshold_is_erased(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"a=1,b=2", "a=1,b=2"},
		{"ot=th:8", ""},
		{"ot=th:8,a=1", "a=1"},
		{"a=1,ot=th:8", "a=1"},
		{"a=1,ot=th:8,b=2", "a=1,b=2"},
		{"a=1,ot=rv:6e6d1a75832a2f,b=2", "a=1,ot=rv:6e6d1a75832a2f,b=2"},
		{"a=1,ot=th:8;rv:6e6d1a75832a2f,b=2", "ot=rv:6e6d1a75832a2f,a=1,b=2"},
		{"ot=p:1;th:8;k1:13", "ot=p:1;k1:13"},
		{"ot=th:8;th:4", ""},
		{"a=1,ot=th:invalid;x:1", "ot=x:1,a=1"},
		{"ot=xth:8", "ot=xth:8"},
		{"a=1,ot=x:1 ;;th:8;y:2", "ot=y:2,a=1"}, /* what would end a member with a space, or as nothing */
		{"a=1,ot= ;th:8;", "a=1"},
		{"ot=x:1,a=1,ot=th:8", "ot=x:1,a=1"}, /* others might read the second one */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(after_erase(cases[i][0]), cases[i][1]);
}

/* ---- the sampled flag ---- */

static void what_contradicts_the_flag_is_erased(void **state)
{
	static const struct {
		const char *before, *if_sampled, *if_not;
	} cases[] = {
		{"", "", ""},
		{"a=1,b=2", "a=1,b=2", "a=1,b=2"}, /* nothing is invented */
		{"ot=th:0", "ot=th:0", ""},
		{"a=1,ot=th:4", "a=1,ot=th:4", "a=1"},
		{"a=1,ot=th:8", "a=1", "a=1,ot=th:8"},
		{"ot=th:48eb211c80319c", "ot=th:48eb211c80319c", ""}, /* exactly R */
		{"ot=th:48eb211c80319d", "", "ot=th:48eb211c80319d"},
		{"ot=th:8;rv:80000000000000", "ot=th:8;rv:80000000000000", "ot=rv:80000000000000"},
		{"ot=th:8;rv:7fffffffffffff", "ot=rv:7fffffffffffff", "ot=th:8;rv:7fffffffffffff"},
		{"ot=rv:ffffffffffffff", "ot=rv:ffffffffffffff", "ot=rv:ffffffffffffff"},
		/* cannot be read, so that it says nothing; what cannot be read beside it stays */
		{"ot=th:;x:1", "ot=x:1", "ot=x:1"},
		{"ot=th:C", "", ""},
		{"ot=th:0x4", "", ""},
		{"ot=th:-1", "", ""},
		{"ot=th:000000000000000", "", ""}, /* 15 digits */
		{"ot=th:4;th:4", "", ""},
		{"ot=th:4,a=1,ot=th:8", "a=1", "a=1"},
		{"ot=x:1,ot=th:8", "ot=x:1", "ot=x:1"},
		{"ot=th:4;rv:SHORT", "ot=th:4;rv:SHORT", "ot=rv:SHORT"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_string_equal(after_check(cases[i].before, true), cases[i].if_sampled);
		assert_string_equal(after_check(cases[i].before, false), cases[i].if_not);
	}
}

/* ---- limits ---- */

/* `members` times "kNN=vvv…", each of `bytes` bytes. */
static void fill(char *list, int members, size_t bytes)
{
	*list = '\0';
	for (int i = 0; i < members; i++) {
		size_t start = strlen(list) + (i > 0);
		sprintf(list + strlen(list), "%sk%02d=", i ? "," : "", i);
		while (strlen(list) - start < bytes)
			strcat(list, "v");
	}
}

static void the_last_of_32_members_makes_room(void **state)
{
	char list[TEL_TRACESTATE_MAX + 1], want[TEL_TRACESTATE_MAX + 1];

	(void)state;
	for (int members = 30; members <= 32; members++) {
		char others[TEL_TRACESTATE_MAX + 1];
		fill(list, members, 5);
		fill(others, members > 31 ? 31 : members, 5);
		snprintf(want, sizeof(want), "ot=th:c,%.4000s", others);
		assert_string_equal(after_set(list, UINT64_C(0xc0000000000000)), want);
	}
	fill(list, 31, 5);
	strcat(list, ",ot=rv:6e6d1a75832a2f"); /* the 32nd is ours already */
	assert_non_null(strstr(after_set(list, 0), "k30="));
	assert_non_null(strstr(after_erase(list), "k30="));
}

static void a_list_that_gets_too_long_loses_members(void **state)
{
	char list[2 * TEL_TRACESTATE_MAX];
	const uint64_t long_threshold = UINT64_C(0xfffffffffffff8);

	(void)state;
	fill(list, 32, 128); /* all there may be */
	assert_int_equal(strlen(list), TEL_TRACESTATE_MAX);
	after_set(list, long_threshold);
	assert_null(strstr(state_text, "k31="));
	assert_non_null(strstr(state_text, "k30="));
	assert_int_equal(strlen(state_text), 20 + 31 * 129);

	fill(list, 16, 257); /* 4127: one long one would be enough, but nobody says which */
	assert_int_equal(strlen(list), TEL_TRACESTATE_MAX);
	assert_string_equal(after_set(list, 0), "ot=th:0");

	fill(list, 14, 257);
	strcat(list, ",a=1,b=2,");
	size_t long_bytes = strlen(list);
	snprintf(list + long_bytes, sizeof(list) - long_bytes, "c=%0*d", (int)(TEL_TRACESTATE_MAX - long_bytes - 2), 0);
	assert_string_equal(after_set(list, 0), "ot=th:0,a=1,b=2");
}

static void a_member_has_256_bytes_at_most(void **state)
{
	char before[400], want[400], filler[257];

	(void)state;
	for (int bytes = 240; bytes <= 256; bytes++) {
		memset(filler, 'x', sizeof(filler));
		filler[bytes - 2] = '\0';
		snprintf(before, sizeof(before), "a=1,ot=x:%s",
			 filler); /* a value of `bytes` bytes, with ";th:c" 5 more */
		if (bytes + 5 <= 256)
			snprintf(want, sizeof(want), "ot=x:%s;th:c,a=1", filler);
		else
			snprintf(want, sizeof(want), "ot=x:%s,a=1", filler);
		assert_string_equal(after_set(before, UINT64_C(0xc0000000000000)), want);
	}
	/* then an old threshold, which is no longer true, does not stay either */
	memset(filler, 'x', sizeof(filler));
	filler[249] = '\0';
	snprintf(before, sizeof(before), "ot=th:8;%s", filler);
	snprintf(want, sizeof(want), "ot=%s", filler);
	assert_string_equal(after_set(before, UINT64_C(0xfffffffffffff8)), want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thresholds_are_those_of_the_specification),
		cmocka_unit_test(randomness_is_rv_or_the_trace_ids),
		cmocka_unit_test(a_threshold_is_set),
		cmocka_unit_test(a_threshold_is_erased),
		cmocka_unit_test(what_contradicts_the_flag_is_erased),
		cmocka_unit_test(the_last_of_32_members_makes_room),
		cmocka_unit_test(a_list_that_gets_too_long_loses_members),
		cmocka_unit_test(a_member_has_256_bytes_at_most),
	};

	return cmocka_run_group_tests_name("probability", tests, NULL, NULL);
}
