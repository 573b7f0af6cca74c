/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "http/reply.h"
#include "semconv/http_names.h"

static struct reply reply;

static int setup(void **state)
{
	(void)state;
	reply_init(&reply);
	strcpy(reply.trace_id, "0af7651916cd43dd8448eb211c80319c");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reply_done(&reply);
	return 0;
}

static void answers_json(void **state)
{
	(void)state;
	struct json_writer *json = reply_writer(&reply);
	json_begin_object(json);
	json_key(json, "id");
	json_int(json, 7);
	json_end_object(json);
	reply_json(&reply, 201);
	assert_int_equal(reply.status, 201);
	assert_int_equal(reply.status, 201);
	assert_string_equal(reply.content_type, "application/json");
	assert_string_equal(reply.body.data, "{\"id\":7}");
	assert_string_equal(reply.reason, "");
}

static void answers_nothing(void **state)
{
	(void)state;
	json_int(reply_writer(&reply), 1);
	reply_empty(&reply);
	assert_int_equal(reply.status, 204);
	assert_null(reply.content_type);
	assert_int_equal(reply.body.len, 0);
}

static void answers_problems(void **state)
{
	(void)state;
	json_begin_array(reply_writer(&reply)); /* half an answer, which is dropped */
	reply_problem(&reply, 404, "There is no user %d.", 9);
	assert_int_equal(reply.status, 404);
	assert_string_equal(reply.content_type, "application/problem+json");
	assert_string_equal(reply.body.data,
			    "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":"
			    "\"There is no user 9.\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}");
	assert_string_equal(reply.reason, "There is no user 9.");
}

static void problems_take_more_members(void **state)
{
	(void)state;
	reply_problem_start(&reply, 422, "No.");
	json_key(&reply.json, "more");
	json_int(&reply.json, 1);
	reply_problem_end(&reply);
	assert_int_equal(reply.status, 422);
	assert_non_null(strstr(reply.body.data, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"more\":1}"));
}

static void problems_stay_valid_whatever_they_quote(void **state)
{
	char text[2000];
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	reply_problem(&reply, 400, "%s", text);
	assert_true(reply.body.len < 1000);
	assert_true(strlen(reply.reason) < sizeof(reply.reason));
	reply_problem(&reply, 400, "%s", "a\"b\\c\r\n\xff");
	assert_non_null(strstr(reply.body.data, "a\\\"b\\\\c\\r\\n\xef\xbf\xbd"));
}

static void unavailable_says_when_to_retry(void **state)
{
	(void)state;
	reply_unavailable(&reply, "user-service");
	assert_int_equal(reply.status, 503);
	assert_string_equal(reply.headers.data, "Retry-After: 1\r\n");
	assert_non_null(strstr(reply.body.data, "user-service"));
}

static void headers_hold_no_control_characters(void **state)
{
	(void)state;
	reply_header(&reply, "Location", "/users/%d", 5);
	reply_header(&reply, "X-A", "%s", "a\r\nSet-Cookie: b");
	reply_header(&reply, "X-B", "%s", "a\tb");
	reply_header(&reply, "X-C", "%s", "a\x7f");
	reply_header(&reply, "X-D", "%s", "\xe6\xb5\x8b");
	assert_string_equal(reply.headers.data, "Location: /users/5\r\n");
}

static void headers_are_whole_or_absent(void **state)
{
	char value[1500];
	size_t before;
	(void)state;

	memset(value, 'v', sizeof(value));
	value[1000] = '\0';
	for (int i = 0; i < 10; i++)
		reply_header(&reply, "X-Long", "%s", value);
	before = reply.headers.len;
	assert_true(before > 3000 && before < 4096);
	assert_string_equal(reply.headers.data + before - 3, "v\r\n");
	value[1000] = 'v';
	value[1499] = '\0';
	reply_header(&reply, "X-Long", "%s", value);
	assert_int_equal(reply.headers.len, before);
	reply_header(&reply, "X-Short", "still fits");
	assert_string_equal(reply.headers.data + before, "X-Short: still fits\r\n");
}

static void too_large_an_answer_is_an_error(void **state)
{
	static char text[100000];
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	json_begin_array(reply_writer(&reply));
	for (int i = 0; i < 50; i++)
		json_text(&reply.json, text);
	json_end_array(&reply.json);
	reply_json(&reply, 200);
	assert_int_equal(reply.status, 500);
	assert_string_equal(reply.content_type, "application/problem+json");
	assert_int_equal(strncmp(reply.body.data, "{\"type\":", 8), 0);
}

static void the_next_request_finds_nothing(void **state)
{
	static char text[100000];
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	json_text(reply_writer(&reply), text);
	reply_header(&reply, "X-A", "1");
	reply_problem(&reply, 500, "no");
	reply_reset(&reply);
	assert_int_equal(reply.status, 0);
	assert_null(reply.content_type);
	assert_int_equal(reply.headers.len, 0);
	assert_int_equal(reply.body.len, 0);
	assert_string_equal(reply.reason, "");
	assert_string_equal(reply.trace_id, "");
	assert_true(reply.body.cap < 40000);
	json_int(reply_writer(&reply), 1);
	reply_json(&reply, 200);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body.data, "1");
}

static void names_are_closed_sets(void **state)
{
	(void)state;
	assert_string_equal(http_method_name("GET"), "GET");
	assert_string_equal(http_method_name("PATCH"), "PATCH");
	assert_string_equal(http_method_name("QUERY"), "QUERY");
	assert_string_equal(http_method_name("get"), "_OTHER");
	assert_string_equal(http_span_name("QUERY"), "QUERY");
	assert_string_equal(http_span_name("get"), "HTTP");
	assert_string_equal(http_method_name("PROPFIND"), "_OTHER");
	assert_string_equal(http_method_name(""), "_OTHER");
	assert_string_equal(http_status_name(200), "200");
	assert_string_equal(http_status_name(599), "599");
	assert_string_equal(http_status_name(100), "100");
	assert_string_equal(http_status_name(0), "");
	assert_string_equal(http_status_name(99), "");
	assert_string_equal(http_status_name(600), "600");
	assert_string_equal(http_status_name(999), "999");
	assert_string_equal(http_status_name(1000), "");
	assert_string_equal(http_status_name(-1), "");
	assert_string_equal(reply_title(422), "Unprocessable Content");
	assert_string_equal(reply_title(418), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_json, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_problems, setup, teardown),
		cmocka_unit_test_setup_teardown(problems_take_more_members, setup, teardown),
		cmocka_unit_test_setup_teardown(problems_stay_valid_whatever_they_quote, setup, teardown),
		cmocka_unit_test_setup_teardown(unavailable_says_when_to_retry, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_hold_no_control_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_are_whole_or_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large_an_answer_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_request_finds_nothing, setup, teardown),
		cmocka_unit_test(names_are_closed_sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
