/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "http/json_body.h"

static int judge(const char *text, size_t bytes)
{
	struct json_fault fault;
	struct json_object *object = json_body_parse(text, bytes, &fault);
	int status = object ? 200 : fault.status;

	assert_true(!object == (fault.status != 0));
	assert_true(!object == (fault.detail != NULL));
	json_body_free(object);
	return status;
}

static void assert_all(int status, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (judge(texts[i], strlen(texts[i])) != status)
			fail_msg("%s: %d, not %d", texts[i], judge(texts[i], strlen(texts[i])), status);
}

#define ASSERT_ALL(status, texts) assert_all(status, texts, sizeof(texts) / sizeof(*(texts)))

static void takes_json(void **state)
{
	static const char *const texts[] = {
		"{}",
		" \t\r\n{ } \t\r\n",
		"{\"a\":1,\"b\":-0,\"c\":0.5,\"d\":1e5,\"e\":-1.25E-10,\"f\":1e+5}",
		"{\"a\":[],\"b\":{},\"c\":[1,[2,{\"x\":null}]],\"d\":true,\"e\":false}",
		"{\"\":\"\",\"\xe6\xb5\x8b\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}",
		"{\"a\":\"\\\\ud800 \\\\u0000 \x7f\"}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":123456789012345678901234567890,\"b\":1e999,\"c\":1e-999}",
	};
	(void)state;
	ASSERT_ALL(200, texts);
}

static void refuses_what_is_not_json(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"}",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\":1,}",
		"{,}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\"::1}",
		"{\"a\":}",
		"{a:1}",
		"{1:1}",
		"{'a':1}",
		"{\"a\":'x'}",
		"{\"a\":1}x",
		"{\"a\":1}{}",
		"{}]",
		"{]",
		"[}",
		"{\"a\":[1,]}",
		"{\"a\":[,1]}",
		"{\"a\":[1 2]}",
		"{\"a\":[1}",
		"[1,]",
		/* numbers */
		"{\"a\":01}",
		"{\"a\":-01}",
		"{\"a\":00}",
		"{\"a\":+1}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":-}",
		"{\"a\":1e}",
		"{\"a\":1e+}",
		"{\"a\":1.e5}",
		"{\"a\":0x10}",
		"{\"a\":1_0}",
		"{\"a\":--1}",
		"{\"a\":1-1}",
		"{\"a\":NaN}",
		"{\"a\":nan}",
		"{\"a\":Infinity}",
		"{\"a\":-Infinity}",
		"{\"a\":-NaN}",
		"NaN",
		"-",
		"01",
		/* words */
		"{\"a\":True}",
		"{\"a\":NULL}",
		"{\"a\":tru}",
		"{\"a\":truee}",
		"{\"a\":undefined}",
		/* strings */
		"{\"a\":\"",
		"{\"a\":\"\\\"}",
		"{\"a\":\"\\x41\"}",
		"{\"a\":\"\\u00\"}",
		"{\"a\":\"\\u 041\"}",
		"{\"a\":\"\\u+041\"}",
		"{\"a\":\"\\U0041\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\t\"}",
		"{\"a\":\"\x01\"}",
		/* comments, other white space, a byte order mark */
		"{\"a\":1}/**/",
		"/**/{}",
		"{}//",
		"{\"a\":/**/1}",
		"\f{}",
		"\v{}",
		"\xc2\xa0{}",
		"\xef\xbb\xbf{}",
	};
	(void)state;
	ASSERT_ALL(400, texts);
	assert_int_equal(judge("{}\0", 3), 400);
	assert_int_equal(judge("\0{}", 3), 400);
	assert_int_equal(judge("{\"a\0\":1}", 8), 400);
	assert_int_equal(judge("{\"a\":1\0}", 8), 400);
}

