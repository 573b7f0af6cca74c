/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "http/form.h"

static struct reply reply;
static struct request req;
static struct form form;

static int setup(void **state)
{
	(void)state;
	reply_init(&reply);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reply_done(&reply);
	request_done(&req);
	return 0;
}

static void body(const char *text)
{
	reply_reset(&reply);
	request_done(&req);
	req = (struct request){.method = "POST",
			       .content_type = "application/json",
			       .body = text,
			       .body_len = strlen(text),
			       .query = ""};
	form_body(&form, &req, &reply);
}

static void query(const char *text)
{
	reply_reset(&reply);
	request_done(&req);
	req = (struct request){.query = text};
	form_query(&form, &req, &reply);
}

/* The form ends with this status (0: all is well) and these faults, written "pointer detail, pointer detail". */
static void expect(int status, const char *faults)
{
	BUF(seen, 8192);

	assert_int_equal(form_end(&form), status == 0);
	for (size_t i = 0; i < form.error_count; i++)
		buf_addf(&seen, "%s%s %s", i ? ", " : "", form.errors[i].pointer, form.errors[i].detail);
	assert_string_equal(seen.data ? seen.data : "", faults);
	assert_int_equal(reply.status, status);
	if (status) {
		assert_string_equal(reply.content_type, "application/problem+json");
		assert_true(reply.reason[0] != '\0');
	}
}

static void reads_text(void **state)
{
	struct slice name, other = {"x", 1};
	(void)state;

	body("{\"name\":\"\xe6\xb5\x8b\xe8\xaf\x95 \\ud83d\\ude00\"}");
	form_text(&form, "name", FORM_REQUIRED, 1, 4, &name);
	form_text(&form, "other", FORM_OPTIONAL, 1, 4, &other);
	expect(0, "");
	assert_string_equal(name.data, "\xe6\xb5\x8b\xe8\xaf\x95 \xf0\x9f\x98\x80");
	assert_int_equal(name.len, 11);
	assert_null(other.data);
}

static void text_outlives_the_form(void **state)
{
	struct slice name;
	(void)state;

	body("{\"name\":\"a\",\"x\":1}");
	form_text(&form, "name", FORM_REQUIRED, 1, 4, &name);
	expect(422, "#/x is not a field of this request");
	assert_string_equal(name.data, "a");
}

static void judges_text(void **state)
{
	struct slice out;
	static const struct {
		const char *body, *faults;
	} cases[] = {
		{"{}", "#/t is required"},
		{"{\"t\":\"\"}", "#/t must not be empty"},
		{"{\"t\":\"a\"}", "#/t is too short"},
		{"{\"t\":\"\xe6\xb5\x8b\xe6\xb5\x8b\xe6\xb5\x8b\xe6\xb5\x8b\"}", "#/t is too long"},
		{"{\"t\":null}", "#/t must be a string"},
		{"{\"t\":12}", "#/t must be a string"},
		{"{\"t\":[\"ab\"]}", "#/t must be a string"},
		{"{\"t\":\"a\\nb\"}", "#/t must not contain control characters"},
		{"{\"t\":\"a\x7f\"}", "#/t must not contain control characters"},
		{"{\"t\":\"a\xc2\x85\"}", "#/t must not contain control characters"},
		{"{\"t\":\"a\\u0000\"}", "# must not contain U+0000"},
		{"{\"t\":\"\xff\"}", "# must be valid UTF-8"},
		{"{\"T\":\"ab\"}", "#/t is required, #/T is not a field of this request"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		body(cases[i].body);
		form_text(&form, "t", FORM_REQUIRED, 2, 3, &out);
		expect(422, cases[i].faults);
		assert_null(out.data);
	}
}

static void reads_emails(void **state)
{
	static const char *const good[] = {"a@b", "ada@example.org", "a.b+c@d.e", "\xe6\xb5\x8b@\xe8\xaf\x95",
					   "!#$%@x"};
	static const char *const bad[] = {"",
					  "a",
					  "@",
					  "a@",
					  "@b",
					  "a@b@c",
					  "a b@c",
					  "a@b ",
					  " a@b",
					  "a@\xc2\xa0"
					  "b",
					  "a@b\xe3\x80\x80",
					  "a\xe2\x80\x83@b",
					  "a@\xe2\x80\xa8",
					  "a\\t@b"};
	char text[400];
	struct slice out;
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "{\"email\":\"%s\"}", good[i]);
		body(text);
		form_email(&form, "email", FORM_REQUIRED, &out);
		expect(0, "");
		assert_string_equal(out.data, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "{\"email\":\"%s\"}", bad[i]);
		body(text);
		form_email(&form, "email", FORM_REQUIRED, &out);
		assert_false(form_end(&form));
		assert_int_equal(form.error_count, 1);
		assert_null(out.data);
	}
	for (int bytes = 254; bytes <= 255; bytes++) {
		snprintf(text, sizeof(text), "{\"email\":\"%0*d@b\"}", bytes - 2, 0);
		body(text);
		form_email(&form, "email", FORM_REQUIRED, &out);
		expect(bytes == 254 ? 0 : 422, bytes == 254 ? "" : "#/email is longer than 254 bytes");
	}
}

