/* SPDX-License-Identifier: MIT */
/* Searches: span sets of TraceQL, tags, durations. */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "trace_fixture.h"
#include "trace_store/selection.h"

/* gateway: a root of 100 ms; orders: its child of 40 ms, which failed */
static int make_trace(void **state)
{
	size_t begins[2];

	trace_begin(state);
	request_begin(&request, "gateway", begins);
	add_span(&request, &(struct test_span){1, 1, 0, "POST /orders", 2, 0, 1000000000, 1100000000}, 0);
	request_end(&request, begins);
	request_begin(&request, "orders \"2\"", begins);
	add_span(&request, &(struct test_span){1, 2, 1, "INSERT", 3, 2, 1010000000, 1050000000}, 0);
	request_end(&request, begins);
	take_request();
	return 0;
}

static void check_all(const char *const *queries, bool expected)
{
	struct selector s;
	struct selector_error error;

	for (; *queries; queries++) {
		if (!selector_parse(&s, *queries, &error))
			fail_msg("%s: %s", *queries, error.text);
		if (selection_matches_trace(&s, &trace, &budget) != expected)
			fail_msg("%s: %s", *queries, expected ? "not found" : "found");
		selector_done(&s);
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
		"{ span.cached != nil && .absent = nil }",
		"{ name =~ \"INS.*\" }",
		"{ name !~ \"INS\" }",
		"{ resource.service.name =~ `gate(way|s)` && kind = server }",
		"{ name = \"x\" || name = \"INSERT\" }",
		"{ (status = ok || status = error) && !(kind = server) }",
		"{ name = \"x\" || status = error && kind = client }",
		"{ !(name = \"x\" || name = \"y\") }",
		"{ span:id = \"0200000000000001\" && span:parentID = \"0100000000000001\" }",
		"{ name > \"IN\" && name < \"IO\" }",
		"{ duration > 50000000 }",
		"{\n  name = \"INSERT\"\n}",
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
		"{ name =~ \"INS\" }", /* the whole of it */
		"{ .http.response.status_code =~ \"2..\" }",
		"{ .absent != nil }",
		"{ .absent !~ \"x\" }",
		"{ .cached = nil }",
		"{ name = \"x\" || name = \"y\" }",
		"{ (name = \"INSERT\" || name = \"x\") && kind = server }",
		"{ !(duration > 0s) }",
		"{ event:name = \"x\" || event.x = 1 || link.x = 1 || instrumentation:name = \"y\" }",
		NULL,
	};

	(void)state;
	check_all(queries, false);
}

