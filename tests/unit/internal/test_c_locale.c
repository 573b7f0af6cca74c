/* SPDX-License-Identifier: MIT */
/* What the library writes and reads stays the same when its host has called setlocale(). */
#include "cmocka_all.h"

#include <ctype.h>
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/c_locale.h"
#include "tel/src/sampler.h"

static char locales[256];

/* Locales of our own, compiled from Debian's package "locales", so that it does not matter which the machine has. */
static int make_locales(void **state)
{
	static const char *const names[] = {"de_DE", "tr_TR"};
	char command[1024];
	const char *root = getenv("TMPDIR");

	(void)state;
	snprintf(locales, sizeof(locales), "%s/apm-locales-XXXXXX", root ? root : "/tmp");
	if (!mkdtemp(locales) || setenv("LOCPATH", locales, 1) || unsetenv("LC_ALL"))
		return -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(command, sizeof(command), "localedef -i %s -f UTF-8 '%s/%s.UTF-8'", names[i], locales,
			 names[i]);
		if (system(command))
			return -1;
	}
	return 0;
}

static int remove_locales(void **state)
{
	char command[512];

	(void)state;
	setlocale(LC_ALL, "C");
	snprintf(command, sizeof(command), "rm -r '%s'", locales);
	return system(command);
}

static void numbers_have_a_point(void **state)
{
	char text[64], *end;
	struct sampler half;

	(void)state;
	assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
	snprintf(text, sizeof(text), "%g", 1.5);
	assert_string_equal(text, "1,5"); /* the locale is what it should be */

	c_locale_double(text, sizeof(text), DBL_DECIMAL_DIG, 2.25);
	assert_string_equal(text, "2.25");
	assert_true(c_locale_strtod("0.25;", &end) == 0.25 && *end == ';');
	assert_true(c_locale_strtod("0,25", &end) == 0 && *end == ',');

	BUF(b, 100);
	buf_add_double(&b, 0.1 + 0.2);
	assert_string_equal(b.data, "0.30000000000000004");
	assert_true(sampler_parse("traceidratio", "0.5", &half) && half.threshold > 0);
	assert_false(sampler_parse("traceidratio", "0,5", &half));

	snprintf(text, sizeof(text), "%g", 1.5);
	assert_string_equal(text, "1,5"); /* and is left as it was */
}

static void letters_are_those_of_ascii(void **state)
{
	struct sampler sampler;

	(void)state;
	assert_non_null(setlocale(LC_ALL, "tr_TR.UTF-8"));
	assert_true(tolower('I') != 'i'); /* in Turkish, I is no capital i */

	assert_true(ascii_same("GZIP", "gzip") && ascii_same("", ""));
	assert_false(ascii_same("gzip", "gzi") || ascii_same("gzi", "gzip") || ascii_same("[", "{"));
	assert_true(ascii_same_start("HTTPS://I", "https://x", 8));
	assert_false(ascii_same_start("http", "https", 5));
	assert_true(ascii_upper('i') == 'I' && ascii_lower('I') == 'i' && ascii_lower('@') == '@');
	assert_true(sampler_parse("TRACEIDRATIO", NULL, &sampler));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_a_point),
		cmocka_unit_test(letters_are_those_of_ascii),
	};
	return cmocka_run_group_tests(tests, make_locales, remove_locales);
}
