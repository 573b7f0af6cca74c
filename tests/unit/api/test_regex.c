/* SPDX-License-Identifier: MIT */
/* Regular expressions over whole texts, and what they cost. */
#include "cmocka_all.h"

#include <string.h>

#include "trace_store/regex.h"

static struct budget budget;

static bool matches(const char *pattern, const char *text)
{
	const char *error = NULL;
	size_t at = 0;
	struct regex *regex = regex_new(slice_of(pattern), &error, &at);

	if (!regex)
		fail_msg("%s: %s at %zu", pattern, error, at);
	budget_init(&budget, 1000000, UINT64_C(600000000000));
	bool result = regex_matches(regex, slice_of(text), &budget);
	assert_false(budget.spent);
	regex_free(regex);
	return result;
}

static void matching(void **state)
{
	static const struct {
		const char *pattern, *yes, *no;
	} cases[] = {
		{"", "", "x"},
		{"abc", "abc", "xabc"},
		{"ab|c", "ab", "ac"},
		{"a(b|cd|)e", "acde", "abcde"},
		{"a|b|c|d", "d", "e"},
		{".*", "any\nthing", NULL},
		{"a*", "", "b"},
		{"a+b?", "aaa", "b"},
		{"a{2}", "aa", "aaa"},
		{"a{2,}", "aaaaa", "a"},
		{"a{0,2}b", "b", "aaab"},
		{"(ab){2,3}", "ababab", "abababab"},
		{"a{0}b", "b", "ab"},
		{"[a-c]+", "abcabc", "abd"},
		{"[^a-c]+", "xyz", "xay"},
		{"[]a]+", "]a", "b"},
		{"[a\\]-]", "-", "b"},
		{"\\d{3}", "503", "50x"},
		{"\\w+\\s\\S+", "foo_1 bar", "foo bar baz"},
		{"[\\d.]+", "1.25", "1,25"},
		{"/api/v1/orders/.+", "/api/v1/orders/7", "/api/v1/orders/"},
		{"(?i)get|post", "PoST", "put"},
		{"(?i:g)et", "Get", "GET"},
		{"x.z", "x\xc3\xa4z", "xz"},
		{"\xe6\xb5\x8b+", "\xe6\xb5\x8b\xe6\xb5\x8b", "\xe6\xb5\x8c"},
		{"^a$", "a", "b"},
		{"a\\.b", "a.b", "axb"},
		{"(a*)*b", "aaab", "c"},
		{"a.*?c", "abc", "abd"},
		{"\\x41\\t", "A\t", "B\t"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!matches(cases[i].pattern, cases[i].yes))
			fail_msg("%s does not match %s", cases[i].pattern, cases[i].yes);
		if (cases[i].no && matches(cases[i].pattern, cases[i].no))
			fail_msg("%s matches %s", cases[i].pattern, cases[i].no);
	}
}

static void not_known(void **state)
{
	static const struct {
		const char *pattern;
		size_t at;
	} cases[] = {
		{"(", 1},       {"a)", 1},   {"[a", 2},      {"*a", 0},   {"a{2", 3},         {"a{3,2}", 5},
		{"a{1001}", 5}, {"a\\", 2},  {"(?=a)", 2},   {"\\1", 1},  {"[[:alpha:]]", 1}, {"[z-a]", 4},
		{"\\p", 1},     {"a{x}", 2}, {"(?<n>a)", 2}, {"a||*", 3},
	};
	const char *error;
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		error = NULL;
		if (regex_new(slice_of(cases[i].pattern), &error, &at))
			fail_msg("taken: %s", cases[i].pattern);
		assert_non_null(error);
		if (at != cases[i].at)
			fail_msg("%s: at %zu (%s)", cases[i].pattern, at, error);
	}
}

/* What makes other engines take for ever, or all memory. */
static void the_cost_is_bounded(void **state)
{
	static const char *const large[] = {"((a{100}){100}){100}", "(((){1000}){1000}){1000}", "(a{1000}){1000}",
					    NULL};
	char text[5001];
	const char *error;
	size_t at;

	(void)state;
	for (const char *const *pattern = large; *pattern; pattern++) {
		if (regex_new(slice_of(*pattern), &error, &at))
			fail_msg("taken: %s", *pattern);
		assert_string_equal(error, "the regular expression is too large");
	}
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(matches("(a*)*(a*)*(a|aa)*", text));
	assert_false(matches("(a|a)*b", text));

	struct regex *regex = regex_new(slice_of("(.*a?){100}b"), &error, &at);
	assert_non_null(regex);
	budget_init(&budget, 100000, UINT64_C(600000000000));
	assert_false(regex_matches(regex, slice_of(text), &budget));
	assert_true(budget.spent && budget.steps < 200000);
	regex_free(regex);
}

static void nested_too_deeply(void **state)
{
	char text[2001];
	const char *error;
	size_t at;

	(void)state;
	memset(text, '(', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_null(regex_new(slice_of(text), &error, &at));
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = i % 2 ? '|' : 'a';
	assert_null(regex_new(slice_of(text), &error, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching),
		cmocka_unit_test(not_known),
		cmocka_unit_test(the_cost_is_bounded),
		cmocka_unit_test(nested_too_deeply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