static void reads_choices(void **state)
{
	static const char *const words[] = {"created", "cancelled", NULL};
	const char *word = NULL;
	(void)state;

	body("{\"status\":\"cancelled\"}");
	form_choice(&form, "status", FORM_REQUIRED, words, &word);
	expect(0, "");
	assert_ptr_equal(word, words[1]);
	body("{\"status\":\"Cancelled\"}");
	form_choice(&form, "status", FORM_REQUIRED, words, &word);
	expect(422, "#/status is not one of the allowed values");
	query("status=created");
	form_choice(&form, "status", FORM_OPTIONAL, words, &word);
	expect(0, "");
	assert_ptr_equal(word, words[0]);
	query("status=");
	form_choice(&form, "status", FORM_OPTIONAL, words, &word);
	expect(422, "?status is not one of the allowed values");
}

static void integer(const char *text, int status, int64_t value)
{
	int64_t out = -5;

	body(text);
	form_int(&form, "n", FORM_REQUIRED, 0, REQUEST_ID_MAX, &out);
	assert_int_equal(form_end(&form), status == 0);
	assert_true(out == (status ? -5 : value));
}

static void reads_integers(void **state)
{
	(void)state;
	integer("{\"n\":1}", 0, 1);
	integer("{\"n\":-0}", 0, 0);
	integer("{\"n\":9007199254740991}", 0, REQUEST_ID_MAX);
	integer("{\"n\":9007199254740992}", 422, 0);
	integer("{\"n\":-1}", 422, 0);
	integer("{\"n\":9223372036854775807}", 422, 0);
	integer("{\"n\":9223372036854775808}", 422, 0);
	integer("{\"n\":18446744073709551617}", 422, 0); /* 2^64 + 1 */
	integer("{\"n\":-99999999999999999999}", 422, 0);
	integer("{\"n\":1.0}", 422, 0);
	integer("{\"n\":1e0}", 422, 0);
	integer("{\"n\":\"1\"}", 422, 0);
	integer("{\"n\":true}", 422, 0);
	integer("{\"n\":null}", 422, 0);
	integer("{\"n\":[1]}", 422, 0);
}

static void amount(const char *number, const char *fault, int64_t value)
{
	char text[200];
	int64_t out = -5;

	snprintf(text, sizeof(text), "{\"amount\":%s}", number);
	body(text);
	form_hundredths(&form, "amount", FORM_REQUIRED, 1, 100000000, &out);
	snprintf(text, sizeof(text), "%s%s", *fault ? "#/amount " : "", fault);
	expect(*fault ? 422 : 0, text);
	assert_true(out == (*fault ? -5 : value));
}

