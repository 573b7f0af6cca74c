/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <string.h>

#include "http/request.h"
#include "http/route.h"

static void handler(struct request *req, struct reply *reply)
{
	(void)req;
	(void)reply;
}

static const struct route table[] = {
	{"GET", "/api/v1/users", handler, 0},
	{"POST", "/api/v1/users", handler, 0},
	{"GET", "/api/v1/users/{id}", handler, 0},
	{"DELETE", "/api/v1/users/{id}", handler, 0},
	{"GET", "/api/v1/users/{id}/orders/{order}", handler, 0},
	{"GET", "/notes", handler, 0},
	{"POST", "/notes", handler, ROUTE_INTERNAL},
	{"POST", "/hidden", handler, ROUTE_INTERNAL},
	{"GET", "/a/{x}/{y}/{z}/{w}", handler, 0},
	{"GET", "/many/{a}/{b}/{c}/{d}/{e}", handler, 0},
	{"PUT", "/sub/{x}", handler, 0},
	{"GET", "/sub/fixed", handler, 0},
	{"GET", "/", handler, 0},
	{"GET", "/tags/{name*}/values", handler, 0},
	{"GET", "/rest/{path*}", handler, 0},
	{0},
};

static const struct route *find(const char *method, const char *path, bool internal, struct route_match *match)
{
	route_find(table, method, path, internal, match);
	return match->route;
}

static void finds_by_method_and_path(void **state)
{
	struct route_match match;
	(void)state;

	assert_ptr_equal(find("GET", "/api/v1/users", false, &match), &table[0]);
	assert_int_equal(match.segments, 0);
	assert_ptr_equal(find("POST", "/api/v1/users", false, &match), &table[1]);
	assert_ptr_equal(find("HEAD", "/api/v1/users", false, &match), &table[0]);
	assert_ptr_equal(find("DELETE", "/api/v1/users/7", false, &match), &table[3]);
	assert_ptr_equal(find("GET", "/", false, &match), &table[12]);
	assert_string_equal(match.path_template, "/");
}

static void captures_segments(void **state)
{
	struct route_match match;
	(void)state;

	assert_ptr_equal(find("GET", "/api/v1/users/42/orders/a b", false, &match), &table[4]);
	assert_int_equal(match.segments, 2);
	assert_int_equal(match.segment_len[0], 2);
	assert_memory_equal(match.segment[0], "42", 2);
	assert_int_equal(match.segment_len[1], 3);
	assert_memory_equal(match.segment[1], "a b", 3);
	assert_ptr_equal(find("GET", "/a/1/2/3/4", false, &match), &table[8]);
	assert_int_equal(match.segments, ROUTE_SEGMENTS_MAX);
	/* a template with more braces than there is room for never matches */
	assert_null(find("GET", "/many/1/2/3/4/5", false, &match));
	assert_null(match.path_template);
}

static void finds_nothing_else(void **state)
{
	static const char *const paths[] = {"",
					    "api/v1/users",
					    "/api/v1/users/",
					    "/api/v1/user",
					    "/api/v1/userss",
					    "/api/v1/users//",
					    "//api/v1/users",
					    "/api/v1/users/7/",
					    "/api/v1/users/7/orders",
					    "/api/v1/users/7/orders/",
					    "/API/v1/users",
					    "/a/1/2/3",
					    "/a/1/2/3/",
					    "*",
					    "\xff",
					    "/{id}"};
	struct route_match match;
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		assert_null(find("GET", paths[i], true, &match));
		assert_null(match.path_template);
		assert_int_equal(match.segments, 0);
	}
}

static void tells_a_wrong_method_from_no_path(void **state)
{
	struct route_match match;
	(void)state;

	assert_null(find("PATCH", "/api/v1/users/7", false, &match));
	assert_string_equal(match.path_template, "/api/v1/users/{id}");
	assert_null(find("get", "/api/v1/users", false, &match));
	assert_string_equal(match.path_template, "/api/v1/users");
	assert_null(find("", "/api/v1/users", false, &match));
	assert_null(find("HEAD", "/hidden", true, &match));
	assert_string_equal(match.path_template, "/hidden");
	/* the method is looked for under every template that matches the path */
	assert_ptr_equal(find("GET", "/sub/fixed", false, &match), &table[11]);
	assert_int_equal(match.segments, 0);
}

