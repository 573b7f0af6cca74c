/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "access_lines.h"
#include "base/hex.h"
#include "gateway/access_log.h"

static char line[32768];
static struct access_line facts;
static bool cut;

static bool parse_text(const char *text)
{
	size_t bytes = strlen(text);

	memcpy(line, text, bytes);
	return access_log_parse(line, bytes, &facts, &cut);
}

static bool parse(const struct access_values *values)
{
	size_t bytes = access_line_write(line, sizeof(line), values);

	assert_true(bytes < sizeof(line));
	return access_log_parse(line, bytes, &facts, &cut);
}

#define PARSE(...) parse(&(struct access_values){__VA_ARGS__})

static void assert_text(struct slice text, const char *expected)
{
	assert_int_equal(text.len, strlen(expected));
	assert_string_equal(text.data, expected);
}

static void assert_hex(const uint8_t *id, const char *expected)
{
	char text[33] = "";

	hex_encode(id, strlen(expected) / 2, text);
	assert_string_equal(text, expected);
}

static void reads_every_fact(void **state)
{
	(void)state;
	assert_true(PARSE(.parent_span_id = PARENT_ID, .query = "a=1&b=2", .up_start = "1795350600.112",
			  .trace_state = "ot=th:0,a=\\\"b\\\""));
	assert_false(cut);
	assert_hex(facts.trace_id, TRACE);
	assert_hex(facts.span_id, SERVER_ID);
	assert_hex(facts.parent_span_id, PARENT_ID);
	assert_hex(facts.client_span_id, CLIENT_ID);
	assert_int_equal(facts.flags, 3);
	assert_text(facts.trace_state, "ot=th:0,a=\"b\"");
	assert_false(facts.resampled);
	assert_int_equal(facts.status, 200);
	assert_int_equal(facts.port, 8080);
	assert_int_equal(facts.end_ns, UINT64_C(1795350600123000000));
	assert_int_equal(facts.duration_ns, 12000000);
	assert_int_equal(facts.upstream_start_ns, UINT64_C(1795350600112000000));
	assert_text(facts.method, "GET");
	assert_text(facts.route, "/api/v1/users/{id}");
	assert_text(facts.path, "/api/v1/users/7");
	assert_text(facts.query, "a=1&b=2");
	assert_text(facts.host, "shop.example");
	assert_text(facts.scheme, "http");
	assert_text(facts.client, "192.0.2.7");
	assert_text(facts.user_agent, "curl/7.88.1");
	assert_text(facts.protocol, "HTTP/1.1");
	assert_int_equal(facts.attempt_count, 1);
	assert_text(facts.attempts[0].address, "unix:/run/apm/users.sock");
	assert_int_equal(facts.attempts[0].status, 200);
	assert_int_equal(facts.attempts[0].duration_ns, 10000000);
}

static void takes_members_in_any_order_and_ignores_others(void **state)
{
	(void)state;
	assert_true(parse_text(" { \"msec\" : 17.5 , \"new\":true,\"status\":\"404\", \"x\":null,\"duration_ms\":1.25e,"
			       "\"span_id\":\"" SERVER_ID "\",\"duration_ms\":1.25,\t\"trace_id\":\"" TRACE "\" } "));
	assert_int_equal(facts.status, 404);
	assert_int_equal(facts.end_ns, UINT64_C(17500000000));
	assert_int_equal(facts.duration_ns, 1250000);
	assert_int_equal(facts.flags, 0);
	assert_text(facts.method, "");
	assert_int_equal(facts.attempt_count, 0);
}