static void reads_amounts(void **state)
{
	(void)state;
	amount("99.99", "", 9999);
	amount("99.990", "", 9999);
	amount("9.9", "", 990);
	amount("10", "", 1000);
	amount("10.0", "", 1000);
	amount("1e1", "", 1000);
	amount("0.01", "", 1);
	amount("0.07", "", 7);
	amount("0.29", "", 29);
	amount("1.15", "", 115);
	amount("4.35", "", 435);
	amount("1000000", "", 100000000);
	amount("1000000.00", "", 100000000);
	amount("999999.99", "", 99999999);
	amount("0", "is out of range", 0);
	amount("0.009", "is out of range", 0);
	amount("0.001", "is out of range", 0);
	amount("-1", "is out of range", 0);
	amount("-0.0", "is out of range", 0);
	amount("1000000.01", "is out of range", 0);
	amount("1e300", "is out of range", 0);
	amount("1e999", "is out of range", 0);
	amount("-1e999", "is out of range", 0);
	amount("123456789012345678901234567890", "is out of range", 0);
	amount("99.999", "must have two decimals at most", 0);
	amount("0.011", "must have two decimals at most", 0);
	amount("1.0000001", "must have two decimals at most", 0);
	amount("99.99000000001", "must have two decimals at most", 0);
	amount("\"1\"", "must be a number", 0);
	amount("true", "must be a number", 0);
	amount("null", "must be a number", 0);
}

/* Every amount with two decimals is read as it was written. */
static void reads_all_amounts_exactly(void **state)
{
	char text[64];
	(void)state;

	for (int64_t cents = 1; cents <= 100000000; cents += cents < 20000 ? 1 : 9973) {
		int64_t out = 0;
		snprintf(text, sizeof(text), "{\"amount\":%lld.%02lld}", (long long)cents / 100,
			 (long long)cents % 100);
		body(text);
		form_hundredths(&form, "amount", FORM_REQUIRED, 1, 100000000, &out);
		assert_true(form_end(&form));
		assert_true(out == cents);
	}
}

static void reads_pages(void **state)
{
	static const struct {
		const char *query, *faults;
		int64_t limit;
	} cases[] = {
		{"", "", 20},
		{"limit=1", "", 1},
		{"limit=100&other=x", "", 100},
		{"limit=0", "?limit is out of range", 20},
		{"limit=101", "?limit is out of range", 20},
		{"limit=-1", "?limit is out of range", 20},
		{"limit=999999999999999999999", "?limit must be an integer", 20},
		{"limit=", "?limit must be an integer", 20},
		{"limit=5x", "?limit must be an integer", 20},
		{"limit=+5", "?limit must be an integer", 20},
		{"limit=1.0", "?limit must be an integer", 20},
		{"limit=%ff", "?limit must be valid UTF-8", 20},
		{"limit=%00", "?limit is too long or badly encoded", 20},
		{"limit=%zz", "?limit is too long or badly encoded", 20},
		{"cursor=x", "?cursor is not a cursor of this list", 20},
		{"cursor=", "?cursor must not be empty", 20},
		{"limit=0&cursor=%01", "?limit is out of range, ?cursor must not contain control characters", 20},
	};
	struct page page;
	char cursor[PAGE_CURSOR_SIZE], text[64];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		query(cases[i].query);
		form_page(&form, &page);
		expect(*cases[i].faults ? 422 : 0, cases[i].faults);
		assert_int_equal(page.limit, cases[i].limit);
		assert_int_equal(page.cursor, 0);
	}
	page_cursor(77, cursor);
	snprintf(text, sizeof(text), "cursor=%s", cursor);
	query(text);
	form_page(&form, &page);
	expect(0, "");
	assert_int_equal(page.cursor, 77);
}

static void long_queries_fit_or_are_refused(void **state)
{
	static char text[9000];
	struct slice out;
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	(void)state;

	snprintf(text, sizeof(text), "a=%01000d&b=%01000d&c=%01000d&d=%01000d&e=%01000d", 0, 0, 0, 0, 0);
	query(text);
	for (int i = 0; i < 5; i++)
		form_text(&form, names[i], FORM_REQUIRED, 1, 2000, &out);
	expect(422, "?e is too long or badly encoded");
}

