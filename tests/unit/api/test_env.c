/* SPDX-License-Identifier: MIT */
/* Settings from the environment. */
#include "cmocka_all.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"

static const char *const colours[] = {"red", "green", NULL};

ENV_SETTING(number, .name = "APM_NUMBER", .unit = "milliseconds", .fallback = 7, .min = 1, .max = 10);
ENV_SETTING(colour, .name = "APM_COLOUR", .kind = ENV_CHOICE, .choices = colours, .fallback = 1);
ENV_SETTING(url, .name = "APM_URL", .kind = ENV_URL);
ENV_SETTING(urls, .name = "APM_URLS", .kind = ENV_URLS);

static int clear(void **state)
{
	(void)state;
	unsetenv("APM_NUMBER");
	unsetenv("APM_COLOUR");
	unsetenv("APM_URL");
	unsetenv("APM_URLS");
	return 0;
}

static void text_and_truth(void **state)
{
	static const char *const trues[] = {"true", "TRUE", "True"};
	static const char *const others[] = {"", "false", "1", "yes", "truee", " true", "FALSE"};

	(void)state;
	assert_string_equal(env_string("APM_URL", "none"), "none");
	assert_false(env_bool("APM_URL"));
	setenv("APM_URL", "", 1);
	assert_string_equal(env_string("APM_URL", "none"), "none");
	for (size_t i = 0; i < sizeof(trues) / sizeof(*trues); i++) {
		setenv("APM_URL", trues[i], 1);
		assert_true(env_bool("APM_URL"));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		setenv("APM_URL", others[i], 1);
		assert_false(env_bool("APM_URL"));
	}
}

/* What is wrong with the environment; "" when nothing is. */
static const char *problems(void)
{
	static char text[4096];
	struct buf out;

	buf_init_fixed(&out, text, sizeof(text));
	bool valid = env_check(&out);
	assert_false(out.failed);
	assert_int_equal(valid, out.len == 0);
	return valid ? "" : text;
}

static void numbers(void **state)
{
	static const char *const bad[] = {"11",  "0",  "-3", "x",   "5x",  "5 ",  " 5", "0x5", "99999999999999999999",
					  "5.5", "+5", "-",  "5e0", "1,0", "0b1", "٣",  "5\n", "-99999999999999999999"};
	long value = 42;

	(void)state;
	assert_int_equal(env_number(&number), 7);
	assert_string_equal(problems(), "");
	setenv("APM_NUMBER", "", 1);
	assert_int_equal(env_number(&number), 7);
	assert_string_equal(problems(), "");
	setenv("APM_NUMBER", "010", 1);
	assert_int_equal(env_number(&number), 10);
	assert_string_equal(problems(), "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		setenv("APM_NUMBER", bad[i], 1);
		assert_int_equal(env_number(&number), 7);
		assert_non_null(strstr(problems(), "APM_NUMBER=\""));
		assert_non_null(strstr(problems(), "\" is not a whole number of milliseconds from 1 to 10"));
	}
	assert_false(env_parse_number("", -5, 5, &value));
	assert_int_equal(value, 42);
	assert_true(env_parse_number("-5", -5, 5, &value));
	assert_int_equal(value, -5);
	assert_true(env_parse_number("-9223372036854775808", LONG_MIN, LONG_MAX, &value));
	assert_true(value == LONG_MIN);
	assert_false(env_parse_number("9223372036854775808", LONG_MIN, LONG_MAX, &value));
}

static void choices(void **state)
{
	(void)state;
	assert_int_equal(env_choice(&colour), 1);
	setenv("APM_COLOUR", "RED", 1);
	assert_int_equal(env_choice(&colour), 0);
	assert_string_equal(problems(), "");
	setenv("APM_COLOUR", "redd", 1);
	assert_int_equal(env_choice(&colour), 1);
	assert_string_equal(problems(), "APM_COLOUR=\"redd\" is none of red, green");
}

static void urls_are_looked_at(void **state)
{
	static const char *const good[] = {"http://a", "https://a.b:1/c?d", "http://[::1]:8081", "HTTP://u:p@a:65535/"};
	static const char *const bad[] = {"a",           "ftp://a",      "http://",    "http://a:0", "http://a:99999",
					  "http://[::1", "http://[]:80", "http://a b", "http://ä",   "http://a:8o"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		setenv("APM_URL", good[i], 1);
		assert_string_equal(problems(), "");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		setenv("APM_URL", bad[i], 1);
		assert_non_null(strstr(problems(), " is not a URL of the form http://HOST:PORT"));
	}
	setenv("APM_URL", "ftp://name:secret@host", 1);
	assert_null(strstr(problems(), "secret"));
	unsetenv("APM_URL");
	setenv("APM_URLS", " a-b=http://a/readyz?c=d  http://[::1]:1/readyz ", 1);
	assert_string_equal(problems(), "");
	setenv("APM_URLS", "http://a,http://b:x", 1);
	assert_non_null(strstr(problems(), "APM_URLS=\"http://a,http://b:x\" is not a list of NAME=http://HOST"));
	setenv("APM_URLS", "A=http://a", 1);
	assert_non_null(strstr(problems(), "APM_URLS"));
	setenv("APM_URLS", "=http://a", 1);
	assert_non_null(strstr(problems(), "APM_URLS"));
}

static void every_problem_is_told_in_printable_text(void **state)
{
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "a\nb\x1b", 4);
	setenv("APM_NUMBER", text, 1);
	setenv("APM_COLOUR", "blue", 1);
	const char *told = problems();
	assert_non_null(strstr(told, "APM_NUMBER=\"a?b?xxx"));
	assert_non_null(strstr(told, "; "));
	assert_non_null(strstr(told, "APM_COLOUR=\"blue\""));
	assert_true(strlen(told) < 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(text_and_truth),
		TEST(numbers),
		TEST(choices),
		TEST(urls_are_looked_at),
		TEST(every_problem_is_told_in_printable_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