static void refuses_what_it_cannot_keep(void **state)
{
	static const char *const texts[] = {
		"[]",
		"[{}]",
		"\"a\"",
		"1",
		"-0",
		"1.5e3",
		"true",
		"null",
		" [1] ",
		/* not text */
		"{\"a\":\"\xff\"}",
		"{\"\xc3\":1}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xc0\x80\"}",
		"\xff",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\udc00\"}",
		"{\"a\":\"\\udc00\\ud800\"}",
		"{\"a\":\"\\ud800\\u0041\"}",
		"{\"a\":\"\\ud83dx\\ude00\"}",
		"{\"\\ud800\":1}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\\u0000b\":1}",
		"{\"a\":[{\"b\":\"x\\u0000\"}]}",
	};
	(void)state;
	ASSERT_ALL(422, texts);
}

static void limits_the_depth(void **state)
{
	static char text[JSON_BODY_DEPTH * 2 + 200];
	static char deep[65537];
	(void)state;

	for (int levels = JSON_BODY_DEPTH; levels <= JSON_BODY_DEPTH + 1; levels++) {
		strcpy(text, "{\"a\":");
		for (int i = 1; i < levels; i++)
			strcat(text, "[");
		for (int i = 1; i < levels; i++)
			strcat(text, "]");
		strcat(text, "}");
		assert_int_equal(judge(text, strlen(text)), levels == JSON_BODY_DEPTH ? 200 : 422);
	}
	memset(deep, '[', 65536);
	assert_int_equal(judge(deep, 65536), 422); /* what follows is not looked at */
	memset(deep + 32768, ']', 32768);
	assert_int_equal(judge(deep, 65536), 422);
}

static void reads_members(void **state)
{
	static const char text[] =
		"{\"s\":\"a\xe6\xb5\x8b\",\"i\":-7,\"f\":2.5,\"e\":1e2,\"n\":null,\"o\":{},\"b\":true,"
		"\"big\":99999999999999999999,\"inf\":1e999,\"twice\":1,\"twice\":\"x\"}";
	struct json_fault fault;
	struct json_object *object = json_body_parse(text, sizeof(text) - 1, &fault);
	struct json_member member;
	(void)state;

	assert_non_null(object);
	member = json_body_member(object, "s");
	assert_int_equal(member.kind, JSON_STRING);
	assert_int_equal(member.text.len, 4);
	assert_string_equal(member.text.data, "a\xe6\xb5\x8b");
	member = json_body_member(object, "i");
	assert_int_equal(member.kind, JSON_INTEGER);
	assert_int_equal(member.integer, -7);
	assert_true(member.number == -7);
	member = json_body_member(object, "f");
	assert_int_equal(member.kind, JSON_FRACTION);
	assert_true(member.number == 2.5);
	assert_int_equal(json_body_member(object, "e").kind, JSON_FRACTION);
	assert_int_equal(json_body_member(object, "n").kind, JSON_OTHER);
	assert_int_equal(json_body_member(object, "o").kind, JSON_OTHER);
	assert_int_equal(json_body_member(object, "b").kind, JSON_OTHER);
	assert_int_equal(json_body_member(object, "absent").kind, JSON_ABSENT);
	assert_true(json_body_member(object, "big").integer == INT64_MAX);
	assert_true(isinf(json_body_member(object, "inf").number));
	assert_int_equal(json_body_member(object, "twice").kind, JSON_STRING);
	json_body_free(object);
}

static void knows_the_media_type(void **state)
{
	(void)state;
	assert_true(json_body_type("application/json"));
	assert_true(json_body_type("Application/JSON"));
	assert_true(json_body_type("application/json; charset=utf-8"));
	assert_true(json_body_type("application/json ;charset=utf-8"));
	assert_false(json_body_type(""));
	assert_false(json_body_type("application/jso"));
	assert_false(json_body_type("application/jsonp"));
	assert_false(json_body_type("application/problem+json"));
	assert_false(json_body_type("text/json"));
	assert_false(json_body_type("application/x-www-form-urlencoded"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_json),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(refuses_what_it_cannot_keep),
		cmocka_unit_test(limits_the_depth),
		cmocka_unit_test(reads_members),
		cmocka_unit_test(knows_the_media_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