static void says_why_a_body_cannot_be_read(void **state)
{
	int64_t out;
	(void)state;

	body("{\"n\":1");
	form_int(&form, "n", FORM_REQUIRED, 0, 9, &out);
	expect(400, "");
	assert_non_null(strstr(reply.body.data, "\"detail\":\"The body is not valid JSON.\""));
	body("");
	expect(400, "");
	body("[1]");
	form_int(&form, "n", FORM_REQUIRED, 0, 9, &out);
	expect(422, "# must be an object");

	req.content_type = "text/plain";
	reply_reset(&reply);
	form_body(&form, &req, &reply);
	form_int(&form, "n", FORM_REQUIRED, 0, 9, &out);
	expect(415, "");
	req.body_too_large = true;
	reply_reset(&reply);
	form_body(&form, &req, &reply);
	expect(413, "");
}

static void points_into_the_body(void **state)
{
	(void)state;
	body("{\"a/b~c\":1,\"\xe6\xb5\x8b x\":1,\"\\n\\\"#%\":1,\"\":1}");
	expect(422, "#/a~1b~0c is not a field of this request, #/%E6%B5%8B%20x is not a field of this request, "
		    "#/%0A%22%23%25 is not a field of this request, #/ is not a field of this request");
	assert_string_equal(reply.reason, "an unknown field");
}

static void cuts_long_pointers_between_characters(void **state)
{
	char text[700] = "{\"";
	(void)state;

	for (int i = 0; i < 200; i++)
		strcat(text, "\xe6\xb5\x8b");
	strcat(text, "\":1}");
	body(text);
	assert_false(form_end(&form));
	assert_int_equal(strlen(form.errors[0].pointer) % 9, 2);
	assert_true(strlen(form.errors[0].pointer) > 100);
}

static void collects_faults_to_a_limit(void **state)
{
	char text[1000] = "{\"x0\":1";
	struct slice own;
	(void)state;

	for (int i = 1; i < 50; i++)
		snprintf(text + strlen(text), 32, ",\"x%d\":1", i);
	strcat(text, "}");
	body(text);
	form_text(&form, "own", FORM_REQUIRED, 1, 9, &own);
	assert_false(form_end(&form));
	assert_int_equal(form.error_count, FORM_ERRORS_MAX);
	assert_string_equal(form.errors[0].pointer, "#/own");
	assert_string_equal(reply.reason, "#/own is required, and more is wrong: see errors.");
}

static void the_handler_refuses_what_only_it_sees(void **state)
{
	struct slice name;
	(void)state;

	body("{\"name\":\"a\"}");
	form_text(&form, "name", FORM_REQUIRED, 1, 9, &name);
	expect(0, "");
	form_refuse(&form, "name", "is taken");
	assert_int_equal(reply.status, 422);
	assert_string_equal(reply.reason, "#/name is taken.");
	assert_non_null(strstr(reply.body.data, "[{\"pointer\":\"#/name\",\"detail\":\"is taken\"}]"));
}

static void writes_the_problem(void **state)
{
	struct slice out;
	(void)state;

	body("{\"name\":7}");
	strcpy(reply.trace_id, "0af7651916cd43dd8448eb211c80319c");
	form_text(&form, "name", FORM_REQUIRED, 1, 9, &out);
	assert_false(form_end(&form));
	assert_string_equal(reply.body.data,
			    "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,\"detail\":"
			    "\"#/name must be a string.\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"errors\":"
			    "[{\"pointer\":\"#/name\",\"detail\":\"must be a string\"}]}");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_text),
		TEST(text_outlives_the_form),
		TEST(judges_text),
		TEST(reads_emails),
		TEST(reads_choices),
		TEST(reads_integers),
		TEST(reads_amounts),
		TEST(reads_all_amounts_exactly),
		TEST(reads_pages),
		TEST(long_queries_fit_or_are_refused),
		TEST(says_why_a_body_cannot_be_read),
		TEST(points_into_the_body),
		TEST(cuts_long_pointers_between_characters),
		TEST(collects_faults_to_a_limit),
		TEST(the_handler_refuses_what_only_it_sees),
		TEST(writes_the_problem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
