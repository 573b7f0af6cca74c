/* SPDX-License-Identifier: MIT */
/* What proto3's JSON lets a sender write, and what is refused rather than bent. */
#include "cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_store/json_number.h"
#include "trace_store/schema_from_json.h"
#include "trace_store/schema_to_json.h"

static struct schema_json_fault fault;

/* A request with one attribute, whose value is `value`, as schema_to_json writes it afterwards; NULL: refused. */
static const char *through(const struct schema_message *message, const char *text)
{
	static char out[4000];
	BUF(bytes, 10000);
	BUF(json, 10000);
	struct json_writer w;
	char *copy = strdup(text);
	size_t len = strlen(text);
	char *exact = realloc(copy, len ? len : 1); /* without the NUL, so that ASan sees a read past its end */

	bool good = schema_from_json(message, (struct slice){exact, len}, &bytes, &fault);
	free(exact);
	if (!good)
		return NULL;
	struct slice whole = {bytes.data ? bytes.data : "", bytes.len};
	if (!schema_valid(message, whole))
		return NULL;
	json_init(&w, &json);
	schema_to_json(&w, message, whole);
	snprintf(out, sizeof(out), "%s", json.data);
	return out;
}

static void check(const struct schema_message *message, const char *text, const char *expected)
{
	const char *got = through(message, text);

	if (!got)
		fail_msg("refused: %s: %s %s at %zu", text, fault.member ? fault.member : "", fault.why, fault.at);
	if (strcmp(got, expected) != 0)
		fail_msg("%s became %s, not %s", text, got, expected);
}

