/* SPDX-License-Identifier: MIT */
/* How the header Idempotency-Key is read. */
#include "cmocka_all.h"

#include <string.h>

#include "http/idempotency_key.h"

#define KEY_MAX 255

static char key[KEY_MAX + 1];

/* Returns the key's length, or -1 for a header that is refused. */
static int read_key(const char *header)
{
	size_t len = 12345;

	if (!idempotency_key_parse(header, key, sizeof(key), &len)) {
		assert_int_equal(len, 12345);
		return -1;
	}
	assert_int_equal(len, strlen(key));
	return (int)len;
}

static void test_what_is_a_key(void **state)
{
	static const struct {
		const char *header, *key;
	} good[] = {
		{"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
		{"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
		{"\"with space, comma and ~\"", "with space, comma and ~"},
		{"\"a \\\"quoted\\\" and a \\\\\"", "a \"quoted\" and a \\"},
		{"!#$%&'()*+-./:;<=>?@[]^_`{|}~", "!#$%&'()*+-./:;<=>?@[]^_`{|}~"},
		{"x", "x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(read_key(good[i].header), strlen(good[i].key));
		assert_string_equal(key, good[i].key);
	}
	assert_int_equal(read_key(NULL), 0);
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {
		"",     " ",        "\"\"",     "\"",           "\"open",       "\"a\"b",     "\"a\" ", "\"a\";p=1",
		"a b",  "a,b",      "a\"b",     "a\\b",         "\"a\\n\"",     "\"a\\",      "a\tb",   "\"tab\t\"",
		"\x7f", "\"\x7f\"", "\xc3\xa9", "\"\xc3\xa9\"", "\"a\", \"b\"", "\"bell\a\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (read_key(bad[i]) != -1)
			fail_msg("accepted: %s", bad[i]);
}

static void test_the_longest_key(void **state)
{
	char header[KEY_MAX + 4];

	(void)state;
	memset(header, 'k', sizeof(header));
	header[KEY_MAX] = '\0';
	assert_int_equal(read_key(header), KEY_MAX);
	header[KEY_MAX] = 'k';
	header[KEY_MAX + 1] = '\0';
	assert_int_equal(read_key(header), -1);
	header[0] = header[KEY_MAX + 1] = '"';
	header[KEY_MAX + 2] = '\0';
	assert_int_equal(read_key(header), KEY_MAX);
	header[KEY_MAX + 1] = 'k';
	header[KEY_MAX + 2] = '"';
	header[KEY_MAX + 3] = '\0';
	assert_int_equal(read_key(header), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_key),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_the_longest_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
