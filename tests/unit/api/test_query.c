/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <string.h>

#include "http/page.h"
#include "http/request.h"

static void assert_found(const char *query, const char *name, const char *value)
{
	char out[32] = "untouched";

	assert_int_equal(query_find(query, name, out, sizeof(out)), 1);
	assert_string_equal(out, value);
}

static void finds_values(void **state)
{
	(void)state;
	assert_found("limit=5", "limit", "5");
	assert_found("a=1&limit=5&b=2", "limit", "5");
	assert_found("limit=", "limit", "");
	assert_found("limit", "limit", "");
	assert_found("limit&a=1", "limit", "");
	assert_found("a=b=c", "a", "b=c");
	assert_found("&&a=1&&", "a", "1");
	assert_found("a=1&a=2", "a", "1");
	assert_found("limits=1&limi=2&limit=3", "limit", "3");
}

static void decodes(void **state)
{
	(void)state;
	assert_found("a=x%20y+z", "a", "x y z");
	assert_found("a=%26%3d%2B%2b", "a", "&=++");
	assert_found("a=%E6%B5%8B", "a", "测");
	assert_found("a=\xff", "a", "\xff");
	assert_found("%61b%2b=1", "ab+", "1");
}

static void tells_what_is_absent(void **state)
{
	static const char *const queries[] = {"", "&", "=", "=5", "b=a", "aa=1", "b&c=a", "%zz=1&%=2&%6=3", "a%00=1"};
	char out[8] = "x";
	(void)state;

	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++)
		assert_int_equal(query_find(queries[i], "a", out, sizeof(out)), 0);
	assert_string_equal(out, "x");
}

static void refuses_what_it_cannot_decode(void **state)
{
	static const char *const queries[] = {"a=%",    "a=%4",   "a=%4&b=1", "a=%zz", "a=1%00",
					      "a=%-1b", "a=% 41", "a=%%41",   "a=%g0", "a=1%4"};
	char out[8];
	(void)state;

	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++)
		assert_int_equal(query_find(queries[i], "a", out, sizeof(out)), -1);
}

static void respects_the_size(void **state)
{
	char out[4];
	(void)state;

	assert_int_equal(query_find("a=123", "a", out, sizeof(out)), 1);
	assert_string_equal(out, "123");
	assert_int_equal(query_find("a=1234", "a", out, sizeof(out)), -1);
	assert_int_equal(query_find("a=%31%32%33%34", "a", out, sizeof(out)), -1);
}

static void cursors_come_back(void **state)
{
	static const int64_t ids[] = {1, 2, 255, 256, 65536, 1234567890123, REQUEST_ID_MAX};
	char text[PAGE_CURSOR_SIZE];
	(void)state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		int64_t id = 0;
		page_cursor(ids[i], text);
		assert_true(strlen(text) < PAGE_CURSOR_SIZE);
		assert_true(page_cursor_parse(text, &id));
		assert_true(id == ids[i]);
	}
}

static void other_cursors_are_refused(void **state)
{
	char text[PAGE_CURSOR_SIZE], changed[PAGE_CURSOR_SIZE + 1];
	int64_t id = 3;
	int accepted = 0;
	(void)state;

	page_cursor(1000, text);
	for (size_t i = 0; i < strlen(text); i++) {
		strcpy(changed, text);
		changed[i] = changed[i] == '0' ? '1' : '0';
		accepted += page_cursor_parse(changed, &id);
	}
	assert_int_equal(accepted, 0);
	assert_false(page_cursor_parse("", &id));
	assert_false(page_cursor_parse("1", &id));
	assert_false(page_cursor_parse("zzzzzzzzzzzzzzzzzz", &id));
	strcpy(changed, text);
	strcat(changed, "0");
	assert_false(page_cursor_parse(changed, &id));
	page_cursor(0, text);
	assert_false(page_cursor_parse(text, &id));
	page_cursor(-1, text);
	assert_false(page_cursor_parse(text, &id));
	page_cursor(REQUEST_ID_MAX + 1, text);
	assert_false(page_cursor_parse(text, &id));
	assert_int_equal(id, 3);
}

static void finds_parameters(void **state)
{
	const char *const params[] = {"FCGI_ROLE=RESPONDER", "A=1",    "AB=2", "HTTP_X=first",
				      "HTTP_X=second",       "EMPTY=", NULL};
	struct request req = {.params = params};
	struct request none = {0};
	(void)state;

	assert_string_equal(request_param(&req, "A"), "1");
	assert_string_equal(request_param(&req, "AB"), "2");
	assert_string_equal(request_param(&req, "HTTP_X"), "first");
	assert_string_equal(request_param(&req, "EMPTY"), "");
	assert_null(request_param(&req, "HTTP_"));
	assert_null(request_param(&req, "B"));
	assert_null(request_param(&none, "A"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_values),
		cmocka_unit_test(decodes),
		cmocka_unit_test(tells_what_is_absent),
		cmocka_unit_test(refuses_what_it_cannot_decode),
		cmocka_unit_test(respects_the_size),
		cmocka_unit_test(cursors_come_back),
		cmocka_unit_test(other_cursors_are_refused),
		cmocka_unit_test(finds_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
