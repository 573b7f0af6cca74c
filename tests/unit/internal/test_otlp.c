/* SPDX-License-Identifier: MIT */
/*
 * OTLP bytes: golden files, whose meaning tests/integration/test_otlp_golden.py checks, random spans, judged by protoc
 * here, and the answers of collectors.
 */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "golden.h"
#include "otlp_request.h"
#include "tel/ship.h"

static const struct tel_context span_context = {TRACE_ID, SPAN_ID, TEL_SAMPLED};
static const struct tel_context parent_context = {TRACE_ID, PARENT_ID, TEL_SAMPLED};

/* A span of the context above from 1 to 2 ns; a root. */
static const struct tel_span_facts root_facts = {
	.kind = TEL_INTERNAL, .context = {TRACE_ID, SPAN_ID, TEL_SAMPLED}, .start_ns = 1, .end_ns = 2};

/* ---- golden ---- */

static void a_small_span(void **state)
{
	struct tel_span span;
	size_t bytes;

	(void)state;
	tel_span_from(&span, &root_facts);
	span_of(&span)->name = "small";
	otlp_add_span(&otlp_request, span_of(&span));
	const char *data = otlp_request_finish(&bytes);
	assert_golden("otlp_small.bin", data, bytes);
}

static void a_span_with_everything(void **state)
{
	struct tel_span span;
	size_t bytes;

	(void)state;
	tel_span_from(&span, &(struct tel_span_facts){.kind = TEL_SERVER,
						      .context = {TRACE_ID, SPAN_ID, TEL_SAMPLED | TEL_RANDOM},
						      .parent_span_id = PARENT_ID,
						      .parent_remote = true,
						      .start_ns = 1763815800123456789,
						      .end_ns = 1763815800223456789});
	span_of(&span)->tracestate = "vendor=value,other=1";
	tel_span_rename(&span, "GET", "/api/v1/users/{id}");
	tel_span_set(&span, tel_str("text", "\xe6\xb5\x8b\xe8\xaf\x95"), tel_lit("literal", "GET"), tel_int("int", 200),
		     tel_int("negative", -1), tel_int("least", INT64_MIN), tel_int("zero", 0),
		     tel_double("double", 0.1), tel_bool("yes", true), tel_bool("no", false), tel_str("empty", ""),
		     tel_str("repaired", "a\xff"
					 "b\xc3\xa9\xe6\xb5"),
		     tel_strn("nul", "a\0b", 3));
	tel_span_event(&span, "event", tel_str("of.event", "x"), tel_int("of.event.int", 1));
	tel_span_set(&span, tel_str("after.event", "y"));
	tel_span_event(&span, "bare");
	tel_span_link(&span, parent_context);
	tel_span_fail(&span, "503");
	/* the times of events are those of their making */
	for (size_t at = 0; at < span_of(&span)->used;) {
		struct span_entry *entry = (struct span_entry *)(span_of(&span)->data + at);
		if (entry->kind == SPAN_EVENT) {
			entry->value.time_ns = 1763815800200000000;
			entry->dropped = entry->attributes ? 3 : 0;
		}
		at += span_entry_size(entry);
	}
	span_of(&span)->dropped_attributes = 1;
	span_of(&span)->dropped_events = 300;
	span_of(&span)->dropped_links = UINT16_MAX;
	otlp_add_span(&otlp_request, span_of(&span));

	tel_span_from(&span, &(struct tel_span_facts){.kind = TEL_CLIENT,
						      .context = {TRACE_ID, PARENT_ID, TEL_SAMPLED},
						      .parent_span_id = SPAN_ID,
						      .start_ns = 1,
						      .end_ns = UINT64_MAX});
	span_of(&span)->name = "other";
	span_of(&span)->status = SPAN_OK;
	otlp_add_span(&otlp_request, span_of(&span));
	const char *data = otlp_request_finish(&bytes);
	assert_golden("otlp_full.bin", data, bytes);
}

/* ---- random spans ---- */

static char random_bytes[700];

