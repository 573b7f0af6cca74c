/* SPDX-License-Identifier: MIT */
/* Spans: what is set on them, and what does not fit. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "span_fixture.h"
#include "tel/ship.h"

static void contents_are_kept(void **state)
{
	static const struct tel_context linked = {
		.trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, .span_id = {17}, .flags = 0xff};
	char text[] = "gone soon";

	(void)state;
	{
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_span_set(span, tel_str("text", text), tel_strn("part", "abcdef", 3), tel_str("null", NULL),
			     tel_lit("literal", "literal"), tel_int("int", -5), tel_double("double", 0.5),
			     tel_bool("yes", true), tel_bool("no", false));
		tel_span_event(span, "event", tel_int("event.int", 7), tel_str("event.text", text));
		tel_span_set(span, tel_int("after", 8));
		tel_span_link(span, linked);
		tel_span_rename(span, "first", NULL);
		tel_span_rename(span, "GET", text);
		tel_span_fail(span, "503");
		memset(text, 'x', sizeof(text) - 1);
	}
	const struct span *span = &ended[0];
	assert_string_equal(span_attr(span, "text"), "gone soon");
	assert_string_equal(span_attr(span, "part"), "abc");
	assert_string_equal(span_attr(span, "null"), "");
	assert_string_equal(span_attr(span, "literal"), "literal");
	assert_string_equal(span_attr(span, "int"), "-5");
	assert_string_equal(span_attr(span, "double"), "0.5");
	assert_string_equal(span_attr(span, "yes"), "true");
	assert_string_equal(span_attr(span, "no"), "false");
	assert_string_equal(span_attr(span, "after"), "8");
	assert_string_equal(span_attr(span, "error.type"), "503");
	assert_string_equal(span_attr(span, "event.text"), "gone soon");
	assert_int_equal(span_entry_find(span, SPAN_EVENT, "event")->attributes, 2);
	const struct span_entry *link = span_entry_find(span, SPAN_LINK, NULL);
	assert_memory_equal(span_entry_bytes(link), linked.trace_id, 16);
	assert_memory_equal(span_entry_bytes(link) + 16, linked.span_id, 8);
	assert_int_equal(link->type, 3);
	assert_string_equal(span_name(span), "GET gone soon");
	assert_null(span->name);
	const struct span_entry *name = (const struct span_entry *)(span->data + span->name_at);
	assert_int_equal(name->bytes, strlen("GET gone soon"));
	assert_memory_equal(span_entry_bytes(name), "GET gone soon", name->bytes);
	assert_int_equal(span->status, SPAN_ERROR);
	assert_int_equal(span->dropped_attributes + span->dropped_events + span->dropped_links, 0);
}

static void nothing_is_set_after_the_end(void **state)
{
	struct tel_span span;

	(void)state;
	tel_span_start(&span, "span", TEL_INTERNAL);
	tel_span_end(&span);
	tel_span_set(&span, tel_int("n", 1));
	tel_span_event(&span, "event");
	tel_span_rename(&span, "late", NULL);
	tel_span_fail(&span, "500");
	tel_span_link(&span, tel_span_context(&span));
	assert_int_equal(span_of(&span)->used, 0);
	assert_string_equal(span_of(&span)->name, "span");
	assert_int_equal(span_of(&span)->status, SPAN_UNSET);
	assert_true(tel_span_recording(&span)); /* an exemplar may still name it */
	tel_span_end(&span);
	assert_int_equal(ended_count, 1);
}

static void what_does_not_fit_is_counted(void **state)
{
	char *huge = calloc(1, 100001);

	(void)state;
	assert_non_null(huge);
	memset(huge, 'h', 100000);
	{
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_span_set(span, tel_str("huge", huge), tel_str("data", huge + 100000 - SPAN_DATA_BYTES));
		assert_int_equal(span_of(span)->dropped_attributes, 2);
		assert_int_equal(span_of(span)->used, 0);
		tel_span_rename(span, "GET", huge);
		assert_string_equal(span_of(span)->name, "span");
		tel_span_set(span, tel_str("small", "fits"));
		assert_string_equal(span_attr(span_of(span), "small"), "fits");
		tel_span_event(span, "event", tel_str("huge", huge), tel_int("n", 1));
		const struct span_entry *event = span_entry_find(span_of(span), SPAN_EVENT, "event");
		assert_int_equal(event->attributes, 1);
		assert_int_equal(event->dropped, 1);

		/* to the last byte */
		size_t room = SPAN_DATA_BYTES - span_of(span)->used;
		tel_span_set(span, tel_str("rest", huge + 100000 - (room - sizeof(struct span_entry))));
		assert_int_equal(span_of(span)->used, SPAN_DATA_BYTES);
		tel_span_set(span, tel_int("n", 1), tel_lit("literal", ""));
		tel_span_event(span, "late");
		tel_span_link(span, tel_span_context(span));
		assert_int_equal(span_of(span)->dropped_attributes, 4);
		assert_int_equal(span_of(span)->dropped_events, 1);
		assert_int_equal(span_of(span)->dropped_links, 1);
		for (int i = 0; i < 70000; i++)
			tel_span_set(span, tel_int("n", i));
		assert_int_equal(span_of(span)->dropped_attributes, UINT16_MAX);
	}
	assert_int_equal(ended_count, 1);
	free(huge);
}

