/* Searches: the simplest selectors of TraceQL, tags, durations. */
#include "cmocka_all.h"

#include "trace_request.h"
#include "traces/selector.h"

static struct buf trace;

/* gateway: a root of 100 ms; orders: its child of 40 ms, which failed */
static int make_trace(void **state)
{
	size_t begins[2];

	(void)state;
	buf_init(&trace, 100000);
	request_begin(&trace, "gateway", begins);
	add_span(&trace, &(struct test_span){1, 1, 0, "POST /orders", 2, 0, 1000000000, 1100000000}, 0);
	request_end(&trace, begins);
	request_begin(&trace, "orders \"2\"", begins);
	add_span(&trace, &(struct test_span){1, 2, 1, "INSERT", 3, 2, 1010000000, 1050000000}, 0);
	request_end(&trace, begins);
	assert_false(trace.failed);
	return 0;
}

static int free_trace(void **state)
{
	(void)state;
	buf_done(&trace);
	return 0;
}

static bool selects(const struct selector *s)
{
	struct bytes bytes = {trace.data, trace.len};
	struct trace_summary summary;

	trace_summarise(bytes, &summary);
	return selector_trace(s, &summary, bytes);
}

static void check_all(const char *const *queries, bool expected)
{
	struct selector s;
	const char *error;

	for (; *queries; queries++) {
		if (!selector_parse(&s, *queries, &error))
			fail_msg("%s: %s", *queries, error);
		if (selects(&s) != expected)
			fail_msg("%s: %s", *queries, expected ? "not found" : "found");
	}
}

static void found(void **state)
{
	static const char *const queries[] = {
		"",
		" {} ",
		"{ }",
		"{resource.service.name=\"gateway\"}",
		"{ resource.service.name = \"orders \\\"2\\\"\" }",
		"{ .service.name = `gateway` }",
		"{ resource.\"service.name\" != \"gateway\" }",
		"{ name = \"INSERT\" && status = error && kind = client }",
		"{ span:name = \"INSERT\" && span:status != ok }",
		"{ duration > 99ms }",
		"{ duration >= 100ms && duration <= 0.1s }",
		"{ duration < 50ms }",
		"{ traceDuration = 100ms && name = \"INSERT\" }",
		"{ rootServiceName = \"gateway\" && rootName = \"POST /orders\" && name = \"INSERT\" }",
		"{ span.http.response.status_code = 202 }",
		"{ .http.response.status_code > 201 && .http.response.status_code < 203 }",
		"{ .cached = true && name = \"POST /orders\" }",
		"{ span.cached = false }",
		NULL,
	};

	(void)state;
	check_all(queries, true);
}

static void not_found(void **state)
{
	static const char *const queries[] = {
		"{ resource.service.name = \"order\" }",
		"{ span.service.name = \"gateway\" }",
		"{ resource.cached = true }",
		"{ name = \"INSERT\" && resource.service.name = \"gateway\" }", /* one span has to be both */
		"{ duration > 100ms }",
		"{ status = ok }",
		"{ .absent != \"x\" }",
		"{ .http.response.status_code = \"202\" }",
		"{ .cached = 1 }",
		"{ kind = producer }",
		NULL,
	};

	(void)state;
	check_all(queries, false);
}

static void not_known(void **state)
{
	static const char *const queries[] = {"name = \"x\"",
					      "{",
					      "{ name }",
					      "{ name = }",
					      "{ name = \"x }",
					      "{ name = \"x\\",
					      "{ name =~ \"x\" }",
					      "{ name !~ \"x\" }",
					      "{ nonsense = 1 }",
					      "{ name = \"x\" && }",
					      "{ && }",
					      "{ name = \"x\" || name = \"y\" }",
					      "{} | count() > 2",
					      "{} && {}",
					      "{ status = failed }",
					      "{ duration > 5parsecs }",
					      "{ duration > 1.2.3}",
					      "{ duration > - }",
					      "{ kind = 2 }",
					      "{ . = 1 }",
					      "{ name = \"x\" name = \"y\" }",
					      NULL};
	struct selector s;
	const char *error;

	(void)state;
	for (const char *const *query = queries; *query; query++) {
		error = NULL;
		if (selector_parse(&s, *query, &error))
			fail_msg("taken: %s", *query);
		assert_non_null(error);
	}
}

static void too_many_conditions(void **state)
{
	BUF(query, 10000);
	struct selector s;
	const char *error;

	(void)state;
	buf_adds(&query, "{ name = \"a\"");
	for (int i = 1; i < SELECTOR_CONDITIONS_MAX; i++)
		buf_adds(&query, " && name = \"a\"");
	size_t len = query.len;
	buf_adds(&query, "}");
	assert_true(selector_parse(&s, query.data, &error));
	query.len = len;
	buf_adds(&query, " && name = \"a\"}");
	assert_false(selector_parse(&s, query.data, &error));
}

static void tags(void **state)
{
	static const struct {
		const char *tags;
		bool found;
	} cases[] = {{"", true},
		     {"service.name=gateway", true},
		     {"service.name=\"orders \\\"2\\\"\"  name=INSERT", true},
		     {"service.name=gateway name=INSERT", true}, /* each of another span */
		     {"service.name=gateway name=UPDATE", false},
		     {"http.response.status_code=202", true},
		     {"http.response.status_code=20", false},
		     {"cached=true", true},
		     {"cached=maybe", false},
		     {"error=true", true},
		     {"status=ok", false},
		     {"root.name=\"POST /orders\" root.service.name=gateway", true}};
	struct selector s;
	const char *error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(selector_parse_tags(&s, cases[i].tags, &error));
		if (selects(&s) != cases[i].found)
			fail_msg("%s", cases[i].tags);
	}
	assert_false(selector_parse_tags(&s, "name", &error));
	assert_false(selector_parse_tags(&s, "=x", &error));
	assert_false(selector_parse_tags(&s, "name=\"x", &error));
}

static void durations(void **state)
{
	uint64_t ns;

	(void)state;
	assert_true(selector_duration("100ms", &ns) && ns == 100000000);
	assert_true(selector_duration("1.5s", &ns) && ns == 1500000000);
	assert_true(selector_duration("1h30m", &ns) && ns == UINT64_C(5400000000000));
	assert_true(selector_duration("2us", &ns) && ns == 2000);
	assert_false(selector_duration("", &ns));
	assert_false(selector_duration("-1s", &ns));
	assert_false(selector_duration("1x", &ns));
	assert_false(selector_duration("99999999999999h", &ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found, make_trace, free_trace),
		cmocka_unit_test_setup_teardown(not_found, make_trace, free_trace),
		cmocka_unit_test(not_known),
		cmocka_unit_test(too_many_conditions),
		cmocka_unit_test_setup_teardown(tags, make_trace, free_trace),
		cmocka_unit_test(durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
