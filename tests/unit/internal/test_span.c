/* SPDX-License-Identifier: MIT */
/* Spans: ids, flags, times, the current span. */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "span_fixture.h"
#include "tel/ship.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define IDS TRACE "-b7ad6b7169203331"

static struct tel_parent *remote(const char *traceparent)
{
	static struct tel_parent parent;

	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", traceparent);
	tel_parent_header(&parent, "tracestate", "a=1");
	tel_parent_header(&parent, "baggage", "b=2");
	tel_parent_end(&parent);
	return &parent;
}

static const char *traceparent_of(const struct tel_span *span)
{
	static struct tel_carrier carrier;

	tel_span_inject(span, &carrier);
	return carrier.traceparent;
}

static bool has_id(const uint8_t *id, size_t bytes)
{
	while (bytes--)
		if (id[bytes])
			return true;
	return false;
}

/* ---- ids and flags ---- */

static void a_root_is_random(void **state)
{
	struct tel_span a, b;

	(void)state;
	tel_span_start(&a, "a", TEL_INTERNAL);
	tel_span_end(&a);
	tel_span_start_remote(&b, "b", TEL_SERVER, NULL);
	tel_span_end(&b);
	assert_memory_not_equal(span_of(&a)->trace_id, span_of(&b)->trace_id, 16);
	assert_memory_not_equal(span_of(&a)->span_id, span_of(&b)->span_id, 8);
	assert_false(has_id(span_of(&a)->parent_span_id, 8));
	assert_false(span_of(&b)->parent_remote);
	assert_int_equal(span_of(&a)->flags, TEL_SAMPLED | TEL_RANDOM);
	assert_int_equal(span_of(&b)->flags, TEL_SAMPLED | TEL_RANDOM);
	assert_int_equal(ended_count, 2);
}

static int zeros_left;

static uint64_t zeros_then_ones(void)
{
	return zeros_left-- > 0 ? 0 : 1;
}

static void no_id_is_zero(void **state)
{
	struct tel_span span;

	(void)state;
	for (int zeros = 0; zeros < 8; zeros++) {
		zeros_left = zeros;
		random_source = zeros_then_ones;
		tel_span_start(&span, "span", TEL_INTERNAL);
		assert_true(has_id(span_of(&span)->trace_id, 16));
		assert_true(has_id(span_of(&span)->span_id, 8));
		span_of(&span)->recording = false;
		tel_span_end(&span);
	}
}

static void children_inherit(void **state)
{
	(void)state;
	{
		struct tel_span server;
		tel_span_start_remote(&server, "server", TEL_SERVER, remote("00-" IDS "-01"));
		TEL_SPAN(child, "child", TEL_INTERNAL);
		TEL_SPAN(grandchild, "grandchild", TEL_CLIENT);
		assert_memory_equal(span_of(grandchild)->trace_id, span_of(&server)->trace_id, 16);
		assert_memory_equal(span_of(child)->parent_span_id, span_of(&server)->span_id, 8);
		assert_memory_equal(span_of(grandchild)->parent_span_id, span_of(child)->span_id, 8);
		assert_int_equal(span_of(grandchild)->flags, TEL_SAMPLED); /* not random: the caller did not say so */
		assert_string_equal(span_of(grandchild)->tracestate, "a=1");
		assert_string_equal(span_of(grandchild)->baggage, "b=2");
		assert_true(span_of(&server)->parent_remote);
		assert_false(span_of(child)->parent_remote || span_of(grandchild)->parent_remote);
		tel_span_end(grandchild);
		tel_span_end(child);
		tel_span_end(&server);
	}
	assert_int_equal(ended_count, 3);
	assert_string_equal(ended[0].name, "grandchild");
	assert_int_equal(ended[0].kind, TEL_CLIENT);
	assert_string_equal(ended[2].name, "server");
}