static void fill_randomly(struct tel_span *span)
{
	static const char *const keys[] = {"k", "http.request.method", "a.key.that.is.somewhat.longer.than.others"};

	struct tel_span_facts facts = {.kind = (enum tel_kind)(1 + random_u64() % 5),
				       .context = span_context,
				       .parent_remote = random_u64() % 2,
				       .start_ns = random_u64(),
				       .end_ns = random_u64()};
	if (random_u64() % 2)
		memcpy(facts.parent_span_id, parent_context.span_id, sizeof(facts.parent_span_id));
	tel_span_from(span, &facts);
	for (uint64_t left = random_u64() % 30; left; left--) {
		for (size_t i = 0; i < sizeof(random_bytes); i++)
			random_bytes[i] = (char)(random_u64() >> 56);
		const char *key = keys[random_u64() % 3];
		size_t bytes = random_u64() % (random_u64() % 4 ? 40 : 700);
		switch (random_u64() % 6) {
		case 0: tel_span_set(span, tel_int(key, (int64_t)(random_u64() >> random_u64() % 64))); break;
		case 1: tel_span_set(span, tel_double(key, (double)random_u64())); break;
		case 2: tel_span_event(span, "event", tel_strn(key, random_bytes, bytes), tel_bool(key, true)); break;
		case 3: tel_span_link(span, span_context); break;
		default: tel_span_set(span, tel_strn(key, random_bytes, bytes)); break;
		}
	}
}

static void protoc_reads_random_spans(void **state)
{
	const size_t spans = 2000;
	size_t bytes;

	(void)state;
	if (!have_protoc()) {
		print_message("protoc is not installed\n");
		skip();
	}
	for (size_t i = 0; i < spans; i++) {
		struct tel_span span;
		fill_randomly(&span);
		otlp_add_span(&otlp_request, span_of(&span));
	}
	const char *data = otlp_request_finish(&bytes);
	size_t found = protoc_counts("ExportTraceServiceRequest", data, bytes, "    spans {\n");
	assert_int_equal(found, spans);
}

/* Lengths around those where the length of the length changes. */
static void lengths_grow(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes<20000; bytes += bytes> 200 && bytes < 16000 ? 997 : 1) {
		struct tel_span span;
		char *text = malloc(bytes + 1);
		assert_non_null(text);
		memset(text, 'x', bytes);
		text[bytes] = '\0';
		tel_span_from(&span, &root_facts);
		tel_span_set(&span, tel_lit("k", text));
		buf_reset(&otlp_request);
		otlp_add_span(&otlp_request, span_of(&span));

		/* the value is 2: length, then 1: length, text */
		const char *found = otlp_request.len ? memmem(otlp_request.data, otlp_request.len, "\x0a\x01k\x12", 4)
						     : NULL;
		assert_non_null(found);
		const unsigned char *p = (const unsigned char *)found + 4;
		size_t lengths[2] = {0};
		for (int i = 0; i < 2; i++) {
			unsigned shift = 0;
			do
				lengths[i] |= (size_t)(*p & 0x7f) << shift, shift += 7;
			while (*p++ & 0x80);
			if (i == 0)
				assert_int_equal(*p++, 0x0a);
		}
		assert_int_equal(lengths[1], bytes);
		assert_int_equal(lengths[0], bytes + 1 + (bytes < 128 ? 1 : bytes < 16384 ? 2 : 3));
		assert_memory_equal(p, text, bytes);
		free(text);
	}
}

static void a_full_buffer_fails_and_no_more(void **state)
{
	struct tel_span_facts facts = root_facts;
	struct tel_span span;
	struct buf whole;

	(void)state;
	memcpy(facts.parent_span_id, parent_context.span_id, sizeof(facts.parent_span_id));
	tel_span_from(&span, &facts);
	tel_span_rename(&span, "some", "name");
	tel_span_set(&span, tel_str("bad", "\xff\xfe\xff\xfe\xff\xfe\xff\xfe"), tel_int("n", 1));
	tel_span_event(&span, "event", tel_double("d", 1));
	tel_span_link(&span, span_context);
	tel_span_fail(&span, "error");
	buf_init(&whole, 10000);
	otlp_add_span(&whole, span_of(&span));
	assert_false(whole.failed);
	for (size_t max = 0; max < whole.len + 40; max++) {
		BUF(small, max);
		otlp_add_span(&small, span_of(&span));
		assert_true(small.failed || small.len == whole.len);
		assert_true(small.len <= max);
		if (max < whole.len)
			assert_true(small.failed);
		if (!small.failed)
			assert_memory_equal(small.data, whole.data, whole.len);
	}
	buf_done(&whole);
}