static void hides_internal_routes_from_the_gateway(void **state)
{
	struct route_match match;
	(void)state;

	assert_ptr_equal(find("POST", "/notes", true, &match), &table[6]);
	assert_null(find("POST", "/notes", false, &match));
	assert_string_equal(match.path_template, "/notes");
	assert_ptr_equal(find("POST", "/hidden", true, &match), &table[7]);
	assert_null(find("POST", "/hidden", false, &match));
	assert_null(match.path_template);
}

static void says_what_is_allowed(void **state)
{
	(void)state;
	BUF(allow, 100);

	route_allow(table, "/api/v1/users", false, &allow);
	assert_string_equal(allow.data, "GET, HEAD, POST");
	buf_reset(&allow);
	route_allow(table, "/api/v1/users/{id}", false, &allow);
	assert_string_equal(allow.data, "GET, HEAD, DELETE");
	buf_reset(&allow);
	route_allow(table, "/notes", false, &allow);
	assert_string_equal(allow.data, "GET, HEAD");
	buf_reset(&allow);
	route_allow(table, "/notes", true, &allow);
	assert_string_equal(allow.data, "GET, HEAD, POST");
}

static void needs_no_table(void **state)
{
	struct route_match match;
	(void)state;

	route_find(NULL, "GET", "/", true, &match);
	assert_null(match.route);
	assert_null(match.path_template);
}

static bool id_of(const char *segment, int64_t *id)
{
	struct request req = {.match = {.segment = {segment}, .segment_len = {strlen(segment)}, .segments = 1}};
	return request_id(&req, id);
}

static void reads_ids(void **state)
{
	static const char *const no_ids[] = {"",
					     "0",
					     "007",
					     "-1",
					     "+1",
					     "1 ",
					     " 1",
					     "1x",
					     "x",
					     "1.0",
					     "0x1",
					     "9007199254740992",
					     "10000000000000000",
					     "99999999999999999999999"};
	int64_t id = 5;
	struct request none = {0};
	(void)state;

	for (size_t i = 0; i < sizeof(no_ids) / sizeof(*no_ids); i++)
		assert_false(id_of(no_ids[i], &id));
	assert_false(request_id(&none, &id));
	assert_int_equal(id, 5);
	assert_true(id_of("1", &id));
	assert_int_equal(id, 1);
	assert_true(id_of("9007199254740991", &id));
	assert_true(id == REQUEST_ID_MAX);
}

static void captures_the_rest(void **state)
{
	static const struct {
		const char *path, *captured;
	} cases[] = {{"/tags/a/values", "a"},   {"/tags/a/b/values", "a/b"}, {"/tags/values/values", "values"},
		     {"/tags/a//values", "a/"}, {"/rest/a/b/c", "a/b/c"},    {"/tags//values", NULL},
		     {"/tags/values", NULL},    {"/tags/a/valuesx", NULL},   {"/tags/a/value", NULL},
		     {"/rest/", NULL}};
	struct route_match match;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *captured = cases[i].captured;
		const struct route *route = find("GET", cases[i].path, false, &match);
		assert_int_equal(route != NULL, captured != NULL);
		if (!captured)
			continue;
		assert_int_equal(match.segments, 1);
		assert_int_equal(match.segment_len[0], strlen(captured));
		assert_memory_equal(match.segment[0], captured, strlen(captured));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captures_the_rest),
		cmocka_unit_test(finds_by_method_and_path),
		cmocka_unit_test(captures_segments),
		cmocka_unit_test(finds_nothing_else),
		cmocka_unit_test(tells_a_wrong_method_from_no_path),
		cmocka_unit_test(hides_internal_routes_from_the_gateway),
		cmocka_unit_test(says_what_is_allowed),
		cmocka_unit_test(needs_no_table),
		cmocka_unit_test(reads_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
