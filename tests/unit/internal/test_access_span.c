/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <string.h>

#include "access_lines.h"
#include "base/hex.h"
#include "gateway/access_span.h"
#include "span_attrs.h"

#define MS UINT64_C(1000000)
#define END_NS UINT64_C(1795350600123000000) /* of access_lines.h */

static char line[16384];
static struct access_line facts;
static struct tel_span span;

static size_t parse(const struct access_values *values)
{
	bool cut;
	size_t bytes = access_line_write(line, sizeof(line), values);

	assert_true(bytes < sizeof(line));
	assert_true(access_log_parse(line, bytes, &facts, &cut));
	return access_span_count(&facts);
}

#define PARSE(...) parse(&(struct access_values){__VA_ARGS__})

static void assert_hex(const uint8_t *id, const char *expected)
{
	char text[33] = "";

	hex_encode(id, strlen(expected) / 2, text);
	assert_string_equal(text, expected);
}

#define ASSERT_ATTR(key, value) assert_string_equal(span_attr(span_of(&span), key), value)

static void assert_inside(const struct span *inner, uint64_t start_ns, uint64_t end_ns)
{
	assert_true(start_ns <= inner->start_ns);
	assert_true(inner->start_ns <= inner->end_ns);
	assert_true(inner->end_ns <= end_ns);
}

static void server_span_says_what_the_conventions_ask(void **state)
{
	(void)state;
	assert_int_equal(PARSE(.parent_span_id = PARENT_ID, .query = "full=1"), 2);
	access_span_make(&facts, 0, &span);
	assert_string_equal(span_name(span_of(&span)), "GET /api/v1/users/{id}");
	assert_int_equal(span_of(&span)->kind, TEL_SERVER);
	assert_hex(span_of(&span)->trace_id, TRACE);
	assert_hex(span_of(&span)->span_id, SERVER_ID);
	assert_hex(span_of(&span)->parent_span_id, PARENT_ID);
	assert_int_equal(span_of(&span)->flags, 3);
	assert_true(span_of(&span)->parent_remote);
	assert_int_equal(span_of(&span)->status, SPAN_UNSET);
	assert_int_equal(span_of(&span)->start_ns, END_NS - 12 * MS);
	assert_int_equal(span_of(&span)->end_ns, END_NS + MS);
	ASSERT_ATTR("http.request.method", "GET");
	ASSERT_ATTR("http.request.method_original", "(none)");
	ASSERT_ATTR("http.route", "/api/v1/users/{id}");
	ASSERT_ATTR("http.response.status_code", "200");
	ASSERT_ATTR("error.type", "(none)");
	ASSERT_ATTR("url.scheme", "http");
	ASSERT_ATTR("url.path", "/api/v1/users/7");
	ASSERT_ATTR("url.query", "full=1");
	ASSERT_ATTR("server.address", "shop.example");
	ASSERT_ATTR("server.port", "8080");
	ASSERT_ATTR("client.address", "192.0.2.7");
	ASSERT_ATTR("user_agent.original", "curl/7.88.1");
	ASSERT_ATTR("network.protocol.version", "1.1");
	assert_int_equal(span_of(&span)->dropped_attributes, 0);
}

static void client_span_is_inside_and_names_the_peer(void **state)
{
	(void)state;
	assert_int_equal(PARSE(.query = "full=1"), 2);
	access_span_make(&facts, 0, &span);
	assert_false(span_of(&span)->parent_remote);
	assert_hex(span_of(&span)->parent_span_id, "0000000000000000");

	access_span_make(&facts, 1, &span);
	assert_string_equal(span_name(span_of(&span)), "GET");
	assert_int_equal(span_of(&span)->kind, TEL_CLIENT);
	assert_hex(span_of(&span)->trace_id, TRACE);
	assert_hex(span_of(&span)->span_id, CLIENT_ID);
	assert_hex(span_of(&span)->parent_span_id, SERVER_ID);
	assert_false(span_of(&span)->parent_remote);
	assert_int_equal(span_of(&span)->status, SPAN_UNSET);
	assert_int_equal(span_of(&span)->start_ns, END_NS - 11 * MS);
	assert_int_equal(span_of(&span)->end_ns, END_NS + MS);
	ASSERT_ATTR("http.request.method", "GET");
	ASSERT_ATTR("http.response.status_code", "200");
	ASSERT_ATTR("server.address", "/run/apm/users.sock");
	ASSERT_ATTR("server.port", "(none)");
	ASSERT_ATTR("url.full", "http://shop.example:8080/api/v1/users/7?full=1");
	ASSERT_ATTR("http.request.resend_count", "(none)");
}