/* ---- answers ---- */

#define ANSWER(text) text, sizeof(text) - 1

static void answers_are_read(void **state)
{
	static const struct {
		const char *body;
		size_t bytes;
		bool valid;
		uint64_t rejected;
		const char *message;
	} cases[] = {
		{ANSWER(""), true, 0, ""},
		{ANSWER("\x0a\x00"), true, 0, ""},
		{ANSWER("\x0a\x02\x08\x05"), true, 5, ""},
		{ANSWER("\x0a\x03\x08\x80\x01"), true, 128, ""},
		{ANSWER("\x0a\x09\x08\x02\x12\x05hello"), true, 2, "hello"},
		{ANSWER("\x0a\x07\x12\x05hello"), true, 0, "hello"},
		{ANSWER("\x18\x01\x0a\x02\x08\x05\x22\x01x"), true, 5, ""}, /* unknown fields */
		{ANSWER("\x0d"
			"1234\x0a\x02\x08\x05"),
		 true, 5, ""},
		{ANSWER("\x11"
			"12345678"),
		 true, 0, ""},
		{ANSWER("\x0a\x02\x08\x05\x0a\x02\x08\x06"), true, 6, ""},
		{ANSWER("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, UINT64_MAX, ""},
		{ANSWER("\x0a"), false, 0, NULL},
		{ANSWER("\x0a\x01"), false, 0, NULL},
		{ANSWER("\x0a\x02\x08"), false, 0, NULL},
		{ANSWER("\x0a\x01\x08"), false, 0, NULL},
		{ANSWER("\x0a\xff\xff\xff\xff\x0f"), false, 0, NULL},
		{ANSWER("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, 0, NULL},
		{ANSWER("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false, 0, NULL},
		{ANSWER("\x0d"
			"123"),
		 false, 0, NULL},
		{ANSWER("\x11"
			"1234567"),
		 false, 0, NULL},
		{ANSWER("\x0b\x0c"), false, 0, NULL}, /* a group */
		{ANSWER("\x02\x00"), false, 0, NULL}, /* field number 0 */
		{ANSWER("<html>"), false, 0, NULL},
		{ANSWER("{\"partialSuccess\":{}}"), false, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct otlp_answer answer = {.rejected = 77, .message = "untouched"};
		if (otlp_read_answer(cases[i].body, cases[i].bytes, &answer) != cases[i].valid)
			fail_msg("case %zu", i);
		assert_int_equal(answer.rejected, cases[i].valid ? cases[i].rejected : 77);
		assert_string_equal(answer.message, cases[i].valid ? cases[i].message : "untouched");
	}
	struct otlp_answer answer;
	assert_true(otlp_read_answer(NULL, 0, &answer));
}

static void long_messages_are_cut(void **state)
{
	char body[1000] = "\x0a\xe5\x07\x12\xe2\x07", message[OTLP_MESSAGE_SIZE] = "untouched"; /* 997 of 3 and 994 */
	struct otlp_answer answer;

	(void)state;
	memset(body + 6, 'm', sizeof(body) - 6);
	assert_true(otlp_read_answer(body, sizeof(body), &answer));
	assert_int_equal(strlen(answer.message), OTLP_MESSAGE_SIZE - 1);
	assert_false(otlp_read_answer(body, sizeof(body) - 1, &answer));

	assert_true(otlp_read_error(ANSWER("\x08\x03\x12\x03"
					   "bad\x1a\x00"),
				    message));
	assert_string_equal(message, "bad");
	assert_false(otlp_read_error(ANSWER("\x08\x03\x12\x04"
					    "bad"),
				     message));
	assert_string_equal(message, "bad");
	assert_true(otlp_read_error(NULL, 0, message));
	assert_string_equal(message, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, otlp_request_begin, otlp_request_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_small_span),
		TEST(a_span_with_everything),
		TEST(protoc_reads_random_spans),
		TEST(lengths_grow),
		TEST(a_full_buffer_fails_and_no_more),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(long_messages_are_cut),
	};

	return cmocka_run_group_tests_name("otlp", tests, NULL, NULL);
}
