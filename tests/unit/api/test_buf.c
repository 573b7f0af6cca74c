/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"

static void adds_grow_to_the_maximum(void **state)
{
	(void)state;
	BUF(b, 1000);
	assert_null(b.data);
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_false(b.failed);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.data[1000], '\0');
	assert_true(b.cap <= 1001);
	assert_int_equal(b.data[999], 'a' + 999 % 26);
	buf_addc(&b, 'x');
	assert_true(b.failed);
	assert_int_equal(b.len, 1000);
}

static void failure_is_sticky(void **state)
{
	(void)state;
	BUF(b, 5);
	buf_adds(&b, "abc");
	buf_adds(&b, "def");
	assert_true(b.failed);
	buf_adds(&b, "d");
	buf_addc(&b, 'd');
	buf_addf(&b, "%d", 1);
	buf_add_int(&b, 1);
	assert_false(buf_reserve(&b, 0));
	assert_string_equal(b.data, "abc");
	buf_reset(&b);
	buf_adds(&b, "defgh");
	assert_false(b.failed);
	assert_string_equal(b.data, "defgh");
}

static void reserve_makes_later_additions_free(void **state)
{
	(void)state;
	BUF(b, 4096);
	assert_true(buf_reserve(&b, 4096));
	const char *data = b.data;
	assert_string_equal(data, "");
	for (int i = 0; i < 4096; i++)
		buf_addc(&b, 'x');
	assert_ptr_equal(b.data, data);
	assert_false(b.failed);
}

static void fixed_storage_is_not_left(void **state)
{
	char storage[8];
	struct buf b;

	(void)state;
	buf_init_fixed(&b, storage, sizeof(storage));
	assert_string_equal(b.data, "");
	buf_addf(&b, "%s", "1234567");
	assert_false(b.failed);
	assert_ptr_equal(b.data, storage);
	assert_string_equal(storage, "1234567");
	buf_addc(&b, '8');
	assert_true(b.failed);
	assert_string_equal(storage, "1234567");
}

static void formats_and_empty_additions(void **state)
{
	(void)state;
	BUF(b, 100);
	buf_add(&b, NULL, 0);
	assert_string_equal(b.data, "");
	buf_addf(&b, "%s-%03d", "a", 7);
	buf_addf(&b, "%s", "");
	assert_string_equal(b.data, "a-007");
}

static void integers(void **state)
{
	static const struct {
		long long value;
		const char *text;
	} cases[] = {{0, "0"},
		     {-1, "-1"},
		     {10, "10"},
		     {LLONG_MAX, "9223372036854775807"},
		     {LLONG_MIN, "-9223372036854775808"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		BUF(b, 100);
		buf_add_int(&b, cases[i].value);
		assert_string_equal(b.data, cases[i].text);
	}
}

static void doubles(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "0"},
		     {-0.0, "-0"},
		     {1, "1"},
		     {-1.5, "-1.5"},
		     {0.1, "0.1"},
		     {0.001, "0.001"},
		     {-0.001, "-0.001"},
		     {0.0001, "0.0001"},
		     {0.00001, "1e-05"},
		     {0.1 + 0.2, "0.30000000000000004"},
		     {99.99, "99.99"},
		     {1e6, "1000000"},
		     {999999999999.999, "999999999999.999"},
		     {1e15, "1e+15"},
		     {1.7976931348623157e308, "1.7976931348623157e+308"},
		     {2.2250738585072014e-308, "2.2250738585072014e-308"},
		     {5e-324, "5e-324"},
		     {1.0 / 3, "0.3333333333333333"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		BUF(b, 100);
		buf_add_double(&b, cases[i].value);
		assert_string_equal(b.data, cases[i].text);
	}
}

/* Whatever the bits are, the text is the same number; no shorter rounding is. */
static void doubles_read_back(void **state)
{
	char shorter[32];

	(void)state;
	BUF(b, 100);
	for (int i = 0; i < 200000; i++) {
		uint64_t bits = random_u64();
		double value;
		memcpy(&value, &bits, sizeof(value));
		if (i % 2)
			value = (double)(int64_t)(bits >> 20) / 1000;
		if (!isfinite(value))
			continue;
		buf_reset(&b);
		buf_add_double(&b, value);
		double back = strtod(b.data, NULL);
		assert_memory_equal(&back, &value, sizeof(value));
		int digits = 0;
		for (const char *c = b.data; *c && *c != 'e'; c++)
			digits += (*c > '0' || (digits && *c == '0')) && *c <= '9';
		if (digits == 17) {
			snprintf(shorter, sizeof(shorter), "%.16g", value);
			assert_true(strtod(shorter, NULL) != value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_grow_to_the_maximum),
		cmocka_unit_test(failure_is_sticky),
		cmocka_unit_test(reserve_makes_later_additions_free),
		cmocka_unit_test(fixed_storage_is_not_left),
		cmocka_unit_test(formats_and_empty_additions),
		cmocka_unit_test(integers),
		cmocka_unit_test(doubles),
		cmocka_unit_test(doubles_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