static void knows_peers_of_every_kind(void **state)
{
	(void)state;
	PARSE(.up_addr = "127.0.0.1:9001", .port = "80");
	access_span_make(&facts, 1, &span);
	ASSERT_ATTR("server.address", "127.0.0.1");
	ASSERT_ATTR("server.port", "9001");
	ASSERT_ATTR("url.full", "http://shop.example/api/v1/users/7");
	PARSE(.up_addr = "[2001:db8::1]:9001", .scheme = "https", .port = "443");
	access_span_make(&facts, 1, &span);
	ASSERT_ATTR("server.address", "2001:db8::1");
	ASSERT_ATTR("server.port", "9001");
	ASSERT_ATTR("url.full", "https://shop.example/api/v1/users/7");
	PARSE(.host = "[2001:db8::2]", .port = "8080", .client = "2001:db8::7");
	access_span_make(&facts, 0, &span);
	ASSERT_ATTR("server.address", "2001:db8::2");
	ASSERT_ATTR("server.port", "8080");
	ASSERT_ATTR("client.address", "2001:db8::7");
	access_span_make(&facts, 1, &span);
	ASSERT_ATTR("url.full", "http://[2001:db8::2]:8080/api/v1/users/7");
	PARSE(.up_addr = "users", .host = "");
	access_span_make(&facts, 1, &span);
	ASSERT_ATTR("server.address", "users");
	ASSERT_ATTR("url.full", "(none)");
}