static void values_in_all_their_forms(void **state)
{
	static const char *const forms[][2] = {
		{"{\"doubleValue\":\"1.5\"}", "{\"doubleValue\":1.5}"},
		{"{\"doubleValue\":1.5e0}", "{\"doubleValue\":1.5}"},
		{"{\"doubleValue\":3}", "{\"doubleValue\":3}"},
		{"{\"doubleValue\":\"NaN\"}", "{\"doubleValue\":\"NaN\"}"},
		{"{\"doubleValue\":\"-Infinity\"}", "{\"doubleValue\":\"-Infinity\"}"},
		{"{\"intValue\":1.0}", "{\"intValue\":\"1\"}"},
		{"{\"intValue\":\"1e2\"}", "{\"intValue\":\"100\"}"},
		{"{\"intValue\":100e-2}", "{\"intValue\":\"1\"}"},
		{"{\"intValue\":-0}", "{\"intValue\":\"0\"}"},
		{"{\"intValue\":0.0e999999999999999999}", "{\"intValue\":\"0\"}"},
		{"{\"intValue\":9223372036854775807}", "{\"intValue\":\"9223372036854775807\"}"},
		{"{\"intValue\":\"-9223372036854775808\"}", "{\"intValue\":\"-9223372036854775808\"}"},
		{"{\"intValue\":9.223372036854775807E18}", "{\"intValue\":\"9223372036854775807\"}"},
		{"{\"int_value\":7}", "{\"intValue\":\"7\"}"},
		{"{\"int\\u0056alue\":7}", "{\"intValue\":\"7\"}"},
		{"{\"stringValue\":null,\"boolValue\":true}", "{\"boolValue\":true}"},
		{"{\"stringValue\":\"\\ud83d\\ude00\\/\"}", "{\"stringValue\":\"\xf0\x9f\x98\x80/\"}"},
		{"{\"bytesValue\":\"-_8\"}", "{\"bytesValue\":\"+/8=\"}"},
		{"{\"bytesValue\":\"+\\/8=\"}", "{\"bytesValue\":\"+/8=\"}"},
		{"{\"bytesValue\":\"\"}", "{\"bytesValue\":\"\"}"},
		{"{\"arrayValue\":{\"values\":[null,{\"intValue\":1},null]}}",
		 "{\"arrayValue\":{\"values\":[{},{\"intValue\":\"1\"},{}]}}"},
		{"{\"kvlist_value\":{\"values\":[{\"key\":\"k\",\"value\":null}]}}",
		 "{\"kvlistValue\":{\"values\":[{\"key\":\"k\"}]}}"},
		{"{\"unknown\":[{\"a\":[[]]},1],\"boolValue\":false}", "{\"boolValue\":false}"},
		{" {} ", "{}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		check(&schema_any_value, forms[i][0], forms[i][1]);
}

static void spans_in_all_their_forms(void **state)
{
	static const char *const forms[][2] = {
		{"{\"kind\":\"SPAN_KIND_SERVER\"}", "{\"kind\":\"SPAN_KIND_SERVER\"}"},
		{"{\"kind\":2.0}", "{\"kind\":\"SPAN_KIND_SERVER\"}"},
		{"{\"status\":{\"code\":\"STATUS_CODE_ERROR\"}}", "{\"status\":{\"code\":\"STATUS_CODE_ERROR\"}}"},
		{"{\"startTimeUnixNano\":1.5447126600000000e18}", "{\"startTimeUnixNano\":\"1544712660000000000\"}"},
		{"{\"start_time_unix_nano\":\"1544712660e9\"}", "{\"startTimeUnixNano\":\"1544712660000000000\"}"},
		{"{\"endTimeUnixNano\":18446744073709551615}", "{\"endTimeUnixNano\":\"18446744073709551615\"}"},
		{"{\"dropped_attributes_count\":\"4294967295\"}", "{\"droppedAttributesCount\":4294967295}"},
		{"{\"traceId\":\"5B8EFFF798038103D269B633813FC60C\"}", "{\"traceId\":\"W47/95gDgQPSabYzgT/GDA==\"}"},
		{"{\"trace_id\":\"W47/95gDgQPSabYzgT/GDA==\"}", "{\"traceId\":\"W47/95gDgQPSabYzgT/GDA==\"}"},
		{"{\"spanId\":\"\",\"parentSpanId\":null}", "{\"spanId\":\"\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		check(&schema_span, forms[i][0], forms[i][1]);
}

static void what_cannot_be_kept_is_refused(void **state)
{
	static const struct {
		const struct schema_message *message;
		const char *text, *member;
		size_t at;
	} wrong[] = {
		{&schema_any_value, "{\"intValue\":9223372036854775808}", "intValue", 12},
		{&schema_any_value, "{\"intValue\":\"-9223372036854775809\"}", "intValue", 13},
		{&schema_any_value, "{\"intValue\":1e400000000000}", "intValue", 12},
		{&schema_any_value, "{\"intValue\":1.5}", "intValue", 12},
		{&schema_any_value, "{\"intValue\":\"0x10\"}", "intValue", 13},
		{&schema_any_value, "{\"intValue\":\" 1\"}", "intValue", 13},
		{&schema_any_value, "{\"intValue\":\"\"}", "intValue", 13},
		{&schema_any_value, "{\"intValue\":true}", "intValue", 12},
		{&schema_any_value, "{\"doubleValue\":1e400}", "doubleValue", 15},
		{&schema_any_value, "{\"doubleValue\":\"nan\"}", "doubleValue", 16},
		{&schema_any_value, "{\"doubleValue\":\"0x1p3\"}", "doubleValue", 16},
		{&schema_any_value, "{\"boolValue\":\"true\"}", "boolValue", 14},
		{&schema_any_value, "{\"bytesValue\":\"a\"}", "bytesValue", 15},
		{&schema_any_value, "{\"intValue\":1,\"intValue\":2}", "intValue", 25},
		{&schema_any_value, "{\"intValue\":1,\"int_value\":2}", "intValue", 26},
		{&schema_any_value, "{\"arrayValue\":{\"values\":{}}}", "values", 24},
		{&schema_any_value, "{\"stringValue\":\"\\ud800\"}", NULL, 16},
		{&schema_any_value, "{\"stringValue\":\"x\"", NULL, 18},
		{&schema_any_value, "[]", "the request", 0},
		{&schema_any_value, "{} {}", NULL, 3},
		{&schema_span, "{\"kind\":\"SERVER\"}", "kind", 9},
		{&schema_span, "{\"kind\":\"2\"}", "kind", 9},
		{&schema_span, "{\"kind\":2147483648}", "kind", 8},
		{&schema_span, "{\"startTimeUnixNano\":-1}", "startTimeUnixNano", 21},
		{&schema_span, "{\"startTimeUnixNano\":18446744073709551616}", "startTimeUnixNano", 21},
		{&schema_span, "{\"droppedEventsCount\":4294967296}", "droppedEventsCount", 22},
		{&schema_span, "{\"traceId\":\"0g\"}", "traceId", 12},
		{&schema_span, "{\"spanId\":\"zzzzzzzzzzzzzzzz\"}", "spanId", 11},
		{&schema_span, "{\"events\":[null]}", "events", 11},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		if (through(wrong[i].message, wrong[i].text))
			fail_msg("taken: %s", wrong[i].text);
		if (fault.at != wrong[i].at)
			fail_msg("%s: at %zu, not %zu", wrong[i].text, fault.at, wrong[i].at);
		if (!fault.member != !wrong[i].member || (fault.member && strcmp(fault.member, wrong[i].member) != 0))
			fail_msg("%s: in %s", wrong[i].text, fault.member);
		assert_non_null(fault.why);
	}
}

static void a_value_is_of_one_kind(void **state)
{
	(void)state;
	assert_null(through(&schema_any_value, "{\"intValue\":1,\"boolValue\":true}"));
}

/* -0.0 is another number than 0.0, and a double says it. */
static void doubles_are_as_they_came(void **state)
{
	double value;

	(void)state;
	assert_int_equal(json_number_double("-0.0", 4, &value), JSON_NUMBER_GOOD);
	assert_true(value == 0 && signbit(value));
	assert_int_equal(json_number_double("4.9e-324", 8, &value), JSON_NUMBER_GOOD);
	assert_true(value > 0);
	assert_int_equal(json_number_double("0.1", 3, &value), JSON_NUMBER_GOOD);
	assert_true(value == 0.1);
}

static void digits_without_end_are_no_work(void **state)
{
	static char text[2000000];
	uint64_t value;
	double number;

	(void)state;
	memset(text, '0', sizeof(text));
	text[0] = '7';
	text[1] = '.';
	assert_int_equal(json_number_integer(text, sizeof(text), true, &value), JSON_NUMBER_GOOD);
	assert_int_equal(value, 7);
	memset(text, '9', sizeof(text));
	assert_int_equal(json_number_integer(text, sizeof(text), true, &value), JSON_NUMBER_RANGE);
	assert_int_equal(json_number_double(text, sizeof(text), &number), JSON_NUMBER_MALFORMED);
}

/* Lists of lists: 20 levels are taken in any place, and the maximum holds on both ways. */
static void values_nest(void **state)
{
	(void)state;
	for (int list = 0; list < 2; list++) {
		unsigned most = 0;
		for (unsigned depth = 1; depth < 60; depth++) {
			BUF(text, 10000);
			for (unsigned i = 0; i < depth; i++)
				buf_adds(&text, list ? "{\"kvlistValue\":{\"values\":[{\"value\":"
						     : "{\"arrayValue\":{\"values\":[");
			buf_adds(&text, "{\"boolValue\":true}");
			for (unsigned i = 0; i < depth; i++)
				buf_adds(&text, list ? "}]}}" : "]}}");
			if (through(&schema_any_value, text.data)) {
				assert_int_equal(most, depth - 1);
				most = depth;
			}
		}
		assert_in_range(most, 21, 59);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_in_all_their_forms),
		cmocka_unit_test(spans_in_all_their_forms),
		cmocka_unit_test(what_cannot_be_kept_is_refused),
		cmocka_unit_test(a_value_is_of_one_kind),
		cmocka_unit_test(doubles_are_as_they_came),
		cmocka_unit_test(digits_without_end_are_no_work),
		cmocka_unit_test(values_nest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
