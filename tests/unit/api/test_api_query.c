/* SPDX-License-Identifier: MIT */
/* The gate of questions, and sets of texts. */
#include "cmocka_all.h"

#include <stdio.h>

#include "trace_store/api_query.h"
#include "trace_store/limits.h"
#include "trace_store/string_set.h"

static void so_many_at_a_time(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LIMIT_READS; i++)
			assert_true(api_query_enter());
		assert_false(api_query_enter());
		assert_false(api_query_enter()); /* a refusal takes no place */
		api_query_leave();
		assert_true(api_query_enter());
		for (int i = 0; i < LIMIT_READS; i++)
			api_query_leave();
	}
}

static void add_number(struct string_set *set, int number)
{
	char text[16];

	string_set_add(set, (struct slice){text, (size_t)snprintf(text, sizeof(text), "%05d", number)});
}

static void a_set_has_each_text_once_in_order(void **state)
{
	struct string_set set;

	(void)state;
	string_set_init(&set, 0, STRING_SET_BYTES_MAX);
	for (int round = 0; round < 2; round++)
		for (int i = 9999; i >= 0; i--)
			add_number(&set, i * 7919 % 10000);
	string_set_add(&set, slice_of(""));
	assert_int_equal(set.count, 10001);
	string_set_sort(&set);
	assert_int_equal(string_set_item(&set, 0).len, 0);
	for (int i = 0; i < 10000; i++) {
		char text[16];
		snprintf(text, sizeof(text), "%05d", i);
		assert_true(slice_equal(string_set_item(&set, (size_t)i + 1), slice_of(text)));
	}
	assert_false(set.full);
	string_set_done(&set);
}

/* What was asked for is all; what is more than fits is not, and the set says so. */
static void a_set_has_limits(void **state)
{
	static const char large[STRING_SET_BYTES_MAX / 2 + 1] = {'x'};
	struct string_set set;

	(void)state;
	string_set_init(&set, 10, STRING_SET_BYTES_MAX);
	for (int i = 0; i < 100; i++)
		add_number(&set, i);
	assert_int_equal(set.count, 10);
	assert_false(set.full);
	string_set_done(&set);

	string_set_init(&set, 0, STRING_SET_BYTES_MAX);
	for (int i = 0; i < STRING_SET_ITEMS_MAX + 1; i++)
		add_number(&set, i);
	assert_int_equal(set.count, STRING_SET_ITEMS_MAX);
	assert_true(set.full);
	string_set_done(&set);

	string_set_init(&set, 0, STRING_SET_BYTES_MAX);
	string_set_add(&set, (struct slice){large, sizeof(large)});
	assert_false(set.full);
	string_set_add(&set, (struct slice){large, sizeof(large) - 1});
	assert_int_equal(set.count, 1);
	assert_true(set.full);
	string_set_add(&set, slice_of("small"));
	assert_int_equal(set.count, 2);
	string_set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_at_a_time),
		cmocka_unit_test(a_set_has_each_text_once_in_order),
		cmocka_unit_test(a_set_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