static void unescapes(void **state)
{
	(void)state;
	assert_true(PARSE(.path = "/\\\"q\\\"\\\\\\/\\b\\f\\n\\r\\t",
			  .user_agent = "\\u0001\\u00e9\\u6d4b\\ud83d\\ude00|",
			  .query = "\\ud83d|\\ude00\\ud83d\\u0041", .host = "caf\xc3\xa9"));
	assert_text(facts.path, "/\"q\"\\/\b\f\n\r\t");
	assert_text(facts.user_agent, "\x01\xc3\xa9\xe6\xb5\x8b\xf0\x9f\x98\x80|");
	assert_text(facts.query, "\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd"
				 "A");
	assert_text(facts.host, "caf\xc3\xa9");

	assert_true(PARSE(.path = "/a\\u0000b"));
	assert_int_equal(facts.path.len, 4);
	assert_memory_equal(facts.path.data, "/a\0b", 5);
}

static void passes_bytes_that_are_not_utf8(void **state)
{
	(void)state;
	assert_true(PARSE(.path = "/\xff\xfe\x80", .user_agent = "\xc3"));
	assert_text(facts.path, "/\xff\xfe\x80");
	assert_text(facts.user_agent, "\xc3");
}

static void refuses_broken_json(void **state)
{
	static const char *const broken[] = {
		"",
		" ",
		"{",
		"}",
		"{}",
		"[]",
		"null",
		"x",
		"\"",
		"{\"",
		"{\"a",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":}",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\":1,}",
		"{\"a\":\"",
		"{\"a\":\"x",
		"{\"a\":\"x\"",
		"{\"a\":\"\\",
		"{\"a\":\"\\\"",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\u123g\"}",
		"{\"a\":\"\\ud83d\\u12\"}",
		"{\"a\":{}}",
		"{\"a\":[]}",
		"{\"a\":A}",
		"{a:1}",
		"{\"a\" 1}",
		"{\"a\":1 2}",
		"{\"a\":1}x",
		"{\"a\":1}{}",
		"\x16\x03\x01\x02",
		"GET / HTTP/1.1",
		"{,}",
		"{\"ts\":\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		if (parse_text(broken[i]))
			fail_msg("was accepted: %s", broken[i]);
}

static void needs_ids_status_and_times(void **state)
{
	(void)state;
	assert_true(PARSE(0));
	assert_false(PARSE(.trace_id = ""));
	assert_false(PARSE(.trace_id = "00000000000000000000000000000000"));
	assert_false(PARSE(.trace_id = "0AF7651916CD43DD8448EB211C80319C"));
	assert_false(PARSE(.trace_id = TRACE "0"));
	assert_false(PARSE(.span_id = "0000000000000000"));
	assert_false(PARSE(.span_id = "b7ad6b716920333"));
	assert_false(PARSE(.status = "\"\""));
	assert_false(PARSE(.status = "-1"));
	assert_false(PARSE(.status = "1000"));
	assert_false(PARSE(.duration_ms = "-"));
	assert_false(PARSE(.duration_ms = "1.2.3"));
	assert_false(PARSE(.duration_ms = "18446744073709551616"));
	assert_false(PARSE(.msec = ""));
	assert_false(PARSE(.msec = ".5"));
	assert_false(PARSE(.msec = "99999999999999999999.000"));
	assert_false(PARSE(.msec = "18446744073.000"));
}

static void tolerates_what_is_not_essential(void **state)
{
	(void)state;
	assert_true(PARSE(.flags = "zz", .parent_span_id = "x", .port = "70000", .up_start = "soon", .status = "000",
			  .method = "", .route = "", .path = "", .protocol = ""));
	assert_int_equal(facts.flags, 0);
	assert_hex(facts.parent_span_id, "0000000000000000");
	assert_int_equal(facts.port, 0);
	assert_int_equal(facts.upstream_start_ns, 0);
	assert_int_equal(facts.status, 0);
	assert_int_equal(facts.attempt_count, 1);

	/* no id to give them */
	assert_true(PARSE(.client_span_id = ""));
	assert_int_equal(facts.attempt_count, 0);
}

static void reads_lists_of_attempts(void **state)
{
	(void)state;
	assert_true(PARSE(.up_addr = "unix:/a.sock, 127.0.0.1:81 : [::1]:82", .up_status = "502, 504 : 200",
			  .up_time = "0.001, 0.020 : 1.300"));
	assert_int_equal(facts.attempt_count, 3);
	assert_int_equal(facts.attempts[0].address.len, strlen("unix:/a.sock"));
	assert_memory_equal(facts.attempts[1].address.data, "127.0.0.1:81", facts.attempts[1].address.len);
	assert_memory_equal(facts.attempts[2].address.data, "[::1]:82", facts.attempts[2].address.len);
	assert_int_equal(facts.attempts[0].status, 502);
	assert_int_equal(facts.attempts[1].status, 504);
	assert_int_equal(facts.attempts[2].status, 200);
	assert_int_equal(facts.attempts[1].duration_ns, 20000000);
	assert_int_equal(facts.attempts[2].duration_ns, 1300000000);

	assert_true(PARSE(.up_addr = "", .up_status = "", .up_time = ""));
	assert_int_equal(facts.attempt_count, 0);
	assert_true(PARSE(.up_addr = "-", .up_status = "-", .up_time = "-"));
	assert_int_equal(facts.attempt_count, 0);
	/* the client went away first: an attempt without an answer */
	assert_true(PARSE(.status = "499", .up_status = "-", .up_time = "0.004"));
	assert_int_equal(facts.attempt_count, 1);
	assert_int_equal(facts.attempts[0].status, 0);
	assert_int_equal(facts.attempts[0].duration_ns, 4000000);
	assert_true(PARSE(.up_addr = "users", .up_status = "502, 200", .up_time = ""));
	assert_int_equal(facts.attempt_count, 1);
	assert_int_equal(facts.attempts[0].duration_ns, 0);
}

static void keeps_a_limited_number_of_attempts(void **state)
{
	char many[1024] = "a:1";

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(many, ", a:1");
	assert_true(PARSE(.up_addr = many));
	assert_int_equal(facts.attempt_count, ACCESS_ATTEMPTS_MAX);
}

/* A full disk ends a line anywhere, and the next one begins right there. */
static void finds_the_line_behind_one_that_was_cut_off(void **state)
{
	/* a client that tries to have a line of its own found */
	struct access_values first = {.path = "/{\\\"ts\\\":\\\"\\u0041\\n", .query = "\\u6d4b\\\\\\\""};
	struct access_values second = {.path = "/second"};
	char whole[4096];
	size_t bytes = access_line_write(whole, sizeof(whole), &first);

	(void)state;
	for (size_t at = 1; at < bytes; at++) {
		memcpy(line, whole, at);
		size_t rest = access_line_write(line + at, sizeof(line) - at, &second);
		if (!access_log_parse(line, at + rest, &facts, &cut))
			fail_msg("cut at %zu: nothing was found", at);
		assert_true(cut);
		assert_text(facts.path, "/second");
	}

	memcpy(line, whole, bytes);
	size_t rest = access_line_write(line + bytes, sizeof(line) - bytes, &second);
	assert_true(access_log_parse(line, bytes + rest, &facts, &cut));
	assert_true(cut);

	/* after a power loss */
	memset(line, 0, 100);
	rest = access_line_write(line + 100, sizeof(line) - 100, &second);
	assert_true(access_log_parse(line, 100 + rest, &facts, &cut));
	assert_true(cut);
	assert_text(facts.path, "/second");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_fact),
		cmocka_unit_test(takes_members_in_any_order_and_ignores_others),
		cmocka_unit_test(unescapes),
		cmocka_unit_test(passes_bytes_that_are_not_utf8),
		cmocka_unit_test(refuses_broken_json),
		cmocka_unit_test(needs_ids_status_and_times),
		cmocka_unit_test(tolerates_what_is_not_essential),
		cmocka_unit_test(reads_lists_of_attempts),
		cmocka_unit_test(keeps_a_limited_number_of_attempts),
		cmocka_unit_test(finds_the_line_behind_one_that_was_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