/* What is refused, where, and a word of why. */
static void not_known(void **state)
{
	static const struct {
		const char *query;
		unsigned line, column;
		const char *says;
	} cases[] = {
		{"name = \"x\"", 1, 1, "found name; a query is one span set here"},
		{"{", 1, 2, "found the end of the query; wanted a field"},
		{"{ name }", 1, 8, "found }; wanted a comparison"},
		{"{ name = }", 1, 10, "found }; this field is compared with a text in quotes"},
		{"{ name = \"x }", 1, 10, "the quote is not closed"},
		{"{ name = \"x\\", 1, 10, "the quote is not closed"},
		{"{ nonsense = 1 }", 1, 3, "found nonsense; wanted a field. Known are span."},
		{"{ status = error && foo > 2 }", 1, 21, "found foo; wanted a field"},
		{"{ name = \"x\" && }", 1, 17, "found }; wanted a field"},
		{"{ && }", 1, 3, "found &&; wanted a field"},
		{"{} | count() > 2", 1, 4, "pipelines"},
		{"{} | rate()", 1, 4, "pipelines"},
		{"{} && {}", 1, 4, "between span sets"},
		{"{} || {}", 1, 4, "between span sets"},
		{"{} >> {}", 1, 4, "structural"},
		{"{} !~ {}", 1, 4, "structural"},
		{"{} with(most_recent=true)", 1, 4, "hints"},
		{"{} x", 1, 4, "ends after }"},
		{"{ status = failed }", 1, 12, "unset, ok or error"},
		{"{ status = \"error\" }", 1, 12, "found \"error\"; a status is compared with"},
		{"{ status > error }", 1, 10, "by = and != only"},
		{"{ kind = 2 }", 1, 10, "a kind is compared with"},
		{"{ kind = \"server\" }", 1, 10, "a kind is compared with"},
		{"{ duration > \"1s\" }", 1, 14, "found \"1s\"; a duration is wanted"},
		{"{ duration > 5parsecs }", 1, 14, "found 5parsecs; a duration is wanted"},
		{"{ duration > 1.2.3}", 1, 14, "a duration is wanted"},
		{"{ duration > - }", 1, 14, "a duration is wanted"},
		{"{ duration = true }", 1, 14, "a duration is wanted"},
		{"{ name = 5 }", 1, 10, "a text in quotes"},
		{"{ .a > true }", 1, 6, "by = and != only"},
		{"{ .a > nil }", 1, 6, "by = and != only"},
		{"{ .a = foo }", 1, 8, "found foo; wanted a value"},
		{"{ .a =~ 5 }", 1, 6, "regular expressions"},
		{"{ .a =~ \"(\" }", 1, 9, "( is not closed (after 1 bytes"},
		{"{ .a + 1 > 2 }", 1, 6, "arithmetic"},
		{"{ .a > 1 * 2 }", 1, 10, "arithmetic"},
		{"{ . = 1 }", 1, 4, "the name of an attribute"},
		{"{ name = \"x\" name = \"y\" }", 1, 14, "wanted }, && or ||"},
		{"{ (name = \"x\" }", 1, 15, "wanted )"},
		{"{ !name = \"x\" }", 1, 4, "wanted ( after !"},
		{"{ nestedSetParent < 0 }", 1, 3, "TraceQL has it, but it is not known here"},
		{"{ parent.x = 1 }", 1, 3, "TraceQL has it, but it is not known here"},
		{"{\n  name = \"\xe6\xb5\x8b\" &&\n  foo = 1 }", 3, 3, "found foo"},
		{"{ name = \"\xe6\xb5\x8b\" && foo = 1 }", 1, 17, "found foo"},
	};
	struct selector s;
	struct selector_error error;
	char place[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (selector_parse(&s, cases[i].query, &error))
			fail_msg("taken: %s", cases[i].query);
		snprintf(place, sizeof(place), "TraceQL, line %u, column %u: ", cases[i].line, cases[i].column);
		if (strncmp(error.text, place, strlen(place)) != 0 || !strstr(error.text, cases[i].says))
			fail_msg("%s: %s", cases[i].query, error.text);
		selector_done(&s);
	}
}

/* For the author of a query, not as long as what he wrote. */
static void long_words_are_cut(void **state)
{
	struct selector s;
	struct selector_error error;
	BUF(query, 5000);

	(void)state;
	buf_adds(&query, "{ ");
	for (int i = 0; i < 500; i++)
		buf_adds(&query, "\xe6\xb5\x8b");
	buf_adds(&query, " = 1 }");
	assert_false(selector_parse(&s, query.data, &error));
	assert_non_null(strstr(error.text, "column 3: found \xe6\xb5\x8b"));
	assert_non_null(strstr(error.text, "\xe6\xb5\x8b; wanted a field"));
	assert_true(strlen(error.text) < 400);
}

static void too_many_conditions(void **state)
{
	BUF(query, 10000);
	struct selector s;
	struct selector_error error;

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
	struct selector_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(selector_parse_tags(&s, cases[i].tags, &error));
		if (selection_matches_trace(&s, &trace, &budget) != cases[i].found)
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
		cmocka_unit_test_setup_teardown(found, make_trace, trace_end),
		cmocka_unit_test_setup_teardown(not_found, make_trace, trace_end),
		cmocka_unit_test(not_known),
		cmocka_unit_test(long_words_are_cut),
		cmocka_unit_test(too_many_conditions),
		cmocka_unit_test_setup_teardown(tags, make_trace, trace_end),
		cmocka_unit_test(durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
