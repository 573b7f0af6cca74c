/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <string.h>

#include "http/condition.h"

static const char etag[] = "\"a1-2f\"";

static void an_etag_is_of_the_bytes(void **state)
{
	char one[ETAG_SIZE], other[ETAG_SIZE];
	(void)state;

	etag_of("{\"id\":1}", 8, one);
	assert_string_equal(one, "\"d51b1db3d1dff09b-8\"");
	etag_of("{\"id\":2}", 8, other);
	assert_string_not_equal(one, other);
	etag_of("", 0, other);
	assert_string_equal(other, "\"cbf29ce484222325-0\"");
	assert_true(etag_in(one, one, false));
}

static void a_list_has_it(void **state)
{
	static const char *const lists[] = {"\"a1-2f\"",
					    " \t\"a1-2f\" ",
					    "\"x\",\"a1-2f\"",
					    "\"x\" , \"a1-2f\" , \"y\"",
					    ",,\"a1-2f\"",
					    "*",
					    " * ",
					    "W/\"a1-2f\", \"a1-2f\"",
					    "\"a,b\", \"a1-2f\"",
					    "\"\", \"a1-2f\",,",
					    "\"\x80\", \"a1-2f\""};
	(void)state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		assert_true(etag_in(lists[i], etag, false));
		assert_true(etag_in(lists[i], etag, true));
	}
}

static void a_list_has_it_not(void **state)
{
	static const char *const lists[] = {
		"",        "a1-2f",           "\"a1-2F\"",         "\"a1-2\"",          "\"a1-2f",  "\"x\" \"a1-2f\"",
		"x",       "w/\"a1-2f\"",     "\"a1-2f\"x",        "x, \"a1-2f\"",      "**",       "*, \"a1-2f\"",
		"\"a1-2f", "\"a b\",\"a1-2f", "\"\x7f\"\"a1-2f\"", "\"x,\\\"a1-2f\\\"", "W/W/\"a1", "\"x, \"a1-2f\""};
	(void)state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		assert_false(etag_in(lists[i], etag, false));
		assert_false(etag_in(lists[i], etag, true));
	}
}

/* RFC 9110, section 8.8.3.2 */
static void a_weak_tag_equals_it_weakly(void **state)
{
	(void)state;
	assert_false(etag_in("W/\"a1-2f\"", etag, false));
	assert_true(etag_in("W/\"a1-2f\"", etag, true));
	assert_true(etag_in("W/\"x\", W/\"a1-2f\"", etag, true));
}

static void changes_look_at_both_fields(void **state)
{
	static const char *const none[] = {NULL};
	char representation[] = "{\"id\":1}", is[64] = "HTTP_IF_MATCH=", is_not[64] = "HTTP_IF_NONE_MATCH=";
	const char *if_match[] = {is, NULL}, *if_none[] = {is_not, NULL};
	struct request req = {.params = none};
	struct condition condition;
	(void)state;

	condition_init(&condition, &req);
	assert_false(condition_is_given(&condition));
	assert_true(condition_holds(&condition, representation, 8));

	strcat(is, "\"d51b1db3d1dff09b-8\"");
	req.params = if_match;
	condition_init(&condition, &req);
	assert_true(condition_is_given(&condition));
	assert_true(condition_holds(&condition, representation, 8));
	assert_false(condition_holds(&condition, representation, 7));
	assert_true(condition.failed);

	strcat(is_not, "W/\"d51b1db3d1dff09b-8\"");
	req.params = if_none;
	condition_init(&condition, &req);
	assert_false(condition_holds(&condition, representation, 8));
	assert_true(condition_holds(&condition, representation, 7));
	assert_false(condition.failed);
}

static void answers_by_method(void **state)
{
	const char *params[] = {"HTTP_IF_NONE_MATCH=*", NULL};
	struct request req = {.method = "HEAD", .params = params};
	struct reply reply;
	(void)state;

	reply_init(&reply);
	json_int(reply_writer(&reply), 7);
	reply_resource(&reply, &req, 200);
	assert_int_equal(reply.status, 304);
	assert_null(reply.content_type);
	assert_int_equal(reply.body.len, 0);
	assert_non_null(strstr(reply.headers.data, "ETag: \"af63aa4c86019796-1\"\r\n"));

	reply_reset(&reply);
	req.method = "PATCH"; /* its condition was looked at before */
	json_int(reply_writer(&reply), 7);
	reply_resource(&reply, &req, 200);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body.data, "7");

	reply_reset(&reply);
	req.method = "GET";
	params[0] = "HTTP_IF_MATCH=\"x\"";
	json_int(reply_writer(&reply), 7);
	reply_resource(&reply, &req, 200);
	assert_int_equal(reply.status, 412);
	assert_string_equal(reply.content_type, "application/problem+json");
	assert_int_equal(reply.headers.len, 0);
	reply_done(&reply);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_etag_is_of_the_bytes),     cmocka_unit_test(a_list_has_it),
		cmocka_unit_test(a_list_has_it_not),           cmocka_unit_test(a_weak_tag_equals_it_weakly),
		cmocka_unit_test(changes_look_at_both_fields), cmocka_unit_test(answers_by_method),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