static void status_decides_what_is_an_error(void **state)
{
	static const struct {
		const char *status, *up_status, *server_error, *client_error;
	} cases[] = {
		{"200", "200", NULL, NULL},     {"304", "304", NULL, NULL},
		{"404", "404", NULL, "404"},    {"499", "-", "client_disconnected", "client_disconnected"},
		{"500", "500", "500", "500"},   {"503", "503", "503", "503"},
		{"504", "504", "504", "504"},   {"502", "-", "502", "_OTHER"},
		{"0", "-", "_OTHER", "_OTHER"}, {"999", "999", "999", "999"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(PARSE(.status = cases[i].status, .up_status = cases[i].up_status), 2);
		access_span_make(&facts, 0, &span);
		assert_int_equal(span_of(&span)->status, cases[i].server_error ? SPAN_ERROR : SPAN_UNSET);
		ASSERT_ATTR("error.type", cases[i].server_error ? cases[i].server_error : "(none)");
		ASSERT_ATTR("http.response.status_code", *cases[i].status == '0' ? "(none)" : cases[i].status);
		access_span_make(&facts, 1, &span);
		assert_int_equal(span_of(&span)->status, cases[i].client_error ? SPAN_ERROR : SPAN_UNSET);
		ASSERT_ATTR("error.type", cases[i].client_error ? cases[i].client_error : "(none)");
		ASSERT_ATTR("http.response.status_code", *cases[i].up_status == '-' ? "(none)" : cases[i].up_status);
	}
}

/* nginx refused the request line: it knows next to nothing. */
static void says_nothing_of_what_it_does_not_know(void **state)
{
	(void)state;
	assert_int_equal(PARSE(.method = "", .route = "", .path = "", .status = "400", .up_addr = "", .up_status = "",
			       .up_time = "", .host = "", .user_agent = "", .protocol = ""),
			 1);
	access_span_make(&facts, 0, &span);
	assert_string_equal(span_name(span_of(&span)), "HTTP");
	ASSERT_ATTR("http.request.method", "_OTHER");
	ASSERT_ATTR("http.request.method_original", "(none)");
	ASSERT_ATTR("http.route", "(none)");
	ASSERT_ATTR("url.path", "(none)");
	ASSERT_ATTR("url.query", "(none)");
	ASSERT_ATTR("server.address", "(none)");
	ASSERT_ATTR("user_agent.original", "(none)");
	ASSERT_ATTR("network.protocol.version", "(none)");
	ASSERT_ATTR("http.response.status_code", "400");
	assert_int_equal(span_of(&span)->status, SPAN_UNSET);

	PARSE(.method = "BREW", .route = "_unmatched", .protocol = "HTTP/2.0");
	access_span_make(&facts, 0, &span);
	assert_string_equal(span_name(span_of(&span)), "HTTP");
	ASSERT_ATTR("http.request.method", "_OTHER");
	ASSERT_ATTR("http.request.method_original", "BREW");
	ASSERT_ATTR("http.route", "(none)");
	ASSERT_ATTR("network.protocol.version", "2");
}

static void an_unsampled_line_has_no_spans(void **state)
{
	(void)state;
	assert_int_equal(PARSE(.flags = "02"), 0);
	assert_int_equal(PARSE(.flags = "00"), 0);
	assert_int_equal(PARSE(.flags = "01"), 2);
}

static void each_attempt_is_a_span_of_its_own(void **state)
{
	struct tel_span attempt[3], again;

	(void)state;
	assert_int_equal(PARSE(.duration_ms = "100", .up_addr = "unix:/a, unix:/b : unix:/c",
			       .up_status = "502, 200 : -", .up_time = "0.010, 0.020 : 0.030"),
			 4);
	for (size_t i = 0; i < 3; i++) {
		access_span_make(&facts, i + 1, &attempt[i]);
		assert_hex(span_of(&attempt[i])->parent_span_id, SERVER_ID);
		assert_inside(span_of(&attempt[i]), END_NS - 100 * MS, END_NS + MS);
		access_span_make(&facts, i + 1, &again);
		assert_memory_equal(span_of(&attempt[i])->span_id, span_of(&again)->span_id, 8);
	}
	/* the second is the last that answered: programs know it as their parent */
	assert_hex(span_of(&attempt[1])->span_id, CLIENT_ID);
	assert_memory_not_equal(span_of(&attempt[0])->span_id, span_of(&attempt[1])->span_id, 8);
	assert_memory_not_equal(span_of(&attempt[0])->span_id, span_of(&attempt[2])->span_id, 8);
	assert_memory_not_equal(span_of(&attempt[0])->span_id, span_of(&attempt[0])->parent_span_id, 8);
	assert_string_equal(span_attr(span_of(&attempt[0]), "error.type"), "502");
	assert_string_equal(span_attr(span_of(&attempt[1]), "error.type"), "(none)");
	assert_string_equal(span_attr(span_of(&attempt[2]), "error.type"), "_OTHER");
	assert_string_equal(span_attr(span_of(&attempt[0]), "http.request.resend_count"), "(none)");
	assert_string_equal(span_attr(span_of(&attempt[2]), "http.request.resend_count"), "2");
	/* one after the other, to the millisecond that the log has */
	assert_int_equal(span_of(&attempt[0])->start_ns, END_NS - 61 * MS);
	assert_true(span_of(&attempt[1])->start_ns >= span_of(&attempt[0])->end_ns - 3 * MS);
	assert_true(span_of(&attempt[2])->start_ns >= span_of(&attempt[1])->end_ns - 5 * MS);
	assert_int_equal(span_of(&attempt[2])->end_ns, END_NS + MS);

	/* none answered: the last one */
	PARSE(.up_addr = "unix:/a, unix:/b", .up_status = "-, -", .up_time = "0.001, 0.002");
	access_span_make(&facts, 2, &span);
	assert_hex(span_of(&span)->span_id, CLIENT_ID);
}

/*
 * For every way in which the true times of nginx and of the program can be rounded: the program's span, which lies
 * between the connection and the last byte of the answer, is inside the CLIENT span.
 */
static void the_programs_span_nests_whatever_is_rounded(void **state)
{
	const uint64_t step = 100000, ms = MS;
	const uint64_t base = END_NS; /* a whole millisecond */
	struct access_line l;

	(void)state;
	PARSE(0);
	l = facts;
	for (int exact = 0; exact <= 1; exact++)
		for (uint64_t begin = 0; begin < ms; begin += step)
			for (uint64_t wait = 0; wait < 3 * ms; wait += 3 * step)
				for (uint64_t work = 0; work < 3 * ms; work += step)
					for (uint64_t phase = 0; phase < ms; phase += 3 * step) {
						uint64_t start = base + begin, connect = start + wait,
							 end = connect + work;
						/* nginx: realtime in ms, and a monotonic clock in ms of another phase
						 */
						l.end_ns = end / ms * ms;
						l.duration_ns = (end / ms - start / ms) * ms;
						l.upstream_start_ns = exact ? connect / ms * ms : 0;
						l.attempts[0].duration_ns = ((end + phase) / ms -
									     (connect + phase) / ms) *
									    ms;
						struct tel_span server, client;
						access_span_make(&l, 0, &server);
						access_span_make(&l, 1, &client);
						assert_true(span_of(&server)->start_ns <= start &&
							    span_of(&server)->end_ns >= end);
						assert_true(span_of(&client)->start_ns <= connect &&
							    span_of(&client)->end_ns >= end);
						assert_inside(span_of(&client), span_of(&server)->start_ns,
							      span_of(&server)->end_ns);
					}
}

/* A slow client reads the answer for ten seconds; the upstream had long finished. */
static void a_slow_client_does_not_move_the_attempt(void **state)
{
	(void)state;
	PARSE(.duration_ms = "10000", .up_time = "0.005", .up_start = "1795350590.125");
	access_span_make(&facts, 1, &span);
	assert_int_equal(span_of(&span)->start_ns, UINT64_C(1795350590125) * MS);
	assert_int_equal(span_of(&span)->end_ns, UINT64_C(1795350590132) * MS);
	/* a clock that was set meanwhile */
	PARSE(.duration_ms = "10", .up_time = "0.005", .up_start = "1795350500.000");
	access_span_make(&facts, 1, &span);
	assert_int_equal(span_of(&span)->start_ns, END_NS - 6 * MS);
	assert_int_equal(span_of(&span)->end_ns, END_NS + MS);
}

static void impossible_times_stay_in_bounds(void **state)
{
	(void)state;
	PARSE(.msec = "0.001", .duration_ms = "60000", .up_time = "70.000");
	access_span_make(&facts, 0, &span);
	assert_int_equal(span_of(&span)->start_ns, 0);
	assert_int_equal(span_of(&span)->end_ns, 2 * MS);
	access_span_make(&facts, 1, &span);
	assert_inside(span_of(&span), 0, 2 * MS);
}

static void what_does_not_fit_is_dropped_and_counted(void **state)
{
	char path[6000];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	PARSE(.path = path);
	access_span_make(&facts, 0, &span);
	assert_int_equal(span_of(&span)->dropped_attributes, 1);
	ASSERT_ATTR("url.path", "(none)");
	ASSERT_ATTR("user_agent.original", "curl/7.88.1");
	access_span_make(&facts, 1, &span);
	ASSERT_ATTR("url.full", "(none)");
	ASSERT_ATTR("server.address", "/run/apm/users.sock");
}

static int enable(void **state)
{
	(void)state;
	span_attrs_enable();
	return 0;
}

/* The trace id's last 14 digits are 48eb211c80319c: sampled with the threshold 4, not with 8. */
static void the_tracestate_is_judged_as_the_programs_do(void **state)
{
	static const struct {
		const char *logged, *resampled, *wanted; /* wanted: NULL for none */
	} cases[] = {
		{"", "0", NULL},
		{"ot=th:0", "0", "ot=th:0"},
		{"ot=th:4;rv:48eb211c80319c , a=1", "0", "ot=th:4;rv:48eb211c80319c,a=1"},
		{"a=1,,b=2\\t", "0", "a=1,b=2"},
		{"a=1,B=2", "0", NULL},
		{"a=\\u00e9", "0", NULL},
		{"ot=th:8,a=1", "0", "a=1"},
		{"a=1, ot=th:4;rv:48eb211c80319c", "1", "ot=rv:48eb211c80319c,a=1"},
		{"ot=th:4", "1", NULL},
		{"a=1", "1", "a=1"},
	};
	static struct tel_parent context;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(PARSE(.trace_state = cases[i].logged, .resampled = cases[i].resampled), 2);
		access_span_context(&facts, &context);
		for (size_t span_index = 0; span_index < 2; span_index++) {
			access_span_make(&facts, span_index, &span);
			assert_null(span_of(&span)->tracestate);
			tel_span_set_tracestate(&span, &context);
			if (cases[i].wanted)
				assert_string_equal(span_of(&span)->tracestate, cases[i].wanted);
			else
				assert_null(span_of(&span)->tracestate);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_span_says_what_the_conventions_ask),
		cmocka_unit_test(client_span_is_inside_and_names_the_peer),
		cmocka_unit_test(knows_peers_of_every_kind),
		cmocka_unit_test(status_decides_what_is_an_error),
		cmocka_unit_test(says_nothing_of_what_it_does_not_know),
		cmocka_unit_test(an_unsampled_line_has_no_spans),
		cmocka_unit_test(each_attempt_is_a_span_of_its_own),
		cmocka_unit_test(the_programs_span_nests_whatever_is_rounded),
		cmocka_unit_test(a_slow_client_does_not_move_the_attempt),
		cmocka_unit_test(impossible_times_stay_in_bounds),
		cmocka_unit_test(what_does_not_fit_is_dropped_and_counted),
		cmocka_unit_test(the_tracestate_is_judged_as_the_programs_do),
	};

	return cmocka_run_group_tests(tests, enable, NULL);
}