static void what_is_beyond_a_limit_is_counted(void **state)
{
	(void)state;
	span_limit(&(struct span_limits){
		.attributes = 3, .events = 2, .links = 1, .event_attributes = 1, .characters = 4});
	{
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_span_set(span, tel_str("short", "four"), tel_str("text", "zürich"), tel_lit("literal", "literal"),
			     tel_int("fourth", 4));
		tel_span_fail(span, "500");
		for (int i = 0; i < 3; i++) {
			tel_span_event(span, "event", tel_str("broken", "a\xff\xff\xff\xff"), tel_int("second", 2));
			tel_span_link(span, tel_span_context(span));
		}
		tel_span_rename(span, "a name has no limit", NULL);
	}
	span_limit(&(struct span_limits)SPAN_LIMITS_DEFAULT);
	const struct span *span = &ended[0];
	assert_string_equal(span_attr(span, "short"), "four");
	assert_string_equal(span_attr(span, "text"), "züri");
	assert_string_equal(span_attr(span, "literal"), "lite");
	assert_string_equal(span_attr(span, "fourth"), "(none)");
	assert_int_equal(span->status, SPAN_ERROR);
	assert_int_equal(span->dropped_attributes, 2);
	assert_int_equal(span->dropped_events, 1);
	assert_int_equal(span->dropped_links, 2);
	const struct span_entry *event = span_entry_find(span, SPAN_EVENT, "event");
	assert_int_equal(event->attributes, 1);
	assert_int_equal(event->dropped, 1);
	assert_string_equal(span_attr(span, "broken"), "a\xff\xff\xff");
	assert_string_equal(span_name(span), "a name has no limit");
}

/* Every length of copied text, so that every padding is met. */
static void entries_of_any_length_follow_each_other(void **state)
{
	char text[64];

	(void)state;
	memset(text, 't', sizeof(text));
	for (size_t bytes = 0; bytes < 64; bytes++) {
		struct tel_span span;
		tel_span_start(&span, "span", TEL_INTERNAL);
		tel_span_set(&span, tel_strn("a", text, bytes), tel_int("b", 42));
		assert_int_equal(strlen(span_attr(span_of(&span), "a")), bytes);
		assert_string_equal(span_attr(span_of(&span), "b"), "42");
		span_of(&span)->recording = false;
		tel_span_end(&span);
	}
}

static void a_span_from_facts_records(void **state)
{
	struct tel_span_facts facts = {.kind = TEL_SERVER,
				       .context = {.trace_id = {1}, .span_id = {2}, .flags = 0xff},
				       .parent_span_id = {3},
				       .parent_remote = true,
				       .start_ns = 1000,
				       .end_ns = 2000};
	struct tel_span span;

	(void)state;
	span_configure(true, &sample_nothing, NULL); /* a program that ships by itself */
	tel_span_from(&span, &facts);
	assert_true(tel_span_recording(&span));
	tel_span_set(&span, tel_int("n", 1));
	tel_span_rename(&span, "GET", "/");
	assert_string_equal(span_attr(span_of(&span), "n"), "1");
	assert_string_equal(span_name(span_of(&span)), "GET /");
	assert_int_equal(span_of(&span)->flags, 3);
	assert_int_equal(span_of(&span)->start_ns, 1000);
	assert_int_equal(span_of(&span)->end_ns, 2000);
	assert_true(span_of(&span)->parent_remote);
	assert_false(tel_context_valid(tel_span_context(tel_span_current())));

	facts.context.flags = 2;
	tel_span_from(&span, &facts);
	assert_false(tel_span_recording(&span)); /* not sampled */
	span_configure(false, &sample_all, NULL);
	facts.context.flags = 3;
	tel_span_from(&span, &facts);
	assert_false(tel_span_recording(&span)); /* disabled */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(contents_are_kept),
		TEST(nothing_is_set_after_the_end),
		TEST(what_does_not_fit_is_counted),
		TEST(what_is_beyond_a_limit_is_counted),
		TEST(entries_of_any_length_follow_each_other),
		TEST(a_span_from_facts_records),
	};

	return cmocka_run_group_tests_name("span contents", tests, NULL, NULL);
}
