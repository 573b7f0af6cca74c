/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <string.h>

#include "base/redact.h"

static void expect(void (*redact)(struct buf *, const char *, size_t), const char *text, const char *wanted)
{
	BUF(out, 4096);

	redact(&out, text, strlen(text));
	assert_string_equal(out.data ? out.data : "", wanted);
}

static void values_of_credentials_are_replaced(void **state)
{
	static const char *const names[] = {
		"AWSAccessKeyId",   "Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Amz-Signature",
		"X-Goog-Signature", "sig"};
	(void)state;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		BUF(given, 256);
		BUF(wanted, 256);
		buf_addf(&given, "a=1&%s=s3cret%%2F=x&b=2", names[i]);
		buf_addf(&wanted, "a=1&%s=REDACTED&b=2", names[i]);
		expect(redact_query, given.data, wanted.data);
	}
	expect(redact_query, "sig=a", "sig=REDACTED");
	expect(redact_query, "sig=a&sig=b&&sig=c&", "sig=REDACTED&sig=REDACTED&&sig=REDACTED&");
	expect(redact_query, "sig=REDACTED&sig=a", "sig=REDACTED&sig=REDACTED");
	expect(redact_query, "sig==", "sig=REDACTED");
	expect(redact_query, "sig=a#sig=b", "sig=REDACTED#sig=b");
}

static void all_else_stays(void **state)
{
	static const char *const queries[] = {
		"",         "&",          "=",           "sig",          "sig=",
		"sig=&a=b", "Sig=a",      "SIG=a",       "signature=a",  "xsig=a",
		"sigx=a",   "x-amz-date", "a=sig=b",     "a?sig=b",      "%73ig=a",
		"=sig&a",   "limit=20",   "#sig=a",      "a&b&c=&&=d&",  "X-Amz-Signature",
		"\xff\x01", "sig;=a",     "X-Amz-Sig=a", "Signatures=a", "AWSAccessKeyId=&sig"};
	(void)state;

	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++)
		expect(redact_query, queries[i], queries[i]);
}

static void any_bytes_may_come(void **state)
{
	static const char query[] = "sig\0\0\0\0\0=a&\0=b&sig=\0c";
	BUF(out, 256);
	(void)state;

	redact_query(&out, query, sizeof(query) - 1);
	assert_int_equal(out.len, sizeof(query) - 1 - 2 + 8);
	assert_memory_equal(out.data, "sig\0\0\0\0\0=a&\0=b&sig=REDACTED", out.len);
}

static void of_a_url_the_query_counts(void **state)
{
	(void)state;
	expect(redact_url, "http://a:80/sig=1?sig=2", "http://a:80/sig=1?sig=REDACTED");
	expect(redact_url, "/a?b=1?sig=2&sig=3", "/a?b=1?sig=2&sig=REDACTED");
	expect(redact_url, "/a", "/a");
	expect(redact_url, "/a?", "/a?");
	expect(redact_url, "", "");
}

static void what_does_not_fit_is_told(void **state)
{
	char storage[16];
	struct buf out;
	(void)state;

	buf_init_fixed(&out, storage, sizeof(storage));
	redact_query(&out, "sig=1&sig=2", 11);
	assert_true(out.failed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_credentials_are_replaced),
		cmocka_unit_test(all_else_stays),
		cmocka_unit_test(any_bytes_may_come),
		cmocka_unit_test(of_a_url_the_query_counts),
		cmocka_unit_test(what_does_not_fit_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