static void a_parent_decides(void **state)
{
	static const struct {
		struct sampler sampler;
		const char *traceparent;
		int flags;
	} cases[] = {
		{{true, 0}, "00-" IDS "-01", 1},
		{{true, 0}, "00-" IDS "-00", 0},
		{{true, 0}, "00-" IDS "-02", 2},
		{{true, 0}, "00-" IDS "-03", 3},
		{{true, SAMPLER_NONE}, "00-" IDS "-03", 3},
		{{true, SAMPLER_NONE}, "00-broken", 2},
		{{true, 0}, "00-broken", 3},
		{{false, 0}, "00-" IDS "-00", 1},
		{{false, 0}, "00-" IDS "-02", 3},
		{{false, SAMPLER_NONE}, "00-" IDS "-03", 2},
		{{false, 0x48eb211c80319c}, "00-" IDS "-00", 1}, /* the trace id's own low 56 bits */
		{{false, 0x48eb211c80319d}, "00-" IDS "-01", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tel_span span;
		ended_count = 0;
		span_configure(true, &cases[i].sampler, keep_span);
		tel_span_start_remote(&span, "span", TEL_SERVER, remote(cases[i].traceparent));
		if (span_of(&span)->flags != cases[i].flags)
			fail_msg("case %zu: flags %02x", i, span_of(&span)->flags);
		TEL_SPAN(child, "child", TEL_INTERNAL);
		assert_int_equal(span_of(child)->flags, cases[i].flags);
		assert_int_equal(tel_span_recording(child), cases[i].flags & TEL_SAMPLED);
		tel_span_end(child);
		tel_span_end(&span);
		assert_int_equal(ended_count, cases[i].flags & TEL_SAMPLED ? 2 : 0);
	}
}

static void without_a_parent_only_baggage_stays(void **state)
{
	struct tel_span span;

	(void)state;
	tel_span_start_remote(&span, "span", TEL_SERVER, remote("00-broken"));
	assert_string_equal(span_of(&span)->tracestate, "ot=th:0"); /* the new trace's own */
	assert_string_equal(span_of(&span)->baggage, "b=2");
	assert_false(has_id(span_of(&span)->parent_span_id, 8));
	tel_span_end(&span);
}

/* ---- the threshold in the tracestate ---- */

static struct tel_parent *parent_with(const char *flags, const char *tracestate)
{
	static struct tel_parent parent;
	char traceparent[TEL_TRACEPARENT_LENGTH + 1];

	snprintf(traceparent, sizeof(traceparent), "00-" IDS "-%s", flags);
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", traceparent);
	tel_parent_header(&parent, "tracestate", tracestate);
	tel_parent_end(&parent);
	return &parent;
}

/* R is 0x80808080808080. */
static uint64_t half_and_more(void)
{
	return UINT64_C(0x8080808080808080);
}

/* A root tells its threshold when it is sampled, and its children tell the same. */
static void a_root_tells_the_threshold(void **state)
{
	static const struct {
		struct sampler sampler;
		const char *tracestate; /* NULL: not sampled */
	} cases[] = {
		{{true, 0}, "ot=th:0"},
		{{false, 0}, "ot=th:0"},
		{{true, 1}, "ot=th:00000000000001"},
		{{false, SAMPLER_NONE / 2}, "ot=th:8"},
		{{true, SAMPLER_NONE / 4}, "ot=th:4"},
		{{true, SAMPLER_NONE - 1}, NULL},
		{{true, SAMPLER_NONE}, NULL},
		{{false, SAMPLER_NONE}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tel_span span;
		struct tel_carrier carrier;
		ended_count = 0;
		random_source = half_and_more;
		span_configure(true, &cases[i].sampler, keep_span);
		tel_span_start(&span, "root", TEL_INTERNAL);
		{
			TEL_SPAN(child, "child", TEL_CLIENT);
			tel_span_inject(child, &carrier);
		}
		tel_span_end(&span);
		assert_int_equal(span_of(&span)->flags, cases[i].tracestate ? 3 : 2);
		if (cases[i].tracestate) {
			assert_string_equal(span_of(&span)->tracestate, cases[i].tracestate);
			assert_string_equal(carrier.tracestate, cases[i].tracestate);
		} else {
			assert_null(span_of(&span)->tracestate);
			assert_null(carrier.tracestate);
		}
	}
}

/* The trace id's R is 0x48eb211c80319c: below 8, above 4. */
static void a_parents_threshold_is_followed_or_replaced(void **state)
{
	static const struct sampler parent_based = {true, SAMPLER_NONE / 2}, half = {false, SAMPLER_NONE / 2},
				    quarter = {false, SAMPLER_NONE / 4}, on = {false, 0}, off = {false, SAMPLER_NONE};
	static const struct {
		const struct sampler *sampler;
		const char *flags, *sent;
		uint8_t wanted_flags;
		const char *wanted; /* NULL: none */
	} cases[] = {
		{&parent_based, "03", "a=1,ot=th:4,b=2", 3, "a=1,ot=th:4,b=2"},
		{&parent_based, "01", "ot=th:4;rv:44444444444444", 1, "ot=th:4;rv:44444444444444"},
		{&parent_based, "02", "ot=th:8,a=1", 2, "ot=th:8,a=1"},
		{&parent_based, "03", "a=1", 3, "a=1"},
		{&parent_based, "03", "", 3, NULL},
		{&parent_based, "03", "a=1,ot=th:8", 3, "a=1"},
		{&parent_based, "03", "ot=th:8", 3, NULL},
		{&parent_based, "02", "ot=th:4;x:1,a=1", 2, "ot=x:1,a=1"},
		{&parent_based, "03", "ot=th:4;rv:33333333333333", 3, "ot=rv:33333333333333"},
		{&half, "03", "a=1,ot=th:4", 2, "a=1"},
		{&half, "00", "a=1", 0, "a=1"},
		{&half, "00", "a=1,ot=rv:80000000000000", 1, "ot=rv:80000000000000;th:8,a=1"},
		{&half, "03", "a=1,ot=rv:7fffffffffffff;th:4", 2, "ot=rv:7fffffffffffff,a=1"},
		{&quarter, "00", "a=1", 1, "ot=th:4,a=1"},
		{&quarter, "02", "", 3, "ot=th:4"},
		{&quarter, "02", "a=1,ot=th:8;x:1", 3, "ot=th:4;x:1,a=1"},
		{&on, "02", "ot=th:8", 3, "ot=th:0"},
		{&off, "03", "ot=th:4", 2, NULL},
		{&off, "03", "a=1,ot=th:4;rv:80000000000000", 2, "ot=rv:80000000000000,a=1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tel_parent *parent = parent_with(cases[i].flags, cases[i].sent);
		for (int twice = 0; twice < 2; twice++) { /* the same again when another span has the same parent */
			struct tel_span span;
			ended_count = 0;
			span_configure(true, cases[i].sampler, keep_span);
			tel_span_start_remote(&span, "span", TEL_SERVER, parent);
			tel_span_end(&span);
			if (span_of(&span)->flags != cases[i].wanted_flags)
				fail_msg("case %zu: flags %02x", i, span_of(&span)->flags);
			if (cases[i].wanted)
				assert_string_equal(span_of(&span)->tracestate, cases[i].wanted);
			else
				assert_null(span_of(&span)->tracestate);
		}
	}
}

static void a_threshold_that_is_no_longer_true_is_forgotten(void **state)
{
	struct tel_span span;
	struct tel_parent *parent = parent_with("03", "a=1,ot=th:4;rv:80000000000000");
	struct tel_span_facts facts = {.kind = TEL_SERVER, .parent_remote = true, .start_ns = 1, .end_ns = 2};

	(void)state;
	facts.context = tel_parent_context(parent);
	tel_parent_forget_threshold(parent);
	tel_span_start_remote(&span, "span", TEL_SERVER, parent);
	tel_span_end(&span);
	assert_string_equal(span_of(&span)->tracestate, "ot=rv:80000000000000,a=1");

	tel_span_from(&span, &facts);
	assert_null(span_of(&span)->tracestate);
	tel_span_set_tracestate(&span, parent_with("03", "ot=th:4"));
	assert_string_equal(span_of(&span)->tracestate, "ot=th:4");
	tel_span_set_tracestate(&span, parent_with("03", "ot=th:8"));
	assert_null(span_of(&span)->tracestate);
}

static void disabled_telemetry_changes_no_tracestate(void **state)
{
	struct tel_span span;

	(void)state;
	span_configure(false, &sample_all, keep_span);
	tel_span_start_remote(&span, "span", TEL_SERVER, parent_with("03", "ot=th:8"));
	tel_span_end(&span);
	assert_string_equal(span_of(&span)->tracestate, "ot=th:8");
	tel_span_start(&span, "root", TEL_SERVER);
	tel_span_end(&span);
	assert_null(span_of(&span)->tracestate);
}

static void unsampled_spans_pass_ids_on(void **state)
{
	struct tel_span span;

	(void)state;
	tel_span_start_remote(&span, "span", TEL_SERVER, remote("00-" IDS "-00"));
	tel_span_set(&span, tel_int("n", 1));
	tel_span_event(&span, "event");
	tel_span_fail(&span, "500");
	tel_span_rename(&span, "GET", "/");
	tel_span_link(&span, tel_span_context(&span));
	assert_int_equal(span_of(&span)->used, 0);
	assert_int_equal(span_of(&span)->status, SPAN_UNSET);
	assert_string_equal(span_of(&span)->name, "span");
	char want[64];
	snprintf(want, sizeof(want), "00-" TRACE "-");
	assert_memory_equal(traceparent_of(&span), want, 36);
	assert_string_equal(traceparent_of(&span) + 52, "-00");
	assert_string_not_equal(traceparent_of(&span), "00-" IDS "-00");
	tel_span_end(&span);
	assert_int_equal(ended_count, 0);
}

static void disabled_only_propagates(void **state)
{
	struct tel_span span;

	(void)state;
	span_configure(false, &sample_all, keep_span);
	tel_span_start_remote(&span, "span", TEL_SERVER, remote("00-" IDS "-03"));
	{
		TEL_SPAN(child, "child", TEL_CLIENT);
		assert_string_equal(traceparent_of(child), "00-" IDS "-03");
		assert_string_equal(span_of(child)->tracestate, "a=1");
		assert_false(tel_span_recording(child));
	}
	tel_span_end(&span);

	tel_span_start(&span, "root", TEL_SERVER); /* logs still need an id */
	assert_true(tel_context_valid(tel_span_context(&span)));
	assert_int_equal(span_of(&span)->flags, TEL_RANDOM);
	TEL_SPAN(child, "child", TEL_CLIENT);
	assert_memory_equal(span_of(child)->span_id, span_of(&span)->span_id, 8);
	tel_span_end(child);
	tel_span_end(&span);
	assert_int_equal(ended_count, 0);
}

/* ---- time ---- */

static void children_lie_inside_though_the_clock_is_set(void **state)
{
	(void)state;
	{
		TEL_SPAN(outer, "outer", TEL_INTERNAL);
		TEL_SPAN(inner, "inner", TEL_INTERNAL);
		tel_span_event(inner, "event");
	}
	assert_int_equal(ended_count, 2);
	const struct span *inner = &ended[0], *outer = &ended[1];
	uint64_t event_ns = span_entry_find(inner, SPAN_EVENT, "event")->value.time_ns;
	assert_int_equal(inner->start_ns, outer->start_ns + 2000);
	assert_int_equal(event_ns, outer->start_ns + 3000);
	assert_int_equal(inner->end_ns, outer->start_ns + 4000);
	assert_int_equal(outer->end_ns, outer->start_ns + 5000);
}

/* ---- the current span ---- */

static void *current_of_another_thread(void *unused)
{
	(void)unused;
	return tel_context_valid(tel_span_context(tel_span_current())) ? tel_span_current() : NULL;
}

static void current_follows_the_scope(void **state)
{
	struct tel_span *none = tel_span_current();
	pthread_t thread;
	void *wrong;

	(void)state;
	assert_false(tel_context_valid(tel_span_context(none)) || tel_span_recording(none));
	tel_span_set(none, tel_int("n", 1));
	tel_span_fail(none, "500");
	tel_span_rename(none, "x", NULL);
	tel_span_end(none);
	assert_int_equal(span_of(none)->used, 0);
	{
		TEL_SPAN(outer, "outer", TEL_INTERNAL);
		assert_ptr_equal(tel_span_current(), outer);
		{
			TEL_SPAN(inner, "inner", TEL_INTERNAL);
			assert_ptr_equal(tel_span_current(), inner);
			assert_int_equal(pthread_create(&thread, NULL, current_of_another_thread, NULL), 0);
			pthread_join(thread, &wrong);
			assert_null(wrong);
		}
		assert_ptr_equal(tel_span_current(), outer);
		tel_span_end(outer);
		assert_ptr_equal(tel_span_current(), none);
		tel_span_end(outer);
	}
	assert_ptr_equal(tel_span_current(), none);
	assert_int_equal(ended_count, 2);
}

static void ends_may_come_out_of_order(void **state)
{
	(void)state;
	TEL_SPAN(outer, "outer", TEL_INTERNAL);
	TEL_SPAN(middle, "middle", TEL_INTERNAL);
	TEL_SPAN(inner, "inner", TEL_INTERNAL);
	tel_span_end(middle);
	assert_ptr_equal(tel_span_current(), inner);
	tel_span_end(inner);
	assert_ptr_equal(tel_span_current(), outer);
	tel_span_end(outer);
	assert_int_equal(ended_count, 3);
}

static void storage_may_be_used_again(void **state)
{
	struct tel_span a, b;

	(void)state;
	tel_span_start(&a, "a", TEL_INTERNAL);
	tel_span_start(&b, "b", TEL_INTERNAL);
	tel_span_end(&a);
	tel_span_start(&a, "again", TEL_INTERNAL); /* inside `b`, which was inside it */
	assert_memory_equal(span_of(&a)->parent_span_id, span_of(&b)->span_id, 8);
	tel_span_end(&a);
	assert_ptr_equal(tel_span_current(), &b);
	tel_span_end(&b);
	assert_int_equal(ended_count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_root_is_random),
		TEST(no_id_is_zero),
		TEST(children_inherit),
		TEST(a_parent_decides),
		TEST(without_a_parent_only_baggage_stays),
		TEST(a_root_tells_the_threshold),
		TEST(a_parents_threshold_is_followed_or_replaced),
		TEST(a_threshold_that_is_no_longer_true_is_forgotten),
		TEST(disabled_telemetry_changes_no_tracestate),
		TEST(unsampled_spans_pass_ids_on),
		TEST(disabled_only_propagates),
		TEST(children_lie_inside_though_the_clock_is_set),
		TEST(current_follows_the_scope),
		TEST(ends_may_come_out_of_order),
		TEST(storage_may_be_used_again),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
