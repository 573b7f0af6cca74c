/* SPDX-License-Identifier: MIT */
/* A trace taken apart: sources that are alike are one, doubles are one, and what is too much is cut off. */
#include "cmocka_all.h"

#include <stdio.h>

#include "trace_fixture.h"

static void add(const char *service, struct test_span span)
{
	size_t begins[2];

	request_begin(&request, service, begins);
	add_span(&request, &span, 0);
	request_end(&request, begins);
}

static void sources_that_are_alike_are_one(void **state)
{
	(void)state;
	add("users", (struct test_span){1, 1, 0, "a", 2, 0, 100, 200});
	add("orders", (struct test_span){1, 2, 1, "b", 2, 0, 110, 150});
	add("users", (struct test_span){1, 3, 1, "c", 2, 0, 120, 300});
	take_request();
	assert_int_equal(trace.resource_count, 2);
	assert_int_equal(trace.scope_count, 2);
	assert_int_equal(trace.span_count, 3);
	/* by resource, then as they came */
	assert_true(slice_equal(trace.spans[0].summary.name, slice_of("a")));
	assert_true(slice_equal(trace.spans[1].summary.name, slice_of("c")));
	assert_true(slice_equal(trace.spans[2].summary.name, slice_of("b")));
	assert_true(slice_equal(trace_resource_of(&trace, &trace.spans[2])->service, slice_of("orders")));
	assert_int_equal(trace.start_ns, 100);
	assert_int_equal(trace.end_ns, 300);
	assert_true(slice_equal(trace.root_name, slice_of("a")));
	assert_true(slice_equal(trace.root_service, slice_of("users")));
	assert_false(trace.cut);
}

static void of_doubles_the_one_that_ends_later_stays(void **state)
{
	(void)state;
	add("users", (struct test_span){1, 1, 0, "first", 2, 0, 100, 200});
	add("users", (struct test_span){1, 1, 0, "later", 2, 0, 100, 250});
	add("users", (struct test_span){1, 1, 0, "earlier", 2, 0, 100, 150});
	take_request();
	assert_int_equal(trace.span_count, 1);
	assert_true(slice_equal(trace.spans[0].summary.name, slice_of("later")));
}

static void of_two_that_end_together_the_last_stays(void **state)
{
	(void)state;
	add("users", (struct test_span){1, 1, 0, "first", 2, 0, 100, 200});
	add("users", (struct test_span){1, 1, 0, "second", 2, 2, 100, 200});
	take_request();
	assert_int_equal(trace.span_count, 1);
	assert_true(slice_equal(trace.spans[0].summary.name, slice_of("second")));
}

static void kinds_and_services_keep_spans_apart(void **state)
{
	(void)state;
	add("users", (struct test_span){1, 1, 0, "a", 2, 0, 100, 200});
	add("users", (struct test_span){1, 1, 0, "a", 3, 0, 100, 200});
	add("orders", (struct test_span){1, 1, 0, "a", 2, 0, 100, 200});
	take_request();
	assert_int_equal(trace.span_count, 3);
}

static void a_reset_forgets(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3000; i++)
		add("users", (struct test_span){1, i, 0, "a", 2, 0, 100, 200});
	take_request();
	assert_int_equal(trace.span_count, 3000);
	assert_int_equal(trace.resource_count, 1);
	buf_reset(&request);
	add("orders", (struct test_span){1, 1, 0, "b", 2, 0, 100, 200});
	take_request();
	assert_int_equal(trace.span_count, 1);
	assert_true(slice_equal(trace.resources[0].service, slice_of("orders")));
}

static void too_many_spans_are_cut_off(void **state)
{
	size_t begins[2];

	(void)state;
	request_begin(&request, "users", begins);
	for (uint32_t i = 0; i < LIMIT_TRACE_SPANS + 1; i++)
		add_span(&request, &(struct test_span){1, i, 0, "", 2, 0, 100, 200}, 0);
	request_end(&request, begins);
	take_request();
	assert_int_equal(trace.span_count, LIMIT_TRACE_SPANS);
	assert_true(trace.cut);
}

static void too_many_bytes_are_cut_off(void **state)
{
	size_t begins[2];

	(void)state;
	request_begin(&request, "users", begins);
	for (uint32_t i = 0; i < 100; i++)
		add_span(&request, &(struct test_span){1, i, 0, "", 2, 0, 100, 200}, 99000);
	request_end(&request, begins);
	take_request();
	assert_true(trace.cut && trace.span_count > 80 && trace.span_count < 100);
}

/* The work for a trace grows as it does, not as attributes times spans. */
static void a_resource_is_looked_at_once(void **state)
{
	size_t begins[2];
	char key[16];

	(void)state;
	begins[0] = protobuf_begin(&request, 1);
	size_t resource = protobuf_begin(&request, 1);
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "key %d", i);
		add_attribute(&request, 1, key, BOOL(true));
	}
	protobuf_end(&request, resource);
	begins[1] = protobuf_begin(&request, 2);
	for (uint32_t i = 0; i < 5000; i++)
		add_span(&request, &(struct test_span){1, i, 0, "", 2, 0, 100, 200}, 0);
	request_end(&request, begins);
	take_request();
	assert_int_equal(trace.span_count, 5000);
	assert_false(trace.cut);
	assert_true(budget.steps < 20000 + 5000 * 64);
}

static void the_budget_holds_inside_a_trace(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		add("users", (struct test_span){1, i, 0, "a", 2, 0, 100, 200});
	budget_init(&budget, 40000, UINT64_C(600000000000));
	take_request();
	assert_true(budget.spent && trace.cut);
	assert_true(trace.span_count < 5000 && trace.span_count > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sources_that_are_alike_are_one, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(of_doubles_the_one_that_ends_later_stays, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(of_two_that_end_together_the_last_stays, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(kinds_and_services_keep_spans_apart, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(a_reset_forgets, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(too_many_spans_are_cut_off, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(too_many_bytes_are_cut_off, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(a_resource_is_looked_at_once, trace_begin, trace_end),
		cmocka_unit_test_setup_teardown(the_budget_holds_inside_a_trace, trace_begin, trace_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
